"""Partial simulation: the beginning of a run in place of closed forms.

A surrogate that was fitted with a prefix simulates so large a share of a run in full detail (`Accelerator.prefix`), takes
the rates and causes that it sees there as columns, and learns the logarithm of the whole run's metric by what the
beginning alone would have said (arXiv 2402.18746 learns the metric itself, IPC). It is dearer than one on
closed forms and answers for workloads that training never saw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import InputError
from ...simulator.accelerator import Accelerator
from ...simulator.design import Design
from .samples import Samples

__all__ = ["MOST", "closed_forms", "families", "owners", "prefix_of"]

MOST = 0.5
"""Share of a run above which its beginning costs about as much as all of it."""


def prefix_of(share: Any) -> float | None:
    """Return a share as it is kept in a surrogate, None for closed forms; raises `InputError` for what is no share."""
    if share is None:
        return None
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= MOST:
        raise InputError(f"prefix {share!r}: accepted: a share of the run, above 0 and at most {MOST}")
    return float(share)


def closed_forms(
    machine: Accelerator, designs: Sequence[Design], workload: Any, prefix: float | None
) -> Mapping[str, np.ndarray]:
    """What a surrogate knows before it is asked: closed forms of the machine, or a beginning of each run."""
    return machine.bounds(designs, workload) if prefix is None else machine.prefix(designs, workload, prefix)


def families(samples: Samples) -> np.ndarray:
    """int64[n]: workloads of one name are one family, whatever their arguments; a kernel is not new because its size is."""
    names = [workload.name.partition(":")[0] for workload in samples.workloads]
    numbers = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], np.int64)[samples.group]


def owners(samples: Samples, prefix: float | None) -> tuple[str, np.ndarray]:
    """What is left out whole to see how right new ones are answered, in words, and which of them each sample is, int64[n]."""
    return ("workload", samples.group) if prefix is None else ("family of workloads", families(samples))
