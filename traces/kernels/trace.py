"""Kernels as a GPU executes them: the instructions of the program, and for each warp which it met, in order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from .instruction import Instruction

__all__ = ["Kernel", "KernelTrace"]


@dataclass(frozen=True, eq=False)
class Kernel:
    """One kernel launch.

    Warps are numbered through, CTA after CTA. Warp w executes instructions[stream[k]] for k from warp_start[w]
    to warp_start[w] + warp_length[w] - 1; warps that do the same may share a part of the stream.
    """

    name: str
    instructions: tuple[Instruction, ...]
    stream: np.ndarray
    """int32, indexes into `instructions`."""
    warp_start: np.ndarray
    """int64 (warps,)."""
    warp_length: np.ndarray
    """int64 (warps,)."""
    warps_per_cta: int
    control_bits: bool
    """Whether the instructions carry the compiler's control bits; without them a scoreboard is needed."""
    access_start: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """int64 (len(stream) + 1,): the byte addresses of dynamic instruction k are
    addresses[access_start[k] : access_start[k + 1]], one an active lane. Empty: addresses are not known, and
    every access hits."""
    addresses: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """int64."""
    shared_bytes: int = 0
    """Shared memory of a CTA."""
    registers: int = 32
    """Registers of a thread."""

    @property
    def warps(self) -> int:
        """Number of warps."""
        return len(self.warp_start)

    @property
    def ctas(self) -> int:
        """Number of thread blocks."""
        return -(-self.warps // self.warps_per_cta)

    @property
    def warp_instructions(self) -> int:
        """Instructions executed, one for each warp that executes it."""
        return int(self.warp_length.sum())

    @cached_property
    def executed(self) -> np.ndarray:
        """int64 (instructions,): how often each is executed, by all warps."""
        met = np.zeros(len(self.stream) + 1, np.int64)
        np.add.at(met, self.warp_start, 1)
        np.add.at(met, self.warp_start + self.warp_length, -1)
        times = np.cumsum(met[:-1])
        return np.bincount(self.stream, times, len(self.instructions)).astype(np.int64)

    def first(self, ctas: int) -> Kernel:
        """Return its first thread blocks alone (all of them, if there are no more); arrays are views."""
        if ctas >= self.ctas:
            return self
        warps = ctas * self.warps_per_cta
        start, length = self.warp_start[:warps], self.warp_length[:warps]
        end = int((start + length).max(initial=0))
        access_start, addresses = self.access_start, self.addresses
        if len(access_start):
            access_start = access_start[: end + 1]
            addresses = addresses[: access_start[-1]]
        return replace(self, stream=self.stream[:end], warp_start=start, warp_length=length, access_start=access_start,
                       addresses=addresses)


@dataclass(frozen=True, eq=False)
class KernelTrace:
    """A workload of kernels that run one after another."""

    name: str
    kernels: tuple[Kernel, ...]
    source: str = ""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that a machine can see."""
        digest = hashlib.sha256()
        for kernel in self.kernels:
            fields = (kernel.instructions, kernel.warps_per_cta, kernel.control_bits, kernel.shared_bytes, kernel.registers)
            digest.update(repr(fields).encode())
            for array in (kernel.stream, kernel.warp_start, kernel.warp_length, kernel.access_start, kernel.addresses):
                digest.update(np.ascontiguousarray(array).tobytes())
                digest.update(b"|")
        return digest.hexdigest()

    @property
    def warp_instructions(self) -> int:
        """Instructions executed by all warps of all kernels."""
        return sum(kernel.warp_instructions for kernel in self.kernels)

    def __hash__(self) -> int:
        return hash((self.name, self.digest))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KernelTrace) and (self.name, self.digest) == (other.name, other.digest)
