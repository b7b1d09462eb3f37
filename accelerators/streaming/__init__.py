"""Streaming attention: graphs of units and FIFOs that run at the rate of the data."""

from .machine import Streaming

__all__ = ["Streaming"]
