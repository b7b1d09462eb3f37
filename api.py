"""The functions that people call: a design, a workload, a simulation."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

from .errors import InputError
from .simulator.accelerator import Accelerator
from .simulator.design import Design
from .simulator.design_file import read_design
from .simulator.registry import accelerator as find
from .simulator.registry import machine_of
from .simulator.report import Report
from .traces.catalog import load as workload

__all__ = ["accelerator", "design", "simulate", "simulate_many", "workload"]


def accelerator(name: str) -> Accelerator:
    """Return a machine by name; raises `InputError` with what is known."""
    return find(name)


def design(
    accelerator: str, /, *, preset: str | None = None, file: str | PathLike[str] | None = None, **parameters: Any
) -> Design:
    """Return a validated design: defaults, then a preset (or the file's), then a YAML or TOML file, then `parameters`.

        design("systolic", preset="edge-16x16", dataflow="ws")

    Raises `DesignError` in one line for an unknown parameter, a wrong value or a broken rule.
    """
    machine = find(accelerator)
    if file is not None:
        named, from_file = read_design(file, machine.name)
        if preset is not None and named not in (None, preset):
            raise InputError(f"{file}: preset: {named!r}, and {preset!r} is given beside the file (accepted: one of them)")
        preset, parameters = preset or named, {**from_file, **parameters}
    return machine.design.make(parameters, preset=preset)


def simulate(design: Design, workload: Any, *, engine: str | None = None) -> Report:
    """Simulate one design on a workload (a name, a path, or a `Workload`); raises `InputError`.

    A design that is valid but cannot run the workload gives a report with a `reason`.
    """
    return simulate_many([design], workload, engine=engine)[0]


def simulate_many(designs: Sequence[Design], workload: Any, *, engine: str | None = None) -> list[Report]:
    """Simulate designs of one machine on a workload, in one batch; one report each, in order."""
    if not designs:
        return []
    kinds = {type(item) for item in designs}
    if len(kinds) > 1:
        raise InputError(f"designs of one machine are needed, got {', '.join(sorted(k.__name__ for k in kinds))}")
    given = _load(workload) if isinstance(workload, str | PathLike) else workload
    return machine_of(designs[0]).run(designs, given, engine=engine)


def _load(spec: str | PathLike[str]) -> Any:
    return workload(str(spec))
