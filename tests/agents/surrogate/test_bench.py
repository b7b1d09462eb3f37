"""The benchmark of surrogates measures what it says: designs never asked before, of a trace that nothing is known of."""

from typing import Any

import pytest

from cyclescape.accelerators.dram import estimate
from cyclescape.agents.surrogate import bench
from cyclescape.agents.surrogate.surrogate import Surrogate


def test_no_design_comes_twice_and_nothing_is_known_of_the_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    batches: list[list[Any]] = []
    predict = Surrogate.predict

    def seen(self: Surrogate, designs: Any, workload: Any) -> Any:
        misses = estimate._placed.cache_info().misses
        answer = predict(self, designs, workload)
        assert estimate._placed.cache_info().misses > misses
        assert not any(answer.refused)
        batches.append(designs)
        return answer

    monkeypatch.setattr(Surrogate, "predict", seen)
    for name, value in {"_NAMED": "cloud-1:n=300", "_SCAN": 50, "_FEW": 10}.items():
        monkeypatch.setattr(bench, name, value)
    scan, ratio, few, _ = bench._against_the_simulator()
    assert [len(batch) for batch in batches] == [8] + bench._TURNS * [10, 50]
    designs = [tuple(design.model_dump().values()) for batch in batches for design in batch]
    assert len(set(designs)) == len(designs)
    assert scan.name.startswith("ensemble, from 50 new designs")
    assert few.name.startswith("ensemble, from 10 new designs")
    assert ratio.at_least == 2000
    assert ratio.value > 0
