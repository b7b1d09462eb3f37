"""Energy by the DRAMPower formulas, per rank, from tables of supply currents.

For each supply rail, with V its voltage, I its currents (JEDEC IDD numbers) and t from the run:

    activate   V (Itheta - I1) tRAS       read   V (IDD4R - IDD3N) tBURST     refresh  V (IDD5B - IDD3N) tRFC
    precharge  V (IDD0 - IDD2N) tRP       write  V (IDD4W - IDD3N) tBURST     per bank: the same by the banks
    background V IDD2N with all banks closed, V Irho while any is open, V (I1 - Irho) for each open bank;
               V IDD3P, V IDD2P in active and precharge power-down, V IDD6 in self-refresh

with Irho = rho (IDD3N - IDD2N) + IDD2N, I1 = (IDD3N + (B - 1) Irho) / B and Itheta = IDD0. The bank
factor rho is 1 unless a table says otherwise, which gives the usual data-sheet formula. Interface
energy (termination, toggling) is not part of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ....errors import InputError, explain
from ....reading import read_yaml
from .devices import Device
from .results import DramRun, RankActivity

__all__ = [
    "PARTS", "Currents", "Rail", "currents_of", "energy_j", "needed_currents", "parse_currents", "ranks_energy_j",
    "same_bank_share",
]

PARTS = ("activate", "precharge", "read", "write", "refresh", "background")
Milliampere = Annotated[float, Field(ge=0, le=1e5)]


class Rail(BaseModel):
    """One supply rail of a chip: volts, and mA by JEDEC's names (0 where the table has none)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    voltage: Annotated[float, Field(gt=0, le=5)]
    idd0: Milliampere = 0
    idd2n: Milliampere = 0
    idd3n: Milliampere = 0
    idd4r: Milliampere = 0
    idd4w: Milliampere = 0
    idd5b: Milliampere = 0
    idd6: Milliampere = 0
    idd2p: Milliampere = 0
    idd3p: Milliampere = 0


class Currents(BaseModel):
    """The currents of one chip, and where they were read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    devices: tuple[str, ...] = ()
    dq: Annotated[int, Field(ge=1)]
    """Data pins of the chip (or channel) that the currents belong to."""
    rho: Annotated[float, Field(ge=0, le=1)] = 1.0
    rails: Mapping[str, Rail]


@cache
def _tables() -> dict[str, Currents]:
    text = (resources.files(__package__) / "currents" / "tables.yaml").read_text(encoding="utf-8")
    return {name: Currents.model_validate(values) for name, values in yaml.safe_load(text).items()}


def currents_of(device: Device, table: str | None = None) -> Currents | None:
    """The currents of a device: those of a named table or YAML file, or the shipped ones; None if none are known.

    Raises `InputError` for a table that is not known, or whose chips do not make up a channel of the device.
    """
    if table:
        found = _read(table) if table.endswith((".yaml", ".yml")) else _tables().get(table)
        if found is None:
            raise InputError(f"currents={table!r}: accepted: {', '.join(_tables())}, or a .yaml file")
        if device.organisation.channel_width % found.dq:
            raise InputError(
                f"currents={table!r}: chips of dq={found.dq}; accepted for {device.name}: a divisor of its "
                f"channel_width={device.organisation.channel_width}"
            )
        _check_activation(device, found, table)
        return found
    return next((currents for currents in _tables().values() if device.name in currents.devices), None)


def _one_bank(rail: Rail, rho: float, banks: int) -> tuple[float, float]:
    """Standby currents with any bank open, and with one: Irho and I1."""
    shared = rho * (rail.idd3n - rail.idd2n) + rail.idd2n
    return shared, (rail.idd3n + (banks - 1) * shared) / banks


def _check_activation(device: Device, currents: Currents, name: str) -> None:
    """An activation must not give energy back; raises `InputError`."""
    for rail_name, rail in currents.rails.items():
        _, one = _one_bank(rail, currents.rho, device.organisation.banks_per_rank)
        if rail.idd0 < one:
            raise InputError(
                f"currents={name!r}: {rail_name}.idd0={rail.idd0:g} is less than the {one:g} of one open bank, so an "
                f"activation would give energy back; accepted: a larger idd0, or a bank factor rho less than {currents.rho:g}"
            )


def needed_currents(device: Device, table: str | None = None) -> Currents:
    """As `currents_of`, for a caller that cannot do without; raises `InputError` in one line if none are known."""
    found = currents_of(device, table)
    if found is None:
        known = sorted({name for currents in _tables().values() for name in currents.devices})
        raise InputError(
            f"{device.name}: no supply currents are published that the formulas can take; energy is known for "
            f"{', '.join(known)}, and for currents of your own in a .yaml file"
        )
    return found


def _read(path: str) -> Currents:
    return parse_currents(read_yaml(path), path)


def parse_currents(values: Any, where: str) -> Currents:
    """Check a user's own table; raises `InputError` in one line."""
    try:
        return Currents.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{where}: {explain(error)}") from None


