"""Closed forms of a machine of one's own that are no estimates: refused in one line, at fit and at predict."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cyclescape.agents.surrogate import Samples, Surrogate, draw
from cyclescape.errors import InputError
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.traces.workload import Workload

pytest.importorskip("sklearn")
Says = dict[str, Any]


@pytest.fixture
def said(roofline: Accelerator, monkeypatch: pytest.MonkeyPatch) -> Says:
    """What the machine's closed forms say, whatever the design; a function is asked of every design."""
    forms: Says = {"time_s": 1e-6}

    def bounds(self: Accelerator, designs: list[Any], workload: Workload) -> dict[str, np.ndarray]:
        return {name: np.array([form(design) if callable(form) else form for design in designs], float)
                for name, form in forms.items()}

    monkeypatch.setattr(type(roofline), "bounds", bounds)
    return forms


@pytest.fixture
def few(roofline: Accelerator, mlp: Workload) -> Samples:
    return draw(roofline, [mlp], 40)


def by_lanes(odd: float) -> Callable[[Any], float]:
    return lambda design: odd if design.lanes == 16 else 1e-6


@pytest.mark.parametrize("odd", [0.0, -1e-6])
@pytest.mark.parametrize("name", ["time_s", "energy_j"])
def test_one_that_is_not_above_0_is_no_training(few: Samples, said: Says, name: str, odd: float) -> None:
    said[name] = by_lanes(odd)
    with pytest.raises(InputError, match=f"roofline: its closed form of {name} is not above 0 for every sample"):
        Surrogate.fit(few, ["time_s"], model="gp", effort=0.1)


@pytest.mark.parametrize("odd", [0.0, -1e-6, np.nan, np.inf])
def test_a_design_whose_closed_form_is_no_estimate_has_no_answer(
    few: Samples, said: Says, mlp: Workload, odd: float
) -> None:
    surrogate = Surrogate.fit(few, ["time_s"], model="gp", effort=0.1)
    said |= {"time_s": by_lanes(odd), "energy_j": 0.0}  # what is said of other metrics is not asked
    designs = [few.machine.design.make({"lanes": lanes}) for lanes in (8, 16)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answer = surrogate.predict(designs, mlp)
        low, high = answer.interval("time_s")
    assert answer.refused == (None, f"the closed form of time_s is {odd:g} for this design, no estimate above 0")
    assert 0 < low[0] < answer.mean["time_s"][0] < high[0]
    assert np.isnan([answer.mean["time_s"][1], answer.std["time_s"][1], low[1], high[1]]).all()


def test_a_closed_form_that_is_gone_is_one_line(few: Samples, said: Says, mlp: Workload) -> None:
    surrogate = Surrogate.fit(few, ["time_s"], model="gp", effort=0.1)
    del said["time_s"]
    with pytest.raises(InputError, match="roofline gives no closed form of time_s"):
        surrogate.predict(few.designs[:1], mlp)


def test_a_regime_may_be_any_finite_number(few: Samples, said: Says, mlp: Workload) -> None:
    said["below"] = lambda design: -design.lanes
    surrogate = Surrogate.fit(few, ["time_s"], model="gp", effort=0.1)
    assert surrogate.predict(few.designs[:1], mlp).refused == (None,)
    said["below"] = np.inf
    assert surrogate.predict(few.designs[:1], mlp).refused == ("no closed form holds for this design",)


def test_a_deviation_without_end_is_refused(few: Samples, said: Says, mlp: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    surrogate = Surrogate.fit(few, ["time_s"], model="gp", effort=0.1)
    monkeypatch.setattr(surrogate.model, "predict", lambda x: (np.zeros((len(x), 1)), np.array([[1.0], [np.inf]])))
    answer = surrogate.predict(few.designs[:2], mlp)
    assert answer.refused == (None, "what the surrogate says is no finite number above 0")
    assert np.isnan(answer.std["time_s"][1])
