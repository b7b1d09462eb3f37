"""Which outputs stay on chip, and until when: for every use of every tensor the size of buffer from which it does.

The life of a tensor is cut at its readers: it may wait for the first, then on for the second, and so on. What one
operand of a reader needs of this, of one tensor or of several, is placed together, and operands one after another in
an order that no design changes: the smallest first, of equals the one that waited shortest. Each is kept from the
smallest buffer on in which, and in every larger one, it fits beside what was placed before it. So what is kept never
exceeds the buffer, and a larger buffer keeps all that a smaller one does, and more.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .lowering import ELEMENTWISE, RESIDUAL, JobTable, field

__all__ = ["NEVER", "ROOMS", "Place", "place"]

NEVER = 2**62
"""A room that no buffer has, in bits."""
_LARGEST = 2**40
"""Sizes are counted up to here, in bits: more than the largest buffer, and their sums stay within 64 bits."""

ROOMS = (
    "ifmap", "filter",  # from which room on the whole operand of a product is on chip
    "store",            # from which on the output need not be stored
    "wait",             # from which on some reader finds the output on chip
    "follows",          # what the job is to the one before it, if it makes no wider elements
    "others",           # RESIDUAL: from which room on all that it reads beside that job's output is on chip
    "other_elements",   # and how many elements that is
    "first", "end",     # vector pass: its rows of `Place.near`
    "activations",      # vector pass: elements that it reads of its operands
)
"""Columns of `Place.rooms`."""


@dataclass(frozen=True)
class Place:
    """What stays on chip of one workload's tensors, for one element width.

    `rooms` has a row for each job, shape (n_jobs, len(ROOMS)); `near` one for each operand of the vector passes,
    (room, elements). Rooms are in bits.
    """

    rooms: np.ndarray
    near: np.ndarray
    bits: tuple[int, ...]
    """Size of each job's output."""
    room_at: dict[tuple[int, int], int]
    """(job that made a tensor, job that reads it): the room from which on it is on chip then."""


@dataclass(frozen=True)
class _Operand:
    """What one operand of a job needs: each of its tensors from a job on until job `reader` has read it."""

    reader: int
    stretches: tuple[tuple[int, int], ...]
    """(tensor, first job of the stretch) of each tensor."""
    rank: tuple[int, int, int]
    """Its place in the order."""
    before: tuple[int, ...]
    """Positions of the operands without which this one is not kept."""


def place(jobs: JobTable, width: int, cuts: tuple[int, ...] = ()) -> Place:
    """Return where tensors stay whose elements, unless the workload says otherwise, have `width` bits.

    Nothing stays, and nothing is fused, across a job of `cuts`: there the next stage of a pipeline begins.
    """
    if (width, cuts) not in jobs.places:
        jobs.places[width, cuts] = _place(jobs, width, cuts)
    found: Place = jobs.places[width, cuts]
    return found


def _place(jobs: JobTable, width: int, cuts: tuple[int, ...]) -> Place:
    rows = jobs.unique[jobs.use]
    elements, out_bits = rows[:, field("out_elements")].tolist(), rows[:, field("out_bits")].tolist()
    bits = tuple(min(count * (own or width), _LARGEST) for count, own in zip(elements, out_bits))
    follows = [
        kind if kind and bits[j] <= bits[j - 1] and j not in cuts else 0 for j, kind in enumerate(jobs.follows.tolist())
    ]
    room_at = _rooms(_operands(jobs, bits, follows, cuts), bits)

    def room_of(operand: Sequence[int], reader: int) -> int:
        return max((room_at.get((tensor, reader), NEVER) for tensor in operand), default=NEVER)

    table = np.full((len(bits), len(ROOMS)), NEVER, np.int64)
    store: list[int] = [0] * len(bits)
    near: list[tuple[int, int]] = []
    vector = rows[:, field("vector")].tolist()
    for j, operands in enumerate(jobs.reads):
        first = len(near)
        for operand in operands:
            room = room_of(operand, j)
            for tensor in operand:
                if tensor >= 0:
                    store[tensor] = max(store[tensor], room)
                    table[tensor, 3] = min(table[tensor, 3], room)
            if vector[j] and operand[0] >= 0:
                near.append((room, elements[operand[0]]))
        if not vector[j]:
            table[j, 0] = room_of(operands[0], j)
            table[j, 1] = room_of(operands[1], j) if len(operands) > 1 else NEVER
        others = [operand[0] for operand in operands if operand != (j - 1,)]
        table[j, 4:] = (
            follows[j], max((room_of((tensor,), j) for tensor in others), default=0),
            sum(elements[tensor] for tensor in others), first, len(near), jobs.activations[j],
        )
    table[:, 2] = [room or NEVER for room in store]  # what nobody reads is a result of the network
    return Place(table, np.array(near, np.int64).reshape(-1, 2), bits, room_at)


