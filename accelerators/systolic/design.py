"""The parameters of the systolic array."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from ...errors import InputError
from ...simulator.design import Design
from ...simulator.parameters import Choices, Range, Unit, Values
from .mapping import Dataflow

if TYPE_CHECKING:
    from .offchip import Memory

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
    skip_idle: bool = Field(
        False, description="A partial fold loads, skews and drains only the rows and columns in use.")
    overlap_drain: bool = Field(
        False, description="The next fold enters the array while the outputs of the last drain.")
    overlap_preload: bool = Field(
        False, description="Each PE has a second register, filled with the next fold's stationary operand meanwhile.")
    mac_stages: Annotated[int, Unit("cycles")] = Field(
        1, ge=1, le=64, description="Pipeline stages of a multiply-accumulate; each beyond the first delays the drain.")
    groups_per_fold: Literal[1, 2, 4, 8, 16, 32, 64, 128, 256] = Field(
        1, description="Most groups (depthwise channels, heads) of less than a fold that may share one, diagonally.")
    memory: Literal["port", "dram", "ideal"] = Field(
        "port", description="port: bandwidth, latency and capacity count; dram: capacity counts, and tiles are bursts in a "
                            "cycle-level DRAM controller; ideal: all data is in place.")
    dram_device: str = Field("DDR4_2400R", description="memory=dram: a shipped device, or the path of a YAML file.")
    dram_channels: Literal[1, 2, 4, 8, 16, 32] = Field(1, description="memory=dram: channels of that device.")
    memory_latency_cycles: Annotated[int, Unit("cycles")] = Field(
        100, ge=1, le=10**6, description="Time from the last word's transfer until a tile can be used.")
    element_bits: Annotated[Literal[8, 16, 32], Unit("bits")] = Field(
        8, description="Width of inputs, weights and outputs where the workload does not fix it.")
    ifmap_bits: Annotated[Literal[4, 8, 16, 32] | None, Unit("bits")] = Field(
        None, description="Width of inputs where it differs from element_bits.")
    filter_bits: Annotated[Literal[4, 8, 16, 32] | None, Unit("bits")] = Field(
        None, description="Width of weights where it differs from element_bits.")
    ofmap_bits: Annotated[Literal[4, 8, 16, 32] | None, Unit("bits")] = Field(
        None, description="Width of outputs where it differs from element_bits.")
    sparse_block: Literal[1, 2, 4, 8, 16] = Field(
        1, description="Inputs among which a PE selects: weights of N:M sparsity, M up to this, are stored and multiplied "
                       "without their zeros.")
    arrays: Literal[1, 2, 4, 8, 16] = Field(
        1, description="Arrays, each with scratchpads of its own, that share a product as far as that is faster.")
    partition: Literal["channel", "row", "pipeline"] = Field(
        "channel", description="What several arrays share out: output channels (or groups), output rows, or the network in "
                               "stages of a pipeline.")
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
            "vector_lanes": 256, "frequency_mhz": 700, "overlap_preload": True, "overlap_drain": True,
        },
    }

    @property
    def pes(self) -> int:
        """Processing elements of all arrays."""
        return self.arrays * self.rows * self.cols

    @property
    def offchip(self) -> Memory | None:
        """The DRAM behind the port, if there is one."""
        if self.memory != "dram":
            return None
        from .offchip import memory_of

        try:
            return memory_of(self.dram_device, self.dram_channels, self.frequency_mhz)
        except InputError as error:
            raise ValueError(f"dram_device: {error}") from None

    @property
    def stages(self) -> int:
        """Stages of the pipeline of arrays; 1 if there is none."""
        return self.arrays if self.partition == "pipeline" else 1

    @property
    def stage(self) -> SystolicDesign:
        """What one stage has: its array and its part of what all share; the design itself if there is no pipeline."""
        if self.stages == 1:
            return self
        return self.model_copy(update={
            "arrays": 1, "partition": "channel",
            "bandwidth_bytes_per_cycle": self.bandwidth_bytes_per_cycle // self.stages,
            "activation_sram_kib": self.activation_sram_kib // self.stages,
            "vector_lanes": self.vector_lanes // self.stages,
        })

    @property
    def widths(self) -> tuple[int, int, int]:
        """Bits of an input, a weight and an output where the workload does not fix them."""
        own = (self.ifmap_bits, self.filter_bits, self.ofmap_bits)
        return tuple(bits or self.element_bits for bits in own)  # type: ignore[return-value]

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
        self.offchip  # noqa: B018  (refuses an unknown device)
        if self.stages > 1:
            for name in ("bandwidth_bytes_per_cycle", "vector_lanes"):
                if getattr(self, name) < self.stages:
                    raise ValueError(
                        f"{name}={getattr(self, name)}: each of {self.stages} stages needs its part; accepted: "
                        f"{self.stages} or more, or fewer arrays"
                    )
            if self.memory == "dram":
                raise ValueError("memory=dram: not with partition=pipeline; accepted: port, ideal")
        in_bits, weight_bits, _ = self.widths
        if self.sparse_block > 1:
            weight_bits += (self.sparse_block - 1).bit_length()
            need = {  # inputs of the block that a slot selects from
                "os": (rows * streamed * self.sparse_block, cols * streamed, held),
                "ws": (rows * streamed * self.sparse_block, held, cols * streamed),
                "is": (held * self.sparse_block, rows * streamed, cols * streamed),
            }[flow]
        widths = (in_bits, weight_bits, ACCUMULATOR_BITS)
        for name, elements, bits in zip(("ifmap", "filter", "ofmap"), need, widths, strict=True):
            have, needed = getattr(self, f"{name}_sram_kib"), elements * bits / 8 / 512
            if have < needed:
                raise ValueError(
                    f"{name}_sram_kib={have} is too small: half of it must hold one {flow} pass over "
                    f"{rows}x{cols} PEs, which needs at least {needed:g} KiB"
                )
        return self
