"""Numbers for JSON: no more digits than are looked at, and null where there is none."""

from __future__ import annotations

import numpy as np

__all__ = ["column", "number"]


def column(values: np.ndarray, exact: np.ndarray) -> list[float | None]:
    """Numbers for JSON: as they are for designs on the front, to six digits for the others."""
    return [number(value, digits=17 if full else 6) for value, full in zip(values.tolist(), exact)]


def number(value: float, digits: int) -> float | None:
    """One number to so many digits; whole ones without a point, None for infinite ones and NaN."""
    if not np.isfinite(value):
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded == int(rounded) and abs(rounded) < 1e15 else rounded
