"""The parameters of a row-stationary array."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field

from ...simulator.design import Design
from ...simulator.parameters import Choices, Range, Unit, Values

__all__ = ["GROUP_MAPPINGS", "SPLITS", "WORD_BITS", "GroupMapping", "RowStationaryDesign", "Split"]

WORD_BITS = 16
"""Width of inputs, weights, partial sums and outputs alike: the word of Eyeriss and of its energy table."""

GroupMapping = Literal["one", "straddling", "many"]
GROUP_MAPPINGS: tuple[GroupMapping, ...] = get_args(GroupMapping)
Split = Literal["factors", "any"]
SPLITS: tuple[Split, ...] = get_args(Split)


class RowStationaryDesign(Design):
    """PEs that each keep a row of a filter and slide it along a row of the input; a global buffer; one memory port."""

    rows: Annotated[int, Range(4, 128, scale="log2"), Unit("PEs")] = Field(
        16, ge=1, le=4096, description="Rows of PEs: filter rows, channels and filters are stacked here.")
    cols: Annotated[int, Range(4, 128, scale="log2"), Unit("PEs")] = Field(
        16, ge=1, le=4096, description="Columns of PEs: one for each row of the output.")
    group_mapping: Annotated[GroupMapping, Choices()] = Field(
        "one", description="Grouped convolutions: filters of one group in a pass (one); at most one group's number, "
        "running on over the border of two groups (straddling, the count of the published figures); or of as many groups "
        "as fit (many: several depthwise channels at once).")
    split: Annotated[Split, Choices()] = Field(
        "any", description="How spare height is shared by channels and filters: exact factors, as nn_dataflow does, or any.")
    buffer_kib: Annotated[int, Range(32, 1024, scale="log2"), Unit("KiB")] = Field(
        128, ge=1, le=2**20, description="Global buffer that inputs, weights and partial sums share.")
    filter_rf_words: Annotated[int, Values(32, 64, 128, 224, 448), Unit("words")] = Field(
        224, ge=1, le=2**16, description="Weights that a PE holds.")
    ifmap_rf_words: Annotated[int, Values(6, 12, 24), Unit("words")] = Field(
        12, ge=1, le=2**16, description="Inputs that a PE holds: a window for each channel it works on.")
    psum_rf_words: Annotated[int, Values(8, 16, 24, 32), Unit("words")] = Field(
        24, ge=1, le=2**16, description="Partial sums that a PE holds: one for each filter it works on.")
    memory: Literal["port", "ideal"] = Field(
        "port", description="port: an operator takes at least as long as its transfers; ideal: they take no time.")
    bandwidth_bytes_per_cycle: Annotated[int, Range(1, 64, scale="log2"), Unit("B/cycle")] = Field(
        8, ge=1, le=2**20, description="Bandwidth of the memory port.")
    vector_lanes: Annotated[int, Unit("elements/cycle")] = Field(
        16, ge=1, le=65536, description="Width of the unit for pooling, softmax, additions and the like.")
    frequency_mhz: Annotated[int, Unit("MHz")] = Field(200, ge=1, le=10**5, description="Clock.")

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "eyeriss": {
            "rows": 12, "cols": 14, "split": "factors", "buffer_kib": 108, "memory": "ideal", "vector_lanes": 14,
        },
        "draco-64x64": {
            "rows": 64, "cols": 64, "group_mapping": "straddling", "split": "factors",
            "buffer_kib": 2048, "memory": "ideal", "vector_lanes": 64,
        },
    }
