"""The compiled hierarchy in front of the compiled DRAM controller, each on its own clock.

Either runs ahead exactly as far as nothing from the other side can reach it. What a cache does in cycle c
reaches the controller after the beginning of cycle c, and what the controller does at a tick is felt in the cycle
after the one that begins at or next after that tick; so caches may act in cycle c once every tick up to the
beginning of cycle c - 1 is over.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ....traces.addresses import AddressTrace
from ..dram.controller import state as dram
from ..dram.controller.run import run_until
from ..dram.core.state import Settings, make_state
from ..dram.system import DramSystem
from ..pointer import pointer
from . import columns as k
from .act import take_message
from .answer import answer
from .dram_memory import DramMemory
from .hierarchy import Hierarchy
from .kernel import act, first_node
from .kinds import Rows, Vector

__all__ = ["DONE", "NO_PLACE_FOR_RECALL", "NO_PLACE_FOR_REQUEST", "Port"]

DONE, NO_PLACE_FOR_RECALL, NO_PLACE_FOR_REQUEST, TOO_LATE = range(4)

# The port's vector: the two periods in fs, the way back in cycles, pieces of a line, bytes of a line and of a piece,
# sizes of the device; then requests sent, ticks that are over, the tick at which the controller stopped, requests in
# flight, and the coordinates of an address.
(
    CYCLE_FS, TICK_FS, WAY_BACK, PIECES, LINE_BYTES, PIECE_BYTES, RANKS, SIDS, GROUPS, BANKS, SENT, OVER, TICK, FLYING,
    PLACE,
) = range(15)
FIELDS = 7
# Columns of a request: its address, who waits for it (-1: nobody), its line's first request; of a first request the
# pieces that are not answered and the latest answer. FLIGHT is a list of the requests in flight.
ADDRESS, WHO, HEAD, LEFT, LATEST, FLIGHT = range(6)
CHANNEL, BANK, ROW, KEY = range(4)
NEXT, WAITING, ACCEPTED, ANSWERED, COMPLETED, GIVEN = range(6)


class Port:
    """The controller's state and its request stream as it comes into being, with place for `room` requests."""

    def __init__(self, memory: DramMemory, hierarchy: Hierarchy, room: int) -> None:
        system = memory.system
        self.memory = memory
        self.controller, self.extension = _controller(system, room)
        self.due = np.full(room, k.FAR, np.int64)
        self.is_write = np.zeros(room, np.bool_)
        self.places = np.zeros((4, room), np.int64)
        self.marks = np.full((6, room), -1, np.int64)
        self.requests = np.zeros((6, room), np.int64)
        self.head = np.zeros(PLACE + FIELDS, np.int64)
        o = system.device.organisation
        self.head[: FLYING + 1] = [
            *memory.periods_fs, memory.latency_cycles, memory.pieces(hierarchy.line_bytes), hierarchy.line_bytes,
            system.device.transaction_bytes, o.ranks, o.sids, o.bankgroups, o.banks, 0, -1, 0, 0,
        ]

    def run(self, state: Vector, rows: Rows) -> int:
        """Run to the end; returns `DONE`, or what there was no place for."""
        outcome = int(_run(
            state, rows.reshape(-1), self.head, self.requests, self.memory.system.map.terms, self.controller, self.extension,
            self.due, self.is_write, self.places, self.marks,
        ))
        assert outcome != TOO_LATE, "the controller ran ahead of a message"
        return outcome

    @property
    def sent(self) -> int:
        """Number of requests that the controller was sent."""
        return int(self.head[SENT])

    def trace(self) -> AddressTrace:
        """What the controller was sent, in its own ticks: run alone, this gives the same answers."""
        sent = slice(self.sent)
        return AddressTrace(
            "memory requests", self.due[sent], self.requests[ADDRESS, sent], self.is_write[sent],
            "the messages of the last level of a hierarchy",
        )

    def answered(self) -> NDArray[np.int64]:
        """Tick of the answer of every request."""
        in_order = self.extension[dram.X_IN_ORDER] != 0
        return self.marks[ANSWERED if in_order else COMPLETED, : self.sent]


def _controller(system: DramSystem, room: int) -> tuple[Vector, Vector]:
    """The two vectors of the default controller at tick 0."""
    knobs, organisation = system.knobs, system.device.organisation
    banks = organisation.ranks * organisation.banks_per_rank
    depth = knobs.request_buffer_size * {"Bankwise": banks, "ReadWrite": 2, "Shared": 1}[knobs.scheduler_buffer]
    settings = Settings(depth, 0, refresh="NoRefresh")
    state = make_state(system.timing, system.channels, settings, room)
    return state, dram.make_extension(system.timing, system.channels, knobs)


@njit(cache=True, nogil=True)
def _send(
    p: Vector, requests: NDArray[np.int64], terms: NDArray[np.int64], x: Vector, due: NDArray[np.int64],
    is_write: NDArray[np.bool_], places: NDArray[np.int64], address: int, write: bool, who: int, first: int, tick: int,
) -> None:
    """Add one request to the controller's stream."""
    i = p[SENT]
    p[SENT] += 1
    requests[ADDRESS, i], requests[WHO, i], requests[HEAD, i] = address, who, first
    requests[FLIGHT, p[FLYING]] = i
    p[FLYING] += 1
    at = p[PLACE:]
    at[:] = 0
    for n in range(len(terms)):
        shift = terms[n, 1]
        at[terms[n, 0]] ^= (address >> shift if shift >= 0 else address << -shift) & terms[n, 2]
    sid = (at[0] * p[RANKS] + at[1]) * p[SIDS] + at[2]
    places[CHANNEL, i], places[ROW, i] = at[0], at[5]
    places[BANK, i] = (sid * p[GROUPS] + at[3]) * p[BANKS] + at[4]
    places[KEY, i] = address // p[PIECE_BYTES]
    is_write[i], due[i] = write, tick
    x[dram.X_FRONT_WAKE] = min(x[dram.X_FRONT_WAKE], tick)


