"""Row stationary: the mapping of Eyeriss and nn_dataflow, with groups mapped one at a time or several at once."""

from .machine import RowStationary

__all__ = ["RowStationary"]
