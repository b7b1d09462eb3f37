"""Energy and area of the GPU, from action counts and the package's technology tables.

Only what the design's parameters change, and what they are to be weighed against, is counted: lanes, registers,
buffers, caches. There is no tensor unit, texture unit or network on chip in the area.
"""

from __future__ import annotations

import math

import numpy as np

from ...simulator.energy import technology
from ...simulator.gpu.memory_system import COUNTS
from ...simulator.gpu.tables import DST_N, SRC_N, U_FP32, U_HALF, U_INT, U_MEMORY, UNIT
from .design import REGISTERS, GpuCoreDesign

__all__ = ["AREAS", "ENERGIES", "areas_mm2", "energies_j"]

LANES, SUB_CORES, BANKS, INSTRUCTION_BITS = 32, 4, 2, 128
AREAS = ("lanes", "register_file", "dependence", "instruction_supply", "data_caches", "l2")
ENERGIES = ("lanes", "register_file", "instruction_supply", "data_caches", "l2", "dram", "leakage")
CONTROL_BITS_OF_A_WARP = 41
"""Six counters of six bits, the stall counter and yield (MICRO 2025, section 7.5)."""


def areas_mm2(design: GpuCoreDesign) -> dict[str, float]:
    """Areas in mm2 by part, all SMs together."""
    tech = technology(design.technology)
    bank = REGISTERS * 4 // SUB_CORES // BANKS
    # A further port adds a word line and bit lines to every cell, which grows in both directions: ports squared,
    # over those of one read and one write.
    ports = ((design.read_ports + 1) / 2) ** 2
    file = SUB_CORES * BANKS * float(tech.sram_area_mm2(bank)) * ports
    bit = tech.register_area_um2_per_bit / 1e6
    cached = SUB_CORES * BANKS * 3 * LANES * 32 * bit if design.register_cache else 0.0
    if design.dependence == "control_bits":
        dependence = CONTROL_BITS_OF_A_WARP * design.warps * bit
    else:
        # Published: 1.52 %, 2.28 % and 5.32 % of the register file for 1, 3 and 63 consumers, that is 0.76 %
        # for each bit of a register's counter of readers and its pending write.
        bits = 1 + math.ceil(math.log2(design.scoreboard_consumers + 1))
        dependence = 0.0076 * bits * SUB_CORES * BANKS * float(tech.sram_area_mm2(bank))
    lanes = SUB_CORES * 16 * (design.fp32_pipes * tech.vector_lane_um2 + float(tech.mac_area_um2(32))) / 1e6
    supply = SUB_CORES * float(tech.sram_area_mm2(design.l0_kib * 1024 + max(1, design.prefetch_depth) * 128))
    supply += float(tech.sram_area_mm2(128 * 1024)) + design.warps * design.instruction_buffer * INSTRUCTION_BITS * bit
    data = float(tech.sram_area_mm2(design.l1_kib * 1024)) + float(tech.sram_area_mm2(design.shared_kib * 1024))
    data += SUB_CORES * design.memory_queue * LANES * 64 * bit * (2 / design.port_interval)
    parts = (lanes, file + cached, dependence, supply, data)
    return dict(zip(AREAS, (*(design.sms * part for part in parts), float(tech.sram_area_mm2(design.l2_kib * 1024))),
                    strict=True))


def energies_j(
    design: GpuCoreDesign, table: np.ndarray, issued: np.ndarray, memory: np.ndarray, seconds: float, area_mm2: float
) -> dict[str, float]:
    """Energies in joules by part.

    `table` is the lowered program (instructions, columns), `issued` how often each issued, `memory` the
    sector counts of `MemoryConfig`. A register operand is 1,024 bits for a warp, wherever it comes from.
    """
    tech = technology(design.technology)
    unit = table[:, UNIT]
    per_lane = np.select([unit == U_FP32, unit == U_HALF, unit == U_INT],
                         [tech.vector_op_pj, float(tech.mac_pj(16, "float")), float(tech.mac_pj(32))], 0.0)
    lanes = float((issued * per_lane).sum()) * LANES
    operands = table[:, SRC_N : SRC_N + 4].sum(axis=1) + table[:, DST_N]
    bank = REGISTERS * 4 // SUB_CORES // BANKS
    registers = float((issued * operands).sum()) * LANES * 32 * float(tech.sram_read_pj_per_bit(bank))
    supply = float(issued.sum()) * INSTRUCTION_BITS * float(tech.sram_read_pj_per_bit(design.l0_kib * 1024))
    sectors = dict(zip(COUNTS, memory.tolist(), strict=True))
    sector_bits = 256
    near = (sectors["l1_hit_sectors"] + sectors["l1_miss_sectors"]) * sector_bits
    near += float(issued[unit == U_MEMORY].sum()) * LANES * 32
    data = near * float(tech.sram_read_pj_per_bit(design.l1_kib * 1024))
    far = sectors["l2_sectors"] * sector_bits * float(tech.sram_read_pj_per_bit(design.l2_kib * 1024))
    dram = (sectors["dram_read_sectors"] + sectors["dram_write_sectors"]) * sector_bits * tech.dram_pj_per_bit
    leakage = seconds * area_mm2 * tech.logic_leakage_mw_per_mm2 * 1e-3
    joules = [value * 1e-12 for value in (lanes, registers, supply, data, far, dram)]
    return dict(zip(ENERGIES, (*joules, leakage), strict=True))
