"""A second accelerator in one file: a vector machine bound by its lanes or by its memory port."""

from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.design import Design
from cyclescape.simulator.parameters import Choices, Range, Unit, Values
from cyclescape.simulator.report import Report


class RooflineDesign(Design):
    lanes: Annotated[int, Range(4, 256, "log2"), Unit("lanes")] = Field(16, ge=1, description="SIMD lanes")
    bandwidth: Annotated[int, Range(1, 64, "log2"), Unit("bytes/cycle")] = Field(8, ge=1, description="Port width")
    frequency_mhz: Annotated[int, Values(250, 500, 1000), Unit("MHz")] = Field(500, gt=0, description="Clock")
    fused: Annotated[bool, Choices()] = Field(True, description="Keep activations on chip")

    @model_validator(mode="after")
    def _powered(self) -> "RooflineDesign":
        if self.lanes * self.frequency_mhz > 128_000:
            raise ValueError(f"lanes={self.lanes} at {self.frequency_mhz} MHz exceed the power grid")
        return self


class Roofline(Accelerator):
    name, design = "roofline", RooflineDesign
    metrics: ClassVar = dict.fromkeys(("cycles", "time_s", "energy_j", "area_mm2", "utilization"), "")

    def simulate_many(self, designs: Any, workload: Any, *, engine: str = "compiled") -> list[Report]:
        return [self.one(design, workload) for design in designs]

    def one(self, d: Any, workload: Any) -> Report:
        work = workload.macs + workload.vector_ops
        moved = sum(op.weight_elements + (not d.fused) * op.output_elements for op in workload.operators)
        compute = -(-work // d.lanes)
        cycles = max(compute, -(-moved // d.bandwidth))
        time_s = cycles / (d.frequency_mhz * 1e6)
        area_mm2 = 0.02 * d.lanes + 0.1 * d.bandwidth + 1.5 * d.fused
        energy_j = (1e-12 * work + 2e-11 * moved) * (d.frequency_mhz / 500) ** 2 + 0.01 * area_mm2 * time_s
        numbers = (cycles, time_s, energy_j, area_mm2, compute / cycles)
        return Report(dict(zip(self.metrics, numbers)), {"compute": compute, "memory": cycles - compute})
