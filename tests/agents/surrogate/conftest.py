from pathlib import Path
from typing import Any

import pytest

from cyclescape.agents.surrogate import Samples, Surrogate, draw
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.traces.workload import Workload


@pytest.fixture
def samples(roofline: Accelerator, mlp: Workload, gemv: Workload) -> Samples:
    """Every workload on designs whose lanes go up to 64 only, and at one clock."""
    return draw(roofline, [mlp, gemv], 120, fixed={"frequency_mhz": 500}, values={"lanes": (4, 8, 16, 32, 64)})


_fitted: list[Surrogate] = []  # one for all tests: it is frozen


@pytest.fixture
def surrogate(samples: Samples) -> Surrogate:
    pytest.importorskip("lightgbm")
    if not _fitted:
        _fitted.append(Surrogate.fit(samples, ["time_s", "energy_j"], model="trees", effort=0.2))
    return _fitted[0]


@pytest.fixture
def file(surrogate: Surrogate, tmp_path: Path) -> Any:
    return surrogate.save(tmp_path / "a.surrogate")
