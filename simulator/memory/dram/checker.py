"""A checker of command traces, written from the meaning of each timing parameter.

It shares neither code nor table with any scheduler: it knows the device's parameters, and for each
command what must have happened how long ago. Times count from the last clock of a command, since a
command is known only when it has arrived.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from .devices import Device

__all__ = ["Breach", "Place", "TimingChecker"]

_LONG_AGO = -(10**12)
_READS, _WRITES = ("RD", "RDA"), ("WR", "WRA")


@dataclass(frozen=True)
class Place:
    """Where a command goes: coordinates within a channel."""

    rank: int
    sid: int
    group: int
    bank: int


@dataclass(frozen=True)
class Breach:
    """One rule that one command breaks."""

    clock: int
    command: str
    rule: str
    short_by: int
    """Ticks that were missing; 0 for a rule about state."""


@dataclass
class _Bank:
    row: int | None = None
    activate: int = _LONG_AGO
    read: int = _LONG_AGO
    write: int = _LONG_AGO
    idle: int = _LONG_AGO
    """When its precharge began, explicit or automatic."""
    refresh: int = _LONG_AGO
    half_open: int | None = None


@dataclass
class _Rank:
    activates: deque[int] = field(default_factory=lambda: deque([_LONG_AGO] * 4, maxlen=4))
    precharge: int = _LONG_AGO
    precharge_all: int = _LONG_AGO
    refresh: int = _LONG_AGO
    refresh_bank: int = _LONG_AGO
    refresh_set: int = _LONG_AGO
    asleep: str | None = None
    """PDE or SRE while it sleeps; times of the last way in and of both ways out."""
    entered: int = _LONG_AGO
    woken: dict[str, int] = field(default_factory=lambda: {"PDX": _LONG_AGO, "SRX": _LONG_AGO})
    group_activate: dict[int, int] = field(default_factory=lambda: defaultdict(lambda: _LONG_AGO))
    last: dict[str, int] = field(default_factory=lambda: defaultdict(lambda: _LONG_AGO))
    """Last access by direction, and by direction and group or SID."""


class TimingChecker:
    """Checks the commands of one channel in the order in which they were issued."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.standard = device.standard
        tpc = device.ticks_per_clock
        self.t = {name: value * tpc for name, value in device.timing.items()}
        t = self.t
        self.rcd = {"r": t.get("nRCD", t.get("nRCDRD", 0)), "w": t.get("nRCD", t.get("nRCDWR", 0))}
        self.burst = t.get("nBL", t.get("nBL_min", 0))
        self.long_burst = t.get("nBL_max", self.burst)
        self.rtp = t.get("nRTP", t.get("nRTPL", 0))
        self.rfc = t.get("nRFC", t.get("nRFCab", 0))
        self.rp_all = t.get("nRPab", t["nRP"])
        gap = {"DDR4": 2, "HBM2": 2, "LPDDR5": 2, "DDR5": 4}.get(self.standard)
        if gap is not None:  # the write burst clears the read burst and its turnaround bubble
            self.read_to_write = t["nCL"] + self.burst + gap * tpc - t["nCWL"]
        else:
            self.read_to_write = t["nRTW"] if self.standard == "HBM3" else t["nCL"] + tpc
        self.write_recovery = t["nCWL"] + self.burst + t["nWR"]
        self.banks: dict[Place, _Bank] = defaultdict(_Bank)
        self.ranks: dict[int, _Rank] = defaultdict(_Rank)
        self.bus_free: dict[str, int] = defaultdict(lambda: _LONG_AGO)
        self.data: dict[int, tuple[int, int]] = {}
        self.synced = 0
        self.owed: tuple[Place, int] | None = None
        self.found: list[Breach] = []

    def length(self, command: str) -> int:
        """Ticks on the command bus."""
        return max(1, round(self.device.command_clocks.get(command, 1.0) * self.device.ticks_per_clock))

    def check(self, commands: Iterable[tuple[int, str, Place, int]]) -> Counter[str]:
        """Check lines of (clock, command, place, row); returns how often each rule is broken."""
        for clock, command, place, row in commands:
            self.found += self.breaches(clock, command, place, row)
            self.record(clock, command, place, row)
        return Counter(breach.rule for breach in self.found)

    def breaches(self, clock: int, command: str, place: Place, row: int) -> list[Breach]:
        """What would be wrong with this command now."""
        end = clock + self.length(command) - 1
        out: list[Breach] = []

        def need(since: int, ticks: int, rule: str) -> None:
            if end - since < ticks:
                out.append(Breach(clock, command, rule, ticks - (end - since)))

        def state(fine: bool, rule: str) -> None:
            if not fine:
                out.append(Breach(clock, command, rule, 0))

        if clock < self.bus_free[self._bus(command)]:
            out.append(Breach(clock, command, "command_bus", self.bus_free[self._bus(command)] - clock))
        self._sleep(command, self.ranks[place.rank], need, state)
        if command in ("PDE", "SRE"):
            self._rest(command, place, need, state)
        elif command == "ACT":
            self._activate(place, need, state)
        elif command == "ACT2":
            state(self.owed is not None and self.owed[0] == place, "ACT2_without_ACT1")
            state(self.owed is None or clock - self.owed[1] <= self.t["nAAD"], "nAAD")
        elif command in _READS or command in _WRITES:
            self._access(clock, end, command, place, row, need, state)
        elif command == "PREpb":
            self._precharge(place, self.banks[place], need)
            state(self.banks[place].half_open is None, "precharge_before_ACT2")
        elif command == "PREab":
            for where, bank in self.banks.items():
                if where.rank == place.rank and bank.row is not None:
                    self._precharge(where, bank, need)
            self._spacing(place, need)
            need(self.ranks[place.rank].refresh, self.rfc, "nRFC")
            need(self.ranks[place.rank].refresh_set, self.t.get("nRFCsb", 0), "nRFCsb")
        elif command in ("REFab", "REFpb", "REFsb"):
            self._refresh(command, place, need, state)
        return out

    def _bus(self, command: str) -> str:
        if not self.device.is_hbm:
            return "any"
        return "column" if command in _READS or command in _WRITES else "row"

    def _sleep(self, command: str, rank: _Rank, need, state) -> None:  # type: ignore[no-untyped-def]
        """A sleeping rank hears only the way out, and after it nothing for a while."""
        t, clock = self.t, self.device.ticks_per_clock
        if command in ("PDX", "SRX"):
            state(rank.asleep == {"PDX": "PDE", "SRX": "SRE"}[command], f"{command}_of_another_state")
            need(rank.entered, t["nCKE"] + (clock if command == "SRX" else 0), "nCKE")
            return
        state(rank.asleep is None, "command_to_sleeping_rank")
        need(rank.woken["PDX"], t.get("nCKE" if command == "PDE" else "nXP", 0), "nXP")
        reads = command in _READS or command in _WRITES
        need(rank.woken["SRX"], t.get("nXSDLL", t.get("nXS", 0)) if reads else t.get("nXS", 0), "nXS")

    def _rest(self, command: str, place: Place, need, state) -> None:  # type: ignore[no-untyped-def]
        """All that the rank does must be over: rows opened or closed, data moved, refreshes done; for SRE its rows closed."""
        t, rank = self.t, self.ranks[place.rank]
        deep = command == "SRE"
        for bank in (bank for where, bank in self.banks.items() if where.rank == place.rank):
            state(bank.row is None or not deep, "self_refresh_with_open_bank")
            need(bank.activate, t["nRC"] if deep else self.rcd["r"], "nRC" if deep else "nRCD")
            need(bank.write, self.write_recovery, "nWR")
            need(bank.idle, t["nRP"], "nRP")
        need(rank.last["r"], t["nCL"] + self.burst + self.device.ticks_per_clock, "read_data")
        need(rank.precharge_all, self.rp_all, "nRPab")
        need(rank.refresh, self.rfc, "nRFC")
        need(rank.refresh_set, t.get("nRFCsb", 0), "nRFCsb")

    def _activate(self, place: Place, need, state) -> None:  # type: ignore[no-untyped-def]
        t, bank, rank = self.t, self.banks[place], self.ranks[place.rank]
        state(bank.row is None and bank.half_open is None, "ACT_on_open_bank")
        state(self.owed is None, "ACT1_before_ACT2")
        need(bank.activate, t["nRC"], "nRC")
        need(bank.idle, t["nRP"], "nRP")
        need(rank.precharge_all, self.rp_all, "nRPab")
        need(rank.activates[-1], t["nRRDS"], "nRRDS")
        need(rank.group_activate[self._group(place)], t["nRRDL"], "nRRDL")
        need(rank.activates[0], t["nFAW"], "nFAW")
        need(rank.refresh, self.rfc, "nRFC")
        need(bank.refresh, t.get("nRFCsb" if self.standard == "DDR5" else "nRFCpb", 0), "refresh_of_bank")
        need(rank.refresh_set, t.get("nREFSBRD", 0), "REFsb_to_ACT")
        need(rank.refresh_bank, t.get("nRREFD", t.get("nPBR2ACT", 0)), "REFpb_to_ACT")

    def _access(self, clock: int, end: int, command: str, place: Place, row: int, need, state) -> None:  # type: ignore[no-untyped-def]
        t, bank, rank = self.t, self.banks[place], self.ranks[place.rank]
        way = "r" if command in _READS else "w"
        group, sid = f"{self._group(place)}", f"s{place.sid}"
        state(bank.row == row, "access_to_wrong_row")
        need(bank.activate, self.rcd[way], "nRCD")
        if way == "r":
            need(rank.last["r" + sid], t["nCCDS"], "nCCDS")
            need(rank.last["rg" + group], t["nCCDL"], "nCCDL")
            need(rank.last["w"], t["nCWL"] + self.burst + t["nWTRS"], "nWTRS")
            need(rank.last["wg" + group], t["nCWL"] + self.long_burst + t["nWTRL"], "nWTRL")
            if self.standard == "HBM3":
                for other in range(self.device.organisation.sids):
                    if other != place.sid:
                        need(rank.last[f"rs{other}"], t["nCCDR"], "nCCDR")
        else:
            need(rank.last["w" + sid], t.get("nCCDS_WR", t["nCCDS"]), "nCCDS_WR")
            need(rank.last["wg" + group], t.get("nCCDL_WR", t["nCCDL"]), "nCCDL_WR")
            need(rank.last["r"], self.read_to_write, "read_to_write")
        start = end + (t["nCL"] if way == "r" else t["nCWL"])
        wire = place.rank if self.device.is_hbm else 0
        if wire in self.data:
            free, owner = self.data[wire]
            gap = t["nCS"] if owner != place.rank else 0
            need(end - (start - free), gap, "data_bus" if start < free else "nCS")
        if self.standard == "LPDDR5":
            state(clock < self.synced, "no_data_clock")

    def _precharge(self, place: Place, bank: _Bank, need) -> None:  # type: ignore[no-untyped-def]
        need(bank.activate, self.t["nRAS"], "nRAS")
        need(bank.read, self.rtp, "nRTP")
        need(bank.write, self.write_recovery, "nWR")
        self._spacing(place, need)

    def _spacing(self, place: Place, need) -> None:  # type: ignore[no-untyped-def]
        rank = self.ranks[place.rank]
        need(max(rank.precharge, rank.precharge_all), self.t.get("nPPD", 0), "nPPD")

    def _refresh(self, command: str, place: Place, need, state) -> None:  # type: ignore[no-untyped-def]
        t, rank = self.t, self.ranks[place.rank]
        need(rank.refresh, self.rfc, "nRFC")
        need(rank.precharge_all, self.rp_all, "nRPab")
        need(rank.refresh_set, t.get("nRFCsb", 0), "nRFCsb")
        if command == "REFsb":
            need(rank.activates[-1], t["nRRDL"], "nRRDL")
            scope = self._same_bank(place)
        elif command == "REFab":
            need(rank.refresh_bank, t.get("nRFCpb", 0), "nRFCpb")
            scope = [bank for where, bank in self.banks.items() if where.rank == place.rank]
        else:
            between = {"LPDDR5": "nPBR2PBR"}.get(self.standard, "nRREFD")
            need(rank.refresh_bank, t[between], "REFpb_to_REFpb")
            if self.standard != "LPDDR5":
                need(rank.activates[-1], t["nRRDS"], "nRRDS")
            need(self.banks[place].refresh, t["nRFCpb"], "nRFCpb")
            scope = [self.banks[place]]
        for bank in scope:
            state(bank.row is None and bank.half_open is None, "refresh_of_open_bank")
            need(bank.activate, t["nRC"], "nRC")
            need(bank.idle, t["nRP"], "nRP")

    def _same_bank(self, place: Place) -> list[_Bank]:
        """The banks of one number in all groups of a rank."""
        return [self.banks[Place(place.rank, 0, g, place.bank)] for g in range(self.device.organisation.bankgroups)]

    @staticmethod
    def _group(place: Place) -> int:
        return place.sid * 1000 + place.group

    def record(self, clock: int, command: str, place: Place, row: int) -> None:
        """Take the command as issued."""
        end = clock + self.length(command) - 1
        bank, rank = self.banks[place], self.ranks[place.rank]
        self.bus_free[self._bus(command)] = clock + self.length(command)
        if command == "ACT":
            bank.activate = end
            rank.activates.append(end)
            rank.group_activate[self._group(place)] = end
            if self.standard == "LPDDR5":
                bank.half_open, self.owed = row, (place, clock)
            else:
                bank.row = row
        elif command == "ACT2":
            bank.row, bank.half_open, self.owed = row, None, None
        elif command == "CAS":
            self.synced = clock + 10**6  # holds until the access behind it sets the true end
        elif command in _READS or command in _WRITES:
            self._record_access(clock, end, command, place)
        elif command == "PREpb":
            bank.row, bank.idle, rank.precharge = None, end, end
        elif command == "PREab":
            rank.precharge_all = end
            for where, other in self.banks.items():
                if where.rank == place.rank:
                    other.row = None
        elif command == "REFab":
            rank.refresh = end
        elif command == "REFpb":
            bank.refresh = rank.refresh_bank = end
        elif command in ("PDE", "SRE"):
            rank.asleep, rank.entered = command, end
        elif command in ("PDX", "SRX"):
            rank.asleep = None
            rank.woken[command] = end
        elif command == "REFsb":
            rank.refresh_set = end
            for other in self._same_bank(place):
                other.refresh = end

    def _record_access(self, clock: int, end: int, command: str, place: Place) -> None:
        t, bank, rank = self.t, self.banks[place], self.ranks[place.rank]
        way = "r" if command in _READS else "w"
        for key in (way, f"{way}g{self._group(place)}", f"{way}s{place.sid}"):
            rank.last[key] = end
        start = end + (t["nCL"] if way == "r" else t["nCWL"])
        self.data[place.rank if self.device.is_hbm else 0] = (start + self.burst, place.rank)
        if way == "r":
            bank.read = end
        else:
            bank.write = end
        if command in ("RDA", "WRA"):
            bank.row = None
            bank.idle = end + (self.rtp if way == "r" else self.write_recovery)
        if self.standard == "LPDDR5":
            until = start + self.burst + t["nWCKPST"]
            self.synced = until if self.synced > clock + 10**5 else max(self.synced, until)
