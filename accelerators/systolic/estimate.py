"""What a design takes about: the balance of each job's tiling in place of its steps, and energy for its counts.

`engines.compiled(timed=False)` takes for every job the tiling that is fastest by `balance.balanced`, a closed form, where the
tiler runs the recurrence over steps (`timing.run`) for the best ones; only between tilings about as fast as each other, which
may move several times as many bytes, do steps decide. What stays on chip and what is fused is decided as ever.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...traces.workload import Workload
from . import costs, engines
from .design import SystolicDesign
from .lowering import lower
from .program import RESULT

__all__ = ["bounds"]

_BATCH = 128


def bounds(designs: Sequence[SystolicDesign], workload: Workload) -> dict[str, np.ndarray]:
    """Return estimates of metrics and shares of time and energy; nan where no tile fits. See `Accelerator.bounds`."""
    parts = [_bounds(designs[i : i + _BATCH], workload) for i in range(0, len(designs), _BATCH)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}


def _bounds(designs: Sequence[SystolicDesign], workload: Workload) -> dict[str, np.ndarray]:
    jobs = lower(workload)
    results = engines.compiled([design.stage for design in designs], jobs, timed=False)
    total = results.sum(axis=1).astype(float)
    areas = costs.areas_mm2(designs)
    energies = costs.energies_j(designs, jobs, results, areas).sum(axis=1)

    def summed(name: str) -> np.ndarray:
        return total[:, RESULT.index(name)]

    cycles = np.maximum(summed("cycles"), 1.0)
    bandwidth = np.array([engines.design_row(design)[7] for design in designs])
    pes = np.array([design.pes // design.stages for design in designs])
    joules = energies.sum(axis=1)
    bits = sum(summed(name) for name in RESULT if name.endswith("_bits"))
    port = bits / bandwidth
    folds = np.maximum(summed("folds"), 1.0)
    time_s = cycles / np.array([design.frequency_mhz * 1e6 for design in designs])
    out = {
        "cycles": cycles, "time_s": time_s, "energy_j": joules, "area_mm2": areas.sum(axis=1), "edp_js": joules * time_s,
        "compute_share": summed("compute_cycles") / cycles,
        "fill_share": summed("fill_drain_cycles") / cycles,
        "vector_share": summed("vector_cycles") / cycles,
        "port_share": port / cycles,
        "busy_share": _larger(results, bandwidth) / cycles,
        "psum_share": (summed("psum_read_bits") + summed("psum_write_bits")) / np.maximum(bits, 1.0),
        "ofmap_share": summed("ofmap_write_bits") / np.maximum(bits, 1.0),
        "filter_share": summed("filter_read_bits") / np.maximum(bits, 1.0),
        "mapping_efficiency": jobs.macs.sum() / np.maximum(summed("compute_cycles") * pes, 1.0),
        "steps_per_fold": np.log10(np.maximum(summed("compute_cycles"), 1.0) / folds),
        "bits_per_mac": np.log10(np.maximum(bits, 1.0) / max(int(jobs.macs.sum()), 1)),
    }
    out |= {f"energy_{part}_share": energies[:, i] / joules for i, part in enumerate(costs.ENERGIES)}
    stuck = (results[:, :, 0] < 0).any(axis=1)
    return {name: np.where(stuck, np.nan, values) for name, values in out.items()}


def _larger(results: np.ndarray, bandwidth: np.ndarray) -> np.ndarray:
    """Cycles in which array and port are both at work, if they were perfectly balanced within each job."""
    first = RESULT.index("ifmap_read_bits")
    port = results[:, :, first : first + 5].sum(axis=2) / bandwidth[:, None]
    array = results[:, :, RESULT.index("compute_cycles")] + results[:, :, RESULT.index("fill_drain_cycles")]
    return np.asarray(np.minimum(port, array).sum(axis=1))
