"""Energy and area of the systolic array, from action counts and a cited table of costs.

Per multiply-accumulate: the arithmetic, the operands that are passed on to the neighbour and what stays in
the PE's registers. Per scratchpad: what the array reads and writes and what the port fills and drains. Per
bit of off-chip memory one price; and leakage of everything for as long as the run takes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...simulator.energy import technology
from .design import ACCUMULATOR_BITS, SystolicDesign
from .lowering import POOLING, JobTable, field
from .program import RESULT

__all__ = ["AREAS", "ENERGIES", "areas_mm2", "energies_j", "pe_area_um2"]

ENERGIES = ("mac", "array", "vector", "sram", "dram", "leakage")
"""Where energy goes; `array` is registers and hops between PEs."""
AREAS = ("array", "vector", "sram")

_SRAMS = ("ifmap", "filter", "ofmap", "activation")


def pe_area_um2(design: SystolicDesign) -> float:
    """Area of one PE: the MAC, a register for each operand and one for the partial sum."""
    tech = technology(design.technology)
    registers = 2 * design.element_bits + ACCUMULATOR_BITS
    return float(tech.mac_area_um2(design.element_bits) + registers * tech.register_area_um2_per_bit)


def areas_mm2(designs: Sequence[SystolicDesign]) -> np.ndarray:
    """Return areas of shape (designs, len(AREAS)) in mm2."""
    out = np.zeros((len(designs), len(AREAS)))
    out[:, 0] = [d.rows * d.cols * pe_area_um2(d) / 1e6 for d in designs]
    out[:, 1] = [d.vector_lanes * technology(d.technology).vector_lane_um2 / 1e6 for d in designs]
    out[:, 2] = _srams(designs, "sram_area_mm2").sum(axis=1)
    return out


def _srams(designs: Sequence[SystolicDesign], method: str) -> np.ndarray:
    """Apply a technology's method to the four capacities; shape (designs, 4), 0 where there is no memory."""
    capacity = np.array([[getattr(d, f"{name}_sram_kib") * 1024 for name in _SRAMS] for d in designs], float)
    out = np.zeros_like(capacity)
    names = np.array([d.technology for d in designs])
    for name in np.unique(names):
        where = (names == name)[:, None] & (capacity > 0)
        out[where] = getattr(technology(str(name)), method)(capacity[where])
    return out


def energies_j(
    designs: Sequence[SystolicDesign], jobs: JobTable, results: np.ndarray, areas: np.ndarray
) -> np.ndarray:
    """Return energies of shape (designs, jobs, len(ENERGIES)) in joules.

    `results` is what the engines return; `areas` is `areas_mm2(designs)`.
    """
    def column(name: str) -> np.ndarray:
        return results[:, :, RESULT.index(name)]

    def of_job(name: str) -> np.ndarray:
        return jobs.unique[jobs.use, field(name)][None, :]

    own = np.array([[d.element_bits] for d in designs])
    in_bits, weight_bits, out_bits = (
        np.where(of_job(name) > 0, of_job(name), own) for name in ("in_bits", "weight_bits", "out_bits")
    )
    weight_bits = np.where(of_job("filter_activation") > 0, in_bits, weight_bits)

    # Per bit prices, one row a design.
    tech = [technology(d.technology) for d in designs]
    mac = np.array([[t.mac_pj(d.element_bits)] for t, d in zip(tech, designs, strict=True)])
    hop = np.array([[t.hop_pj_per_bit(pe_area_um2(d) ** 0.5)] for t, d in zip(tech, designs, strict=True)])
    register = np.array([[t.register_pj_per_bit] for t in tech])
    vector = np.array([[t.vector_op_pj] for t in tech])
    dram = np.array([[t.dram_pj_per_bit] for t in tech])
    access = _srams(designs, "sram_read_pj_per_bit")
    ifmap, filters, ofmap, activation = (access[:, i : i + 1] for i in range(4))

    # OS passes both operands on and keeps the sum; WS and IS keep one operand and pass the sum on.
    stays_sum = np.array([[d.dataflow == "os"] for d in designs])
    passed = np.where(stays_sum, 2 * own, own + ACCUMULATOR_BITS)
    kept = np.where(stays_sum, 2 * ACCUMULATOR_BITS, own)

    # A vector pass takes what is near from the activation buffer and has no partial sums to widen its outputs.
    # What is fused reads its other operands from there, and its outputs have left the ofmap scratchpad already.
    # A fused pooling takes in each element where its windows are: it reads and writes one of them each time.
    near_filter, is_vector = column("filter_on_chip") > 0, of_job("vector") > 0
    fused = column("fused") < 0
    pooled = fused & (jobs.follows == POOLING)
    near_reads = np.where(is_vector, column("near_elements"), column("ifmap_on_chip") * column("sram_ifmap_reads"))
    near_reads = np.where(pooled, of_job("vector_ops"), near_reads)
    waiting = np.where(pooled, of_job("vector_ops"), column("ofmap_waits") * of_job("out_elements"))
    held_bits = np.where(is_vector, out_bits, ACCUMULATOR_BITS)
    outputs = np.where(fused, 0, column("sram_ofmap_reads") + column("sram_ofmap_writes") + of_job("out_elements"))
    sram = (
        near_reads * activation * in_bits
        + np.where(fused, 0, column("sram_ifmap_reads") - near_reads) * ifmap * in_bits
        + column("sram_filter_reads") * weight_bits * np.where(near_filter, activation, filters)
        + outputs * held_bits * ofmap
        + column("ifmap_read_bits") * ifmap
        + column("filter_read_bits") * filters
        + (column("psum_read_bits") + column("psum_write_bits")) * ofmap
        + waiting * out_bits * activation
    )
    moved = sum(column(name) for name in RESULT if name.endswith("_read_bits") or name.endswith("_write_bits"))

    leak_mw = (areas[:, :1] + areas[:, 1:2]) * np.array([[t.logic_leakage_mw_per_mm2] for t in tech])
    leak_mw = leak_mw + _srams(designs, "sram_leakage_mw").sum(axis=1, keepdims=True)
    seconds = column("cycles") / np.array([[d.frequency_mhz * 1e6] for d in designs])

    out = np.empty((*results.shape[:2], len(ENERGIES)))
    macs = jobs.macs[None, :]
    out[..., 0] = macs * mac
    out[..., 1] = macs * (passed * hop + kept * register)
    out[..., 2] = of_job("vector_ops") * vector
    out[..., 3] = sram
    out[..., 4] = moved * dram
    out[..., :5] *= 1e-12
    out[..., 5] = seconds * leak_mw * 1e-3
    return out
