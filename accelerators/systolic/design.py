"""The parameters of the systolic array."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from ...simulator.design import Design
from ...simulator.parameters import Choices, Range, Unit, Values
from .mapping import Dataflow

__all__ = ["ACCUMULATOR_BITS", "FUSIONS", "MIN_PASS", "SystolicDesign"]

ACCUMULATOR_BITS = 32
"""Width of a partial sum: 8- and 16-bit products are accumulated in 32 bits, as in the TPU and Gemmini."""
MIN_PASS = 8
"""Shortest stream, in elements, into which the tiler cuts the dimension that runs through the array."""

FUSIONS = ("none", "elementwise", "residual", "pooling")
"""What can be done to outputs as they drain, each with what stands before it."""


class SystolicDesign(Design):
    """A two-dimensional systolic array with three double-buffered scratchpads and one memory port."""

    rows: Annotated[int, Range(4, 256, scale="log2"), Unit("PEs")] = Field(
        32, ge=1, le=4096, description="Rows of processing elements.")
    cols: Annotated[int, Range(4, 256, scale="log2"), Unit("PEs")] = Field(
        32, ge=1, le=4096, description="Columns of processing elements.")
    dataflow: Annotated[Dataflow, Choices()] = Field(
        "ws", description="What stays in the array: outputs (os), weights (ws) or inputs (is).")
    ifmap_sram_kib: Annotated[int, Range(8, 2048, scale="log2"), Unit("KiB")] = Field(
        128, ge=1, le=2**20, description="Scratchpad for inputs; one half is used while the other is filled.")
    filter_sram_kib: Annotated[int, Range(8, 2048, scale="log2"), Unit("KiB")] = Field(
        128, ge=1, le=2**20, description="Scratchpad for weights (or the second operand), in two halves.")
    ofmap_sram_kib: Annotated[int, Range(8, 2048, scale="log2"), Unit("KiB")] = Field(
        128, ge=1, le=2**20, description="Scratchpad for 32-bit partial sums and outputs, in two halves.")
    activation_sram_kib: Annotated[int, Values(0, 64, 128, 256, 512, 1024, 2048, 4096), Unit("KiB")] = Field(
        256, ge=0, le=2**20,
        description="Buffer in which outputs wait for the operators that read them, as many as fit.")
    bandwidth_bytes_per_cycle: Annotated[int, Range(1, 256, scale="log2"), Unit("B/cycle")] = Field(
        16, ge=1, le=2**20, description="Bandwidth of the one memory port that all operands share.")
    vector_lanes: Annotated[int, Range(8, 128, scale="log2"), Unit("elements/cycle")] = Field(
        32, ge=1, le=65536, description="Width of the unit for pooling, softmax, additions and the like.")
    fusion: Literal["none", "elementwise", "residual", "pooling"] = Field(
        "elementwise", description="What is done to outputs as they drain: nothing; functions of one operand; also "
        "additions to what is on chip; also poolings whose result stays there.")
    memory: Literal["port", "ideal"] = Field(
        "port", description="port: bandwidth, latency and capacity count; ideal: all data is in place.")
    memory_latency_cycles: Annotated[int, Unit("cycles")] = Field(
        100, ge=1, le=10**6, description="Time from the last word's transfer until a tile can be used.")
    element_bits: Annotated[Literal[8, 16, 32], Unit("bits")] = Field(
        8, description="Width of inputs, weights and outputs where the workload does not fix it.")
    frequency_mhz: Annotated[int, Unit("MHz")] = Field(
        1000, ge=1, le=10**5, description="Clock of array, vector unit and port.")
    technology: Literal["horowitz-45nm", "eyeriss-65nm"] = Field(
        "horowitz-45nm", description="Table of energies and areas.")

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "edge-16x16": {
            "rows": 16, "cols": 16, "dataflow": "os", "ifmap_sram_kib": 32, "filter_sram_kib": 32,
            "ofmap_sram_kib": 32, "activation_sram_kib": 64, "bandwidth_bytes_per_cycle": 4, "vector_lanes": 16,
        },
        "eyeriss-12x14": {
            "rows": 12, "cols": 14, "dataflow": "os", "ifmap_sram_kib": 54, "filter_sram_kib": 27,
            "ofmap_sram_kib": 27, "activation_sram_kib": 0, "bandwidth_bytes_per_cycle": 8, "vector_lanes": 14,
            "element_bits": 16, "frequency_mhz": 200, "technology": "eyeriss-65nm",
        },
        "tpu-v1-like": {
            "rows": 256, "cols": 256, "dataflow": "ws", "ifmap_sram_kib": 4096, "filter_sram_kib": 256,
            "ofmap_sram_kib": 4096, "activation_sram_kib": 24576, "bandwidth_bytes_per_cycle": 48,
            "vector_lanes": 256, "frequency_mhz": 700,
        },
    }

    @model_validator(mode="after")
    def _smallest_tile_fits(self) -> SystolicDesign:
        """Half of each scratchpad must hold what one pass over the array needs."""
        if self.memory == "ideal":
            return self
        rows, cols, flow = self.rows, self.cols, self.dataflow
        held, streamed = rows * cols, MIN_PASS
        need = {  # elements of one pass: ifmap, filter, partial sums
            "os": (rows * streamed, cols * streamed, held),
            "ws": (rows * streamed, held, cols * streamed),
            "is": (held, rows * streamed, cols * streamed),
        }[flow]
        widths = (self.element_bits, self.element_bits, ACCUMULATOR_BITS)
        for name, elements, bits in zip(("ifmap", "filter", "ofmap"), need, widths, strict=True):
            have, needed = getattr(self, f"{name}_sram_kib"), elements * bits / 8 / 512
            if have < needed:
                raise ValueError(
                    f"{name}_sram_kib={have} is too small: half of it must hold one {flow} pass over "
                    f"{rows}x{cols} PEs, which needs at least {needed:g} KiB"
                )
        return self
