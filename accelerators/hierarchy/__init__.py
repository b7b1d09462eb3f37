"""Caches, scratchpad and memory as a machine."""

from .machine import MemoryHierarchy

__all__ = ["MemoryHierarchy"]
