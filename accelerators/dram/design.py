"""The parameters of the memory system: DRAMSys's ten controller knobs, and the device behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from ...errors import InputError
from ...simulator.design import Design
from ...simulator.memory.dram.controller.state import Knobs
from ...simulator.memory.dram.devices import Device, device
from ...simulator.memory.dram.energy import currents_of
from ...simulator.memory.dram.system import DramSystem
from ...simulator.parameters import Choices, Range, Unit, Values

__all__ = ["DramDesign"]


class DramDesign(Design):
    """Channels of one DRAM device behind a controller of the DRAMSys family.

    The ten explored knobs and their values are those of ArchGym's DRAM environment: 442,368 points.
    """

    page_policy: Annotated[Literal["Open", "OpenAdaptive", "Closed", "ClosedAdaptive"], Choices()] = Field(
        "Open", description="When a row is closed by auto-precharge: never, if others wait, always, if none hits.")
    scheduler: Annotated[
        Literal["Fifo", "FrFcfs", "FrFcfsGrp", "GrpFrFcfs", "GrpFrFcfsWm"], Choices("Fifo", "FrFcfsGrp", "FrFcfs")
    ] = Field("FrFcfs", description="Which request of a bank is next: oldest, hit first, hits of the same direction first ...")
    scheduler_buffer: Annotated[Literal["Bankwise", "ReadWrite", "Shared"], Choices()] = Field(
        "Bankwise", description="What the buffer size counts: requests of a bank, of a direction, or all of a channel.")
    request_buffer_size: Annotated[int, Range(1, 128, scale="log2"), Unit("requests")] = Field(
        8, ge=1, le=1024, description="Places in the scheduler's buffer.")
    resp_queue: Annotated[Literal["Fifo", "Reorder"], Choices()] = Field(
        "Fifo", description="Answers as data comes, or in the order of requests within a channel.")
    refresh_policy: Annotated[
        Literal["NoRefresh", "AllBank", "PerBank", "SameBank"], Choices("NoRefresh", "AllBank")
    ] = Field(
        "AllBank", description="Refresh of whole ranks, bank by bank, or one bank of every group at once (DDR5). What is left "
        "out is made up for at the end of the run; a run that would lose data fails.")
    refresh_max_postponed: Annotated[int, Values(1, 2, 4, 8), Unit("refreshes")] = Field(
        1, ge=0, le=8, description="Refreshes that may be put off while requests wait.")
    refresh_max_pulled_in: Annotated[int, Values(1, 2, 4, 8), Unit("refreshes")] = Field(
        1, ge=0, le=8, description="Refreshes that may be done early while nothing waits.")
    arbiter: Annotated[Literal["Simple", "Fifo", "Reorder"], Choices()] = Field(
        "Simple", description="Hand requests through; queue them per channel; the same and restore the order of answers.")
    max_active_transactions: Annotated[int, Range(1, 128, scale="log2"), Unit("requests")] = Field(
        64, ge=1, le=2048, description="Requests under way at once (arbiters Fifo and Reorder).")
    device: str = Field("DDR4_2400R", description="A shipped device, or the path of a YAML file.")
    ranks: Annotated[int, Unit("ranks")] = Field(0, ge=0, le=8, description="Ranks of a channel; 0 takes the device's own.")
    channels: int = Field(1, ge=1, le=64, description="Channels; a power of two.")
    mapping: str = Field("RoBaRaCoCh", description="Address mapping: RoBaRaCoCh, ChRaBaRoCo, MOP4CLXOR, or a YAML file with "
                         "the address bits of each coordinate.")
    low_watermark: Annotated[int, Unit("requests")] = Field(
        2, ge=1, le=1024, description="Writes at which GrpFrFcfsWm turns back to reads.")
    high_watermark: Annotated[int, Unit("requests")] = Field(
        6, ge=2, le=1024, description="Writes above which GrpFrFcfsWm turns to writes.")
    currents: str = Field("", description="Supply currents for the energy: empty takes the device's own if any are published; "
                          "else the name of a shipped table, or the path of a YAML file.")
    row_cap: Annotated[int, Unit("accesses")] = Field(
        0, ge=0, le=4096, description="Accesses after which a row is closed; 0 is no cap.")
    power_down_policy: Literal["NoPowerDown", "Staggered"] = Field(
        "NoPowerDown", description="Staggered: a rank without requests goes to power-down, and to self-refresh when it stays "
        "without (DDR4, DDR5).")
    power_down_after: Annotated[int, Unit("cycles")] = Field(
        0, ge=0, le=1 << 20, description="Clocks after its last access before a rank goes to sleep.")
    self_refresh_after: Annotated[int, Unit("refreshes")] = Field(
        2, ge=0, le=1 << 20, description="Refreshes of an idle rank after which it refreshes itself; 0 is never.")

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "ddr4-2400": {"device": "DDR4_2400R"},
        "hbm2": {"device": "HBM2_2000", "refresh_policy": "PerBank"},
        "lpddr5": {"device": "LPDDR5_6400", "page_policy": "ClosedAdaptive"},
    }

    @model_validator(mode="after")
    def _is_possible(self) -> DramDesign:
        if self.low_watermark >= self.high_watermark:
            raise ValueError(f"low_watermark={self.low_watermark}: accepted: less than high_watermark={self.high_watermark}")
        try:
            self.system().map  # noqa: B018  an unknown or broken mapping fails here
            currents_of(self.memory(), self.currents)
        except InputError as error:
            raise ValueError(str(error)) from None
        return self

    def memory(self) -> Device:
        """The device, with its ranks."""
        chosen = device(self.device)
        return chosen.with_ranks(self.ranks) if self.ranks else chosen

    def system(self) -> DramSystem:
        """The memory system to run."""
        knobs = Knobs(**{name: getattr(self, name) for name in Knobs._fields})
        return DramSystem(self.memory(), self.channels, self.mapping, knobs=knobs)
