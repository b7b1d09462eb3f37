"""The parameters of a streaming attention machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ...simulator.design import Design
from ...simulator.parameters import Choices, Range, Unit, Values
from .attention import Graph

__all__ = ["StreamingDesign"]


class StreamingDesign(Design):
    """Attention as a pipeline of units joined by FIFOs: which graph, how wide, and how deep each FIFO is."""

    graph: Annotated[Graph, Choices()] = Field(
        "memory_free", description="The order of operations; see `accelerators.streaming.attention`."
    )
    lanes: Annotated[int, Range(1, 16, scale="log2"), Unit("rows")] = Field(
        1, ge=1, le=256, description="Query rows worked on at once; every lane sees every key."
    )
    width: Annotated[int, Range(4, 128, scale="log2"), Unit("elements/cycle")] = Field(
        64, ge=1, le=4096, description="Elements of a head vector that a product takes in a cycle."
    )
    stream_depth: Annotated[int, Values(1, 2, 3, 4, 6, 8, 16), Unit("tokens")] = Field(
        2, ge=1, le=2**20, description="Depth of the FIFOs with a token for each score."
    )
    row_depth: Annotated[int, Values(1, 2, 4), Unit("tokens")] = Field(
        2, ge=1, le=2**20, description="Depth of the FIFOs with a token for each row."
    )
    score_depth: Annotated[
        int, Values(2, 16, 32, 64, 66, 128, 130, 256, 258, 512, 514, 1024, 1026, 2048, 2050), Unit("tokens")
    ] = Field(
        130, ge=1, le=2**24, description="Depth of the FIFOs that hold a row of scores, in the graphs that have them."
    )
    unit_latency: Annotated[int, Range(1, 8, scale="log2"), Unit("cycles")] = Field(
        1, ge=1, le=1024, description="Cycles from a unit's inputs to its output."
    )
    unit_interval: Annotated[int, Unit("cycles")] = Field(
        1, ge=1, le=1024, description="Cycles between firings of a unit."
    )
    send_latency: Annotated[int, Unit("cycles")] = Field(
        1, ge=1, le=1024, description="Cycles from sending to a FIFO until its reader sees the token."
    )
    response_latency: Annotated[int, Unit("cycles")] = Field(
        1, ge=1, le=1024, description="Cycles until its writer may use a freed slot."
    )
    element_bits: Annotated[Literal[8, 16, 32], Unit("bits")] = Field(
        16, description="Width of an element of a head vector; scores have 32 bits."
    )
    frequency_mhz: Annotated[int, Unit("MHz")] = Field(1000, ge=1, le=10**5, description="Clock.")
    technology: Literal["horowitz-45nm", "eyeriss-65nm"] = Field(
        "horowitz-45nm", description="Table of energies and areas."
    )

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "naive-128": {"graph": "naive", "score_depth": 130},
        "safe-softmax-128": {"graph": "scaled", "score_depth": 130},
        "memory-free": {"graph": "memory_free"},
    }
