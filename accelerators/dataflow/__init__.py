"""A dataflow machine: a grid of compute and memory units, three tiers of memory, and links between chips."""

from .machine import Dataflow

__all__ = ["Dataflow"]