@njit(cache=True, nogil=True)
def _harmless(x: Vector, after: int, taking: bool) -> int:
    """A tick after a given one up to which nothing that the controller does can be felt.

    While no message waits to be taken, only answers can. A read's is known from the tick of its command, which
    comes nCL before the data; if answers are put in order, it is known when it is given.
    """
    if x[dram.X_IN_ORDER] == 0 and not taking:
        return after + x[dram.X_READ_DATA]
    if x[dram.X_ARBITER] != dram.SIMPLE or x[dram.X_IN_ORDER] != 0:
        return after + 1
    event = x[dram.X_FRONT_WAKE]
    for channel in range(x[dram.X_CHANNELS]):
        event = min(event, x[x[dram.X_FIRST_XCHANNEL] + channel * dram.XC_SIZE + dram.XC_WAKE])
    return max(event, after + 1)


@njit(cache=True, nogil=True)
def _harvest(p: Vector, requests: NDArray[np.int64], x: Vector, marks: NDArray[np.int64], m: Vector, a: Rows) -> None:
    """Tell the hierarchy what the controller did: that it took the last message, and which lines are answered."""
    memory = m[k.MEMORY]
    felt = -(-p[TICK] * p[TICK_FS] // p[CYCLE_FS]) + 1
    if m[memory + k.BUSY] == k.FAR and x[dram.X_NEXT] == p[SENT]:
        m[memory + k.BUSY] = felt
        m[memory + k.WHEN] = -1
    answers = marks[ANSWERED if x[dram.X_IN_ORDER] != 0 else COMPLETED]
    n = 0
    while n < p[FLYING]:
        i = requests[FLIGHT, n]
        if answers[i] < 0:
            n += 1
            continue
        p[FLYING] -= 1
        requests[FLIGHT, n] = requests[FLIGHT, p[FLYING]]
        first = requests[HEAD, i]
        requests[LEFT, first] -= 1
        requests[LATEST, first] = max(requests[LATEST, first], answers[i])
        if requests[LEFT, first] == 0 and requests[WHO, first] >= 0:
            cycle = -(-requests[LATEST, first] * p[TICK_FS] // p[CYCLE_FS])
            answer(m, a, requests[WHO, first], cycle + p[WAY_BACK], 0, m[memory + k.LEVEL])


@njit(cache=True, nogil=True)
def _run(
    vector: Vector, rows: Rows, p: Vector, requests: NDArray[np.int64], terms: NDArray[np.int64], d: Vector, x: Vector,
    due: NDArray[np.int64], is_write: NDArray[np.bool_], places: NDArray[np.int64], marks: NDArray[np.int64],
) -> int:
    m, a = pointer(vector), pointer(rows)
    memory = m[k.MEMORY]
    while True:
        n = first_node(m, a)
        cycle = m[n + k.WHEN]
        needed = k.FAR if cycle == k.FAR else (cycle - 1) * p[CYCLE_FS] // p[TICK_FS]
        if needed <= p[OVER]:
            if n == memory and m[n + k.DOES] == k.REQUEST:
                q = take_message(m, cycle)
                pieces = 1 if m[q + k.Q_KIND] == k.WRITE else p[PIECES]
                if p[SENT] + pieces > len(due):
                    return NO_PLACE_FOR_REQUEST
                first, tick = p[SENT], -(-cycle * p[CYCLE_FS] // p[TICK_FS])
                if tick <= p[OVER]:
                    return TOO_LATE
                requests[LEFT, first], requests[LATEST, first] = pieces, 0
                for piece in range(pieces):
                    address = m[q + k.Q_LINE] * p[LINE_BYTES] + piece * p[PIECE_BYTES]
                    write = m[q + k.Q_KIND] in (k.WRITE, k.WRITEBACK, k.VICTIM)
                    _send(p, requests, terms, x, due, is_write, places, address, write, m[q + k.Q_WHO], first, tick)
                m[n + k.BUSY] = k.FAR
            elif not act(m, a, n, ((p[OVER] + 1) * p[TICK_FS] - 1) // p[CYCLE_FS] + 1):
                return NO_PLACE_FOR_RECALL
            continue
        if cycle == k.FAR and x[dram.X_FINISHED] == p[SENT]:
            m[memory + k.BUSY] = -(-p[TICK] * p[TICK_FS] // p[CYCLE_FS])
            return DONE
        until = min(needed, _harmless(x, p[OVER], m[memory + k.BUSY] == k.FAR))
        p[TICK] = run_until(
            d, x, marks[COMPLETED], marks[NEXT], marks[WAITING], due, is_write, places[CHANNEL], places[BANK], places[ROW],
            places[KEY], marks[ACCEPTED], marks[ANSWERED], marks[GIVEN], p[TICK], until,
        )
        p[OVER] = until
        _harvest(p, requests, x, marks, m, a)
