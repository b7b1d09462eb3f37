"""A DRAM controller as a machine: requests in, latency, bandwidth and energy out."""

from .design import DramDesign
from .machine import DramMachine

__all__ = ["DramDesign", "DramMachine"]
