"""SCALE-Sim's rules replayed word by word, in sets and lists, on small random layers.

The demand is written out from the order in which each dataflow asks for its words; cycles, accesses, DRAM
counts and stalls then come from counting, and must equal what the package computes.
"""

import math
from collections import deque
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from cyclescape.accelerators.systolic.scalesim import Layer, Row, report


def demand_of_fold(row, i, j):
    """Return the lines of fold (i down, j across): words of ifmap and filter (None at the edge), outputs."""
    layer, rows, cols = row.layer, row.rows, row.cols
    out_w = math.ceil((layer.ifmap_w - layer.filt_w + layer.stride) / layer.stride)
    out_h = math.ceil((layer.ifmap_h - layer.filt_h + layer.stride) / layer.stride)
    pixels, count, window = out_h * out_w, layer.filters, layer.filt_h * layer.filt_w * layer.channels

    def ifmap(pixel, k):
        place, channel = divmod(k, layer.channels)
        y = pixel // out_w * layer.stride + place // layer.filt_w
        x = pixel % out_w * layer.stride + place % layer.filt_w
        if y >= layer.ifmap_h or x >= layer.ifmap_w:
            return None
        return (y * layer.ifmap_w + x) * layer.channels + channel

    def weight(f, k):
        return f * window + k

    enough = 4 * (rows + cols) + window + pixels + count
    lines = [SimpleNamespace(ifmap=[], filter=[], outputs=0) for _ in range(enough)]
    if row.dataflow == "os":
        steps = window
        for port, pixel in enumerate(range(i * rows, min(pixels, (i + 1) * rows))):
            for t in range(steps):
                lines[t + port].ifmap.append(ifmap(pixel, t))
        for port, f in enumerate(range(j * cols, min(count, (j + 1) * cols))):
            for t in range(steps):
                lines[t + port].filter.append(weight(f, t))
            for r in range(rows):
                if i * rows + r < pixels:
                    lines[steps - 1 + port + (rows - 1 - r)].outputs += 1
        length = steps - 1 + (cols - 1) + (rows - 1) + 1
    else:
        ws = row.dataflow == "ws"
        steps, stays = (pixels, count) if ws else (count, pixels)
        for line, r in enumerate(reversed(range(rows))):
            k = i * rows + r
            for x in range(j * cols, min(stays, (j + 1) * cols)):
                if k < window:
                    if ws:
                        lines[line].filter.append(weight(x, k))
                    else:
                        lines[line].ifmap.append(ifmap(x, k))
        for port, k in enumerate(range(i * rows, min(window, (i + 1) * rows))):
            for t in range(steps):
                line = lines[rows + t + port]
                (line.ifmap if ws else line.filter).append(ifmap(t, k) if ws else weight(t, k))
        for port in range(len(range(j * cols, min(stays, (j + 1) * cols)))):
            for t in range(steps):
                lines[2 * rows - 1 + t + port].outputs += 1
        length = 2 * rows - 1 + (steps - 1) + (cols - 1) + 1
    assert not any(line.ifmap or line.filter or line.outputs for line in lines[length:])
    return lines[:length]


def demand(row):
    layer = row.layer
    sides = {"os": (layer.m, layer.n), "ws": (layer.k, layer.n), "is": (layer.k, layer.m)}
    down, across = sides[row.dataflow]
    folds = [(i, j) for j in range(math.ceil(across / row.cols)) for i in range(math.ceil(down / row.rows))]
    return [line for fold in folds for line in demand_of_fold(row, *fold)], len(folds)


def half_buffer(lines, sram):
    """CALC reads: a set of half the scratchpad, emptied when full."""
    items = sram // 100
    cap = 50 * items
    held, fetched, flushed, first = set(), 0, False, None
    for cycle, words in enumerate(lines):
        for word in words:
            if word is None:
                continue
            first = cycle if first is None else first
            if word not in held:
                held.add(word)
                fetched += 1
                if len(held) == cap:
                    held.clear()
                    flushed = True
    if flushed:
        return fetched, first - math.ceil(cap / 10)
    return fetched, -math.ceil(math.ceil(fetched / items) * items / 10)


