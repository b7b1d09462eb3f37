"""From the addresses of 32 lanes to requests: 128 B lines with the 32 B sectors that are touched, and bank conflicts."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from ...traces.kernels.trace import Kernel
from .tables import DST_N, SHARED, SPACE, SRC_N

__all__ = ["requests"]

BANKS = 32
"""Of shared memory, 4 B wide."""

Requests = tuple[np.ndarray, np.ndarray, np.ndarray]
_known: WeakKeyDictionary[Kernel, Requests] = WeakKeyDictionary()


def requests(kernel: Kernel, table: np.ndarray) -> Requests:
    """Return (first request of each dynamic instruction, requests, passes through the shared stage).

    A request is line << 4 | mask of sectors, in rising order of lines. Shared memory needs as many passes as
    the most distinct words that fall into one bank; its addresses make no requests. Without addresses
    nothing is known, and every access is one that hits. They are the same for every design, and kept.
    """
    if kernel not in _known:
        _known[kernel] = _requests(kernel, table)
    return _known[kernel]


def _requests(kernel: Kernel, table: np.ndarray) -> Requests:
    count = len(kernel.stream)
    if len(kernel.access_start) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64)
    lanes = np.diff(kernel.access_start)
    owner = np.repeat(np.arange(count), lanes)
    shared = (table[kernel.stream, SPACE] == SHARED)[owner]
    width = 4 * np.maximum(table[kernel.stream, DST_N], table[kernel.stream, SRC_N + 1])[owner]
    first = kernel.addresses
    sector = first >> 5
    # An access of 16 B from 16 B boundaries stays in one sector; only unaligned ones reach into a second.
    crossing = ((first + np.maximum(width, 1) - 1) >> 5) > sector
    far = ~shared
    owners = np.concatenate([owner[far], owner[far & crossing]])
    sectors = np.concatenate([sector[far], sector[far & crossing] + 1])
    owners, sectors = _unique_pairs(owners, sectors)
    lines, bits = sectors >> 2, 1 << (sectors & 3)
    starts = np.flatnonzero(_changes(owners) | _changes(lines))
    masks = np.add.reduceat(bits, starts) if len(starts) else bits
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owners[starts], minlength=count))]).astype(np.int64)
    packed = (lines[starts] << 4 | masks).astype(np.int64)
    return offsets, packed, _passes(count, owner[shared], first[shared] >> 2)


def _changes(values: np.ndarray) -> np.ndarray:
    """Where a value differs from the one before; true for the first."""
    return np.concatenate([np.ones(min(1, len(values)), bool), values[1:] != values[:-1]])


def _unique_pairs(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct pairs in rising order."""
    if not len(first):
        return first, second
    low, span = int(second.min()), int(second.max()) - int(second.min()) + 1
    if (int(first.max()) + 1) * span < 2**63:  # as one number they are sorted several times as fast
        pairs = first * span + (second - low)
        pairs.sort()
        pairs = pairs[_changes(pairs)]
        return pairs // span, pairs % span + low
    order = np.lexsort((second, first))
    first, second = first[order], second[order]
    kept = _changes(first) | _changes(second)
    return first[kept], second[kept]


def _passes(count: int, owner: np.ndarray, word: np.ndarray) -> np.ndarray:
    passes = np.ones(count, np.int64)
    if len(owner):
        owner, word = _unique_pairs(owner, word)
        cells = owner * BANKS + word % BANKS
        cell, together = np.unique(cells, return_counts=True)
        np.maximum.at(passes, cell // BANKS, together.astype(np.int64))
    return passes
