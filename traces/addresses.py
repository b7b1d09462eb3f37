"""A stream of memory requests: when, where, and whether to read or write."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

__all__ = ["AddressTrace"]


def _frozen(values: Any, dtype: type) -> NDArray[Any]:
    array: NDArray[Any] = np.array(values, dtype=dtype)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class AddressTrace:
    """Requests in order of issue. The three arrays have one entry per request.

    A request may not be issued before its arrival, nor before the one in front of it. Arrivals are in
    memory-controller clocks; all zero means "as fast as the memory takes them, one per clock".
    """

    name: str
    arrival: NDArray[np.int64]
    """Earliest clock, >= 0 and never falling."""
    address: NDArray[np.int64]
    """Byte address, >= 0."""
    is_write: NDArray[np.bool_]
    source: str = ""

    def __post_init__(self) -> None:
        for field, dtype in (("arrival", np.int64), ("address", np.int64), ("is_write", np.bool_)):
            object.__setattr__(self, field, _frozen(getattr(self, field), dtype))
        if not len(self.arrival) == len(self.address) == len(self.is_write):
            raise InputError(
                f"trace {self.name!r}: {len(self.arrival)} arrivals, {len(self.address)} addresses and "
                f"{len(self.is_write)} directions; accepted: as many of each"
            )
        if len(self) == 0:
            raise InputError(f"trace {self.name!r}: no requests")
        if self.arrival[0] < 0 or (falls := np.flatnonzero(np.diff(self.arrival) < 0)).size:
            at = 0 if self.arrival[0] < 0 else int(falls[0]) + 1
            raise InputError(
                f"trace {self.name!r}, request {at}: arrival {self.arrival[at]}; accepted: >= 0 and not before the last"
            )
        if (negative := np.flatnonzero(self.address < 0)).size:
            at = int(negative[0])
            raise InputError(f"trace {self.name!r}, request {at}: address {self.address[at]}; accepted: >= 0")

    def __len__(self) -> int:
        return len(self.address)

    @classmethod
    def of(
        cls, name: str, address: Sequence[int] | NDArray[Any], is_write: Any = False, arrival: Any = 0, source: str = ""
    ) -> AddressTrace:
        """Build from anything that numpy can broadcast against the addresses."""
        address = np.asarray(address)
        is_write, arrival = (np.broadcast_to(np.asarray(a), address.shape) for a in (is_write, arrival))
        return cls(name, arrival, address, is_write, source)

    def first(self, n: int) -> AddressTrace:
        """Return its first n requests alone."""
        return AddressTrace(self.name, self.arrival[:n], self.address[:n], self.is_write[:n], self.source)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the requests: equal work, equal digest."""
        digest = hashlib.sha256()
        for array in (self.arrival, self.address, self.is_write):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @property
    def reads(self) -> int:
        """Requests that read."""
        return len(self) - self.writes

    @property
    def writes(self) -> int:
        """Requests that write."""
        return int(np.count_nonzero(self.is_write))

    def __hash__(self) -> int:
        return hash((self.name, self.digest))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AddressTrace) and (self.name, self.digest) == (other.name, other.digest)