class Prefetcher:
    """USER reads: a window on a ring of chunks."""

    def __init__(self, row, which, sram, bandwidth):
        layer = row.layer
        ports = row.cols if which == "filter" else row.rows
        sides = [{}, {}]  # element (x, k) of each operand, from the demand of an array as large as the layer
        whole = Row("", layer, layer.m, layer.n, "os", row.sram, "CALC", None, {})
        for t, line in enumerate(demand_of_fold(whole, 0, 0)):
            for side, words in enumerate((line.ifmap, line.filter)):
                ports_now = [p for p in range(layer.m if side == 0 else layer.n) if 0 <= t - p < layer.k]
                sides[side].update({(p, t - p): word for p, word in zip(ports_now, words, strict=True)})
        element = sides[which == "filter"]
        extent = layer.n if which == "filter" else layer.m
        stays = {"ws": "filter", "is": "ifmap"}.get(row.dataflow) == which
        if row.dataflow == "os" or stays:  # transposed: one line for each step of the reduction
            ports = row.cols if stays else ports
            height, width, at = layer.k, extent, lambda r, c: element[c, r]
        else:
            ports = row.rows
            height, width, at = extent, layer.k, lambda r, c: element[r, c]
        stacked = [
            [at(r, c) if c < width else None for c in range(start, start + ports)]
            for start in range(0, width, ports) for r in range(height)
        ]
        places = [(r, c) for r in range(len(stacked)) for c in range(ports)]
        if not stays:
            places.sort(key=lambda place: (place[0] + place[1], -place[0]))
        stream = [stacked[r][c] for r, c in places]
        words = [word for word in stream if word is not None]
        half = sram / 2
        size = math.ceil(sram / 100)
        self.chunks = [set(words[start : start + size]) for start in range(0, len(words) + 1, size)]
        if len(words) % size == 0:
            assert self.chunks[-1] == set()
        self.active = min(len(self.chunks), math.ceil(math.ceil(half) / size))
        self.step = min(len(self.chunks) - self.active, math.ceil(math.floor(half) / size))
        self.first = min(math.ceil(math.ceil(half) / bandwidth), math.ceil(len(stream) / bandwidth))
        self.lines = math.ceil(math.floor(half) / bandwidth)
        self.bandwidth, self.head, self.last, self.reads = bandwidth, 0, -1, self.first * bandwidth

    def chunk(self, number):
        return self.chunks[(self.head + number) % len(self.chunks)]

    def stall(self, words, cycle):
        off = 1
        for word in words:
            if word is None:
                continue
            while not any(word in self.chunk(a) for a in range(self.active)):
                self.head = (self.head + self.step) % len(self.chunks)
                self.reads += self.lines * self.bandwidth
                self.last += self.lines + 1
                late = self.last - (cycle + off)
                off += late + max(0, late)
        return off - 1


class Writer:
    """The write buffer, as a queue of lines."""

    def __init__(self, sram, width):
        self.sram, self.half, self.width = sram, sram // 2, width
        self.free, self.open, self.closed = sram, 0, deque()
        self.end, self.written, self.start = -1, 0, None

    def close(self):
        if self.open:
            self.closed.append(self.open)
        self.open = 0

    def drain(self, now):
        most = min(len(self.closed), math.ceil(self.half / self.width))
        taken = [self.closed.popleft() for _ in range(most)]
        words = len(taken) * self.width - (self.width - taken[-1])
        self.free += words
        self.written += words
        self.start = now if self.start is None else self.start
        self.end = now + len(taken) - 1

    def stall(self, outputs, cycle):
        now = cycle
        for _ in range(outputs):
            self.open += 1
            if self.open == self.width:
                self.close()
            self.free -= 1
            if now < self.end:
                now = self.end if self.free <= 0 else now
            elif self.free < self.half:
                self.close()
                self.drain(now)
        return now - cycle

    def finish(self, now):
        latest = self.end
        self.close()
        self.end = now - 1
        while self.closed:
            self.drain(self.end + 1)
        return max(latest, self.end)


