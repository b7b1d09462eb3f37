"""Energy and area of a row-stationary array, from counts of accesses and a published table of relative costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...simulator.energy import technology
from .design import WORD_BITS, RowStationaryDesign
from .lowering import JobTable, field
from .mapping import RESULT

__all__ = ["ENERGIES", "RELATIVE", "accesses", "area_mm2", "energies", "mac_j"]

RELATIVE = {"mac": 1, "rf": 1, "array": 2, "buffer": 6, "dram": 200}
"""Cost of a 16-bit access in multiply-accumulates: Chen et al. (Eyeriss), ISCA 2016, 65 nm.

`array` is a word that a PE receives from the buffer or from its neighbour."""
ENERGIES = tuple(RELATIVE)
_TECHNOLOGY = "eyeriss-65nm"
_RF_PER_MAC = 4
"""Read a weight, an input and the partial sum, write the partial sum."""


def mac_j() -> float:
    """Energy of a 16-bit multiply-accumulate in joules."""
    return float(technology(_TECHNOLOGY).mac_pj(WORD_BITS)) * 1e-12


def accesses(jobs: JobTable, results: np.ndarray) -> np.ndarray:
    """Return accesses of shape (designs, jobs, len(ENERGIES)).

    An operation of the vector unit counts as a multiply-accumulate. What comes from or goes to memory is also
    written to or read from the buffer.
    """
    def summed(level: str) -> np.ndarray:
        return results[:, :, [i for i, name in enumerate(RESULT) if name.startswith(level)]].sum(axis=2)

    work = jobs.macs + jobs.unique[jobs.use, field("vector_ops")]
    out = np.empty((*results.shape[:2], len(ENERGIES)), np.int64)
    out[..., 0] = work
    out[..., 1] = _RF_PER_MAC * jobs.macs
    out[..., 2] = summed("array_")
    out[..., 4] = summed("dram_")
    out[..., 3] = summed("buffer_") + out[..., 4]
    return out


def energies(counts: np.ndarray) -> np.ndarray:
    """Return energies in units of one multiply-accumulate, of the shape of `accesses`."""
    return counts * np.array([RELATIVE[level] for level in ENERGIES], float)


def area_mm2(designs: Sequence[RowStationaryDesign]) -> np.ndarray:
    """Return the area of PEs with their register files, vector unit and buffer."""
    tech = technology(_TECHNOLOGY)
    out = np.empty(len(designs))
    for i, design in enumerate(designs):
        words = design.filter_rf_words + design.ifmap_rf_words + design.psum_rf_words
        pe = tech.mac_area_um2(WORD_BITS) + words * WORD_BITS * tech.register_area_um2_per_bit
        lanes = design.vector_lanes * tech.vector_lane_um2
        out[i] = (design.rows * design.cols * pe + lanes) / 1e6 + tech.sram_area_mm2(design.buffer_kib * 1024)
    return out
