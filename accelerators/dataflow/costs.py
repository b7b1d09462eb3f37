"""Energy and area of the dataflow machine, from counts and cited tables.

On-chip figures are those of the technology table (45 or 65 nm), not of the chip's own process: they serve to compare
designs with each other. Area is units and scratchpads; network, memory controllers and links are not in it.
"""

from __future__ import annotations

from ...simulator.energy import technology
from .design import DataflowDesign

__all__ = ["ENERGIES", "area_mm2", "energies_j"]

ENERGIES = ("mac", "vector", "sram", "hbm", "ddr", "link", "leakage")


def area_mm2(design: DataflowDesign) -> float:
    """Area of the compute and memory units of all chips."""
    return design.sockets * (_logic_mm2(design) + _sram_mm2(design))


def _logic_mm2(design: DataflowDesign) -> float:
    """Multiply-accumulate units of floats (of 32 bits where there is no table for 8), two operand registers, a sum."""
    tech, bits = technology(design.technology), max(16, design.element_bits)
    mac_um2 = tech.mac_area_um2(bits, "float") + (2 * bits + 32) * tech.register_area_um2_per_bit
    return float(design.compute_units * design.lanes * design.unit_depth * mac_um2 / 1e6)


def _sram_mm2(design: DataflowDesign) -> float:
    return design.memory_units * float(technology(design.technology).sram_area_mm2(design.memory_unit_kib * 1024))


def energies_j(design: DataflowDesign, counts: dict[str, int], seconds: float) -> dict[str, float]:
    """Energy of all chips, by part; `counts` (macs, vector_ops and bytes) are of one chip."""
    tech = technology(design.technology)
    bits = max(16, design.element_bits)
    pj = {
        "mac": counts["macs"] * float(tech.mac_pj(bits, "float")),
        "vector": counts["vector_ops"] * float(tech.vector_op_pj),
        "sram": counts["sram_bytes"] * 8 * float(tech.sram_read_pj_per_bit(design.memory_unit_kib * 1024)),
        "hbm": counts["hbm_bytes"] * 8 * design.hbm_pj_per_bit,
        "ddr": counts["ddr_bytes"] * 8 * float(tech.dram_pj_per_bit),
        "link": counts["link_bytes"] * 8 * design.link_pj_per_bit,
    }
    leak_mw = _logic_mm2(design) * tech.logic_leakage_mw_per_mm2
    leak_mw += design.memory_units * float(tech.sram_leakage_mw(design.memory_unit_kib * 1024))
    parts = {name: value * 1e-12 * design.sockets for name, value in pj.items()}
    return {**parts, "leakage": leak_mw * 1e-3 * seconds * design.sockets}
