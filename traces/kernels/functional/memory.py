"""Global memory of a functional execution: arrays at addresses, and accesses that are checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ....errors import InputError

__all__ = ["ATOMICS", "Bytes", "GlobalMemory"]

BASE = 0x7F00_0000_0000
"""Where the first array lies, as CUDA's allocator has it."""
ALIGNMENT = 256
_WORDS = {1: np.uint8, 2: np.uint16, 4: np.uint32}

Atomic = Callable[[np.ndarray, np.ndarray, Any], np.ndarray]
ATOMICS: dict[str, Atomic] = {
    "ADD": lambda old, value, _: old + value, "MIN": lambda old, value, _: np.minimum(old, value),
    "MAX": lambda old, value, _: np.maximum(old, value), "AND": lambda old, value, _: old & value,
    "OR": lambda old, value, _: old | value, "XOR": lambda old, value, _: old ^ value,
    "EXCH": lambda old, value, _: value, "CAS": lambda old, value, new: np.where(old == value, new, old),
    "INC": lambda old, value, _: np.where(old >= value, 0, old + 1),
}
"""(old, value, second value) to what is stored."""


class Bytes:
    """Memory by byte offset. Offsets and values are flat arrays with one entry for each active lane, in order."""

    def __init__(self, data: np.ndarray) -> None:
        self.data = data
        self.stores = 0
        """How often anything was stored."""
        self.words = {width: data.view(kind) for width, kind in _WORDS.items()}

    def load(self, offsets: np.ndarray, width: int) -> np.ndarray:
        """Return (lanes, registers) uint32: `width` bytes from each offset, which is a multiple of it."""
        if width < 4:
            return self.words[width][offsets // width].astype(np.uint32)[:, None]
        at = (offsets >> 2)[:, None] + np.arange(width // 4)
        return self.words[4][at]

    def store(self, offsets: np.ndarray, width: int, values: np.ndarray) -> None:
        """Store (lanes, registers) uint32; of lanes that write one place the last wins."""
        self.stores += 1
        if width < 4:
            self.words[width][offsets // width] = values[:, 0].astype(_WORDS[width])
        else:
            self.words[4][(offsets >> 2)[:, None] + np.arange(width // 4)] = values

    def atomic(
        self, offsets: np.ndarray, kind: str, dtype: type, values: np.ndarray, second: np.ndarray | None = None
    ) -> np.ndarray:
        """Apply an operation lane after lane and return what each found; words of 32 bits as `dtype`."""
        self.stores += 1
        words: np.ndarray = self.words[4].view(dtype)
        places = offsets >> 2
        found: np.ndarray = np.zeros(len(offsets), dtype)
        left = np.arange(len(offsets))
        while len(left):  # in each round the first lane of every place
            _, first = np.unique(places[left], return_index=True)
            lanes = left[np.sort(first)]
            at = places[lanes]
            found[lanes] = words[at]
            words[at] = ATOMICS[kind](found[lanes], values[lanes], None if second is None else second[lanes])
            left = np.delete(left, np.sort(first))
        return found.view(np.uint32)


class GlobalMemory:
    """Arrays at addresses that rise; nothing is ever freed."""

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []
        self.starts: list[int] = []
        self.sizes: list[int] = []
        self.bytes = Bytes(np.zeros(0, np.uint8))
        self._used = 0

    def put(self, array: np.ndarray) -> int:
        """Copy an array into memory and return its address."""
        raw = np.ascontiguousarray(array).view(np.uint8).reshape(-1)
        room = -(-max(len(raw), 1) // ALIGNMENT) * ALIGNMENT
        data = np.zeros(self._used + room, np.uint8)
        data[: self._used] = self.bytes.data
        data[self._used : self._used + len(raw)] = raw
        self.starts.append(self._used)
        self.sizes.append(len(raw))
        self.bytes = Bytes(data)
        self._used += room
        return BASE + self.starts[-1]

    def get(self, address: int, like: np.ndarray) -> np.ndarray:
        """Return a copy of the array at an address, with the shape and type of another one."""
        at = address - BASE
        return self.bytes.data[at : at + like.nbytes].copy().view(like.dtype).reshape(like.shape)

    def offsets(self, addresses: np.ndarray, width: int) -> np.ndarray:
        """Return byte offsets of addresses (uint64); raises `InputError` for one that is outside of every array."""
        offsets = addresses.astype(np.int64) - BASE
        which = np.searchsorted(np.array(self.starts, np.int64), offsets, side="right") - 1
        start = np.array(self.starts, np.int64)[which] if self.starts else offsets + 1
        size = np.array(self.sizes, np.int64)[which] if self.starts else offsets
        wrong = (which < 0) | (offsets + width > start + size) | (offsets % width != 0)
        if wrong.any():
            address = int(addresses[np.argmax(wrong)])
            raise InputError(f"access of {width} B at {address:#x}; accepted: multiples of {width} inside the arrays given")
        return offsets
