"""The streaming attention machine: attention operators in, cycles, memory, area and energy out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ...simulator.accelerator import Accelerator
from ...simulator.network import Network
from ...simulator.report import Report, Table
from ...traces.operators import Attention
from ...traces.workload import Workload
from . import costs
from .attention import attention
from .design import StreamingDesign

if TYPE_CHECKING:
    from ...simulator.benchmark import Measurement
    from ...simulator.timeline import Timeline
    from ...simulator.validation import Validation

__all__ = ["Streaming", "network_of"]

ENERGIES = ("mac", "vector", "fifo", "leakage")


class Streaming(Accelerator):
    """Attention as a network of units and FIFOs at the rate of the data (arXiv 2404.16629)."""

    name: ClassVar[str] = "streaming"
    design: ClassVar[type[StreamingDesign]] = StreamingDesign
    default_workload: ClassVar[str] = "attention"
    engines: ClassVar[tuple[str, ...]] = ("compiled", "simpy")
    metrics: ClassVar[Mapping[str, str]] = {
        "cycles": "Clock cycles from the first query to the last result.",
        "time_s": "The same in seconds.",
        "rows_per_s": "Query rows of all heads by time.",
        "utilization": "Cycles that the products are busy by all cycles; 1 is full rate.",
        "fifo_bytes": "Capacity of all FIFOs: the memory between the units.",
        "area_mm2": "Area of units and FIFOs.",
        "energy_j": "Energy of the run: the sum of the energy_*_j.",
        "edp_js": "Energy times time.",
        "power_w": "Mean power.",
        **{f"energy_{part}_j": f"Energy of {part}." for part in ENERGIES},
    }

    def simulate_many(self, designs: Sequence[Any], workload: Workload, *, engine: str = "compiled") -> list[Report]:
        """Simulate every design on the attention operators of a workload; see `Accelerator.simulate_many`."""
        others = [op for op in workload.operators if not isinstance(op, Attention)]
        if others:
            reason = f"operator {others[0].name!r} ({others[0].kind}): this machine runs attention operators only"
            return [Report.failed(reason) for _ in designs]
        operators = [op for op in workload.operators if isinstance(op, Attention)]
        cycles = [_cycles(designs, op, engine) for op in operators]
        return [_report(design, operators, [column[i] for column in cycles]) for i, design in enumerate(designs)]

    def timeline(self, design: Any, workload: Workload) -> Timeline:
        """Return when every unit worked; see `timeline.streaming_timeline`."""
        from .timeline import streaming_timeline

        return streaming_timeline(design, workload)

    @classmethod
    def validate(cls, table: Path | None = None) -> Validation:
        """Rerun the table of attention runs on both engines; see `validation.validate`."""
        from .validation import validate

        return validate(table)

    @classmethod
    def bench(cls) -> Iterator[Measurement]:
        """Measure the engines against each other; see `bench.py`."""
        from .bench import bench

        return bench()


def network_of(design: StreamingDesign, op: Attention) -> Network:
    """The network that a design runs an operator on: heads and batch one after the other.

    Queries are padded to a multiple of the lanes. With fewer key/value heads than heads their groups are
    further rows. A causal mask saves nothing: the masked half is computed too.
    """
    kv = op.kv_heads or op.heads
    rows = op.q_len * (op.heads // kv)
    return attention(
        design.graph, op.kv_len, rows=-(-rows // design.lanes) * design.lanes, head_dim=max(op.head_dim, op.v_dim or 0),
        batch=op.batch * kv, lanes=design.lanes, width=design.width, latency=design.unit_latency,
        interval=design.unit_interval, send_latency=design.send_latency, response_latency=design.response_latency,
        depth=design.stream_depth, row_depth=design.row_depth, long_depth=design.score_depth,
    )  # fmt: skip


def _cycles(designs: Sequence[StreamingDesign], op: Attention, engine: str) -> list[int]:
    """Cycles of each design, -1 for a deadlock. Designs that differ in depths alone share their tables."""
    if engine == "simpy":
        from ...simulator.dataflow.simpy_engine import run_simpy

        runs = [run_simpy(network_of(design, op)) for design in designs]
        return [-1 if run.cycles is None else run.cycles for run in runs]
    from ...simulator.dataflow.compiled import cycles_of

    depths = ("stream_depth", "row_depth", "score_depth")
    groups: dict[StreamingDesign, list[int]] = {}
    for i, design in enumerate(designs):
        groups.setdefault(design.model_copy(update=dict.fromkeys(depths, 1)), []).append(i)
    out = [0] * len(designs)
    for members in groups.values():
        networks = [network_of(designs[i], op) for i in members]
        found = cycles_of(networks[0], [{f.name: f.depth for f in net.fifos.values()} for net in networks])
        for i, value in zip(members, found.tolist()):
            out[i] = value
    return out


def _report(design: StreamingDesign, operators: Sequence[Attention], cycles: Sequence[int]) -> Report:
    for op, value in zip(operators, cycles):
        if value < 0:
            return Report.failed(f"operator {op.name!r}: {_explained(network_of(design, op))}")
    seconds = [value / (design.frequency_mhz * 1e6) for value in cycles]
    networks = [network_of(design, op) for op in operators]
    rows = [op.batch * op.heads * op.q_len for op in operators]
    dims = [max(op.head_dim, op.v_dim or 0) for op in operators]
    parts = [
        costs.energies_j(design, network, dim, count, op.kv_len, time)
        for network, op, dim, count, time in zip(networks, operators, dims, rows, seconds)
    ]
    total, time_s = sum(cycles), sum(seconds)
    busy = [
        -(-count // design.lanes) * op.kv_len * design.unit_interval * -(-dim // design.width)
        for op, dim, count in zip(operators, dims, rows)
    ]
    energy = {part: sum(item[part] for item in parts) for part in ENERGIES}
    energy_j = sum(energy.values())
    fifos = [costs.fifo_bytes(design, network.fifos.values(), dim) for network, dim in zip(networks, dims)]
    metrics = {
        "cycles": total, "time_s": time_s, "rows_per_s": sum(rows) / time_s, "utilization": sum(busy) / total,
        "fifo_bytes": max(fifos),
        "area_mm2": max(costs.area_mm2(design, n.fifos.values(), dim) for n, dim in zip(networks, dims)),
        "energy_j": energy_j, "edp_js": energy_j * time_s, "power_w": energy_j / time_s,
        **{f"energy_{part}_j": value for part, value in energy.items()},
    }  # fmt: skip
    table = Table({
        "name": [op.name for op in operators], "kind": [op.kind for op in operators], "rows": rows,
        "keys": [op.kv_len for op in operators], "cycles": list(cycles), "busy_cycles": busy, "fifo_bytes": fifos,
        "energy_j": [sum(item.values()) for item in parts],
    })  # fmt: skip
    return Report(metrics, {"products": sum(busy), "waiting": total - sum(busy)}, table)


def _explained(network: Network) -> str:
    from ...simulator.dataflow.deadlock import certain_deadlock

    return str(certain_deadlock(network.check()) or "deadlock")
