"""Microbenchmarks: run them, and hold issue cycles, hits and values to what was measured."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...traces.kernels.assembly import Case, read_assembly
from ...traces.kernels.instruction import Instruction
from ...traces.kernels.trace import Kernel
from ..validation import Check
from .config import CoreConfig
from .execute import Machine, Outcome, execute
from .values import evaluate

__all__ = ["check_case", "check_file", "kernel_of", "run_case"]

MAX_CYCLES = 10**6


def kernel_of(case: Case) -> Kernel:
    """Return a microbenchmark as a kernel of one thread block."""
    instructions: list[Instruction] = []
    starts, lengths = [], []
    for warp in range(case.warps):
        program = case.program(warp)
        starts.append(len(instructions))
        lengths.append(len(program))
        instructions += program
    stream = np.arange(len(instructions), dtype=np.int32)
    return Kernel(case.name, tuple(instructions), stream, np.array(starts), np.array(lengths), case.warps, True)


def run_case(case: Case, config: CoreConfig | None = None, kernel: Kernel | None = None) -> Outcome:
    """Run a microbenchmark from a warm start on an SM of the case's settings, over `config`; its kernel may be given."""
    try:
        core = (config or CoreConfig()).with_text(case.settings)
        machine = Machine(core, ctas=1, registers=1 << 20)
        return execute(kernel or kernel_of(case), machine, warm=True, record=True, lines=case.lines, max_cycles=MAX_CYCLES)
    except InputError as error:
        raise InputError(f"{case.where}: case {case.name!r}: {error}") from None


def check_file(path: Path) -> list[Check]:
    """Run every microbenchmark of a file; raises `InputError` if there is nothing to check."""
    checks = [check for case in read_assembly(path) for check in check_case(case)]
    if not checks:
        raise InputError(f"{path}: no microbenchmark says what is expected of it")
    return checks


def check_case(case: Case, config: CoreConfig | None = None) -> Iterator[Check]:
    """Run one microbenchmark and yield a check for every number beside it."""
    outcome = run_case(case, config)
    issue = outcome.issue + case.origin
    note = case.source
    for warp in range(case.warps):
        for i, expected in enumerate(case.expects(warp)):
            where = f"{case.name}: W{warp}.{i} {case.program(warp)[i].opcode}"
            if (cycle := expected.cycle(warp)) is not None:
                yield Check.equal(where, "issue_cycle", cycle, int(issue[warp, i]), note)
            for position, hit in expected.hits:
                got = int(outcome.hits[warp, i]) >> position & 1
                yield Check.equal(where, "register_cache_hit", int(hit), got, note)
    for what, words, where in case.expectations:
        try:
            yield from _expectation(case, outcome, issue, what, words)
        except (ValueError, IndexError):
            raise InputError(f"{where}: .expect {what} {' '.join(words)}: {_FORMS[what]}") from None


_FORMS = {
    "elapsed": "accepted: .expect elapsed CYCLES, with two CS2R in the program",
    "end": "accepted: .expect end CYCLES", "bubbles": "accepted: .expect bubbles CYCLES",
    "order": "accepted: .expect order 2W1 30W0", "value": "accepted: .expect value R5 2.0",
    "hazards": "accepted: .expect hazards COUNT",
}


def _expectation(case: Case, outcome: Outcome, issue: np.ndarray, what: str, words: Sequence[str]) -> Iterator[Check]:
    note = case.source
    if what == "elapsed":
        clocks = [int(issue[0, i]) for i, item in enumerate(case.program(0)) if item.base == "CS2R"]
        yield Check.equal(case.name, "elapsed_cycles", int(words[0]), clocks[1] - clocks[0], note)
    elif what == "end":
        yield Check.equal(case.name, "end_cycle", int(words[0]), int(issue.max()) + 1 - case.origin, note)
    elif what == "bubbles":
        issued = np.unique(issue[issue >= 0])
        yield Check.equal(case.name, "bubbles", int(words[0]), int(issued[-1] - issued[0]) + 1 - len(issued), note)
    elif what == "hazards":
        yield Check.equal(case.name, "hazards", int(words[0]), int(outcome.hazards.sum()), note)
    elif what == "value":
        program = case.program(0)
        got = evaluate(program, issue[0, : len(program)].tolist(), case.values).get(words[0], 0.0)
        yield Check.equal(case.name, "value", float(words[1]), got, note)
    else:
        expected = [(int(n), int(warp)) for n, warp in (_run(word) for word in words)]
        yield from _order_checks(case, issue, expected)


def _run(word: str) -> tuple[str, str]:
    match = re.fullmatch(r"(\d+)W(\d+)", word)
    if match is None:
        raise ValueError(word)
    return match[1], match[2]


def _order_checks(case: Case, issue: np.ndarray, expected: list[tuple[int, int]]) -> Iterator[Check]:
    """One check for each run of instructions of one warp: its length, and the warp."""
    order = sorted((int(cycle), warp) for warp in range(case.warps) for cycle in issue[warp] if cycle >= 0)
    runs: list[list[int]] = []
    for _, warp in order:
        if runs and runs[-1][1] == warp:
            runs[-1][0] += 1
        else:
            runs.append([1, warp])
    for i in range(max(len(runs), len(expected))):
        length, warp = expected[i] if i < len(expected) else (0, -1)
        got_length, got_warp = runs[i] if i < len(runs) else (0, -1)
        yield Check.equal(f"{case.name}: run {i}", "run_warp", warp, got_warp, case.source)
        yield Check.equal(f"{case.name}: run {i}", "run_length", length, got_length, case.source)
