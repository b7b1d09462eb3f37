"""The folds of a step one by one, as the reference engine runs them; `folds.py` has the sums of the same.

PE (i, j) works on step x of the stream in cycle i + j + x after the fold began to stream.
"""

from __future__ import annotations

from functools import lru_cache

from . import mapping
from .components import Work
from .design import SystolicDesign

__all__ = ["fold_list", "shadow_operand"]


def shadow_operand(design: SystolicDesign) -> str:
    """Return the operand that waits in second registers ("ifmap", "filter"), or "" if there are none."""
    stays = {"os": "", "ws": "filter", "is": "ifmap"}[design.dataflow]
    return stays if design.overlap_preload else ""


def fold_list(design: SystolicDesign, groups: int, m: int, n: int, k: int, packed: int) -> tuple[Work, ...]:
    """Return the folds of `groups` products of (m x k) by (k x n), up to `packed` of which share a fold."""
    sr, sc, t = mapping.fold_shape(mapping.dataflow_code(design.dataflow), m, n, k)
    rows, cols = design.rows, design.cols
    if packed > 1:  # each group has rows and columns of its own
        together = (min(packed, groups - first) for first in range(0, groups, packed))
        return tuple(_work(design, count * sr, count * sc, t) for count in together)
    group = [
        _work(design, min(rows, sr - row), min(cols, sc - col), t)
        for col in range(0, sc, cols) for row in range(0, sr, rows)
    ]
    return tuple(group * groups)


@lru_cache(maxsize=256)
def _work(design: SystolicDesign, used_rows: int, used_cols: int, t: int) -> Work:
    """What one fold does to the array."""
    r, c = (used_rows, used_cols) if design.skip_idle else (design.rows, design.cols)
    last_pe_done = (r - 1) + (c - 1) + t + (design.mac_stages - 1)
    if design.dataflow == "os":
        # Overlapped: PE (0, 0) is free after t steps; a column's r outputs leave one by one before the next fold's.
        return Work(load=0, free=max(t, r) if design.overlap_drain else last_pe_done, done=last_pe_done, streams=t)
    free = last_pe_done
    if design.overlap_drain:
        # New weights follow the last input down the rows once it has left the first row's last column. In
        # second registers they have been there before: then only the first PE must be free.
        free = t if design.overlap_preload else t + (c - 1)
    return Work(load=r, free=free, done=last_pe_done, streams=t)
