"""Run a network on a compiled kernel and say in the network's own words what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..network import Network
from .event_heap import run_by_events
from .periodic import advance_rounds, evaluate_depths
from .run import Blocked, Run
from .tables import DEPTH, END, FAR, FIRED, FIRINGS, READY, RESPONSE_LATENCY, Compiled, State, compile_network
from .worklist import NO_LOG, Log, advance, blocked_on

__all__ = ["cycles_of", "make_log", "run_events", "run_worklist", "summary"]


def run_worklist(network: Network, record: bool = False, skip: bool = False) -> Run:
    """Run a checked network without arbitration on the local-clock worklist, round by round.

    With `skip`, a proven periodic steady state is not run to its end (firings are then not recorded).
    """
    compiled = compile_network(network, by_rounds=True)
    state, log = compiled.state(), make_log(compiled) if record else NO_LOG
    ran, period = advance_rounds(
        compiled.tables, state, compiled.quota, compiled.rounds, skip and not record, log
    )
    if (state.node[:, FIRED] < compiled.tables.node[:, FIRINGS]).any():
        # A deadlock. Rounds held the nodes back that can still go on: let all of them get as far as they can.
        compiled = compile_network(network)
        state, log = compiled.state(), make_log(compiled) if record else NO_LOG
        advance(compiled.tables, state, compiled.tables.node[:, FIRINGS].copy(), FAR, log)
    note = f"ran {ran} of {compiled.rounds} rounds; the state repeats every {period}" if period else ""
    return summary(compiled, "worklist", state, log, note=note)


def run_events(network: Network, record: bool = False) -> Run:
    """Run a checked network of known firings, arbiters included, on the event heap."""
    compiled = compile_network(network)
    state, log = compiled.state(), make_log(compiled) if record else NO_LOG
    choices = np.full(len(log[1]), -1, np.int64)
    run_by_events(compiled.tables, state, log, choices)
    return summary(compiled, "events", state, log, choices)


def cycles_of(network: Network, depths: Sequence[Mapping[str, int | None]]) -> np.ndarray:
    """Cycles of the network with each of several sets of depths (FIFO names; others stay); -1: deadlock.

    Raises for a network with arbiters, which takes a run of its own for each.
    """
    compiled = compile_network(network, by_rounds=True)
    names = [f.name for f in compiled.fifos]
    base = {f.name: f.depth for f in compiled.fifos}
    matrix = np.array([[({**base, **d})[name] or 0 for name in names] for d in depths], np.int64)
    return batch(compiled, matrix.reshape(len(depths), len(names)))


def batch(compiled: Compiled, depths: np.ndarray) -> np.ndarray:
    """Cycles for each row of depths (shape: designs x FIFOs; 0 is unbounded); -1 stands for a deadlock."""
    return evaluate_rounds(compiled, depths, compiled.rounds)


def evaluate_rounds(compiled: Compiled, depths: np.ndarray, rounds: int) -> np.ndarray:
    """As `batch`, for the first rounds of a run."""
    node, fifo = compiled.tables.node.copy(), compiled.tables.fifo.copy()
    node[:, FIRINGS] = compiled.quota * rounds
    fifo[:, RESPONSE_LATENCY] = [f.response_latency for f in compiled.fifos]  # the tables' own depths do not count
    tables = compiled.tables._replace(node=node, fifo=fifo)
    return evaluate_depths(tables, depths, compiled.held, room_of(compiled), compiled.quota, rounds, NO_LOG)


def room_of(compiled: Compiled) -> np.ndarray:
    """Slots for each FIFO that are enough for a round, whatever its depth."""
    return compile_network(compiled.network.with_depths(None), by_rounds=True).tables.fifo[:, DEPTH].copy()


def make_log(compiled: Compiled) -> Log:
    """Room for every firing; -1 where nothing has happened."""
    start = np.concatenate([[0], np.cumsum(compiled.tables.node[:, FIRINGS])]).astype(np.int64)
    return start, np.full(int(start[-1]), -1, np.int64), np.full(int(start[-1]), -1, np.int64)


def summary(
    compiled: Compiled,
    engine: str,
    state: State,
    log: Log = NO_LOG,
    choices: np.ndarray | None = None,
    note: str = "",
) -> Run:
    """The run that a final state (and its log) amounts to."""
    names = [node.name for node in compiled.nodes]
    waits = {name: blocked_on(compiled.tables, state, n) for n, name in enumerate(names)}
    blocked = tuple(
        Blocked(name, wait[0], compiled.fifos[wait[1]].name)  # type: ignore[arg-type]
        for name, wait in waits.items()
        if wait
    )
    counts = {name: int(state.node[n, FIRED] + (state.node[n, READY] >= 0)) for n, name in enumerate(names)}
    cycles = None if blocked else int(state.node[:, END].max())
    run = Run(compiled.network, engine, cycles, counts, blocked, note=note)
    if len(log[0]):
        spans = {name: slice(int(log[0][n]), int(log[0][n]) + counts[name]) for n, name in enumerate(names)}
        run.ready = {name: log[1][span] for name, span in spans.items()}
        run.send = {name: log[2][span] for name, span in spans.items()}
        if choices is not None:
            run.choices = {n.name: choices[spans[n.name]] for n in compiled.nodes if n.kind == "arbiter"}
    return run
