"""What will happen at a known time in an SM: a binary heap of (time, data, warp)."""

from __future__ import annotations

import numpy as np

from .jit import jit

__all__ = ["pop", "push"]


@jit
def push(heap: np.ndarray, m: int, size: int, time: int, data: int, warp: int) -> int:
    """Add an event to heap m of shape (events, heaps, 3); returns the new size, or -1 if it is full."""
    if size >= heap.shape[0]:
        return -1
    i = size
    while i > 0:
        up = (i - 1) >> 1
        if heap[up, m, 0] < time or (heap[up, m, 0] == time and heap[up, m, 1] <= data):
            break
        heap[i, m, 0], heap[i, m, 1], heap[i, m, 2] = heap[up, m, 0], heap[up, m, 1], heap[up, m, 2]
        i = up
    heap[i, m, 0], heap[i, m, 1], heap[i, m, 2] = time, data, warp
    return size + 1


@jit
def pop(heap: np.ndarray, m: int, size: int) -> int:
    """Remove the first event, which the caller has read; returns the new size."""
    size -= 1
    time, data, warp = heap[size, m, 0], heap[size, m, 1], heap[size, m, 2]
    i = 0
    while True:
        down = 2 * i + 1
        if down >= size:
            break
        right = down + 1
        if right < size:
            a, b = heap[right, m, 0], heap[down, m, 0]
            if a < b or (a == b and heap[right, m, 1] < heap[down, m, 1]):
                down = right
        if time < heap[down, m, 0] or (time == heap[down, m, 0] and data <= heap[down, m, 1]):
            break
        heap[i, m, 0], heap[i, m, 1], heap[i, m, 2] = heap[down, m, 0], heap[down, m, 1], heap[down, m, 2]
        i = down
    heap[i, m, 0], heap[i, m, 1], heap[i, m, 2] = time, data, warp
    return size
