"""Designs that failed when they were simulated: a surrogate of the others would answer their like without a word.

They have no numbers to learn, but which ones they are can be learned: trees say how likely a design is to fail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Self

import numpy as np

from ...errors import InputError
from .features import Encoded, Encoder
from .partial import closed_forms
from .samples import Samples
from .trees import Trees

__all__ = ["Failing"]

_LIKELY = 0.2
"""From here a design is flagged. Of attention on the streaming machine (7 % fail), learned from 100 designs, this finds all
that fail; 0.3 misses one in ten, 0.1 flags twice as many for nothing. From 400 designs it flags nothing for nothing."""
_EFFORT = 0.5
_PREFIX = "failing_"
_WIDE = 160
"""Characters of a reason that are kept."""


@dataclass(frozen=True)
class Failing:
    """What is known of designs that failed."""

    failed: int
    """Designs that failed in simulation, of those that were drawn or read."""
    reason: str
    """The most frequent one."""
    model: Trees | None
    """How likely a design fails, from the columns of the others; None: nothing of them could be learned."""

    @classmethod
    def of(cls, samples: Samples, encoder: Encoder, x: np.ndarray, *, prefix: float | None, seed: int) -> Self | None:
        """Learn from samples and their columns x; None if nothing failed.

        Failures that are refused or flagged as they are, say, as no closed form holds for them, are counted only.
        """
        if not samples.failed:
            return None
        reason = Counter(why for *_, why in samples.failed).most_common(1)[0][0]
        found: list[np.ndarray] = []
        for workload in {workload.digest: workload for _, workload, _ in samples.failed}.values():
            designs = [design for design, ran, _ in samples.failed if ran.digest == workload.digest]
            try:
                bounds = closed_forms(samples.machine, designs, workload, prefix)
                encoded = encoder.encode(samples.machine, designs, workload, bounds)
            except InputError:  # a workload that is refused
                continue
            silent = [why is None and note is None for why, note in zip(encoded.refused, encoded.notes, strict=True)]
            found.append(encoded.columns[np.array(silent)])
        columns = np.concatenate([x[:0], *found])
        model = None
        if len(columns) and find_spec("lightgbm") is not None:
            known = np.concatenate([np.zeros(len(x)), np.ones(len(columns))])[:, None]
            model = Trees.fit(np.concatenate([x, columns]), known, seed=seed, effort=_EFFORT)
        return cls(len(samples.failed), " ".join(reason.split())[:_WIDE], model)

    def notes(self, encoded: Encoded) -> tuple[str | None, ...]:
        """The notes on designs, with one more on those that are like designs that failed."""
        if self.model is None:
            return encoded.notes
        likely = self.model.predict(encoded.columns)[0][:, 0] >= _LIKELY
        likely &= np.array([reason is None for reason in encoded.refused])
        says = f"it may not run: designs like it failed ({self.reason})"
        return tuple(note if not fails else f"{note}; {says}" if note else says
                     for note, fails in zip(encoded.notes, likely.tolist(), strict=True))

    def to_data(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Return what is to be kept: plain values, and texts."""
        texts = {} if self.model is None else self.model.to_data()[2]
        values = {"failed": self.failed, "reason": self.reason, "learned": self.model is not None}
        return values, {f"{_PREFIX}{name}": text for name, text in texts.items()}

    @classmethod
    def from_data(cls, values: Mapping[str, Any] | None, texts: Mapping[str, str], columns: int) -> Self | None:
        """The inverse; raises `KeyError`, `TypeError` or `ValueError` for anything else."""
        if values is None:
            return None
        model = None
        if values["learned"]:
            ours = {name.removeprefix(_PREFIX): text for name, text in texts.items() if name.startswith(_PREFIX)}
            model = Trees.from_data({"targets": 1}, {}, ours)
            model.predict(np.zeros((1, columns), np.float32))  # raises where it has other columns
        failed = int(values["failed"])
        if failed < 1:
            raise ValueError("failures of no design")
        return cls(failed, " ".join(str(values["reason"]).split())[:_WIDE], model)
