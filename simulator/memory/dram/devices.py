"""DRAM devices as data: organisation and timing with JEDEC names, read from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ....errors import InputError, did_you_mean, explain
from ....reading import read_yaml

__all__ = ["Device", "Organisation", "Standard", "device", "device_names", "load_device", "load_devices"]

Standard = Literal["DDR4", "DDR5", "LPDDR5", "HBM2", "HBM3", "GDDR6"]
Count = Annotated[int, Field(ge=1, le=1 << 24)]
MOST_BANKS = 4096
"""In a channel: kernels keep the place of a bank in `PLACE_BITS` bits."""

_COMMON = ("nCL", "nCWL", "nRP", "nRAS", "nRC", "nWR", "nCCDS", "nCCDL", "nRRDS", "nRRDL", "nFAW", "nWTRS", "nWTRL", "nREFI")
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "DDR4": ("nBL", "nRCD", "nRTP", "nCS", "nRFC"),
    "DDR5": ("nBL", "nRCD", "nRTP", "nCS", "nRFC", "nPPD", "nCCDS_WR", "nCCDL_WR"),
    "LPDDR5": (
        "nBL_min", "nBL_max", "nRCD", "nRTP", "nCS", "nRFC", "nRFCpb", "nREFIpb", "nRPab", "nPPD", "nCCDS_WR",
        "nCCDL_WR", "nWCKPST", "nCAS", "nAAD", "nPBR2PBR", "nPBR2ACT",
    ),
    "HBM2": ("nBL", "nRCDRD", "nRCDWR", "nRTPL", "nRFC", "nRFCpb", "nREFIpb", "nRREFD"),
    "HBM3": ("nBL", "nRCDRD", "nRCDWR", "nRTP", "nRFC", "nRFCpb", "nREFIpb", "nRREFD", "nPPD", "nRTW", "nCCDR"),
    "GDDR6": ("nBL", "nRCDRD", "nRCDWR", "nRTP", "nRFCab", "nRFCpb", "nRREFD", "nPPD"),
}
"""Timing parameters that each standard's rules use, besides the common ones."""

SAME_BANK = ("nRFCsb", "nREFIsb", "nREFSBRD")
"""What same-bank refresh (DDR5's REFsb) needs: how long it lasts, how often one is due, and when another bank may open."""
LOW_POWER = ("nCKE", "nXP", "nXS")
"""What power-down and self-refresh need: shortest sleep, and from the exit to a command (nXSDLL: to a read or write)."""
_OPTIONAL = (*SAME_BANK, *LOW_POWER, "nXSDLL", "nRFMab", "nRFMpb", "nRPab", "nREFIpb", "nCS")


