"""The conventions of SCALE-Sim 3.0.0, computed from its rules, and the check against its own output."""

from __future__ import annotations

from .compare import validate
from .table import CHECKED, SHIPPED, Layer, Row, read_table
from .tool import Answer, report

__all__ = ["CHECKED", "SHIPPED", "Answer", "Layer", "Row", "read_table", "report", "validate"]
