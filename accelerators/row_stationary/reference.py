"""The same array as a plain program that places every logical set and counts what it sees: the reference.

Pass by pass, each (channel, filter) pair takes its kernel_h x out_h PEs; two on one PE, or one outside the array, is an
error. Words are counted when a PE, the array or the buffer first needs them. Memory is walked tile by tile. Nothing is
shared with `mapping.py` and `traffic.py` but the names of fields and results.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import product
from typing import Any

__all__ = ["place", "run_job"]

Job = Mapping[str, int]
Counts = dict[str, int]


def run_job(design: Mapping[str, Any], job: Job) -> Counts:
    """Return the columns of `mapping.RESULT` for one job on one design."""
    if job["vector"]:
        steps = len(range(0, job["vector_ops"], design["vector_lanes"]))
        moved = {"buffer_ifmap": job["in_elements"], "buffer_psum": job["out_elements"]}
        return {"cycles": steps, **moved, "dram_ifmap": job["in_elements"], "dram_ofmap": job["out_elements"]}
    shape = _Shape(design, job)
    plan = _walk_memory(shape)
    if plan is None:
        return {"cycles": -1}
    shape.p = min(shape.p, len(range(0, plan["tile_filters"], shape.b)))
    return {**place(shape), **plan}


class _Shape:
    """A job folded and replicated on a design."""

    def __init__(self, design: Mapping[str, Any], job: Job) -> None:
        self.design, self.job = design, job
        self.rows, self.cols = design["rows"], design["cols"]
        self.tall = min(job["kernel_h"], self.rows)
        sets_high = max(self.rows // job["kernel_h"], 1)
        sets_wide = max(self.cols // job["out_h"], 1)
        pieces = len(range(0, job["out_h"], self.cols))
        self.segments = min(sets_high, pieces)  # parts of one set above each other
        self.chunks = [
            range(first, min(first + self.segments * self.cols, job["out_h"]))
            for first in range(0, job["out_h"], self.segments * self.cols)
        ]
        self.height_folds = [
            range(first, min(first + self.rows, job["kernel_h"])) for first in range(0, job["kernel_h"], self.rows)
        ]
        self.sets_high, self.sets_wide = sets_high // self.segments, sets_wide
        self.mixed = False
        passes, self.a, self.b = self._split("one")
        if job["groups"] > 1:
            self.mixed = True
            fewer, a, b = self._split(design["group_mapping"])
            self.mixed = design["group_mapping"] != "one" and fewer < passes
            self.a, self.b = (a, b) if self.mixed else (self.a, self.b)
        taps = job["kernel_w"]
        self.channel_passes = [
            range(first, min(first + self.a, job["channels"])) for first in range(0, job["channels"], self.a)
        ]
        self.q = next(q for q in range(len(self.channel_passes), 0, -1)
                      if q == 1 or q * taps <= min(design["ifmap_rf_words"], design["filter_rf_words"]))
        per_group = len(range(0, job["filters"], self.b))
        self.p = 1 if self.mixed else next(
            p for p in range(per_group, 0, -1)
            if p == 1 or (p * self.q * taps <= design["filter_rf_words"] and p <= design["psum_rf_words"]))
        self.pieces = len(range(0, taps, min(design["ifmap_rf_words"], design["filter_rf_words"])))
        self.channel_blocks = [
            self.channel_passes[first : first + self.q] for first in range(0, len(self.channel_passes), self.q)
        ]

    def _split(self, group_mapping: str) -> tuple[int, int, int]:
        """Return (passes of one image and chunk, channels of each, filters of each), the fewest passes."""
        job, best = self.job, None
        for above in range(1, self.sets_high + 1):
            if self.design["split"] == "factors" and self.sets_high % above:
                continue
            a = min(above, job["channels"])
            b = self.sets_high // above * self.sets_wide
            if group_mapping != "many":
                b = min(b, job["filters"])
            b = min(b, job["filters"] * job["groups"])
            passes = len(range(0, job["channels"], a)) * sum(1 for _ in self.filter_passes(b))
            if best is None or passes <= best[0]:  # of equals the one with more channels
                best = passes, a, b
        assert best is not None
        return best

    def filter_passes(self, b: int) -> Iterator[range]:
        """Yield the filters, numbered through all groups, of each pass."""
        n, every = self.job["filters"], self.job["filters"] * self.job["groups"]
        borders = [(0, every)] if self.mixed else [(g * n, g * n + n) for g in range(self.job["groups"])]
        for first, last in borders:
            for at in range(first, last, b):
                yield range(at, min(at + b, last))

    def filter_blocks(self) -> Iterator[list[range]]:
        """Yield the passes that follow each other on the same input rows."""
        passes = list(self.filter_passes(self.b))
        each = len(passes) if self.mixed else len(passes) // self.job["groups"]
        for group in range(0, len(passes), each):
            for first in range(group, group + each, self.p):
                yield passes[first : min(first + self.p, group + each)]

    def lines(self, outputs: range, taps: range) -> set[int]:
        """Return the input rows that these output rows need."""
        return {line for y, r in product(outputs, taps) if (line := self.line(y, r)) is not None}

    def line(self, y: int, r: int) -> int | None:
        """Return the input row under tap r of output row y, None in the padding."""
        at = y * self.job["stride_h"] + r * self.job["dilation"] - self.job["pad_h"]
        return at if 0 <= at < self.job["in_h"] else None

    @cached_property
    def row_words(self) -> int:
        """Words of an input row that any output needs."""
        job = self.job
        used = {x * job["stride_w"] + t * job["dilation"] - job["pad_w"]
                for x, t in product(range(job["out_w"]), range(job["kernel_w"]))}
        return sum(0 <= at < job["in_w"] for at in used)


def place(shape: _Shape) -> Counts:
    """Place every set of every pass and count cycles, PEs and words."""
    job, count = shape.job, Counter[str]()
    peak, macs = 0, 0
    done: set[tuple[int, int]] = set()
    width, taps, row_words = job["out_w"], job["kernel_w"], shape.row_words
    blocks = list(shape.filter_blocks())
    for _ in range(job["batch"]):
        done.clear()
        for filters, chunk, fold, channels in product(blocks, shape.chunks, shape.height_folds, shape.channel_blocks):
            to_pe: set[tuple[Any, ...]] = set()
            weight_to_pe: set[tuple[Any, ...]] = set()
            from_buffer: set[tuple[int, int, int]] = set()
            weights: set[tuple[int, int, int]] = set()
            summing: dict[tuple[int, int], set[tuple[int, int]]] = {}
            for of_pass, in_pass in product(filters, channels):
                busy = set()
                for pe, (n, c, y, r) in _placed(shape, of_pass, in_pass, chunk, fold):
                    if pe in busy or not (0 <= pe[0] < shape.rows and 0 <= pe[1] < shape.cols):
                        raise AssertionError(f"{pe}: taken twice or outside of {shape.rows}x{shape.cols}")
                    busy.add(pe)
                    group = n // job["filters"]
                    line = shape.line(y, r)
                    if line is not None:
                        to_pe.add((pe, group, c, line))
                        from_buffer.add((group, c, line))
                    weight_to_pe.add((pe, n, c, r))
                    weights.add((n, c, r))
                    summing.setdefault((n, y), set()).add(pe)
                count["cycles"] += width * taps
                count["passes"] += fold.start == 0
                peak = max(peak, len(busy))
                macs += len(busy) * width * taps
            count["array_ifmap"] += len(to_pe) * row_words * shape.pieces
            count["buffer_ifmap"] += len(from_buffer) * row_words * shape.pieces
            count["array_filter"] += len(weight_to_pe) * taps
            count["array_psum"] += sum(len(pes) - 1 for pes in summing.values()) * width * shape.pieces
            for output in summing:
                for _ in range(shape.pieces):
                    count["buffer_psum"] += width * (2 if output in done else 1)
                    done.add(output)
            count["buffer_filter"] += len(weights) * taps
    expected = job["groups"] * job["batch"] * job["channels"] * job["filters"] * job["kernel_h"] * taps * job["out_h"] * width
    if macs != expected:
        raise AssertionError(f"{macs} multiply-accumulates were placed, {expected} are to be done")
    return {
        **count, "peak_pes": peak, "pass_channels": shape.a, "pass_filters": shape.b, "rf_channels": shape.q,
        "rf_filters": shape.p, "mixed": int(shape.mixed), "height_folds": len(shape.height_folds),
        "width_folds": len(shape.chunks),
    }


def _placed(
    shape: _Shape, filters: range, channels: range, chunk: range, fold: range
) -> Iterator[tuple[tuple[int, int], tuple[int, int, int, int]]]:
    """Yield ((row, column), (filter, channel, output row, tap)) of one pass."""
    for slot, n in enumerate(filters):
        down, across = divmod(slot, shape.sets_wide)
        for (above, c), (at, y), (tap, r) in product(enumerate(channels), enumerate(chunk), enumerate(fold)):
            segment, column = divmod(at, shape.cols)
            row = ((down * shape.segments + segment) * shape.a + above) * shape.tall + tap
            yield (row, across * shape.job["out_h"] + column), (n, c, y, r)


def _walk_memory(shape: _Shape) -> Counts | None:
    """Return the traffic of the best loops over tiles that fit the buffer, None if none does."""
    job, best = shape.job, None
    block = max(sum(map(len, passes)) for passes in shape.channel_blocks)
    together = 1
    if shape.mixed:
        together = max(len({n // job["filters"] for n in each}) for each in shape.filter_passes(shape.b))
    heights = _doublings(len(shape.chunks[0]), job["out_h"])
    taps = range(job["kernel_h"])
    lines = {
        height: [len(shape.lines(range(y, min(y + height, job["out_h"])), taps)) for y in range(0, job["out_h"], height)]
        for height in heights
    }
    widths = [job["filters"]]
    if not shape.mixed:  # fewer filters than a PE could take in turn, then all of them and more
        whole = min(shape.b * shape.p, job["filters"])
        widths = [*_doublings(shape.b, whole)[:-1], *_doublings(whole, job["filters"])]
    for height, filters, outer in product(heights, widths, (0, 1)):
        for hold_psum, hold_filter, hold_ifmap in product((0, 1), repeat=3):
            plan = _Plan(shape, height, filters, outer, hold_ifmap, hold_filter, hold_psum, block, lines[height])
            if together * plan.needs() <= shape.design["buffer_words"]:
                words = plan.walk()
                cost = words["dram_ifmap"] + words["dram_filter"] + words["dram_psum"]
                if best is None or cost <= best[0]:
                    best = cost, {**words, "tile_filters": filters, "tile_rows": height, "filters_outer": outer,
                                  "ifmap_held": hold_ifmap, "filter_held": hold_filter, "psum_held": hold_psum}
    return None if best is None else best[1]


def _doublings(first: int, last: int) -> list[int]:
    out = [first]
    while out[-1] < last:
        out.append(min(2 * out[-1], last))
    return out


class _Plan:
    """One way to visit memory, walked tile by tile for one group; all groups are alike."""

    def __init__(self, shape: _Shape, height: int, filters: int, outer: int, hold_ifmap: int, hold_filter: int,
                 hold_psum: int, block: int, lines: list[int]) -> None:
        job = shape.job
        self.shape, self.outer, self.block, self.lines = shape, outer, block, lines
        self.strips = [range(y, min(y + height, job["out_h"])) for y in range(0, job["out_h"], height)]
        self.tiles = [range(n, min(n + filters, job["filters"])) for n in range(0, job["filters"], filters)]
        self.hold_ifmap, self.hold_filter, self.hold_psum = hold_ifmap, hold_filter, hold_psum
        self.leaves = len(shape.channel_blocks) * len(shape.height_folds) * shape.pieces

    def needs(self) -> int:
        """Words of the buffer."""
        job, shape = self.shape.job, self.shape
        lines = max(self.lines)
        filters, height = len(self.tiles[0]), len(self.strips[0])
        if self.hold_ifmap:
            need = lines * shape.row_words * job["channels"]
        else:
            need = lines * self.block * (min(job["kernel_w"], shape.row_words) if self.used_once() else shape.row_words)
        if self.hold_filter:
            need += filters * job["kernel_h"] * job["kernel_w"] * job["channels"]
        elif height > len(shape.chunks[0]):  # several passes use the weights
            need += filters * job["kernel_h"] * job["kernel_w"] * self.block
        if self.hold_psum and self.leaves > 1:
            need += filters * height * job["out_w"]
        return need

    def used_once(self) -> bool:
        """Whether no two passes of a tile need the same input row."""
        shape = self.shape
        if len(shape.height_folds) * shape.pieces > 1:
            return False
        if not shape.mixed:
            return len(self.tiles[0]) <= shape.b * shape.p
        return True  # what a pass shares with the one before comes anew

    def walk(self) -> Counts:
        """Visit every tile and load what the one before did not leave."""
        job, shape = self.shape.job, self.shape
        keeps_ifmap, keeps_filter = (held or self.block == job["channels"] for held in (self.hold_ifmap, self.hold_filter))
        places = list(product(range(job["batch"]), range(len(self.strips))))
        tiles = range(len(self.tiles))
        order = product(tiles, places) if self.outer else ((t, place) for place, t in product(places, tiles))
        ifmap = filters = psum = ofmap = 0
        last_place: tuple[int, int] | None = None
        last_tile: int | None = None
        for tile, place in order:
            if place != last_place or not keeps_ifmap:
                ifmap += self.lines[place[1]] * shape.row_words * job["channels"]
            if tile != last_tile or not keeps_filter:
                filters += len(self.tiles[tile]) * job["channels"] * job["kernel_h"] * job["kernel_w"]
            results = len(self.tiles[tile]) * len(self.strips[place[1]]) * job["out_w"]
            psum += 0 if self.hold_psum else 2 * results * (self.leaves - 1)
            ofmap += results
            last_place, last_tile = place, tile
        every = job["groups"]
        fetched = every
        if shape.mixed and not self.hold_ifmap:
            fetched = sum(len({n // job["filters"] for n in each}) for each in shape.filter_passes(shape.b))
        return {"dram_ifmap": fetched * ifmap, "dram_filter": every * filters, "dram_psum": every * psum,
                "dram_ofmap": every * ofmap}
