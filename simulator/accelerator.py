"""What a machine is to the rest of the package: a declaration and `simulate_many`."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ..errors import InputError
from ..traces.workload import Workload
from .design import Design
from .report import Provenance, Report, version
from .sources import model_digest
from .validation import Validation

__all__ = ["Accelerator"]


class Accelerator(ABC):
    """Base of every machine. A subclass declares its parameters and implements `simulate_many`.

    A machine is stateless: the same designs and workload give the same bits, in any process.
    """

    name: ClassVar[str]
    """The name on the command line; the environment is `cyclescape/<Name>-v0`."""
    design: ClassVar[type[Design]]
    """The parameters."""
    metrics: ClassVar[Mapping[str, str]]
    """Every metric a report carries, with one sentence each; names end in their unit."""
    accepts: ClassVar[tuple[type, ...]] = (Workload,)
    """Types of workload that can be simulated."""
    default_workload: ClassVar[str] = "resnet18"
    """A workload to start with: a name that `cyclescape.workload` knows."""
    engines: ClassVar[tuple[str, ...]] = ("compiled",)
    """Executions that agree with each other, the fast one first."""

    @abstractmethod
    def simulate_many(
        self, designs: Sequence[Design], workload: Any, *, engine: str = "compiled"
    ) -> list[Report]:
        """Simulate every design on the workload; one report each, in order.

        A design that cannot run the workload gets `Report.failed(reason)`, never an exception.
        """

    def run(self, designs: Sequence[Design], workload: Any, *, engine: str | None = None) -> list[Report]:
        """Check the arguments, simulate, and write down what produced the reports."""
        engine = engine or self.engines[0]
        if engine not in self.engines:
            raise InputError(f"engine {engine!r}: {self.name} has {', '.join(self.engines)}")
        if not isinstance(workload, self.accepts):
            kinds = " or ".join(kind.__name__ for kind in self.accepts)
            raise InputError(f"workload {workload.name!r} is a {type(workload).__name__}; {self.name} takes a {kinds}")
        start = time.perf_counter()
        reports = self.simulate_many(designs, workload, engine=engine)
        wall_s = (time.perf_counter() - start) / max(1, len(designs))
        provenance = Provenance(version(), model_digest(type(self)), engine, wall_s=wall_s)
        for report in reports:
            report.provenance = provenance
        return reports

    @classmethod
    def validate(cls, table: Path | None = None) -> Validation:
        """Hold the model to reference numbers: those shipped with it, or a table of the same form.

        Raises `InputError` where the machine has none, or the table cannot be used.
        """
        raise InputError(f"accelerator {cls.name!r} has no reference table")

    @classmethod
    def env_id(cls) -> str:
        """The id under which `gymnasium.make` finds the machine."""
        return f"cyclescape/{''.join(part.capitalize() for part in cls.name.split('-'))}-v0"
