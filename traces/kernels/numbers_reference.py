"""What `cuda/numbers.cu` computes, by numpy."""

from __future__ import annotations

import numpy as np

__all__ = ["arithmetic_of"]


def arithmetic_of(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (n, 8) uint32, (n, 6) float32 and (n, 2) float64 for n pairs of uint32; b is odd."""
    s, t = a.view(np.int32).astype(np.int64), b.view(np.int32).astype(np.int64)
    wide = a.astype(np.uint64) * b + a
    far = _towards_zero(s << 20, np.full(len(s), 3))
    f = (s.astype(np.float32) * np.float32(1e-9)).astype(np.float32)
    g = ((b >> np.uint32(9)).astype(np.float64) * np.float32(1e-6) + 0.5).astype(np.float32)
    halves = [x.astype(np.float16).astype(np.float64) for x in (f, g)]
    products = [(h * h + h).astype(np.float16).view(np.uint16).astype(np.uint32) for h in halves]
    first = a & (~a + np.uint32(1))
    count = np.bitwise_count(a).astype(np.int64) + 64 * (31 - _highest(b >> np.uint32(3))) + 4096 * (_highest(first) + 1)
    pair = a.astype(np.uint64) | b.astype(np.uint64) << np.uint64(32)
    chosen = sum((pair >> np.uint64(8 * byte) & np.uint64(255)) << np.uint64(8 * i) for i, byte in enumerate((1, 4, 7, 2)))
    reverse = sum((a >> np.uint32(i) & np.uint32(1)) << np.uint32(31 - i) for i in range(32))
    same = (a > b) == (wide > np.uint64(0x123456789ABCDEF))
    integers = np.stack([
        a // b, s - _towards_zero(s, _odd(b)) * _odd(b),
        wide >> np.uint64(37), count, np.asarray(reverse).astype(np.int64) ^ np.asarray(chosen).astype(np.int64), far >> 9,
        np.where(s < t, np.minimum(a, 1000), (b << np.uint32(11)) | (a >> np.uint32(21))),
        np.where(same, np.abs(s), np.maximum(s, t)) ^ (products[0] | products[1] << np.uint32(16)),
    ], axis=1).astype(np.int64).astype(np.uint32)
    x, y = f.astype(np.float64), g.astype(np.float64)
    floats = np.stack([
        halves[0] + halves[1], np.log(y) + np.sin(x), np.sqrt(y) + 1 / np.sqrt(y), x / y,
        np.floor(x * 16) + np.trunc(y * 16) + np.rint((f * np.float32(5)).astype(np.float64)),
        np.trunc((f * np.float32(100)).astype(np.float64)) + a.astype(np.float32),
    ], axis=1).astype(np.float32)
    d = s * 0.0009765625
    return integers, floats, np.stack([d * d + y, np.maximum(d, b) - np.where(d < 0, d, 1.5)], axis=1)


def _odd(b: np.ndarray) -> np.ndarray:
    return (b >> np.uint32(8) | np.uint32(1)).astype(np.int64)


def _towards_zero(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))


def _highest(x: np.ndarray) -> np.ndarray:
    """The place of the highest set bit; -1 for zero."""
    return np.frexp(x.astype(np.float64))[1].astype(np.int64) - 1
