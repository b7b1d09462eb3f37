"""What an agent sees: the design, how it did, and the work; all bounded, on log scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from ..simulator.objective import Outcome
from ..simulator.problem import Problem

__all__ = ["WORKLOAD_FEATURES", "Observer", "workload_features"]

Observation = dict[str, np.ndarray]

WORKLOAD_FEATURES = (
    "macs", "params", "vector_ops", "operators", "intensity", "requests", "writes", "lines", "warp_instructions",
)  # fmt: skip
"""Counts of a workload, as log10(1 + count) over `_DECADES`. Of a network: multiply-accumulates, parameters,
element-wise operations, operators, and multiply-accumulates per element moved once. Of an address trace: requests,
those that write, and distinct lines of 64 bytes. Of a kernel trace: instructions of warps."""

_DECADES = np.array([18.0, 15.0, 15.0, 6.0, 6.0, 9.0, 9.0, 9.0, 12.0])
_LINE_BITS = 6
_LEAST = 1e-18
"""Less than this of a metric is seen as none."""
_SPAN = 5.0
"""Metrics reach from -1 to 1 over so many decades below and above the default design's."""


def workload_features(workload: Any) -> np.ndarray:
    """float32[9] in 0..1; zero for counts that a kind of workload does not have."""
    operators = getattr(workload, "operators", ())
    moved = sum(op.weight_elements + op.input_elements + op.output_elements for op in operators)
    macs = getattr(workload, "macs", 0)
    address = getattr(workload, "address", np.empty(0, dtype=np.int64))
    counts = [
        macs,
        getattr(workload, "params", 0),
        getattr(workload, "vector_ops", 0),
        len(operators),
        macs / moved if moved else 0,
        len(address),
        getattr(workload, "writes", 0),
        len(np.unique(address >> _LINE_BITS)),
        getattr(workload, "warp_instructions", 0),
    ]
    scaled = np.log10(1.0 + np.array(counts, dtype=float)) / _DECADES
    return np.clip(scaled, 0.0, 1.0).astype(np.float32)


class Observer:
    """Turns designs and outcomes of one problem into observations.

    - `design`: place of each explored parameter's value, from 0 (first) to 1 (last)
    - `metrics`: decades above the default design's metrics over five, in -1..1; mean over workloads
    - `valid`: 1 if the design has numbers
    - `slacks`: room under each constraint as a share of its limit, in -1..1 (if there are constraints)
    - `workload`: see `WORKLOAD_FEATURES`; mean over workloads
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._last = np.array([max(1, size - 1) for size in problem.space.sizes], dtype=float)
        self._metrics = tuple(problem.machine.metrics)
        features = [workload_features(workload) for workload in problem.workloads]
        self._workload: np.ndarray = np.asarray(np.mean(features, axis=0), dtype=np.float32)
        boxes: dict[str, spaces.Space[Any]] = {
            "design": spaces.Box(0.0, 1.0, (len(self._last),), np.float32),
            "metrics": spaces.Box(-1.0, 1.0, (len(self._metrics),), np.float32),
            "valid": spaces.Box(0.0, 1.0, (1,), np.float32),
            "workload": spaces.Box(0.0, 1.0, self._workload.shape, np.float32),
        }
        if problem.objective.constraints:
            count = len(problem.objective.constraints)
            boxes["slacks"] = spaces.Box(-1.0, 1.0, (count,), np.float32)
        self._boxes = boxes
        self.space = self.extended()
        self._reference: Outcome | None = None

    def extended(self, **more: spaces.Space[Any]) -> spaces.Space[Any]:
        """The space of observations, and of what a form adds to them."""
        return spaces.Dict({**self._boxes, **more})

    @property
    def reference(self) -> Outcome:
        """How the default design does; simulated when it is first needed."""
        if self._reference is None:
            self._reference = self.problem.evaluate([{}])[0]
        return self._reference

    def observe(self, index: Sequence[int], outcome: Outcome) -> Observation:
        """The observation of a design and how it did."""
        seen: Observation = {
            "design": np.asarray(np.array(index, dtype=float) / self._last, dtype=np.float32),
            "metrics": self._relative(outcome),
            "valid": np.array([outcome.ok], dtype=np.float32),
            "workload": self._workload.copy(),
        }
        if constraints := self.problem.objective.constraints:
            slacks = [outcome.slacks.get(text, -1.0) for text in constraints]
            seen["slacks"] = np.clip(np.array(slacks), -1.0, 1.0).astype(np.float32)
        return seen

    def _relative(self, outcome: Outcome) -> np.ndarray:
        if not outcome.ok:
            return np.zeros(len(self._metrics), dtype=np.float32)
        scale = self._logs(self.reference) if self.reference.ok else 0.0
        return np.clip((self._logs(outcome) - scale) / _SPAN, -1.0, 1.0).astype(np.float32)

    def _logs(self, outcome: Outcome) -> np.ndarray:
        return np.mean([self._log(report.metrics) for report in outcome.reports], axis=0)

    def _log(self, metrics: Mapping[str, float]) -> np.ndarray:
        return np.log10([max(metrics.get(name, 1.0), _LEAST) for name in self._metrics])
