"""A GPU of modern streaming multiprocessors: control bits, register-file cache, memory queues, instruction prefetch."""

from .machine import GpuCore

__all__ = ["GpuCore"]
