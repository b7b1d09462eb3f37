"""Random small layers and row-stationary designs: folds, replication, groups, padding and tight buffers in every mix."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from cyclescape.accelerators.row_stationary.design import GROUP_MAPPINGS, SPLITS
from cyclescape.accelerators.row_stationary.lowering import FIELDS, lower
from cyclescape.accelerators.row_stationary.mapping import PARAMETERS, RESULT, solve
from cyclescape.accelerators.row_stationary.reference import run_job
from cyclescape.traces.operators import Conv, Gemm
from cyclescape.traces.workload import Workload


def job_of(op) -> np.ndarray:
    """The operator as the one job that it is."""
    (job,) = lower(Workload(name="w", operators=(op,))).unique
    return job


def compiled(op, values: dict[str, Any], **changes: Any) -> dict[str, int]:
    """Results of the closed forms."""
    changed = {**values, **changes}
    out = np.zeros((1, 1, len(RESULT)), np.int64)
    solve(np.array([[changed[name] for name in PARAMETERS]], np.int64), job_of(op)[None], out)
    return dict(zip(RESULT, out[0, 0].tolist()))


def placed(op, values: dict[str, Any]) -> dict[str, int]:
    """Results of the program that places every set."""
    named = {**values, "group_mapping": GROUP_MAPPINGS[values["group_mapping"]], "split": SPLITS[values["split"]]}
    counted = run_job(named, dict(zip(FIELDS, job_of(op).tolist())))
    return {name: counted.get(name, 0) for name in RESULT}


def conv(rng, most_rows=10) -> Conv:
    """A convolution that the kernel fits."""
    while True:
        r = lambda a, b: int(rng.integers(a, b + 1))  # noqa: E731
        groups = r(1, 4) if rng.random() < 0.5 else 1
        try:
            return Conv(
                name="c", batch=1 + int(rng.random() < 0.2), in_h=r(2, most_rows), in_w=r(2, 6), groups=groups,
                in_channels=groups * r(1, 4), out_channels=groups * r(1, 5), kernel_h=r(1, 4), kernel_w=r(1, 4),
                stride_h=r(1, 3), stride_w=r(1, 3), padding=(r(0, 2), r(0, 2), r(0, 2), r(0, 2)),
                dilation=1 + int(rng.random() < 0.2),
            )
        except ValueError:
            continue


def gemm(rng) -> Gemm:
    """Independent products."""
    batch, m, n, k = (int(rng.integers(1, most + 1)) for most in (3, 10, 8, 8))
    return Gemm(name="g", batch=batch, m=m, n=n, k=k)


def parameters(rng) -> dict[str, Any]:
    """The mapping's parameters, the buffer in words."""
    r = lambda a, b: int(rng.integers(a, b + 1))  # noqa: E731
    values = {
        "rows": r(1, 12), "cols": r(1, 8), "group_mapping": r(0, 2), "split": r(0, 1), "buffer_words": r(20, 500),
        "filter_rf_words": r(1, 40), "ifmap_rf_words": r(1, 12), "psum_rf_words": r(1, 8), "vector_lanes": r(1, 8),
    }
    assert tuple(values) == PARAMETERS
    return values


@st.composite
def cases(draw) -> tuple[Conv | Gemm, dict[str, Any]]:
    """A layer and parameters; failing ones shrink by their seed only."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return (conv(rng) if draw(st.integers(0, 5)) else gemm(rng)), parameters(rng)
