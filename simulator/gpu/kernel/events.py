"""What will happen at a known time in an SM: a binary heap of (time, data, warp)."""

from __future__ import annotations

import numpy as np

from .jit import jit

__all__ = ["pop", "push"]


@jit
def push(heap: np.ndarray, m: int, size: int, time: int, data: int, warp: int) -> int:
    """Add an event to heap m of shape (heaps, events, 3); returns the new size, or -1 if it is full."""
    if size >= heap.shape[1]:
        return -1
    i = size
    while i > 0:
        up = (i - 1) >> 1
        if heap[m, up, 0] < time or (heap[m, up, 0] == time and heap[m, up, 1] <= data):
            break
        heap[m, i, 0], heap[m, i, 1], heap[m, i, 2] = heap[m, up, 0], heap[m, up, 1], heap[m, up, 2]
        i = up
    heap[m, i, 0], heap[m, i, 1], heap[m, i, 2] = time, data, warp
    return size + 1


@jit
def pop(heap: np.ndarray, m: int, size: int) -> int:
    """Remove the first event, which the caller has read; returns the new size."""
    size -= 1
    time, data, warp = heap[m, size, 0], heap[m, size, 1], heap[m, size, 2]
    i = 0
    while True:
        down = 2 * i + 1
        if down >= size:
            break
        right = down + 1
        if right < size:
            a, b = heap[m, right, 0], heap[m, down, 0]
            if a < b or (a == b and heap[m, right, 1] < heap[m, down, 1]):
                down = right
        if time < heap[m, down, 0] or (time == heap[m, down, 0] and data <= heap[m, down, 1]):
            break
        heap[m, i, 0], heap[m, i, 1], heap[m, i, 2] = heap[m, down, 0], heap[m, down, 1], heap[m, down, 2]
        i = down
    heap[m, i, 0], heap[m, i, 1], heap[m, i, 2] = time, data, warp
    return size
