"""What a machine is to the rest of the package: a declaration and `simulate_many`."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from ..errors import InputError
from ..traces.workload import Workload
from .design import Design
from .report import Provenance, Report, version
from .sources import model_digest

if TYPE_CHECKING:
    import numpy as np

    from .benchmark import Measurement
    from .fitting import Fit
    from .listing import Listing
    from .timeline import Timeline
    from .validation import Validation

__all__ = ["Accelerator", "Ceiling", "env_id"]


class Ceiling(NamedTuple):
    """What a design can do at best, whatever it runs."""

    macs_per_s: float
    """Multiply-accumulates a second."""
    bytes_per_s: float | None
    """Bytes a second to and from memory; None where it is unbounded."""


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
        engine = self.check(workload, engine)
        start = time.perf_counter()
        reports = self.simulate_many(designs, workload, engine=engine)
        wall_s = (time.perf_counter() - start) / max(1, len(designs))
        provenance = Provenance(version(), model_digest(type(self)), engine, wall_s=wall_s)
        for report in reports:
            report.provenance = provenance
        return reports

    def check(self, workload: Any, engine: str | None = None) -> str:
        """Return the engine that would run; raises `InputError` if this cannot be simulated at all."""
        engine = engine or self.engines[0]
        if engine not in self.engines:
            raise InputError(f"engine {engine!r}: {self.name} has {', '.join(self.engines)}")
        if not isinstance(workload, self.accepts):
            kinds = " or ".join(kind.__name__ for kind in self.accepts)
            raise InputError(f"workload {workload.name!r} is a {type(workload).__name__}; {self.name} takes a {kinds}")
        return engine

    def timeline(self, design: Design, workload: Any) -> Timeline:
        """Return what happened when, as the reference engine sees it; raises `InputError` if there is none."""
        raise InputError(f"{self.name} has no timeline")

    def listings(self, design: Design, workload: Any) -> Sequence[Listing]:
        """Return every program with what each instruction cost; raises `InputError` if the machine runs no programs."""
        raise InputError(f"{self.name} has no listing")

    def ceiling(self, design: Design, workload: Any) -> Ceiling | None:
        """Return the design's peaks, for a roofline; None where the machine has no such notion."""
        return None

    def bounds(self, designs: Sequence[Design], workload: Any) -> Mapping[str, np.ndarray]:
        """Return cheap closed-form estimates, from which a learned model has less to learn; none by default.

        Each is a float64 array with an entry for each design. Under the name of a metric stands an estimate of that
        metric in its unit, above 0 (a lower bound, or what would hold if nothing waited); under any other name a number
        near -10 to 10 that says in which regime a design works, such as the share of its time that the memory takes.
        The numbers depend on design and workload alone.
        """
        return {}

    def prefix(self, designs: Sequence[Design], workload: Any, share: float) -> Mapping[str, np.ndarray]:
        """Simulate the beginning of a run in full detail, and return what it says of the whole run.

        At most a share (0 to 1) of the work is simulated. The arrays are as those of `bounds`: estimates of metrics of the
        whole run under their names, and regimes, of the beginning and of the whole workload; nan for a design that cannot run.
        Raises `InputError` for a workload of which such a share is too little, and for a machine that cannot stop half-way.
        """
        raise InputError(f"{self.name} cannot simulate the beginning of a run alone")

    @classmethod
    def validate(cls, table: Path | None = None) -> Validation:
        """Rerun the comparison with the machine's reference numbers, shipped ones or a table of that form."""
        raise InputError(f"{cls.name} has no reference table")

    @classmethod
    def fit(cls, measurements: Path, *, preset: str | None = None, **parameters: Any) -> Fit:
        """Return a design that explains what was measured on hardware; `parameters` are known, and stay as they are."""
        raise InputError(f"{cls.name} cannot be fitted to measurements")

    @classmethod
    def measurable(cls) -> Sequence[tuple[str, str]]:
        """Return (case, what) of everything that `fit` takes."""
        raise InputError(f"{cls.name} cannot be fitted to measurements")

    @classmethod
    def bench(cls) -> Iterable[Measurement]:
        """Measure how fast the machine is simulated, one figure at a time."""
        raise InputError(f"{cls.name} has no benchmark")

    @classmethod
    def env_id(cls) -> str:
        """The id under which `gymnasium.make` finds the machine."""
        return env_id(cls.name)


def env_id(name: str, form: str = "") -> str:
    """The environment id of the machine of that name, in a form ("", "Sequential", ...), known without importing it."""
    return f"cyclescape/{''.join(part.capitalize() for part in name.replace('_', '-').split('-'))}{form}-v0"
