"""What the CPU does for a CUDA kernel: fill memory, launch, and say what the results must be."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ...errors import InputError
from .functional import GlobalMemory, execute
from .sass import ARCHITECTURES, Program, read_listing
from .trace import Kernel, KernelTrace

__all__ = ["Host", "Outcome", "shipped"]

LISTINGS = Path(__file__).parent / "listings"
Dim = tuple[int, int, int]


@dataclass(frozen=True)
class Outcome:
    """An array that a kernel left, and what numpy says it must be."""

    name: str
    got: np.ndarray
    expected: np.ndarray
    tolerance: float
    """Relative to the largest magnitude expected; 0 for exact."""
    by_column: bool = False
    """Whether every column (of the last axis) is judged by its own largest magnitude."""

    @property
    def error(self) -> float:
        """Largest difference over the largest magnitude expected; NaN if anything is not a number."""
        if self.got.shape != self.expected.shape or self.got.size == 0:
            return 0.0 if self.got.shape == self.expected.shape else float("inf")
        axis = 0 if self.by_column else None
        difference = np.abs(self.got.astype(np.float64) - self.expected.astype(np.float64)).max(axis=axis)
        return float(np.max(difference / np.maximum(np.abs(self.expected.astype(np.float64)).max(axis=axis), 1e-30)))

    @property
    def ok(self) -> bool:
        """Whether the result is right."""
        return self.error <= self.tolerance


@cache
def shipped(name: str, arch: str) -> Program:
    """Return a kernel of this package as it was compiled for an architecture."""
    if arch not in ARCHITECTURES:
        raise InputError(f"arch={arch!r}; accepted: {', '.join(ARCHITECTURES)}")
    return read_listing(LISTINGS / arch / f"{name}.sass")[0]


class Host:
    """Runs one program: memory, launches, outcomes."""

    def __init__(self, program: Program, *, seed: int = 0) -> None:
        self.program, self.memory = program, GlobalMemory()
        self.random = np.random.default_rng(seed)
        self.kernels: list[Kernel] = []
        self.outcomes: list[Outcome] = []

    def floats(self, *shape: int) -> np.ndarray:
        """Random numbers from -1 to 1, float32."""
        return self.random.uniform(-1, 1, shape).astype(np.float32)

    def launch(self, grid: tuple[int, ...], block: tuple[int, ...], *arguments: np.generic | int) -> None:
        """Run the kernel; addresses are ints, other arguments numpy scalars."""
        name = f"{self.program.name}-{len(self.kernels)}" if self.kernels else self.program.name
        self.kernels.append(execute(self.program, _three(grid), _three(block), arguments, self.memory, name=name))

    def expect(
        self, name: str, address: int, expected: np.ndarray, tolerance: float = 0.0, *, by_column: bool = False
    ) -> None:
        """Say what must stand at an address; see `Outcome`."""
        self.outcomes.append(Outcome(name, self.memory.get(address, expected), expected, tolerance, by_column))

    def trace(self, name: str) -> KernelTrace:
        """The launches as a workload."""
        return KernelTrace(name, tuple(self.kernels), f"{self.program.name}, {self.program.arch}, executed from its listing")


def _three(sizes: tuple[int, ...]) -> Dim:
    x, y, z = (*sizes, 1, 1)[:3]
    return x, y, z
