"""How full FIFOs get, from the recorded firings of a run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..network import Fifo
from .run import Run

__all__ = ["Gauge", "gauges", "token_times"]


@dataclass(frozen=True)
class Gauge:
    """What a FIFO went through."""

    tokens: int
    """Tokens that passed, the initial ones among them."""
    most_held: int
    """The most tokens in it at a time."""
    slots_wanted: int
    """The least depth with which its sender would never have waited for it in this run: slots in use,
    counting one as in use until its response is back."""


def token_times(run: Run, fifo: Fifo) -> tuple[np.ndarray, np.ndarray]:
    """Cycles at which each token is sent (initial ones at 0) and taken, from a recorded run."""
    sends = run.send[fifo.source[0]][_firings(run, *fifo.source, output=True)]
    sends = sends[sends >= 0]
    takes = run.ready[fifo.target[0]][_firings(run, *fifo.target, output=False)]
    return np.concatenate([np.zeros(len(fifo.initial), np.int64), sends]), takes


def gauges(run: Run) -> dict[str, Gauge]:
    """The gauge of every FIFO; in a run with unbounded FIFOs `slots_wanted` are depths that delay nothing."""
    if not run.ready:
        raise ValueError("gauges need a run whose firings were recorded")
    out = {}
    for name, fifo in run.network.fifos.items():
        sends, takes = token_times(run, fifo)
        number = np.arange(1, len(sends) + 1)
        held = number - np.searchsorted(takes, sends, side="right")
        used = number - np.searchsorted(takes + fifo.response_latency, sends, side="right")
        initial = len(fifo.initial)
        most = max(initial, int(held.max(initial=0)))
        out[name] = Gauge(len(sends), most, max(1, initial, int(used.max(initial=0))))
    return out


def _firings(run: Run, name: str, port: int, *, output: bool) -> np.ndarray:
    """Which recorded firings of a node a port takes part in."""
    node, count = run.network.nodes[name], len(run.ready[name])
    k = np.arange(count)
    if node.schedule is not None:
        masks = node.schedule.outputs if output else node.schedule.inputs
        return (masks[k % len(node.schedule)] >> port & 1).astype(bool)
    if node.kind == "arbiter" and not output:
        return run.choices[name] == port
    chosen = (node.outputs if output else node.inputs)[port]
    return k % chosen.every == chosen.at
