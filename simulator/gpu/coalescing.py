"""From the addresses of 32 lanes to requests: 128 B lines with the 32 B sectors that are touched, and bank conflicts."""

from __future__ import annotations

import numpy as np

from ...traces.kernels.trace import Kernel
from .tables import DST_N, SHARED, SPACE, SRC_N

__all__ = ["requests"]

BANKS = 32
"""Of shared memory, 4 B wide."""


def requests(kernel: Kernel, table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (first request of each dynamic instruction, requests, passes through the shared stage).

    A request is line << 4 | mask of sectors, in rising order of lines. Shared memory needs as many passes as
    the most distinct words that fall into one bank; its addresses make no requests. Without addresses
    nothing is known, and every access is one that hits.
    """
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
    unique = np.unique(np.stack([owners, sectors], axis=1), axis=0)
    lines, bits = unique[:, 1] >> 2, 1 << (unique[:, 1] & 3)
    starts = np.flatnonzero(np.r_[True, (np.diff(lines) != 0) | (np.diff(unique[:, 0]) != 0)]) if len(unique) else []
    masks = np.add.reduceat(bits, starts) if len(starts) else np.zeros(0, np.int64)
    per = np.bincount(unique[starts, 0], minlength=count) if len(starts) else np.zeros(count, np.int64)
    offsets = np.concatenate([[0], np.cumsum(per)]).astype(np.int64)
    packed = (lines[starts] << 4 | masks).astype(np.int64) if len(starts) else np.zeros(0, np.int64)
    return offsets, packed, _passes(count, owner[shared], first[shared] >> 2)


def _passes(count: int, owner: np.ndarray, word: np.ndarray) -> np.ndarray:
    passes = np.ones(count, np.int64)
    if len(owner):
        words = np.unique(np.stack([owner, word], axis=1), axis=0)
        cells = words[:, 0] * BANKS + words[:, 1] % BANKS
        cell, together = np.unique(cells, return_counts=True)
        np.maximum.at(passes, cell // BANKS, together.astype(np.int64))
    return passes
