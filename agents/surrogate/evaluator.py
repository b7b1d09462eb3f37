"""`surrogate:FILE` as an evaluator: a learned model answers in place of the simulator, and every report says so."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...simulator.accelerator import Accelerator
from ...simulator.design import Design
from ...simulator.evaluator import Batch, Batching, Evaluator, Values, make_evaluator, validated
from ...simulator.report import Provenance, Report, version
from .surrogate import Surrogate

__all__ = ["EXTRAPOLATES", "SurrogateEvaluator", "surrogate_evaluator"]

EXTRAPOLATES = "surrogate_extrapolates"
"""A metric of such reports: 1 where a design or workload lies beyond what the surrogate learned from, or the design is like
those that failed, else 0."""
_BLOCK = 1024


class SurrogateEvaluator(Batching):
    """Answers from a surrogate. Metrics are what it learned, their deviations as `METRIC_std`, and `surrogate_extrapolates`.

    Designs that break a rule, or that the surrogate can say nothing about, get `Report.failed` with the reason.
    """

    def __init__(
        self, surrogate: Surrogate, source: str = "", *, engine: str | None = None, time_limit_s: float | None = None
    ) -> None:
        super().__init__(surrogate.machine, engine)
        self.surrogate, self.time_limit_s = surrogate, time_limit_s
        self.width = _BLOCK
        origin = surrogate.origin
        self._source = source or f"{origin.training[:16]}-{origin.seed}-{surrogate.model.name}"

    @property
    def settings(self) -> dict[str, Any]:
        """The surrogate is part of the key, so that a store never takes its answers for the simulator's."""
        return {**super().settings, "surrogate": self._source}

    @property
    def simulating(self) -> Evaluator:
        """The simulator that it stands for."""
        return make_evaluator("direct", self.machine, time_limit_s=self.time_limit_s, engine=self.engine)

    def batches(self, designs: Iterable[Values], workload: Any, *, ordered: bool = True) -> Generator[Batch]:
        """Yield answers, always in order; raises `InputError` for a workload that the surrogate can say nothing about."""
        self.machine.check(workload, self.engine)
        self.surrogate.encoder.strange(workload)
        source = enumerate(designs)
        while block := list(islice(source, _BLOCK)):
            reports = self._block([design for _, design in block], workload)
            yield [(position, report) for (position, _), report in zip(block, reports, strict=True)]

    def _block(self, block: Sequence[Values], workload: Any) -> list[Report]:
        valid = [validated(self.machine, design) for design in block]
        ready = [design for design in valid if isinstance(design, Design)]
        said = self.surrogate.predict(ready, workload)
        made = Provenance(version(), self.surrogate.origin.model, f"surrogate {self.surrogate.model.name}")
        answers = iter(range(len(ready)))
        reports = []
        for design in valid:
            if isinstance(design, Report):
                report = design
            elif (reason := said.refused[i := next(answers)]) is not None:
                report = Report.failed(f"surrogate: {reason}")
            else:
                metrics = {name: float(values[i]) for name, values in said.mean.items()}
                metrics |= {f"{name}_std": float(said.std[name][i]) for name in self.surrogate.metrics}
                report = Report({**metrics, EXTRAPOLATES: float(said.notes[i] is not None)})
            report.surrogate, report.provenance = True, made
            reports.append(report)
        return reports


def surrogate_evaluator(
    machine: Accelerator, argument: str, *, time_limit_s: float | None = None, engine: str | None = None
) -> SurrogateEvaluator:
    """Build the evaluator of `surrogate:FILE`; raises `InputError`."""
    if not argument:
        raise InputError("evaluator 'surrogate': which file? (accepted: surrogate:FILE, of `cyclescape surrogate fit`)")
    surrogate = Surrogate.load(argument)
    if surrogate.machine.name != machine.name:
        raise InputError(f"{argument}: learned from {surrogate.machine.name}, not from {machine.name}")
    digest = hashlib.sha256(Path(argument).read_bytes()).hexdigest()
    return SurrogateEvaluator(surrogate, digest, engine=engine, time_limit_s=time_limit_s)
