"""Run a network on a compiled kernel and say in the network's own words what came of it."""

from __future__ import annotations

import numpy as np

from ..network import Network
from .event_heap import run_by_events
from .run import Blocked, Run
from .tables import State, Tables, initial_state, tabulate
from .worklist import FAR, NO_LOG, Log, advance, blocked_on

__all__ = ["run_events", "run_worklist", "summary"]


def run_worklist(network: Network, record: bool = False) -> Run:
    """Run a network without arbitration on the local-clock worklist."""
    network = network.resolved_firings()
    tables = tabulate(network)
    state = initial_state(network, tables)
    log = make_log(tables) if record else NO_LOG
    advance(tables, state, tables.firings, FAR, log)
    return summary(network, "worklist", tables, state, log)


def run_events(network: Network, record: bool = False) -> Run:
    """Run any network of known firings on the event heap, arbiters included."""
    network = network.resolved_firings()
    tables = tabulate(network)
    state = initial_state(network, tables)
    log = make_log(tables) if record else NO_LOG
    choices = np.full(int(tables.firings.sum()) if record else 0, -1, np.int64)
    run_by_events(tables, state, log, choices)
    return summary(network, "events", tables, state, log, choices)


def make_log(tables: Tables) -> Log:
    """Room for every firing; -1 where nothing has happened."""
    start = np.concatenate([[0], np.cumsum(tables.firings)]).astype(np.int64)
    return start, np.full(int(start[-1]), -1, np.int64), np.full(int(start[-1]), -1, np.int64)


def summary(
    network: Network, engine: str, tables: Tables, state: State, log: Log = NO_LOG,
    choices: np.ndarray | None = None, note: str = "",
) -> Run:
    """The run that a final state (and its log) amounts to."""
    names, fifos = list(network.nodes), list(network.fifos)
    waits = {name: blocked_on(tables, state, n) for n, name in enumerate(names)}
    blocked = tuple(Blocked(name, w[0], fifos[w[1]]) for name, w in waits.items() if w)  # type: ignore[arg-type]
    counts = {name: int(state.fired[n] + (state.ready[n] >= 0)) for n, name in enumerate(names)}
    run = Run(network, engine, None if blocked else int(state.end.max()), counts, blocked, note=note)
    if len(log[0]):
        spans = {name: slice(int(log[0][n]), int(log[0][n]) + counts[name]) for n, name in enumerate(names)}
        run.ready = {name: log[1][span] for name, span in spans.items()}
        run.send = {name: log[2][span] for name, span in spans.items()}
        if choices is not None and len(choices):
            arbiters = [n.name for n in network.nodes.values() if n.kind == "arbiter"]
            run.choices = {name: choices[spans[name]] for name in arbiters}
    return run
