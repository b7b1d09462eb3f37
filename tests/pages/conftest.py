"""A few small studies and runs, made once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from page_checks import NASTY
from roofline import Roofline

from cyclescape.agents.search import search
from cyclescape.simulator import registry
from cyclescape.traces.operators import Gemm
from cyclescape.traces.workload import Workload


@pytest.fixture(scope="session")
def machines() -> Iterator[None]:
    registry._registered[Roofline.name] = Roofline
    registry._load.cache_clear()
    yield
    registry._registered.pop(Roofline.name, None)
    registry._load.cache_clear()


@pytest.fixture(scope="session")
def nasty() -> Workload:
    return Workload(name=f"net {NASTY}", operators=(
        Gemm(name=f"first {NASTY}", m=64, n=256, k=512), Gemm(name="b", m=64, n=1024, k=256, inputs=(f"first {NASTY}",)),
    ))  # fmt: skip


@pytest.fixture(scope="session")
def two_agents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A single objective under a limit, two agents, the systolic array on a network that loads by name."""
    folder = tmp_path_factory.mktemp("two")
    values = {"rows": [4, 8, 16, 32, 64], "cols": [4, 8, 16, 32], "dataflow": ["os", "ws", "is"],
              "ofmap_sram_kib": [8, 32, 128]}  # fmt: skip
    for agent in ("tpe", "random"):
        search("systolic", "alexnet", objective="edp", constraints="area_mm2<=3", agent=agent, budget=60, seed=1,
               values=values, out=folder)  # fmt: skip
    return folder


@pytest.fixture(scope="session")
def front(tmp_path_factory: pytest.TempPathFactory, machines: None, nasty: Workload) -> Path:
    """Two objectives, a machine without operators, and a workload that cannot be loaded again."""
    folder = tmp_path_factory.mktemp("front")
    search("roofline", nasty, objective="time_s, energy_j", constraints="area_mm2<=6", agent="random", budget=150,
           out=folder)  # fmt: skip
    return folder
