"""What a surrogate knows of a workload: a few numbers that cost less than simulating it once.

Of a network how large it is, the shapes of its products (means over multiply-accumulates) and how often its data is
used again; of an address trace its rate, its mix and its locality; of a kernel trace its size and its mix.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

__all__ = ["statistics"]

_LINE_BITS, _ROW_BITS = 6, 13
"""A line of 64 bytes; 8 KiB, the open row of a DDR4 rank."""
_WINDOW = 16
"""Requests among which a row is looked for again."""


@lru_cache(maxsize=256)
def statistics(workload: Any) -> Mapping[str, float]:
    """Return name to number; sizes are log10. Empty for a kind of workload that is not known."""
    if hasattr(workload, "operators"):
        return _network(workload)
    if hasattr(workload, "address"):
        return _addresses(workload)
    if hasattr(workload, "kernels"):
        return _kernels(workload)
    return {}


def _log(value: float) -> float:
    return float(np.log10(max(value, 1e-12)))


def _network(workload: Any) -> dict[str, float]:
    shapes = np.array([gemm for op in workload.operators for gemm in op.gemms], float).reshape(-1, 4)
    macs = shapes.prod(axis=1)
    weight = macs / max(macs.sum(), 1.0)
    moved = sum(op.weight_elements + op.input_elements + op.output_elements for op in workload.operators)
    outputs = max(op.output_elements for op in workload.operators)
    out = {
        "log_macs": _log(1 + workload.macs), "log_moved_elements": _log(1 + moved),
        "log_vector_ops": _log(1 + workload.vector_ops), "log_largest_output": _log(1 + outputs),
        "log_products": _log(1 + len(shapes)), "log_reuse": _log((1 + workload.macs) / (1 + moved)),
        "weight_share": sum(op.weight_elements for op in workload.operators) / max(moved, 1),
        "grouped_share": float(weight[shapes[:, 0] > 1].sum()),
    }
    for i, name in enumerate(("groups", "m", "n", "k")):
        logs = np.log10(np.maximum(shapes[:, i], 1.0))
        mean = float((weight * logs).sum())
        out[f"mean_log_{name}"] = mean
        out[f"spread_log_{name}"] = float(np.sqrt((weight * (logs - mean) ** 2).sum()))
    return out


def _addresses(workload: Any) -> dict[str, float]:
    address = workload.address
    rows = address >> _ROW_BITS
    lines = address >> _LINE_BITS
    span = float(workload.arrival[-1] - workload.arrival[0])
    again = np.zeros(len(rows), bool)
    for back in range(1, min(_WINDOW, len(rows) - 1) + 1):
        again[back:] |= rows[back:] == rows[:-back]
    write = workload.is_write
    return {
        "log_requests": _log(len(address)), "clocks_between": _log(1 + span / len(address)),
        "write_share": workload.writes / len(address),
        "turns": float(np.mean(write[1:] != write[:-1])) if len(write) > 1 else 0.0,
        "same_row": float(np.mean(rows[1:] == rows[:-1])) if len(rows) > 1 else 0.0, "row_again": float(again.mean()),
        "next_line": float(np.mean(np.diff(lines) == 1)) if len(lines) > 1 else 0.0,
        "log_rows": _log(len(np.unique(rows))), "log_lines": _log(len(np.unique(lines))),
        "row_spread": _log(1 + float(np.abs(np.diff(rows)).mean())) if len(rows) > 1 else 0.0,
    }


def _kernels(workload: Any) -> dict[str, float]:
    mix: dict[str, int] = {}
    for kernel in workload.kernels:
        executed = np.bincount(kernel.stream, minlength=len(kernel.instructions))
        for instruction, count in zip(kernel.instructions, executed.tolist(), strict=True):
            name = str(getattr(instruction, "opcode", "")).partition(".")[0]
            mix[name] = mix.get(name, 0) + count
    total = max(sum(mix.values()), 1)
    out = {f"share_{name.lower()}": count / total for name, count in sorted(mix.items()) if name}
    warps = sum(kernel.warps for kernel in workload.kernels)
    out |= {
        "log_warp_instructions": _log(1 + workload.warp_instructions), "log_warps": _log(1 + warps),
        "log_kernels": _log(len(workload.kernels)), "log_ctas": _log(sum(kernel.ctas for kernel in workload.kernels)),
        "log_registers": _log(max(kernel.registers for kernel in workload.kernels)),
        "log_addresses": _log(1 + sum(len(kernel.addresses) for kernel in workload.kernels)),
    }
    return out