class Organisation(BaseModel):
    """How a channel is built. Counts are per parent; columns are of one `dq`-wide chip row."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    density_mbit: Count
    dq: Annotated[int, Field(ge=4, le=1024)]
    """Data pins of one chip (HBM: of one pseudo-channel)."""
    channel_width: Annotated[int, Field(ge=8, le=1024)]
    """Data pins of one channel (HBM: of one pseudo-channel)."""
    ranks: Count = 1
    """Ranks of a channel; for HBM its pseudo-channels."""
    sids: Count = 1
    """Stacks (SID) of an HBM3 pseudo-channel."""
    bankgroups: Count
    banks: Count
    """Banks of one bank group."""
    rows: Count
    columns: Count

    @model_validator(mode="after")
    def _powers_of_two(self) -> Organisation:
        for name in ("ranks", "sids", "bankgroups", "banks", "rows", "columns"):
            if (value := getattr(self, name)) & (value - 1):
                raise ValueError(f"{name}={value}: accepted: a power of two")
        if self.ranks * self.banks_per_rank > MOST_BANKS:
            raise ValueError(f"{self.ranks * self.banks_per_rank} banks in a channel; accepted: at most {MOST_BANKS}")
        if self.channel_width % self.dq:
            raise ValueError(f"channel_width={self.channel_width}: accepted: a multiple of dq={self.dq}")
        return self

    @property
    def banks_per_rank(self) -> int:
        """Banks of one rank (HBM: pseudo-channel)."""
        return self.sids * self.bankgroups * self.banks

    @property
    def chips_per_rank(self) -> int:
        """Chips that answer one access together."""
        return self.channel_width // self.dq


class Device(BaseModel):
    """A DRAM device: organisation, timing in clocks, and where the numbers come from.

    Timing parameters have their JEDEC names with `n` for "in clocks": nRCD is tRCD / tCK rounded up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    standard: Standard
    source: str = ""
    tck_ps: Annotated[int, Field(ge=100, le=100_000)]
    """Clock period in picoseconds."""
    ticks_per_clock: Literal[1, 2] = 1
    """Controller ticks in a clock: HBM3 issues commands on half clocks."""
    prefetch: Annotated[int, Field(ge=1, le=64)]
    """Beats of one column access on the data bus."""
    command_clocks: Mapping[str, Annotated[float, Field(gt=0, le=8)]] = {}
    """Length of commands on their bus in clocks, where it is not 1."""
    organisation: Organisation
    timing: Mapping[str, Annotated[int, Field(ge=0, le=1 << 20)]]

    @model_validator(mode="after")
    def _is_possible(self) -> Device:
        t = self.timing
        needed = (*_COMMON, *_NEEDED[self.standard])
        if missing := [name for name in needed if name not in t]:
            raise ValueError(f"timing: {', '.join(missing)} missing; {self.standard} needs {', '.join(needed)}")
        for name in t:
            if name not in needed and name not in _OPTIONAL:
                hint = did_you_mean(name, needed)
                raise ValueError(f"timing.{name}: unknown parameter{hint}")
        rcd = max(self.clocks("nRCDRD"), self.clocks("nRCDWR"))
        order = [
            ("nRAS", t["nRAS"], "nRCD", self.clocks("nRCDRD")), ("nRC", t["nRC"], "nRAS", t["nRAS"]),
            ("nCCDL", t["nCCDL"], "nCCDS", t["nCCDS"]), ("nRRDL", t["nRRDL"], "nRRDS", t["nRRDS"]),
            ("nWTRL", t["nWTRL"], "nWTRS", t["nWTRS"]), ("nFAW", t["nFAW"], "nRRDS", t["nRRDS"]),
            ("nREFI", t["nREFI"], "nRFC", self.clocks("nRFC")), ("nCCDS", t["nCCDS"], "nBL", self.clocks("BL")),
        ]
        for big, big_value, small, small_value in order:
            if big_value < small_value:
                raise ValueError(f"timing: {big}={big_value} is less than {small}={small_value}, which cannot be")
        if rcd < 1 or self.clocks("BL") < 1 or t["nREFI"] < 1:
            raise ValueError("timing: nRCD, nBL and nREFI must be at least 1")
        return self

    def clocks(self, name: str) -> int:
        """A timing parameter in clocks, under the names that the rule tables use for all standards."""
        t = self.timing
        if name in t:
            return t[name]
        for alias in _ALIASES.get(name, ()):
            if alias in t:
                return t[alias]
        raise KeyError(name)

    @property
    def transaction_bytes(self) -> int:
        """Bytes that one column access moves."""
        return self.prefetch * self.organisation.channel_width // 8

    @property
    def tick_ps(self) -> float:
        """Length of a controller tick in picoseconds."""
        return self.tck_ps / self.ticks_per_clock

    @property
    def peak_bytes_per_tick(self) -> float:
        """Bytes that one channel's data bus can move in a tick, all pseudo-channels together."""
        buses = self.organisation.ranks if self.is_hbm else 1
        return buses * self.transaction_bytes / (self.clocks("BL") * self.ticks_per_clock)

    @property
    def channel_bytes(self) -> int:
        """Capacity of one channel."""
        o = self.organisation
        columns = max(1, o.columns // self.prefetch)
        return o.ranks * o.sids * o.bankgroups * o.banks * o.rows * columns * self.transaction_bytes

    @property
    def is_hbm(self) -> bool:
        """Whether row and column commands have buses of their own and ranks are pseudo-channels."""
        return self.standard in ("HBM2", "HBM3")

    @property
    def has_same_bank_refresh(self) -> bool:
        """Whether the table has what REFsb needs."""
        return self.standard == "DDR5" and all(name in self.timing for name in SAME_BANK)

    @property
    def has_low_power(self) -> bool:
        """Whether the table has what power-down and self-refresh need, of a standard whose ranks sleep one by one."""
        return self.standard in ("DDR4", "DDR5") and all(name in self.timing for name in LOW_POWER)

    def with_ranks(self, ranks: int) -> Device:
        """The same chips in a module of that many ranks."""
        if self.is_hbm or self.standard == "GDDR6":
            if ranks != self.organisation.ranks:
                raise InputError(f"ranks={ranks}: {self.name} has {self.organisation.ranks} by construction")
            return self
        values = self.model_dump()
        values["organisation"]["ranks"] = ranks
        return _parse(values, self.name)


_ALIASES: Mapping[str, tuple[str, ...]] = {
    "nRCDRD": ("nRCD",), "nRCDWR": ("nRCD",), "BL": ("nBL", "nBL_min"), "BLmax": ("nBL", "nBL_max"),
    "RTP": ("nRTP", "nRTPL"), "nRPab": ("nRP",), "nRFC": ("nRFCab",), "nCCDS_WR": ("nCCDS",), "nCCDL_WR": ("nCCDL",),
    "nXSDLL": ("nXS",),
}


def _parse(values: Any, where: str) -> Device:
    if not isinstance(values, Mapping):
        raise InputError(f"{where}: a device is a mapping with name, standard, organisation and timing")
    try:
        return Device.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{where}: {explain(error)}") from None


def load_device(path: str | Path) -> Device:
    """Read a device from a YAML file; raises `InputError` that names file, field and value."""
    return _parse(read_yaml(path), str(path))


def load_devices(path: str | Path) -> tuple[Device, ...]:
    """Read a YAML file with one device, a list of them under `devices`, or resolved Ramulator sets under `sets`."""
    path = Path(path)
    values = read_yaml(path)
    if isinstance(values, Mapping) and isinstance(values.get("sets"), Mapping):
        return tuple(_parse(_from_resolved(name, item, path), f"{path}, {name}") for name, item in values["sets"].items())
    if isinstance(values, Mapping) and isinstance(values.get("devices"), list):
        return tuple(_parse(item, f"{path}, device {i + 1}") for i, item in enumerate(values["devices"]))
    return (_parse(values, str(path)),)


_LEVELS = {
    "ranks": ("rank", "pseudochannel"), "sids": ("sid",), "bankgroups": ("bankgroup",), "banks": ("bank",), "rows": ("row",),
    "columns": ("column",), "density_mbit": ("density",), "dq": ("dq",), "channel_width": ("channel_width",),
}


def _from_resolved(name: Any, item: Any, path: Path) -> dict[str, Any]:
    """A device from a set of resolved numbers as Ramulator's Python layer states them."""
    try:
        timing = {key: value for key, value in item["timing"].items() if key not in ("rate", "tCK_ps")}
        organisation = {}
        for field, keys in _LEVELS.items():
            given = [item["organisation"][key] for key in keys if key in item["organisation"]]
            organisation[field] = given[0] if given else 1
        return {
            "name": str(name), "standard": item["standard"], "source": str(path), "tck_ps": item["timing"]["tCK_ps"],
            "ticks_per_clock": item.get("tick_multiplier", 1), "prefetch": item["internal_prefetch"],
            "command_clocks": item.get("command_cycles") or {}, "organisation": organisation, "timing": timing,
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}, {name}: {error} missing or not a mapping; accepted: standard, internal_prefetch, organisation and timing "
            "with tCK_ps"
        ) from None


def _folder() -> Any:
    return resources.files(__package__) / "devices"


@cache
def device_names() -> tuple[str, ...]:
    """Names of the devices that are shipped."""
    return tuple(sorted(entry.name[:-5] for entry in _folder().iterdir() if entry.name.endswith(".yaml")))


@cache
def device(name: str) -> Device:
    """A shipped device by name, or one from a YAML file if the name is a path to it."""
    if name.endswith((".yaml", ".yml")):
        return load_device(name)
    if name not in device_names():
        hint = did_you_mean(name, device_names())
        raise InputError(f"device {name!r} is not known{hint} (accepted: {', '.join(device_names())}, or a .yaml file)")
    text = (_folder() / f"{name}.yaml").read_text(encoding="utf-8")
    return _parse(yaml.safe_load(text), name)
