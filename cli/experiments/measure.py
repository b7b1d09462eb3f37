"""How experiments simulate: a network on a design, reduced to the numbers that tables show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...api import design as make_design
from ...api import simulate
from ...errors import InputError

if TYPE_CHECKING:
    from ...simulator.design import Design
    from ...simulator.report import Report

__all__ = ["Machine", "run"]


@dataclass(frozen=True)
class Machine:
    """A design with the name under which tables and figures show it."""

    label: str
    design: Design

    @classmethod
    def of(cls, label: str, accelerator: str, preset: str | None = None, **parameters: Any) -> Machine:
        """Build the design."""
        return cls(label, make_design(accelerator, preset=preset, **parameters))


def run(machine: Machine, workload: Any) -> Report:
    """Simulate; raises `InputError` with the reason if the design cannot run the workload."""
    report = simulate(machine.design, workload)
    if report.reason:
        raise InputError(f"{machine.label}: {report.reason}")
    return report
