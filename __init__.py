"""cyclescape: cycle-level simulation of accelerators, and exploration of their design spaces.

    import cyclescape as cs

    design = cs.design("systolic", rows=128, cols=128, dataflow="ws")
    report = cs.simulate(design, "resnet18")
    study = cs.search("systolic", "resnet18", objective="edp", constraints=["area_mm2<=20"], budget=100)

Importing registers the environments (`gymnasium.make("cyclescape/Systolic-v0")`) and nothing else: every
name below is imported when it is first used.
"""

from __future__ import annotations

from typing import Any

from .envs.registration import register_when_imported

_EXPORTS = {
    # simulate
    "accelerator": "api",
    "design": "api",
    "workload": "api",
    "simulate": "api",
    "simulate_many": "api",
    # explore
    "search": "agents.search",
    "sweep": "agents.sweep",
    "compare": "agents.contest.contest",
    "load": "simulator.store",
    "Objective": "simulator.objective",
    # build a machine, a network
    "Accelerator": "simulator.accelerator",
    "Choices": "simulator.parameters",
    "Design": "simulator.design",
    "Graph": "traces.graph",
    "Range": "simulator.parameters",
    "Report": "simulator.report",
    "Unit": "simulator.parameters",
    "Values": "simulator.parameters",
    "Workload": "traces.workload",
    "network": "traces.catalog",
    "register": "simulator.registry",
    # go wrong
    "CyclescapeError": "errors",
    "DesignError": "errors",
    "InputError": "errors",
}
"""Public name to the module that has it, by subject."""

__all__ = [*_EXPORTS]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from .simulator.report import version

        return version()
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_EXPORTS[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS])


register_when_imported()
