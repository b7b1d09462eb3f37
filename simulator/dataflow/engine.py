"""Run a network: check it, choose the engine, say which and why."""

from __future__ import annotations

from typing import Literal, get_args

from ...errors import InputError
from ..network import Network
from .compiled import run_events, run_worklist
from .deadlock import refuse_deadlock
from .hosted import run_hosted
from .run import Run
from .simpy_engine import run_simpy
from .static import run_static
from .values import compute, with_schedules

__all__ = ["ENGINES", "choose_engine", "simulate"]

Engine = Literal["auto", "simpy", "worklist", "events", "static", "hosted"]
ENGINES: tuple[Engine, ...] = get_args(Engine)


def choose_engine(network: Network) -> tuple[Engine, str]:
    """The fastest engine that can run a network, and why it is that one."""
    kinds = {node.kind for node in network.nodes.values()}
    if "process" in kinds:
        return "simpy", "a node is a free process"
    if "arbiter" in kinds:
        if "rule" in kinds:
            return "simpy", "values decide what happens after an arbiter"
        return "events", "an arbiter goes by the order in time"
    return "worklist", "nothing depends on the order in time"


def simulate(
    network: Network, engine: str = "auto", *, record: bool = False, values: bool = False, check: bool = True
) -> Run:
    """Run a network to its end or to a deadlock.

    `record` keeps the ready and send time of every firing; `values` what nodes without outputs receive
    (SimPy keeps both anyway). Without them a steady state that repeats is skipped (exactly). With
    `check` a deadlock that is certain is refused before the run. Engine "hosted" compiles all nodes of known
    rates and leaves arbiters and free processes to SimPy; tokens then carry no values. Raises `NetworkError`,
    and `InputError` for an engine that cannot run the network.
    """
    network.check()
    if engine not in ENGINES:
        raise InputError(f"engine {engine!r}: accepted: {', '.join(ENGINES)}")
    chosen, why = choose_engine(network)
    if engine != "auto":
        able = {"simpy": ("simpy", "hosted"), "events": ("simpy", "events", "hosted"), "worklist": ENGINES}[chosen]
        if engine not in able:
            raise InputError(f"engine {engine!r} cannot run network {network.name!r}: {why}; use {' or '.join(able)}")
        chosen, why = engine, "as asked"
    if chosen == "simpy":
        if check:
            refuse_deadlock(network)
        return _noted(run_simpy(network), why)
    if chosen == "hosted":
        inside = [n.name for n in network.nodes.values() if n.kind in ("static", "schedule")]
        if any(n.kind == "rule" for n in network.nodes.values()) or not inside:
            raise InputError(f"engine 'hosted' cannot run network {network.name!r}: values decide in it; use simpy")
        return _noted(run_hosted(network, inside, record=record), why)
    timed = with_schedules(network) if chosen != "events" else network
    if check:
        refuse_deadlock(timed)
    if chosen == "events":
        run = run_events(timed, record)
    elif chosen == "static":
        found = None if record else run_static(timed)
        if found is None:
            reason = "it keeps no firings" if record else "rates are not static, or it gets stuck"
            raise InputError(f"engine 'static' cannot run network {network.name!r}: {reason}; use worklist")
        run = found
    else:
        run = run_worklist(timed, record, skip=not record)
    if values:
        run.received = compute(network).received
    return _noted(run, why)


def _noted(run: Run, why: str) -> Run:
    run.note = f"{run.engine}: {why}" + (f"; {run.note}" if run.note else "")
    return run
