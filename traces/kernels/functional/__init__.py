"""Functional execution of SASS: what a kernel computes, and what its warps did to compute it."""

from .execute import execute, executed_opcodes
from .memory import GlobalMemory

__all__ = ["GlobalMemory", "execute", "executed_opcodes"]