def replay(row):
    """Return what the tool reports of a row, by replaying it word by word."""
    lines, folds = demand(row)
    got = {
        "sram_ifmap_reads": sum(len(line.ifmap) for line in lines),
        "sram_filter_reads": sum(len(line.filter) for line in lines),
        "sram_ofmap_writes": sum(line.outputs for line in lines),
    }
    if row.dataflow == "os":
        got["sram_ofmap_writes"] += folds * (row.rows + row.cols)  # the tool's surplus
    writer = Writer(row.sram[2], row.cols if row.bandwidth is None else row.bandwidth[2])
    readers = []
    if row.bandwidth is None:
        for which, sram in zip(("ifmap", "filter"), row.sram, strict=False):
            words, start = half_buffer([getattr(line, which) for line in lines], sram)
            got[f"dram_{which}_reads"], got[f"dram_{which}_start"] = words, start
    else:
        readers = [
            (which, Prefetcher(row, which, sram, bandwidth))
            for which, sram, bandwidth in zip(("ifmap", "filter"), row.sram, row.bandwidth, strict=False)
        ]
    stalls = total = 0
    for index, line in enumerate(lines):
        cycle = index + stalls
        waits = [reader.stall(getattr(line, which), cycle) for which, reader in readers]
        write = writer.stall(line.outputs, cycle)
        total = max(total, cycle + write)
        stalls += max([*waits, write])
    got["dram_ofmap_stop"] = writer.finish(cycle + write)
    for which, reader in readers:
        got[f"dram_{which}_reads"], got[f"dram_{which}_start"] = reader.reads, -reader.first
    got |= {"total_cycles": total, "stall_cycles": stalls, "dram_ofmap_writes": writer.written,
            "dram_ofmap_start": writer.start}
    earliest = min(got["dram_ifmap_start"], got["dram_filter_start"])
    return got | {"total_cycles_incl_prefetch": got["dram_ofmap_stop"] - earliest}


@st.composite
def runs(draw, user):
    """Random layers on random small arrays, with scratchpads small enough to be flushed."""
    ifmap_h, ifmap_w = draw(st.integers(1, 10)), draw(st.integers(1, 10))
    layer = Layer(
        ifmap_h, ifmap_w, draw(st.integers(1, ifmap_h)), draw(st.integers(1, ifmap_w)),
        draw(st.integers(1, 5)), draw(st.integers(1, 20)), draw(st.integers(1, 4)),
    )
    sram = tuple(draw(st.integers(100, 250)) for _ in range(3))
    bandwidth = tuple(draw(st.integers(1, 12)) for _ in range(3)) if user else None
    rows, cols = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    dataflow = draw(st.sampled_from(["os", "ws", "is"]))
    return Row("random", layer, rows, cols, dataflow, sram, "USER" if user else "CALC", bandwidth, {})


@settings(max_examples=100, deadline=None)
@given(runs(user=False))
def test_calc_runs_equal_the_replay(row):
    values = report(row).values
    assert {field: values[field] for field in replay(row)} == replay(row)
    assert values["stall_cycles"] == 0


@settings(max_examples=100, deadline=None)
@given(runs(user=True))
def test_user_runs_equal_the_replay(row):
    values = report(row).values
    assert {field: values[field] for field in replay(row)} == replay(row)


@settings(max_examples=100, deadline=None)
@given(runs(user=False))
def test_an_operand_that_fits_is_fetched_once(row):
    """With room for everything in half of a scratchpad, DRAM reads are the operand's distinct words."""
    roomy = Row(row.name, row.layer, row.rows, row.cols, row.dataflow, (10**5,) * 3, "CALC", None, {})
    lines, _ = demand(row)
    answer = report(roomy)
    for which in ("ifmap", "filter"):
        distinct = {word for line in lines for word in getattr(line, which)} - {None}
        assert answer.values[f"dram_{which}_reads"] == len(distinct)
    assert answer.flushes == 0
