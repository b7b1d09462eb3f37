"""The page of one run: metrics, where cycles, energy and area went, and every operator."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CyclescapeError, InputError
from ..simulator.accelerator import Accelerator
from ..simulator.design import Design
from ..simulator.files import write_whole
from ..simulator.registry import machine_of
from ..simulator.report import Report
from ..simulator.units import Quantity, quantity
from .axes import Axis, parts_of
from .html import page
from .operators import operators_of
from .study_parameters import written

__all__ = ["headline", "part_sums", "write_run_page"]

_HEADLINE = ("time_s", "energy_j", "area_mm2", "power_w", "edp_js", "pe_utilization", "utilization", "dram_bytes", "cycles")
_MOST_FIGURES = 5
_MOST_ROWS = 3000


def write_run_page(report: Report, design: Design, workload: Any, out: str | Path) -> Path:
    """Write the page of a run to `out`; raises `InputError` for a report without numbers or a place not writable."""
    if not report.ok:
        raise InputError(f"there is nothing to show of {workload.name}: {report.reason}")
    machine = machine_of(design)
    columns = report.table.columns
    operators = operators_of(report)
    several = operators if operators and len(operators["names"]) > 1 else None
    roofline = _roofline(report, machine, design, workload)
    sums = part_sums(report.metrics)
    in_parts = {name for _, _, items in sums for _, name in items}
    data = {
        "cycles": {
            "causes": list(report.breakdown), "values": list(report.breakdown.values()),
            "total": report.metrics.get("cycles", sum(report.breakdown.values())),
        },
        "parts": [
            {"title": title, "quantity": _style(quantity(total)), "total": report.metrics[total],
             "items": [{"label": label, "value": report.metrics[name]} for label, name in items]}
            for title, total, items in sums
        ],
        "operators": several,
        "roofline": roofline,
        "table": _table(columns) if several else None,
    }  # fmt: skip
    context = {
        "machine": machine.name,
        "workload": workload.name,
        "lede": _lede(design),
        "figures": headline(report),
        "metrics": [
            (_capital(quantity(name).label), quantity(name).show(value), machine.metrics.get(name, ""))
            for name, value in report.metrics.items() if name not in in_parts
        ],
        "operators": several and _operators_note(several),
        "roofline": roofline and ("The whole run and its operators" + (
            ", under its peak and the bandwidth of its memory." if roofline["peak"] else "; the machine names no peak.")),
        "table": several and "Click a heading to sort." + (
            f" The {_MOST_ROWS:,} slowest of {len(columns['name']):,}." if len(columns["name"]) > _MOST_ROWS else ""),
        "parameters": [
            (p.name, _value(getattr(design, p.name), p.unit), p.description)
            for p in type(design).parameters().values()
        ],
        "provenance": _provenance(report, design, workload),
    }  # fmt: skip
    text = page(
        "run.html", title=f"{machine.name} on {workload.name}", data=data,
        scripts=["charts.js", "tables.js", "operators.js", "roofline.js", "run.js"], **context,
    )  # fmt: skip
    return write_whole(Path(out), text, parents=True)


def headline(report: Report) -> list[tuple[str, str, str]]:
    """The few metrics that matter most, as (label, value, remark)."""
    out = []
    for name in [n for n in _HEADLINE if n in report.metrics][:_MOST_FIGURES]:
        q = quantity(name)
        cycles = report.metrics.get("cycles") if name == "time_s" else None
        note = "" if cycles is None else f"{quantity('cycles').show(cycles)} cycles"
        out.append((_capital(q.label), q.show(report.metrics[name]), note))
    return out


def part_sums(metrics: Mapping[str, float]) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Metrics that are sums of others: title, name of the sum, and (label, name) of each part."""
    axes = [Axis(name, quantity(name), 0, "", np.array([float(value)])) for name, value in metrics.items()]
    return [(parts.title, parts.total, list(parts.items)) for parts in parts_of(axes)]


def _lede(design: Design) -> str:
    changed = [
        f"{name} = {value}" for name, value in design.model_dump().items()
        if value != type(design).model_fields[name].default
    ]  # fmt: skip
    return f"The default design with {', '.join(changed)}." if changed else "The default design."


def _value(value: Any, unit: str) -> str:
    return "–" if value is None else f"{written(value)} {unit}".strip()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _style(q: Quantity) -> dict[str, str]:
    return {"label": q.label, "unit": q.unit, "style": q.style}


def _roofline(report: Report, machine: Accelerator, design: Design, workload: Any) -> dict[str, Any] | None:
    needed = ("macs", "dram_bytes", "time_s")
    if not all(report.metrics.get(name, 0) > 0 for name in needed):
        return None
    try:
        ceiling = machine.ceiling(design, workload)
    except CyclescapeError:
        ceiling = None
    return {
        "macs": report.metrics["macs"], "bytes": report.metrics["dram_bytes"], "seconds": report.metrics["time_s"],
        "peak": ceiling and ceiling.macs_per_s, "port": ceiling and ceiling.bytes_per_s,
    }  # fmt: skip


def _operators_note(operators: Mapping[str, Any]) -> str:
    text = "Cycles of each operator by where they went."
    return text + (f" {operators['fused']} operators took none of their own." if operators["fused"] else "")


def _table(columns: Mapping[str, Any]) -> dict[str, Any]:
    """The operators' table with a unit for each column; the slowest ones where there are very many."""
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    kept = np.sort(np.argsort(-arrays["cycles"].astype(float), kind="stable")[:_MOST_ROWS])
    heads, values = [], []
    for name, array in arrays.items():
        words = array.dtype.kind not in "iufb"
        heads.append({"name": name, "text": words, **_style(quantity(name))})
        column = array[kept].tolist()
        values.append([str(v) for v in column] if words else [v if np.isfinite(v) else None for v in column])
    return {"heads": heads, "columns": values}


def _provenance(report: Report, design: Design, workload: Any) -> list[tuple[str, str]]:
    rows = [("workload", f"{workload.name} (digest {workload.digest[:12]})"), ("design", f"digest {design.digest[:12]}")]
    made = report.provenance
    if made is not None:
        when = datetime.fromtimestamp(made.created_unix_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
        rows += [
            ("model", f"digest {made.model[:12]}"), ("engine", made.engine), ("version", f"cyclescape {made.version}"),
            ("simulated", f"{when}, in {quantity('time_s').show(made.wall_s)}"),
        ]  # fmt: skip
    if report.surrogate:
        rows.append(("answered by", "a learned model, not the simulator"))
    return rows

