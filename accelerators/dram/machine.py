"""The memory system as a machine: designs and a request stream in, reports out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...errors import InputError
from ...simulator.accelerator import Accelerator
from ...simulator.memory.dram.controller.state import CAUSES
from ...simulator.memory.dram.energy import PARTS, Currents, currents_of, energy_j, same_bank_share
from ...simulator.memory.dram.results import DramRun
from ...simulator.report import Report, Table
from ...simulator.timeline import MOST_SPANS, Timeline
from ...traces.addresses import AddressTrace
from .design import DramDesign

if TYPE_CHECKING:
    from ...simulator.benchmark import Measurement
    from ...simulator.validation import Validation

__all__ = ["DramMachine"]

_MOST_POSTPONED = 9
"""A refresh may come at most nine intervals after the one before (JEDEC, normal temperature range)."""


class DramMachine(Accelerator):
    """DRAM channels behind a controller, clock by clock: DRAMSys's knobs on timing rules that an own checker confirms."""

    name: ClassVar[str] = "dram-controller"
    design: ClassVar[type[DramDesign]] = DramDesign
    accepts: ClassVar[tuple[type, ...]] = (AddressTrace,)
    default_workload: ClassVar[str] = "cloud-1"
    engines: ClassVar[tuple[str, ...]] = ("compiled", "reference")
    metrics: ClassVar[Mapping[str, str]] = {
        "cycles": "Controller ticks until the last answer, and until the refreshes that were put off are made up for.",
        "time_s": "The same in seconds.",
        "mean_latency_s": "Mean time from acceptance to answer, reads and writes.",
        "read_latency_p50_s": "Median read latency.",
        "read_latency_p99_s": "Read latency that 99 in 100 reads stay below.",
        "bandwidth_bytes_per_s": "Bytes of all requests by the time of the run.",
        "bandwidth_utilization": "The same by the peak of all channels.",
        "dram_bytes": "Bytes moved.",
        "row_hit_rate": "Share of requests whose row was open when their first command issued.",
        "refreshes_owed": "Refreshes that were made up for after the last answer.",
        "energy_j": "Energy of the run: the sum of the energy_*_j. Only for devices with a current table.",
        "power_w": "Mean power.",
        "edp_js": "Energy times time.",
        **{f"energy_{part}_j": f"Energy of {part}." for part in PARTS},
    }

    def simulate_many(self, designs: Sequence[Any], workload: AddressTrace, *, engine: str = "compiled") -> list[Report]:
        """Simulate every design on the requests; see `Accelerator.simulate_many`."""
        return [_simulate(design, workload, engine) for design in designs]

    def timeline(self, design: Any, workload: AddressTrace) -> Timeline:
        """Return open rows, refreshes and bursts, from the commands that were sent."""
        from ...simulator.memory.dram.timeline import timeline

        system = design.system()
        system.decode(workload, wrap=False)
        return timeline(system.run(workload, commands=MOST_SPANS // 2), f"dram-controller, {design}, on {workload.name}")

    def bounds(self, designs: Sequence[Any], workload: AddressTrace) -> Mapping[str, np.ndarray]:
        """Return what a recurrence over the requests says, without a controller; see `estimate.py`."""
        from .estimate import bounds

        return bounds(designs, workload)

    def prefix(self, designs: Sequence[Any], workload: AddressTrace, share: float) -> Mapping[str, np.ndarray]:
        """Run the first requests; see `prefix.py`."""
        from .prefix import prefix

        return prefix(designs, workload, share)

    @classmethod
    def validate(cls, table: Path | None = None, *, timings: Path | None = None) -> Validation:
        """Rerun the comparison with Ramulator 2.1, the timing probes and the checks of its command traces."""
        from .validate import validate

        return validate(table, timings)

    @classmethod
    def bench(cls) -> Iterator[Measurement]:
        """Measure requests per CPU second; see `bench.py`."""
        from .bench import bench

        return bench()


def _simulate(design: DramDesign, trace: AddressTrace, engine: str) -> Report:
    system = design.system()
    try:
        system.decode(trace, wrap=False)
    except InputError as error:
        return Report.failed(str(error))
    run = system.run(trace)
    if engine == "reference":
        _confirm(design, trace, run)
    device = run.device
    due = run.cycles // (device.timing["nREFI"] * device.ticks_per_clock)
    owed = _owed(design, run, due)
    if design.refresh_policy == "NoRefresh" and due >= _MOST_POSTPONED:
        return Report.failed(
            f"refresh_policy=NoRefresh: the run lasts {due} refresh intervals and would lose data after {_MOST_POSTPONED}"
        )
    made_up = int(owed * (device.clocks("nRFC") + device.clocks("nRPab")) * device.ticks_per_clock)
    cycles = run.cycles + made_up
    time_s = cycles * device.tick_ps * 1e-12
    reads = run.read_latency
    tick_s = device.tick_ps * 1e-12
    metrics: dict[str, float] = {
        "cycles": cycles,
        "time_s": time_s,
        "mean_latency_s": float(run.latency.mean()) * tick_s,
        "read_latency_p50_s": run.percentile(0.5) * tick_s,
        "read_latency_p99_s": run.percentile(0.99) * tick_s,
        "bandwidth_bytes_per_s": run.bytes / time_s,
        "bandwidth_utilization": run.bytes / time_s / run.peak_bytes_per_s,
        "dram_bytes": run.bytes,
        "row_hit_rate": run.counters["hits"] / len(trace),
        "refreshes_owed": owed,
    }
    if not len(reads):
        del metrics["read_latency_p50_s"], metrics["read_latency_p99_s"]
    currents = currents_of(device, design.currents)
    if currents is not None:
        metrics |= _energy(run, currents, owed, time_s)
    buses = len(run.ranks) if device.is_hbm else design.channels
    breakdown = _per_bus(run.lost, buses, run.cycles)
    breakdown["refresh"] += made_up
    return Report(metrics, breakdown, Table(_Ranks(run, currents)))


def _owed(design: DramDesign, run: DramRun, due: int) -> int:
    """Refreshes of a rank that were due and neither sent nor done by itself, the rank that owes most."""
    done = [rank.counts["REFab"] + rank.self_refreshes for rank in run.ranks]
    if design.refresh_policy == "PerBank":
        done = [rank.counts["REFpb"] // run.device.organisation.banks_per_rank for rank in run.ranks]
    elif design.refresh_policy == "SameBank":
        done = [int((rank.counts["REFsb"] + rank.self_refreshes) * same_bank_share(run.device)) for rank in run.ranks]
    return max(0, due - min(done))


def _energy(run: DramRun, currents: Currents, owed: int, time_s: float) -> dict[str, float]:
    parts = {part: sum(rank[part] for rank in energy_j(run, currents)) for part in PARTS}
    chips = run.device.organisation.channel_width / currents.dq
    rfc_s = run.device.clocks("nRFC") * run.device.tck_ps * 1e-12
    for rail in currents.rails.values():
        watt = rail.voltage * 1e-3 * chips * len(run.ranks)
        parts["refresh"] += owed * watt * (rail.idd5b - rail.idd3n) * rfc_s
        parts["background"] += max(0.0, time_s - run.seconds) * watt * rail.idd2n
    total = sum(parts.values())
    return {
        "energy_j": total, "power_w": total / time_s, "edp_js": total * time_s,
        **{f"energy_{part}_j": value for part, value in parts.items()},
    }


def _per_bus(lost: Mapping[str, int], buses: int, cycles: int) -> dict[str, int]:
    """Ticks of the mean data bus, in whole numbers that sum to the run."""
    shares = {cause: divmod(lost[cause], buses) for cause in CAUSES}
    out = {cause: whole for cause, (whole, _) in shares.items()}
    missing = cycles - sum(out.values())
    for cause in sorted(CAUSES, key=lambda c: -shares[c][1])[:missing]:
        out[cause] += 1
    return out


def _confirm(design: DramDesign, trace: AddressTrace, run: DramRun) -> None:
    """Run the reference controller, too, and insist on the same clock for every request."""
    from ...simulator.memory.dram.reference import ReferenceController

    system = design.system()
    accepted, answered = ReferenceController(system.device, system.channels, system.map, system.knobs).run(trace)
    if not (np.array_equal(accepted, run.accepted) and np.array_equal(answered, run.done)):
        raise AssertionError(f"the two controllers disagree on {trace.name!r} with {design}")


class _Ranks:
    """Builds the table of ranks when it is asked for."""

    def __init__(self, run: DramRun, currents: Currents | None) -> None:
        self.run, self.currents = run, currents

    def __call__(self) -> dict[str, Any]:
        run = self.run
        device = run.device
        columns: dict[str, Any] = {
            "channel": [rank.channel for rank in run.ranks],
            "rank": [rank.rank for rank in run.ranks],
            "chips": [device.organisation.chips_per_rank] * len(run.ranks),
            "active_ticks": [rank.active_ticks for rank in run.ranks],
            "active_down_ticks": [rank.active_down_ticks for rank in run.ranks],
            "down_ticks": [rank.down_ticks for rank in run.ranks],
            "self_refresh_ticks": [rank.self_refresh_ticks for rank in run.ranks],
            **{f"{name}_commands": [rank.counts[name] for rank in run.ranks] for name in run.counts if run.counts[name]},
        }
        if self.currents is not None:
            energies = energy_j(run, self.currents)
            columns |= {f"energy_{part}_j": [rank[part] for rank in energies] for part in PARTS}
        return columns
