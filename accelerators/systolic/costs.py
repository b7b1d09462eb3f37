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
from .lowering import JobTable, field
from .mapping import dataflow_code
from .program import RESULT

__all__ = ["AREAS", "ENERGIES", "areas_mm2", "energies_j", "mac_bits", "pe_area_um2", "share_dram_energy"]

ENERGIES = ("mac", "array", "vector", "sram", "dram", "leakage")
"""Where energy goes; `array` is registers and hops between PEs."""
AREAS = ("array", "vector", "sram")

_SRAMS = ("ifmap", "filter", "ofmap", "activation")


def pe_area_um2(design: SystolicDesign) -> float:
    """Area of one PE: the MAC, registers for both operands, the partial sum and what its options need.

    Those are a second register for the operand that stays, where loading it is overlapped; one of the partial sum's
    width (that of the product is no more) between any two stages of the multiply-accumulate; and, to skip zeros, all
    inputs of a block with the index of the one to be taken.
    """
    tech = technology(design.technology)
    in_bits, weight_bits, _ = design.widths
    inputs, weight = design.sparse_block * in_bits, weight_bits + (design.sparse_block - 1).bit_length()
    registers = inputs + weight + design.mac_stages * ACCUMULATOR_BITS
    if design.overlap_preload:
        registers += {"os": 0, "ws": weight, "is": inputs}[design.dataflow]
    return float(tech.mac_area_um2(mac_bits(design)) + registers * tech.register_area_um2_per_bit)


def mac_bits(design: SystolicDesign) -> int:
    """Width at which a multiply-accumulate is priced: the wider operand's, and no less than the tables' 8 bits."""
    return max(8, *design.widths[:2])


def areas_mm2(designs: Sequence[SystolicDesign]) -> np.ndarray:
    """Return areas of shape (designs, len(AREAS)) in mm2."""
    out = np.zeros((len(designs), len(AREAS)))
    out[:, 0] = [d.pes * pe_area_um2(d) / 1e6 for d in designs]
    out[:, 1] = [d.vector_lanes * technology(d.technology).vector_lane_um2 / 1e6 for d in designs]
    out[:, 2] = (_srams(designs, "sram_area_mm2") * _copies(designs)).sum(axis=1)
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


def _copies(designs: Sequence[SystolicDesign]) -> np.ndarray:
    """Return how many of each memory there are: scratchpads for each array, one activation buffer; (designs, 4)."""
    return np.array([[d.arrays, d.arrays, d.arrays, 1] for d in designs])


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

    skipping = jobs.skipping(np.array([d.sparse_block for d in designs]))
    index_bits = np.where(skipping, jobs.sparse[jobs.use, field("index_bits")], 0)
    own = np.array([d.widths for d in designs])
    own_in, own_weight, own_out = (own[:, i : i + 1] for i in range(3))
    in_bits, weight_bits, out_bits = (
        np.where(of_job(name) > 0, of_job(name), width)
        for name, width in (("in_bits", own_in), ("weight_bits", own_weight), ("out_bits", own_out))
    )
    weight_bits = np.where(of_job("filter_activation") > 0, in_bits, weight_bits) + index_bits

    # Per bit prices, one row a design.
    tech = [technology(d.technology) for d in designs]
    mac = np.array([[t.mac_pj(mac_bits(d))] for t, d in zip(tech, designs, strict=True)])
    hop = np.array([[t.hop_pj_per_bit(pe_area_um2(d) ** 0.5)] for t, d in zip(tech, designs, strict=True)])
    register = np.array([[t.register_pj_per_bit] for t in tech])
    vector = np.array([[t.vector_op_pj] for t in tech])
    dram = np.array([[t.dram_pj_per_bit] for t in tech])
    access = _srams(designs, "sram_read_pj_per_bit")
    ifmap, filters, ofmap, activation = (access[:, i : i + 1] for i in range(4))

    # OS passes both operands on and keeps the sum; WS and IS keep one operand and pass the sum on. Where zeros are
    # skipped all inputs of a block come along.
    sparse = jobs.sparse[jobs.use]
    inputs = own_in * np.where(skipping, sparse[:, field("dense_k")] / np.maximum(sparse[:, field("k")], 1), 1)
    weights = own_weight + index_bits
    flow = np.array([[dataflow_code(d.dataflow)] for d in designs])
    passed = np.choose(flow, [inputs + weights, inputs + ACCUMULATOR_BITS, weights + ACCUMULATOR_BITS])
    kept = np.choose(flow, [np.full_like(inputs, 2 * ACCUMULATOR_BITS), weights, inputs])

    near_ifmap = column("ifmap_on_chip") > 0
    near_filter = column("filter_on_chip") > 0
    waits = column("ofmap_on_chip") > 0  # in the activation buffer, or also read from there
    waits[:, :-1] |= near_ifmap[:, 1:] | near_filter[:, 1:]
    # A vector pass takes what is near from the activation buffer and has no partial sums to widen its outputs.
    is_vector = of_job("vector") > 0
    near_reads = np.where(is_vector, near_ifmap * of_job("near_elements"), near_ifmap * column("sram_ifmap_reads"))
    held_bits = np.where(is_vector, out_bits, ACCUMULATOR_BITS)
    # What arrays have in common is written to the scratchpad of each.
    used, by_row = column("arrays"), np.array([[d.partition == "row"] for d in designs])
    own_groups = of_job("groups") >= used
    sram = (
        (near_reads * activation + (column("sram_ifmap_reads") - near_reads) * ifmap) * in_bits
        + column("sram_filter_reads") * weight_bits * np.where(near_filter, activation, filters)
        + (column("sram_ofmap_reads") + column("sram_ofmap_writes") + of_job("out_elements")) * held_bits * ofmap
        + column("ifmap_read_bits") * ifmap * np.where(by_row | own_groups, 1, used)
        + column("filter_read_bits") * filters * np.where(by_row, used, 1)
        + (column("psum_read_bits") + column("psum_write_bits")) * ofmap
        + waits * of_job("out_elements") * out_bits * activation
    )
    moved = sum(column(name) for name in RESULT if name.endswith("_read_bits") or name.endswith("_write_bits"))

    leak_mw = (areas[:, :1] + areas[:, 1:2]) * np.array([[t.logic_leakage_mw_per_mm2] for t in tech])
    leak_mw = leak_mw + (_srams(designs, "sram_leakage_mw") * _copies(designs)).sum(axis=1, keepdims=True)
    seconds = column("cycles") / np.array([[d.frequency_mhz * 1e6] for d in designs])

    out = np.empty((*results.shape[:2], len(ENERGIES)))
    macs = jobs.multiplied(skipping)
    out[..., 0] = macs * mac
    out[..., 1] = macs * (passed * hop + kept * register)
    out[..., 2] = of_job("vector_ops") * vector
    out[..., 3] = sram
    out[..., 4] = moved * dram
    out[..., :5] *= 1e-12
    out[..., 5] = seconds * leak_mw * 1e-3
    return out


def share_dram_energy(energies: np.ndarray, total_j: float) -> None:
    """Replace the price per bit by what the memory itself counted, shared among jobs (rows) as that price shares it."""
    dram = energies[:, ENERGIES.index("dram")]
    dram *= total_j / dram.sum() if dram.sum() > 0 else 0.0