def same_bank_share(device: Device) -> float:
    """What one same-bank refresh is of a refresh of the whole rank: as many of them refresh the same rows."""
    return device.timing["nREFIsb"] / device.timing["nREFI"] if device.has_same_bank_refresh else 0.0


def energy_j(run: DramRun, currents: Currents) -> list[dict[str, float]]:
    """Energy of each rank in joules, by `PARTS`; the ranks are in the order of `run.ranks`."""
    return ranks_energy_j(run.device, run.ranks, run.cycles, currents)


def ranks_energy_j(
    device: Device, ranks: Sequence[RankActivity], cycles: int, currents: Currents
) -> list[dict[str, float]]:
    """Energy of each of these ranks over so many ticks, by `PARTS`."""
    return [_rank_energy_j(device, currents, rank, cycles) for rank in ranks]


def _check_sleep(rank: RankActivity, currents: Currents) -> None:
    """A rank that slept needs the currents of sleep, on one rail at least; raises `InputError`."""
    slept = {"idd3p": rank.active_down_ticks, "idd2p": rank.down_ticks, "idd6": rank.self_refresh_ticks}
    for name, ticks in slept.items():
        if ticks and not any(getattr(rail, name) for rail in currents.rails.values()):
            raise InputError(f"currents from {currents.source}: {name} is missing, and a rank slept for {ticks} ticks")


def _rank_energy_j(device: Device, currents: Currents, rank: RankActivity, cycles: int) -> dict[str, float]:
    tick_s = device.tick_ps * 1e-12
    clock_s = device.tck_ps * 1e-12
    chips = device.organisation.channel_width / currents.dq
    banks = device.organisation.banks_per_rank
    n = rank.counts
    precharges = n["PREpb"] + n["RDA"] + n["WRA"]
    # a PREab closes as many banks as were still open, so every ACT has its precharge
    precharges += max(0, n["ACT"] - precharges) if n["PREab"] else 0
    out = dict.fromkeys(PARTS, 0.0)
    _check_sleep(rank, currents)
    for rail in currents.rails.values():
        watt = rail.voltage * 1e-3 * chips
        shared, one = _one_bank(rail, currents.rho, banks)
        burst_s = device.clocks("BL") * clock_s
        refresh = watt * (rail.idd5b - rail.idd3n) * device.clocks("nRFC") * clock_s
        out["activate"] += n["ACT"] * watt * (rail.idd0 - one) * device.timing["nRAS"] * clock_s
        out["precharge"] += precharges * watt * (rail.idd0 - rail.idd2n) * device.timing["nRP"] * clock_s
        out["read"] += (n["RD"] + n["RDA"]) * watt * (rail.idd4r - rail.idd3n) * burst_s
        out["write"] += (n["WR"] + n["WRA"]) * watt * (rail.idd4w - rail.idd3n) * burst_s
        out["refresh"] += (n["REFab"] + n["REFpb"] / banks + n["REFsb"] * same_bank_share(device)) * refresh
        active = rank.active_ticks - rank.active_down_ticks
        closed = cycles - rank.active_ticks - rank.down_ticks - rank.self_refresh_ticks
        out["background"] += tick_s * watt * (
            closed * rail.idd2n + active * shared + (rank.bank_ticks - rank.active_down_bank_ticks) * (one - shared)
            + rank.active_down_ticks * rail.idd3p + rank.down_ticks * rail.idd2p + rank.self_refresh_ticks * rail.idd6
        )
    return out
