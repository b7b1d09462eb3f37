"""How fast the dataflow machine is simulated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...simulator.benchmark import Measurement, cpu_seconds
from ...traces.catalog import load
from . import pipeline
from .design import DataflowDesign
from .machine import Dataflow, mapped

__all__ = ["bench"]

_WORKLOAD = "bert-base"
_TILES, _BUFFERS = (4, 8, 16, 32), (1, 2, 3)


def bench() -> Iterator[Measurement]:
    """Yield designs a CPU second, nothing remembered between them; the networks below are `bench streaming`'s."""
    workload, machine = load(_WORKLOAD), Dataflow()
    designs: list[Any] = [
        DataflowDesign.make({"tiles": tiles, "buffer_tiles": depth, "region_operators": 16})
        for tiles in _TILES for depth in _BUFFERS
    ]

    def run() -> None:
        mapped.cache_clear()
        pipeline.cycles_of.cache_clear()
        pipeline.busy.cache_clear()
        machine.run(designs, workload)

    seconds = cpu_seconds(run, repeats=3)
    note = f"{_WORKLOAD}, {len(workload.operators)} operators; equal regions of a design run once"
    yield Measurement("dataflow machine", len(designs) / seconds, "designs/s", note=note)
