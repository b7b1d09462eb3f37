"""A part of a GPU that stands for all of it: some of its SMs, or some sub-cores of one SM, with their share of the warps.

What SMs, and sub-cores, do side by side is about the same, so that one of them tells how long all take; known as scale-model
simulation (Liu et al., Scale-Model Architectural Simulation, ISPASS 2022). Two things they share are kept as they are.
Each warp that runs has twins, the warps in its place in the sub-cores and SMs that are left out: whatever it asks of memory
they ask too, in the same cycle, so that caches, slices and channels see all requests of the launch, and so does
the stage and the FP64 unit that the sub-cores share. And thread blocks come at the pace of their share.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np

from ...traces.kernels.trace import Kernel
from .execute import Machine, resident

__all__ = ["Part", "choose"]

UNEVEN = 0.02
"""By how much the longest warp may be longer than the longest one in the part that is run."""

_known: WeakKeyDictionary[Kernel, dict[tuple[int, int, int, int], tuple[Kernel, np.ndarray]]] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Part:
    """So many SMs with so many sub-cores, and what runs there of a launch."""

    machine: Machine
    kernel: Kernel
    """The warps that run, a part of each thread block that does; the stream is that of the whole launch."""
    twins: np.ndarray
    """int64 (warps, twins, 3): first place in the stream and the one after the last of each twin, and how many SMs further it
    is; two equal places where there is none."""

    @cached_property
    def blocks(self) -> np.ndarray:
        """int64 (thread blocks,): instructions of each."""
        return np.add.reduceat(self.kernel.warp_length, np.arange(0, self.kernel.warps, self.kernel.warps_per_cta))

    def first(self, blocks: int) -> Part:
        """Its first thread blocks alone."""
        if blocks >= self.kernel.ctas:
            return self
        warps = blocks * self.kernel.warps_per_cta
        few = replace(self.kernel, warp_start=self.kernel.warp_start[:warps], warp_length=self.kernel.warp_length[:warps])
        return Part(self.machine, few, self.twins[:warps])


def choose(kernel: Kernel, machine: Machine, share: float) -> Part:
    """The largest part that makes up at most this share of the GPU, or the smallest there is."""
    sub_cores = machine.core.sub_cores
    sizes = [(sms, sub_cores) for sms in _divisors(machine.sms) if _even(kernel, machine, machine.sms // sms, 1, sms)]
    sizes += [(1, few) for few in _divisors(sub_cores)[:-1] if _divisible(kernel, machine, sub_cores // few)]
    by_share = sorted((sms * few / (machine.sms * sub_cores), sms, few) for sms, few in sizes)
    _, sms, few = max([size for size in by_share if size[0] <= share], default=by_share[0])
    core = replace(machine.core, sub_cores=few, warps=machine.core.warps * few // sub_cores)
    smaller = replace(machine, core=core, sms=sms, registers=machine.registers * few // sub_cores,
                      dispatch_milli=machine.dispatch_milli * (machine.sms // sms))
    return Part(smaller, *_part(kernel, machine.sms // sms, sub_cores // few, sms, sms * resident(kernel, machine)))


def _divisors(number: int) -> list[int]:
    return [few for few in range(1, number + 1) if number % few == 0]


def _divisible(kernel: Kernel, machine: Machine, across: int) -> bool:
    """Whether sub-cores do the same: all have their share of each thread block."""
    sizes = kernel.warps_per_cta, kernel.warps, machine.core.warps, machine.registers
    return not any(size % across for size in sizes) and _even(kernel, machine, machine.sms, across, 1)


def _even(kernel: Kernel, machine: Machine, apart: int, across: int, sms: int) -> bool:
    """Whether warps are as long as those that they stand for: thread blocks end with their longest one. Where all of a launch
    run at once, or nearly, it ends with its longest one, and that is always in the part."""
    if apart == across == 1 or kernel.ctas <= 2 * machine.sms * resident(kernel, machine):
        return True
    few = _part(kernel, apart, across, sms, sms * resident(kernel, machine))[0]
    return _longest(kernel, apart * kernel.warps_per_cta) <= (1 + UNEVEN) * _longest(few, few.warps_per_cta)


def _longest(kernel: Kernel, together: int) -> float:
    """Instructions of the longest of so many warps, in the mean."""
    return float(np.maximum.reduceat(kernel.warp_length, np.arange(0, kernel.warps, together)).mean())


def _part(kernel: Kernel, apart: int, across: int, sms: int, places: int) -> tuple[Kernel, np.ndarray]:
    parts = _known.setdefault(kernel, {})
    key = apart, across, sms, min(places, kernel.ctas // apart)
    if key not in parts:
        parts[key] = _warps_of(kernel, *key)
    return parts[key]


def _warps_of(kernel: Kernel, apart: int, across: int, sms: int, places: int) -> tuple[Kernel, np.ndarray]:
    """One of every so many thread blocks, and of it the warps of one sub-core; and their twins.

    While the places are filled, every so many-th block comes to an SM. Later ones come as others end, which is not in step: so
    another one of every few is taken each time, and blocks in an SM are not all even, or all in one half of a cache's sets.

    Of all such choices it is the one with the longest warp, and of these the one that has most to do. Of equals it is the
    first block, of which there are no fewer than of others, and the last sub-core: where code walks upwards in memory, its
    warps ask for what no other has fetched, and the others wait for them.
    """
    size = kernel.warps_per_cta
    numbers, groups = np.arange(kernel.warps), np.arange(-(-kernel.ctas // apart))
    turn = np.where((groups >= places) & (groups < kernel.ctas // apart), groups * 2654435761 % 2**32 >> 16, 0)
    blocks = numbers // size
    choice = (blocks - turn[blocks // apart]) % apart * across + across - 1 - numbers % size % across
    longest, work = np.zeros(apart * across, np.int64), np.bincount(choice, kernel.warp_length, apart * across)
    np.maximum.at(longest, choice, kernel.warp_length)
    chosen = int(np.lexsort((-np.arange(len(work)), work, longest))[-1])
    first, mine = chosen // across, across - 1 - chosen % across

    def those(number: int, place: int) -> np.ndarray:
        """The warps at a place of the blocks that a number stands for."""
        return (((groups * apart + (number + turn) % apart) * size)[:, None] + np.arange(place, size, across)).ravel()

    here = those(first, mine) < kernel.warps
    warps = those(first, mine)[here]
    steps = [(block, other) for block in range(apart) for other in range(across) if (block, other) != (first, mine)]
    twins = np.zeros((len(warps), len(steps), 3), np.int64)
    for number, (block, other) in enumerate(steps):
        there = those(block, other)[here]
        some = there < kernel.warps
        twins[some, number, 0] = kernel.warp_start[there[some]]
        twins[some, number, 1] = twins[some, number, 0] + kernel.warp_length[there[some]]
        twins[:, number, 2] = sms * ((block - first) % apart)
    start, length = kernel.warp_start[warps], kernel.warp_length[warps]
    return replace(kernel, warp_start=start, warp_length=length, warps_per_cta=size // across), twins
