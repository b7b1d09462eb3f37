"""The default controller, clock by clock, in plain Python: the witness of the compiled one.

It shares no code with the kernel: queues are lists of objects, every clock is visited, and whether a
command is legal is asked of the independent `TimingChecker`. Slow, and meant to be read.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ....traces.addresses import AddressTrace
from .checker import Place, TimingChecker
from .controller.state import Knobs
from .devices import Device
from .mapping import AddressMapping, address_mapping

__all__ = ["ReferenceChannel", "ReferenceController", "ReferenceRequest"]


@dataclass
class ReferenceRequest:
    """A request, `id` in order of age."""

    id: int
    place: Place
    row: int
    write: bool
    line: int
    channel: int = 0
    tag: int = -1
    """For whoever sent it."""


@dataclass
class _Bank:
    place: Place
    row: int | None = None
    half_open: bool = False
    requests: list[ReferenceRequest] = field(default_factory=list)
    kept: ReferenceRequest | None = None
    accesses: int = 0
    due: int = 0
    debt: int = 0
    rested: bool = False


@dataclass
class _Rank:
    due: int
    debt: int = 0
    rested: bool = False
    blocked: bool = False
    activate: int = -(10**9)
    read: int = -(10**9)
    write: int = -(10**9)
    sleep: str = ""
    """PDE or SRE while it sleeps."""
    accessed: int = 0
    quiet: int = 0
    """Refreshes since the last request came or opened a row."""


class ReferenceChannel:
    """One channel: its banks, and one command per bus and clock."""

    def __init__(self, device: Device, knobs: Knobs) -> None:
        self.device, self.knobs = device, knobs
        self.checker = TimingChecker(device)
        t = {name: value * device.ticks_per_clock for name, value in device.timing.items()}
        self.t, o = t, device.organisation
        self.burst = t.get("nBL", t.get("nBL_min", 0))
        places = [
            Place(r, s, g, b)
            for r in range(o.ranks) for s in range(o.sids) for g in range(o.bankgroups) for b in range(o.banks)
        ]
        self.banks = {place: _Bank(place) for place in places}
        every = t["nREFI"]
        self.ranks = [_Rank(every * (i + 1) // o.ranks) for i in range(o.ranks)]
        if knobs.refresh_policy == "PerBank":
            self.round = t["nREFIpb"] * o.banks_per_rank
            for i, bank in enumerate(self.banks.values()):
                bank.due = self.round * (i + 1) // len(self.banks)
        self.sets: dict[Place, list[_Bank]] = {}
        if knobs.refresh_policy == "SameBank":
            self.round = t["nREFIsb"] * o.banks
            for bank in self.banks.values():
                self.sets.setdefault(Place(bank.place.rank, 0, 0, bank.place.bank), []).append(bank)
            for i, first in enumerate(self.sets):
                self.banks[first].due = self.round * (i + 1) // len(self.sets)
        self.last_write = self.writing = False
        self.then: tuple[str, ReferenceRequest] | None = None
        self.synced = 0
        self.waiting: list[ReferenceRequest] = []
        self.done: dict[int, int] = {}

    def buffered(self, write: bool | None = None) -> int:
        return sum(write is None or r.write == write for bank in self.banks.values() for r in bank.requests)

    def has_room(self, request: ReferenceRequest) -> bool:
        size = self.knobs.request_buffer_size
        if self.knobs.scheduler_buffer == "Bankwise":
            return len(self.banks[request.place].requests) < size
        if self.knobs.scheduler_buffer == "ReadWrite":
            return self.buffered(request.write) < size
        return self.buffered() < size

    def store(self, request: ReferenceRequest) -> None:
        bank = self.banks[request.place]
        bank.requests.append(request)
        self.ranks[request.place.rank].quiet = 0
        bank.rested = self.ranks[request.place.rank].rested = False

    def work(self, bank: _Bank) -> ReferenceRequest | None:
        """The request that a bank machine works on."""
        requests, policy = bank.requests, self.knobs.scheduler
        if not requests or policy == "Fifo":
            return requests[0] if requests else None
        if policy.startswith("Grp") and bank.kept:
            return bank.kept
        hits = [r for r in requests if r.row == bank.row]
        if policy == "FrFcfs":
            return (hits or requests)[0]
        if policy == "FrFcfsGrp":
            for r in hits:
                if r.write == self.last_write:
                    clash = any(older.line == r.line for older in hits[: hits.index(r)])
                    return hits[0] if clash else r
            return (hits or requests)[0]
        ways = [self.writing] if policy == "GrpFrFcfsWm" else [self.last_write, not self.last_write]
        for way in ways:
            mine = [r for r in requests if r.write == way]
            if mine:
                return ([r for r in mine if r.row == bank.row] or mine)[0]
        return None

    def auto_precharge(self, bank: _Bank, served: ReferenceRequest) -> bool:
        policy, cap = self.knobs.page_policy, self.knobs.row_cap
        if policy == "Closed" or (cap and bank.accesses + 1 >= cap):
            return True
        others = [r for r in bank.requests if r is not served]
        if any(r.row == bank.row for r in others):
            return False
        return policy == "ClosedAdaptive" or (policy == "OpenAdaptive" and bool(others))

    def legal(self, t: int, command: str, place: Place, row: int) -> bool:
        if self.device.ticks_per_clock == 2 and t % 2 == 0:
            return False
        if command == "PREab":  # the rank waits for its last row and access, whether or not their bank is still open
            rank, length = self.ranks[place.rank], self.checker.length
            for since, earlier, ticks in (
                (rank.activate, "ACT", self.t["nRAS"]), (rank.read, "RD", self.t.get("nRTP", self.t.get("nRTPL", 0))),
                (rank.write, "WR", self.t["nCWL"] + self.burst + self.t["nWR"]),
            ):
                if t - since < ticks + length(earlier) - length("PREab"):
                    return False
        return not self.checker.breaches(t, command, place, row)

    def issue(self, t: int, command: str, place: Place, row: int) -> None:
        self.checker.record(t, command, place, row)
        rank, bank = self.ranks[place.rank], self.banks[place]
        if command == "ACT":
            rank.activate, bank.accesses = t, 0
        elif command == "RD":
            rank.read = t
        elif command == "WR":
            rank.write = t

    def tick(self, t: int) -> None:
        """One clock."""
        self.count_due(t)
        if self.then is not None:
            kind, request = self.then
            self.then = None
            bank = self.banks[request.place]
            if kind == "ACT2":
                self.issue(t, "ACT2", request.place, request.row)
                bank.row, bank.half_open = request.row, False
            else:
                self.access(t, bank, request)
            return
        if any(self.wake(t, i) for i in range(len(self.ranks))):
            return
        if self.knobs.scheduler == "GrpFrFcfsWm":
            reads, writes = self.buffered(False), self.buffered(True)
            if self.writing and writes <= self.knobs.low_watermark and reads:
                self.writing = False
            elif not self.writing and (writes > self.knobs.high_watermark or (writes and not reads)):
                self.writing = True
        if self.device.is_hbm:
            self.work_slot(t, ("RD", "WR"))
            if not self.refresh_slot(t):
                self.work_slot(t, ("ACT", "PREpb"))
        elif not self.refresh_slot(t) and not self.work_slot(t, ("RD", "WR", "ACT", "PREpb")):
            any(self.rest(t, i) for i in range(len(self.ranks)))

    def needs_refresh(self, index: int) -> bool:
        """Whether a rank without requests should be refreshed."""
        if self.knobs.refresh_policy == "AllBank":
            return self.wants(self.ranks[index], True)
        return any(
            self.wants(self.banks[first], True) for first in self.sets
            if first.rank == index and (all(b.rested for b in self.sets[first]) or self.banks[first].debt > 0)
        )

    def requests_of(self, index: int) -> bool:
        return any(bank.requests for bank in self.banks.values() if bank.place.rank == index)

    def wake(self, t: int, index: int) -> bool:
        """Wake a sleeping rank for a request or a refresh; True if the exit went out."""
        rank = self.ranks[index]
        if not rank.sleep:
            return False
        refresh = rank.sleep == "PDE" and self.needs_refresh(index)
        command, place = {"PDE": "PDX", "SRE": "SRX"}[rank.sleep], Place(index, 0, 0, 0)
        if not (refresh or self.requests_of(index)) or not self.legal(t, command, place, -1):
            return False
        self.issue(t, command, place, -1)
        rank.sleep = ""
        return True

    def rest(self, t: int, index: int) -> bool:
        """Send a rank to sleep that has nothing to do; True if the entry went out."""
        rank, knobs, place = self.ranks[index], self.knobs, Place(index, 0, 0, 0)
        if knobs.power_down_policy == "NoPowerDown" or rank.sleep or self.requests_of(index) or self.needs_refresh(index):
            return False
        if t < rank.accessed + knobs.power_down_after * self.device.ticks_per_clock:
            return False
        rounds = rank.quiet // (self.device.organisation.banks if self.sets else 1)
        closed = all(bank.row is None for bank in self.banks.values() if bank.place.rank == index)
        command = "SRE" if closed and 0 < knobs.self_refresh_after <= rounds else "PDE"
        if not self.legal(t, command, place, -1):
            return False
        self.issue(t, command, place, -1)
        rank.sleep = command
        return True

    def work_slot(self, t: int, allowed: tuple[str, ...]) -> bool:
        """Send the oldest legal proposal of the bank machines; True if there is one."""
        proposals = []
        for bank in self.banks.values():
            request = self.work(bank)
            if request is None or self.ranks[bank.place.rank].sleep or self.is_blocked(bank):
                continue
            if bank.row is None:
                command = "ACT"
            elif bank.row == request.row:
                command = "WR" if request.write else "RD"
            else:
                command = "PREpb"
            if command in allowed and self.legal_access(t, command, bank.place, request.row):
                proposals.append((request.id, command, bank, request))
        if not proposals:
            return False
        _, command, bank, request = min(proposals, key=lambda p: p[0])
        if command in ("RD", "WR"):
            if self.device.standard == "LPDDR5" and t >= self.synced:
                self.issue(t, "CAS", bank.place, request.row)
                self.then = ("access", request)
            else:
                self.access(t, bank, request)
            return True
        self.issue(t, command, bank.place, request.row)
        if command == "PREpb":
            bank.row = None
        else:
            bank.kept = request
            self.ranks[bank.place.rank].rested, self.ranks[bank.place.rank].quiet = False, 0
            if self.device.standard == "LPDDR5":
                bank.half_open, self.then = True, ("ACT2", request)
            else:
                bank.row = request.row
        return True

    def legal_access(self, t: int, command: str, place: Place, row: int) -> bool:
        if self.device.standard != "LPDDR5" or command not in ("RD", "WR"):
            return self.legal(t, command, place, row)
        found = self.checker.breaches(t, command, place, row)
        return all(breach.rule == "no_data_clock" for breach in found)  # a CAS will start it

    def access(self, t: int, bank: _Bank, request: ReferenceRequest) -> None:
        command = ("WR" if request.write else "RD") + ("A" if self.auto_precharge(bank, request) else "")
        self.issue(t, command, bank.place, request.row)
        end = t + self.t["nCWL" if request.write else "nCL"] + self.burst
        self.synced = max(self.synced, end + self.t.get("nWCKPST", 0))
        self.done[request.id] = end
        bank.requests.remove(request)
        self.ranks[bank.place.rank].accessed = t
        bank.kept, self.last_write = None, request.write
        bank.accesses += 1
        if command.endswith("A"):
            bank.row = None

    def count_due(self, t: int) -> None:
        late = self.knobs.refresh_max_postponed
        if self.knobs.refresh_policy == "AllBank":
            for rank in self.ranks:
                while rank.due <= t:
                    rank.due += self.t["nREFI"]
                    rank.debt += rank.sleep != "SRE"
                rank.blocked = rank.debt > late
        elif self.knobs.refresh_policy in ("PerBank", "SameBank"):
            for bank in self.banks.values() if not self.sets else [self.banks[first] for first in self.sets]:
                while bank.due <= t:
                    bank.due += self.round
                    bank.debt += self.ranks[bank.place.rank].sleep != "SRE"

    def is_blocked(self, bank: _Bank) -> bool:
        if bank.kept:
            return False
        if self.knobs.refresh_policy == "PerBank":
            return bank.debt > self.knobs.refresh_max_postponed
        if self.sets:
            return self.banks[Place(bank.place.rank, 0, 0, bank.place.bank)].debt > self.knobs.refresh_max_postponed
        return self.ranks[bank.place.rank].blocked

    def refresh_slot(self, t: int) -> bool:
        """Send a refresh or the precharge before it; True if one went out."""
        if self.knobs.refresh_policy == "AllBank":
            return any(self.refresh_rank(t, i) for i in range(len(self.ranks)))
        if self.knobs.refresh_policy == "PerBank":
            return any(self.refresh_bank(t, bank) for bank in self.banks.values())
        return any(self.refresh_set(t, first) for first in self.sets)

    def wants(self, owner: _Rank | _Bank, idle: bool) -> bool:
        if owner.debt > self.knobs.refresh_max_postponed:
            return True
        return idle and (owner.debt > 0 or (owner.rested and owner.debt > -self.knobs.refresh_max_pulled_in))

    def refresh_rank(self, t: int, index: int) -> bool:
        rank = self.ranks[index]
        if rank.sleep:
            return False
        mine = [bank for bank in self.banks.values() if bank.place.rank == index]
        idle = not any(bank.requests for bank in mine)
        if any(bank.kept for bank in mine) or not self.wants(rank, idle):
            return False
        closed = all(bank.row is None for bank in mine)
        command = "REFab" if closed else "PREab"
        if not self.legal(t, command, mine[0].place, -1):
            return False
        self.issue(t, command, mine[0].place, -1)
        if closed:
            rank.debt, rank.rested, rank.quiet = rank.debt - 1, True, rank.quiet + 1
            rank.blocked = rank.debt > self.knobs.refresh_max_postponed
        else:
            for bank in mine:
                bank.row = None
        return True

    def refresh_set(self, t: int, first: Place) -> bool:
        if self.ranks[first.rank].sleep:
            return False
        mine = self.sets[first]
        owner = mine[0]
        owner.rested = all(bank.rested for bank in mine)
        if any(bank.kept for bank in mine) or not self.wants(owner, not any(bank.requests for bank in mine)):
            return False
        open_banks = [bank for bank in mine if bank.row is not None]
        for bank in open_banks:
            if self.legal(t, "PREpb", bank.place, -1):
                self.issue(t, "PREpb", bank.place, -1)
                bank.row = None
                return True
        if open_banks or not self.legal(t, "REFsb", first, -1):
            return False
        self.issue(t, "REFsb", first, -1)
        owner.debt -= 1
        self.ranks[first.rank].quiet += 1
        for bank in mine:
            bank.rested = True
        return True

    def refresh_bank(self, t: int, bank: _Bank) -> bool:
        if bank.kept or not self.wants(bank, not bank.requests):
            return False
        command = "REFpb" if bank.row is None else "PREpb"
        if not self.legal(t, command, bank.place, -1):
            return False
        self.issue(t, command, bank.place, -1)
        if command == "REFpb":
            bank.debt, bank.rested = bank.debt - 1, True
        bank.row = None
        return True


class ReferenceController:
    """A memory system of reference channels behind one arbiter."""

    def __init__(
        self, device: Device, channels: int = 1, mapping: str | AddressMapping = "RoBaRaCoCh", knobs: Knobs | None = None
    ) -> None:
        self.knobs = knobs or Knobs()
        self.device = device
        self.map = address_mapping(mapping, device, channels) if isinstance(mapping, str) else mapping
        self.channels = [ReferenceChannel(device, self.knobs) for _ in range(channels)]

    def run(self, trace: AddressTrace) -> tuple[list[int], list[int]]:
        """Clock of acceptance and clock of the answer for every request."""
        at = {name: values.tolist() for name, values in self.map.decode(trace.address).items()}
        n = len(trace)
        accepted, answered = [-1] * n, [-1] * n
        order: list[int] = []
        arrival, writes = trace.arrival.tolist(), trace.is_write.tolist()
        capped = self.knobs.arbiter != "Simple"
        following, t = 0, 0
        while True:
            self.answer(t, order, at["channel"], answered)
            if all(clock >= 0 for clock in answered):
                return accepted, answered
            active = sum(answered[i] < 0 for i in order)
            if following < n and arrival[following] <= t and not (capped and active >= self.knobs.max_active_transactions):
                i = following
                channel = self.channels[at["channel"][i]]
                if capped or not channel.waiting:
                    place = Place(at["rank"][i], at["sid"][i], at["group"][i], at["bank"][i])
                    line = int(trace.address[i]) // self.device.transaction_bytes
                    channel.waiting.append(ReferenceRequest(i, place, at["row"][i], writes[i], line))
                    order.append(i)
                    following += 1
            for channel in self.channels:
                if channel.waiting and channel.has_room(channel.waiting[0]):
                    request = channel.waiting.pop(0)
                    channel.store(request)
                    accepted[request.id] = t
            t += 1
            for channel in self.channels:
                channel.tick(t)

    def answer(self, t: int, order: list[int], channel_of: list[int], answered: list[int]) -> None:
        """Give the answers that may leave by clock t."""
        in_lane: dict[int, bool] = {}
        for i in order:
            done = self.channels[channel_of[i]].done.get(i)
            lane = 0 if self.knobs.arbiter == "Reorder" else channel_of[i] if self.knobs.resp_queue == "Reorder" else None
            if answered[i] >= 0:
                continue
            ready = done is not None and done <= t and not (lane is not None and in_lane.get(lane, False))
            if ready:
                answered[i] = t
            elif lane is not None:
                in_lane[lane] = True
