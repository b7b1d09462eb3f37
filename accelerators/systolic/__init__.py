"""The systolic array: output, weight and input stationary, with scratchpads and one memory port."""

from .machine import Systolic

__all__ = ["Systolic"]
