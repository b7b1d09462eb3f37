"""Fold rules against arrays that are filled and drained element by element."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from cyclescape.accelerators.systolic import mapping
from cyclescape.accelerators.systolic.mapping import DATAFLOWS, SramAccesses, dataflow_code

SIZE, SIDE = st.integers(1, 12), st.integers(1, 6)


def accesses_by_hand(dataflow, m, n, k, rows, cols):
    """Walk every fold of the product and count what crosses the ports, straight from what each flow keeps."""
    reads = {"ifmap": 0, "filter": 0, "ofmap": 0}
    writes = 0
    partial = np.zeros((m, n), dtype=bool)  # whether an output has been written before

    def chunks(extent, side):
        return [range(start, min(start + side, extent)) for start in range(0, extent, side)]

    down, across = {"os": (m, n), "ws": (k, n), "is": (k, m)}[dataflow]
    for cs in chunks(across, cols):
        for rs in chunks(down, rows):
            if dataflow == "os":  # PE (r, c) holds output (r, c): row r is fed inputs, column c weights
                reads["ifmap"] += len(rs) * k
                reads["filter"] += len(cs) * k
                writes += len(rs) * len(cs)
                continue
            stays, moves = ("filter", "ifmap") if dataflow == "ws" else ("ifmap", "filter")
            reads[stays] += len(rs) * len(cs)
            for step in range(m if dataflow == "ws" else n):
                reads[moves] += len(rs)
                for c in cs:
                    output = (step, c) if dataflow == "ws" else (c, step)
                    reads["ofmap"] += int(partial[output])
                    partial[output] = True
                    writes += 1
    return SramAccesses(reads["ifmap"], reads["filter"], reads["ofmap"], writes)


def run_output_stationary(a, b):
    """Clock an array of PEs that pass inputs right and weights down; return the outputs and the cycles.

    `a` is rows x t, `b` t x cols; every value that is None is a bubble.
    """
    (rows, t), cols = a.shape, b.shape[1]
    outputs = np.zeros((rows, cols), dtype=int)
    right, below = [[None] * cols for _ in range(rows)], [[None] * cols for _ in range(rows)]
    cycle = busy = 0
    while cycle <= busy + rows + cols:
        for r in range(rows):
            step = cycle - r
            right[r] = [int(a[r, step]) if 0 <= step < t else None, *right[r][:-1]]
        entering = [int(b[cycle - c, c]) if 0 <= cycle - c < t else None for c in range(cols)]
        below = [entering, *below[:-1]]
        cycle += 1
        for r in range(rows):
            for c in range(cols):
                if right[r][c] is not None:
                    outputs[r, c] += right[r][c] * below[r][c]
                    busy = cycle
    return outputs, busy


def run_weight_stationary(a, w):
    """Clock an array that is loaded row by row, passes inputs right and sums down; as above.

    `a` is t x rows, `w` rows x cols.
    """
    (t, rows), cols = a.shape, w.shape[1]
    held = [[None] * cols for _ in range(rows)]
    for r in reversed(range(rows)):  # the row that ends at the bottom enters first
        held = [list(map(int, w[r])), *held[:-1]]
    right, sums = [[None] * cols for _ in range(rows)], [[0] * cols for _ in range(rows)]
    outputs, arrived = np.zeros((t, cols), dtype=int), np.zeros(cols, dtype=int)
    cycle = rows
    while arrived.sum() < t * cols:
        for r in range(rows):
            step = cycle - rows - r
            right[r] = [int(a[step, r]) if 0 <= step < t else None, *right[r][:-1]]
        above = [[0] * cols, *sums[:-1]]
        sums = [[above[r][c] + (right[r][c] or 0) * held[r][c] for c in range(cols)] for r in range(rows)]
        cycle += 1
        for c in range(cols):
            if right[-1][c] is not None:
                outputs[arrived[c], c] = sums[-1][c]
                arrived[c] += 1
    return outputs, cycle


@given(SIDE, SIDE, st.integers(1, 10), st.integers(0, 2**32 - 1))
def test_a_fold_takes_as_long_as_clocked_arrays_take_to_get_the_product(rows, cols, t, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-9, 10, (rows, t)), rng.integers(-9, 10, (t, cols))
    outputs, cycles = run_output_stationary(a, b)
    assert np.array_equal(outputs, a @ b)
    assert cycles == mapping.fold_period(mapping.OS, rows, cols, t)
    a, w = rng.integers(-9, 10, (t, rows)), rng.integers(-9, 10, (rows, cols))
    outputs, cycles = run_weight_stationary(a, w)
    assert np.array_equal(outputs, a @ w)
    assert cycles == mapping.fold_period(mapping.WS, rows, cols, t)
    assert cycles == mapping.fold_period(mapping.IS, rows, cols, t)


@given(st.sampled_from(DATAFLOWS), SIZE, SIZE, SIZE, SIDE, SIDE)
def test_accesses_are_those_of_a_walk_over_all_folds(dataflow, m, n, k, rows, cols):
    expected = accesses_by_hand(dataflow, m, n, k, rows, cols)
    assert mapping.sram_accesses(dataflow_code(dataflow), m, n, k, rows, cols) == expected


@given(st.sampled_from(DATAFLOWS), SIZE, SIZE, SIZE, SIDE, SIDE)
def test_folds_cover_the_product_exactly(dataflow, m, n, k, rows, cols):
    sr, sc, t = mapping.fold_shape(dataflow_code(dataflow), m, n, k)
    assert sr * sc * t == m * n * k
    down, across = mapping.fold_counts(sr, sc, rows, cols)
    assert (down - 1) * rows < sr <= down * rows
    assert (across - 1) * cols < sc <= across * cols


@given(st.sampled_from(DATAFLOWS), SIZE, SIZE, SIZE, SIDE, SIDE)
def test_scalesim_differs_in_the_two_named_places_only(dataflow, m, n, k, rows, cols):
    size = (dataflow_code(dataflow), m, n, k, rows, cols)
    ours, theirs = mapping.sram_accesses(*size), mapping.scalesim_sram_accesses(*size)
    sr, sc, _ = mapping.fold_shape(*size[:4])
    down, across = mapping.fold_counts(sr, sc, rows, cols)
    surplus = down * across * (rows + cols) if dataflow == "os" else 0
    assert theirs == ours._replace(ofmap_reads=0, ofmap_writes=ours.ofmap_writes + surplus)


@pytest.mark.parametrize(
    "function",
    [
        mapping.fold_shape, mapping.fold_counts, mapping.fold_period, mapping.sram_accesses,
        mapping.scalesim_sram_accesses,
    ],
    ids=lambda function: function.__name__,
)
@pytest.mark.parametrize("dataflow", range(3))
def test_compiled_and_on_arrays_they_say_the_same(function, dataflow):
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    first = (dataflow,) if "dataflow" in names else ()
    columns = np.random.default_rng(0).integers(1, 100, size=(len(names) - len(first), 8))
    alone = [function(*first, *map(int, row)) for row in columns.T]
    compiled = njit(function)
    assert [compiled(*first, *map(int, row)) for row in columns.T] == alone
    together = function(*first, *columns)
    together = np.broadcast_arrays(*together) if isinstance(together, tuple) else together
    assert np.array_equal(np.transpose(together), alone)