def _operands(
    jobs: JobTable, bits: Sequence[int], follows: Sequence[int], cuts: Sequence[int]
) -> list[_Operand]:
    """Cut the lives of all tensors at their readers; beyond the next of `cuts` they do not wait.

    The result of an element-wise job of the same size as what it reads takes over its place. If it is smaller, or
    a pooling, it needs one of its own from where the job began whose drain may do it.
    """
    out: list[_Operand] = []
    last: dict[int, int] = {}  # of each tensor the position of the operand that it served last
    start: dict[int, int] = {}  # of each tensor where its next stretch begins
    begins = 0
    for j, operands in enumerate(jobs.reads):
        served: dict[int, int] = {}
        stage = bisect_right(cuts, j)
        whole = {
            frozenset(operand) for operand in operands
            if min(operand) >= 0 and all(bisect_right(cuts, tensor) == stage for tensor in operand)
        }
        for operand in sorted(whole, key=lambda one: (sum(bits[tensor] for tensor in one), sorted(one))):
            new = sorted(operand - served.keys())
            before = {last[tensor] for tensor in operand if tensor in last}
            oldest = min(new, default=j)
            rank = max([(sum(bits[tensor] for tensor in operand), j - oldest, j), *(out[i].rank for i in before)])
            served |= dict.fromkeys(new, len(out))
            out.append(_Operand(j, tuple((tensor, start[tensor]) for tensor in new), rank, tuple(sorted(before))))
            last |= served
        start |= dict.fromkeys(served, j + 1)
        begins = begins if follows[j] else j
        takes_over = follows[j] in (ELEMENTWISE, RESIDUAL) and bits[j] == bits[j - 1]
        start[j] = j + 1 if takes_over else begins
        if takes_over:
            last[j] = last[j - 1]
    return out


def _rooms(operands: Sequence[_Operand], bits: Sequence[int]) -> dict[tuple[int, int], int]:
    """Return for every stretch, (tensor, reader), the size of buffer, its room, from which on it is kept."""
    alive: list[list[tuple[int, int]]] = [[] for _ in bits]  # at each job (room, bits) of what was placed, sorted
    rooms = [0] * len(operands)
    at: dict[tuple[int, int], int] = {}
    for i in sorted(range(len(operands)), key=lambda i: operands[i].rank):
        operand, room = operands[i], max((rooms[other] for other in operands[i].before), default=0)
        placed: list[tuple[range, int]] = []
        for tensor, first in operand.stretches:
            # Those of the same operand are kept from the same size on, whatever it will be: count them in any.
            beside = [(alive[job], sum(size for span, size in placed if job in span))
                      for job in range(first, operand.reader + 1)]
            room = max(room, *(_fits_from(others, bits[tensor] + same) for others, same in beside))
            placed.append((range(first, operand.reader + 1), bits[tensor]))
        for span, size in placed:
            for job in span:
                insort(alive[job], (room, size))
        rooms[i] = room
        at |= {(tensor, operand.reader): room for tensor, _ in operand.stretches}
    return at


def _fits_from(others: list[tuple[int, int]], bits: int) -> int:
    """Return the smallest buffer from which on `bits` more always fit beside the `others` that it keeps."""
    needed, larger = bits + sum(size for _, size in others), NEVER
    for room, size in reversed(others):
        if needed > room:  # in buffers from `room` up to `larger` these others are kept, and leave too little
            return min(needed, larger)
        needed -= size
        larger = room
    return needed
