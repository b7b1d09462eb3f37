"""Constant bank 0 at a launch: sizes of grid and block, and the arguments, where each architecture has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ....errors import InputError

__all__ = ["RESERVED_SHARED", "STACK", "constant_bank"]


@dataclass(frozen=True)
class _Layout:
    block: int
    grid: int
    stack: int
    arguments: int


_AMPERE, _HOPPER, _BLACKWELL = _Layout(0, 0xC, 0x28, 0x160), _Layout(0, 0xC, 0x28, 0x210), _Layout(0x360, 0x370, 0x37C, 0x380)
_LAYOUTS = {"sm_75": _AMPERE, "sm_80": _AMPERE, "sm_86": _AMPERE, "sm_90": _HOPPER, "sm_120": _BLACKWELL}
"""Byte offsets, as nvdisasm shows that compiled code reads them (CUDA 13.5)."""
RESERVED_SHARED = {"sm_90": 1024, "sm_120": 1024}
"""Bytes of shared memory that the system keeps before the kernel's own."""
STACK = 0xFFFDC0
"""Where a thread's local memory ends, and its stack pointer starts."""


def constant_bank(
    arch: str, grid: tuple[int, int, int], block: tuple[int, int, int], arguments: Sequence[np.generic | int]
) -> np.ndarray:
    """Return the bank as uint32. Addresses are ints (8 bytes), other arguments numpy scalars."""
    layout = _LAYOUTS.get(arch)
    if layout is None:
        raise InputError(f"architecture {arch!r} is not supported (accepted: {', '.join(_LAYOUTS)})")
    packed = bytearray()
    for argument in arguments:
        raw = np.uint64(argument).tobytes() if isinstance(argument, int) else argument.tobytes()
        packed += bytes(-len(packed) % len(raw)) + raw
    packed += bytes(-len(packed) % 4)
    bank = np.zeros((layout.arguments + len(packed)) // 4, np.uint32)
    for at, values in ((layout.block, block), (layout.grid, grid), (layout.stack, (STACK,))):
        bank[at // 4 : at // 4 + len(values)] = values
    bank[layout.arguments // 4 :] = np.frombuffer(bytes(packed), np.uint32)
    return bank
