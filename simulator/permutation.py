"""A seeded order of 0 ... size-1 that is computed place by place: no list, no set, whatever the size.

A sample of a sweep is the first n of this order, so that a larger sample goes on where a smaller one ended, any
shard finds its points without drawing the others', and memory does not grow with the sample.
"""

from __future__ import annotations

from hashlib import blake2b
from math import isqrt

__all__ = ["Permutation"]

_ROUNDS = 4  # Luby and Rackoff (SIAM J. Comput. 17, 1988): four rounds are as good as random to whoever may ask both ways


class Permutation:
    """A Feistel network over the pairs (left, right) of a square that is just larger than `size`.

    What falls outside of `size` is mapped again until it falls inside (cycle walking), which keeps it one to one.
    """

    def __init__(self, size: int, seed: int) -> None:
        if size < 1:
            raise ValueError(f"size {size}: must be at least 1")
        self.size = size
        self._side = isqrt(size - 1) + 1
        key = seed.to_bytes((seed.bit_length() + 7) // 8 or 1, "little")
        self._keys = [blake2b(key, digest_size=16, person=f"round {number}".encode()).digest() for number in range(_ROUNDS)]
        self._width = (self._side.bit_length() + 7) // 8

    def __call__(self, place: int) -> int:
        """Return what stands at a place; raises `IndexError` outside of 0 ... size-1."""
        if not 0 <= place < self.size:
            raise IndexError(place)
        width = self._width
        while True:
            left, right = divmod(place, self._side)
            for key in self._keys:
                # Eight bytes more than needed, so that the remainder is uniform to 2**-64.
                digest = blake2b(right.to_bytes(width, "little"), salt=key, digest_size=width + 8).digest()
                left, right = right, (left + int.from_bytes(digest, "little")) % self._side
            place = left * self._side + right
            if place < self.size:
                return place
