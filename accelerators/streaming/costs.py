"""Memory, area and energy of a streaming attention machine, from its FIFOs and units and a cited table of costs.

A FIFO of up to 256 bytes is registers, a larger one an SRAM. A product of vectors has `width` multiply-
accumulate units; every unit that works on scores is one fp32 lane (an exponential or a division
counts as one operation: no published figure for either is in the table).
"""

from __future__ import annotations

from collections.abc import Iterable

from ...simulator.energy import Technology, technology
from ...simulator.network import Fifo, Network
from .attention import EDGES, edge_of
from .design import StreamingDesign

__all__ = ["area_mm2", "energies_j", "fifo_bytes", "token_bits"]

SCORE_BITS = 32
REGISTER_BYTES = 256
"""Largest FIFO that is made of registers."""
_PRODUCTS = ("QK", "PV", "RunOut")
_SOURCES = ("Q", "K", "V", "Sink")


def token_bits(design: StreamingDesign, fifo: str, head_dim: int) -> int:
    """Bits of a token of a FIFO."""
    content = edge_of(design.graph, fifo).content
    return {"vector": head_dim * design.element_bits, "scalar": SCORE_BITS, "pair": 2 * SCORE_BITS}[content]


def fifo_bytes(design: StreamingDesign, fifos: Iterable[Fifo], head_dim: int) -> int:
    """Capacity of all FIFOs."""
    return sum(_bytes(design, fifo, head_dim) for fifo in fifos)


def _bytes(design: StreamingDesign, fifo: Fifo, head_dim: int) -> int:
    return -(-(fifo.depth or 0) * token_bits(design, fifo.name, head_dim) // 8)


def _units(design: StreamingDesign) -> tuple[int, int]:
    """Product units and score units of a lane."""
    names = {end for edge in EDGES[design.graph] for end in edge[:2]} - set(_SOURCES)
    products = len(names & set(_PRODUCTS))
    return products, len(names) - products


def area_mm2(design: StreamingDesign, fifos: Iterable[Fifo], head_dim: int) -> float:
    """Area of FIFOs and units."""
    tech = technology(design.technology)
    products, scores = _units(design)
    unit = products * design.width * tech.mac_area_um2(design.element_bits) + scores * tech.vector_lane_um2
    area = design.lanes * unit / 1e6
    for fifo in fifos:
        size = _bytes(design, fifo, head_dim)
        registers = size * 8 * tech.register_area_um2_per_bit / 1e6
        area += registers if size <= REGISTER_BYTES else float(tech.sram_area_mm2(size))
    return float(area)


def energies_j(
    design: StreamingDesign, network: Network, head_dim: int, rows: int, keys: int, seconds: float
) -> dict[str, float]:
    """Energy of `rows` query rows against `keys` keys each, by part."""
    tech, macs, scores = technology(design.technology), 2 * rows * keys * head_dim, _units(design)[1]
    moved = 0.0
    sram_mm2 = leak = 0.0
    for fifo in network.fifos.values():
        size, bits = _bytes(design, fifo, head_dim), token_bits(design, fifo.name, head_dim)
        tokens = network.nodes[fifo.source[0]].tokens("outputs", fifo.source[1]) or 0
        moved += tokens * bits * 2 * _access_pj(tech, size)
        if size > REGISTER_BYTES:
            sram_mm2 += float(tech.sram_area_mm2(size))
            leak += float(tech.sram_leakage_mw(size))
    logic = area_mm2(design, network.fifos.values(), head_dim) - sram_mm2
    return {
        "mac": macs * float(tech.mac_pj(design.element_bits)) * 1e-12,
        "vector": scores * rows * keys * float(tech.vector_op_pj) * 1e-12,
        "fifo": moved * 1e-12,
        "leakage": (leak + logic * tech.logic_leakage_mw_per_mm2) * 1e-3 * seconds,
    }


def _access_pj(tech: Technology, size: int) -> float:
    """Energy of one bit read or written in a FIFO of that many bytes."""
    return tech.register_pj_per_bit if size <= REGISTER_BYTES else float(tech.sram_read_pj_per_bit(size))
