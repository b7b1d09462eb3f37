"""Both executions behind one signature: designs and jobs in, a row of `RESULT` for each out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .design import GROUP_MAPPINGS, SPLITS, WORD_BITS, RowStationaryDesign
from .lowering import FIELDS, JobTable
from .mapping import PARAMETERS, RESULT, solve

__all__ = ["compiled", "reference"]

_CODES = {"group_mapping": GROUP_MAPPINGS, "split": SPLITS}


def _values(design: RowStationaryDesign) -> dict[str, int | str]:
    return {**design.model_dump(), "buffer_words": design.buffer_kib * 1024 * 8 // WORD_BITS}


def compiled(designs: Sequence[RowStationaryDesign], jobs: JobTable) -> np.ndarray:
    """Return results of shape (designs, jobs, len(RESULT)) by closed forms."""
    table = np.zeros((len(designs), len(PARAMETERS)), np.int64)
    for i, design in enumerate(designs):
        values = _values(design)
        table[i] = [_CODES[name].index(values[name]) if name in _CODES else values[name] for name in PARAMETERS]
    out = np.zeros((len(designs), len(jobs.unique), len(RESULT)), np.int64)
    solve(table, jobs.unique, out)
    return out[:, jobs.use]


def reference(designs: Sequence[RowStationaryDesign], jobs: JobTable) -> np.ndarray:
    """Return the same by placing every set; hours for a large network, so meant for small ones."""
    from .reference import run_job

    out = np.zeros((len(designs), len(jobs.unique), len(RESULT)), np.int64)
    for i, design in enumerate(designs):
        for j, row in enumerate(jobs.unique.tolist()):
            counts = run_job(_values(design), dict(zip(FIELDS, row, strict=True)))
            out[i, j] = [counts.get(name, 0) for name in RESULT]
    return out[:, jobs.use]
