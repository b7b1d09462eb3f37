"""A hierarchy laid out as the kernel's vector: see `columns` for what stands where."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from . import columns as k
from .hierarchy import FixedMemory, Hierarchy, Level
from .kinds import Vector

__all__ = ["fresh_state", "nodes_of"]

_LISTS: dict[int, tuple[int, int]] = {
    # list: numbers a record, and what to fill it with
    k.TAGS: (1, -1), k.FILLS: (1, 0), k.AGES: (1, 0), k.FLAGS: (1, 0), k.OWNERS: (1, 0), k.TREES: (1, 0), k.BANK_FREE: (1, 0),
    k.MSHR: (k.MSHR_SIZE, 0), k.TARGET: (k.TARGET_SIZE, 0), k.QUEUE: (k.QUEUE_SIZE, 0), k.RECALLS: (k.RECALL_SIZE, 0),
    k.ENTRY: (k.ENTRY_SIZE, 0), k.WAITS: (1, 0), k.STALLS: (1, 0), k.COUNTS: (1, 0), k.EVENTS: (1, 0),
}


def nodes_of(hierarchy: Hierarchy) -> list[list[int]]:
    """Offsets of the caches of every level, from the top, and last of the memory."""
    copies = [hierarchy.masters if i < hierarchy.private_levels else 1 for i in range(len(hierarchy.levels))]
    at = k.HEAD_SIZE
    offsets = []
    for count in [*copies, 1]:
        offsets.append([at + i * k.NODE_SIZE for i in range(count)])
        at += count * k.NODE_SIZE
    return offsets


def fresh_state(hierarchy: Hierarchy, recalls: int) -> Vector:
    """Everything empty, at time 0; `recalls` is the room for recalls on their way to one cache."""
    offsets = nodes_of(hierarchy)
    memory = offsets[-1][0]
    causes = k.WAIT + len(hierarchy.levels) + 2
    pieces = [np.zeros(memory + k.NODE_SIZE, np.int64)]
    head = pieces[0]
    head[[k.WINDOW, k.FIRST_NODE, k.MEMORY]] = hierarchy.window * k.TRACE_SIZE, k.HEAD_SIZE, memory
    size = len(head)

    def add(piece: Vector) -> int:
        nonlocal size
        pieces.append(piece)
        size += len(piece)
        return size - len(piece)

    for i, nodes in enumerate(offsets):
        level = hierarchy.levels[i] if i < len(hierarchy.levels) else None
        below = hierarchy.levels[i + 1] if i + 1 < len(hierarchy.levels) else None
        for copy, n in enumerate(nodes):
            fields = _memory_fields(hierarchy) if level is None else _cache_fields(level, below, hierarchy)
            lengths = {} if level is None else _lengths(level, fields, recalls)
            lengths |= {k.WAITS: causes, k.STALLS: causes}
            lengths |= {k.COUNTS: len(k.KINDS) * len(k.OUTCOMES), k.EVENTS: len(k.EVENT_NAMES)}
            fields |= _neighbours(offsets, i, copy)
            fields |= {k.LEVEL: i, k.CAUSES_N: causes, k.WHEN: -1, k.LAST: -1, k.PICKED: -1, k.TURN: -1}
            for name, length in lengths.items():
                width, value = _LISTS[name]
                fields[name] = add(np.full(width * length, value, np.int64))
            for name, value in fields.items():
                head[n + name] = value
            if level is not None:
                pieces[-len(lengths) :] = _linked(pieces[-len(lengths) :], list(lengths), fields, n)
                head[n + k.FREE_TARGET] = fields[k.TARGET]
                head[[n + k.HEAD, n + k.TAIL]] = fields[k.QUEUE]
                head[n + k.QUEUE_END] = fields[k.QUEUE] + fields[k.DEPTH] * k.QUEUE_SIZE
    pads = [
        (pad, add(np.zeros(pad.banks * hierarchy.masters, np.int64))) for pad in hierarchy.scratchpads
    ]
    head[k.FIRST_PAD] = add(
        np.array([(pad.hit_cycles, pad.interval_cycles, pad.banks, free) for pad, free in pads], np.int64).ravel()
    )
    mshrs = sum(level.mshrs * len(nodes) for level, nodes in zip(hierarchy.levels, offsets, strict=False))
    head[k.ANSWERS] = add(np.zeros(3 * (mshrs + 1), np.int64))
    return np.concatenate(pieces)


def _cache_fields(level: Level, below: Level | None, hierarchy: Hierarchy) -> dict[int, int]:
    """What the description of a level says."""
    sets, fetch = level.sets(hierarchy.line_bytes), level.prefetcher
    return {
        k.SETS: sets, k.MASK: -1 if sets & (sets - 1) else sets - 1, k.WAYS: level.ways,
        k.POLICY: k.POLICIES.index(level.policy), k.WRITE_BACK: level.write == "back", k.ALLOCATE: level.allocate,
        k.INCLUSION: k.INCLUSIONS.index(level.inclusion), k.HIT_CYCLES: level.hit_cycles,
        k.INTERVAL: level.interval_cycles, k.BANKS: level.banks, k.MSHRS: level.mshrs, k.TARGETS: level.targets,
        k.DEPTH: below.queue if below else hierarchy.memory.queue,
        k.PREFETCH_KIND: k.PREFETCHERS.index(fetch.kind) if fetch else k.NO_PREFETCH,
        k.DEGREE: fetch.degree if fetch else 0, k.ENTRIES: fetch.entries if fetch else 0,
        k.ZONE_LINES: max(1, fetch.zone_bytes // hierarchy.line_bytes) if fetch else 1,
        k.TOP: level is hierarchy.levels[0], k.BELOW_EXCLUSIVE: below is not None and below.inclusion == "exclusive",
        k.DRAW: level.seed,
    }


def _memory_fields(hierarchy: Hierarchy) -> dict[int, int]:
    memory = hierarchy.memory
    if not isinstance(memory, FixedMemory):
        return {}
    return {
        k.HIT_CYCLES: memory.latency_cycles, k.SERVES_LINE: memory.transfer_cycles(hierarchy.line_bytes),
        k.SERVES_WORD: memory.transfer_cycles(hierarchy.word_bytes),
    }


def _lengths(level: Level, fields: dict[int, int], recalls: int) -> dict[int, int]:
    """Number of records of every list of a cache."""
    slots = fields[k.SETS] * level.ways
    fields[k.RECALL_ROOM] = recalls
    return {
        k.TAGS: slots, k.FILLS: slots, k.AGES: slots, k.FLAGS: slots, k.OWNERS: slots, k.TREES: fields[k.SETS],
        k.BANK_FREE: level.banks, k.MSHR: level.mshrs, k.TARGET: level.mshrs * level.targets, k.QUEUE: fields[k.DEPTH],
        k.RECALLS: recalls, k.ENTRY: fields[k.ENTRIES],
    }


def _neighbours(offsets: list[list[int]], i: int, copy: int) -> dict[int, int]:
    """The node below, and the range of nodes above."""
    own = len(offsets[i])
    found = {k.ABOVE: 0, k.ABOVE_END: 0}
    if i > 0:
        above = offsets[i - 1] if own == 1 else offsets[i - 1][copy : copy + 1]
        found = {k.ABOVE: above[0], k.ABOVE_END: above[-1] + k.NODE_SIZE}
    if i + 1 < len(offsets):
        found[k.BELOW] = offsets[i + 1][copy if len(offsets[i + 1]) == own else 0]
    return found


def _linked(lists: list[Vector], names: Iterable[int], fields: dict[int, int], n: int) -> list[Vector]:
    """Write what is not zero at the start: owners of MSHRs, the list of free targets, empty entries."""
    for name, piece in zip(names, lists, strict=True):
        if name == k.MSHR:
            piece[k.OWNER :: k.MSHR_SIZE] = n
        elif name == k.TARGET:
            piece[k.T_NEXT :: k.TARGET_SIZE] = fields[name] + k.TARGET_SIZE * np.arange(1, len(piece) // k.TARGET_SIZE + 1)
            piece[-k.TARGET_SIZE + k.T_NEXT] = -1
        elif name == k.ENTRY:
            piece[k.E_LINE :: k.ENTRY_SIZE] = -1
    return lists
