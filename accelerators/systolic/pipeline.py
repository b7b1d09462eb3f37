"""`partition="pipeline"`: the network in stages of consecutive operators, an array for each, inputs one after another.

Each stage has its part of the port, the activation buffer and the vector unit, and works on one input while the next
stage has the one before. Stages are cut where the longest is shortest. What crosses a cut goes through memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import simpy

from .program import FUSED

__all__ = ["cut", "outputs_at", "stage_cycles"]


def cut(rows: np.ndarray, operator: np.ndarray, stages: int) -> tuple[int, ...]:
    """Return the jobs at which stages but the first begin, at most `stages` in all.

    `rows` are the jobs' results and `operator` says which they belong to: the jobs of one stay together, and a job that
    is fused into another stays with it.
    """
    first = np.concatenate([[True], operator[1:] != operator[:-1]])
    heads = np.flatnonzero(first & (rows[:, FUSED] >= 0)).tolist()
    times = np.add.reduceat(rows[:, 0], heads).tolist()
    low, high = max(times), sum(times)
    while low < high:
        middle = (low + high) // 2
        if len(_pack(times, middle)) < stages:
            high = middle
        else:
            low = middle + 1
    return tuple(heads[i] for i in _pack(times, low))


def _pack(times: Sequence[int], most: int) -> list[int]:
    """Return where stages begin, the first left out, if each takes jobs as long as they fit into `most` cycles."""
    begins, busy = [], 0
    for i, time in enumerate(times):
        if busy + time > most:
            begins.append(i)
            busy = 0
        busy += time
    return begins


def stage_cycles(cycles: np.ndarray, cuts: Sequence[int]) -> list[int]:
    """Return the cycles of each stage."""
    return [int(part.sum()) for part in np.split(cycles, list(cuts))]


def outputs_at(stages: Sequence[int], inputs: int) -> list[int]:
    """Return when each of so many inputs has left the last stage: every stage is a SimPy process.

    An input enters a stage once it has left the one before, and the input before it has left this one.
    """
    env = simpy.Environment()
    left = [[env.event() for _ in range(inputs)] for _ in range(len(stages) + 1)]
    for event in left[0]:
        event.succeed()
    times: list[int] = []

    def stage(number: int, cycles: int) -> simpy.events.ProcessGenerator:
        for i in range(inputs):
            yield left[number][i]
            yield env.timeout(cycles)
            left[number + 1][i].succeed()
            if number == len(stages) - 1:
                times.append(int(env.now))

    for number, cycles in enumerate(stages):
        env.process(stage(number, cycles))
    env.run()
    return times
