"""What the tests share: settings of hypothesis, two small machines and a small workload."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from cyclescape.simulator import registry
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.traces.operators import Gemm
from cyclescape.traces.workload import Workload

# Reproducible, and never judged by wall time.
settings.register_profile("laws", deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
settings.load_profile("laws")

PLUGINS = Path(__file__).parent / "plugins"
if str(PLUGINS) not in sys.path:
    sys.path.append(str(PLUGINS))


_FIRST = ("accelerators/systolic", "accelerators/row_stationary", "accelerators/streaming", "agents", "envs", "cli", "pages",
          "test_")
_LAST = ("accelerators/", "simulator")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of two processes, which begin with a half each, one compiles the systolic array, the other memories and the GPU."""
    here = f"{Path(__file__).parent.as_posix()}/"

    def turn(item: pytest.Item) -> int:
        place = item.path.as_posix().removeprefix(here)
        return 0 if place.startswith(_FIRST) else 2 if place.startswith(_LAST) else 1

    items.sort(key=turn)


def _registered(machine: type[Accelerator], monkeypatch: pytest.MonkeyPatch) -> Accelerator:
    monkeypatch.setitem(registry._registered, machine.name, machine)
    registry._load.cache_clear()
    return machine()


@pytest.fixture
def roofline(monkeypatch: pytest.MonkeyPatch) -> Iterator[Accelerator]:
    from roofline import Roofline

    yield _registered(Roofline, monkeypatch)
    registry._load.cache_clear()


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Accelerator]:
    from faulty import Faulty

    yield _registered(Faulty, monkeypatch)
    registry._load.cache_clear()


@pytest.fixture
def mlp() -> Workload:
    return Workload(
        name="mlp",
        operators=(Gemm(name="a", m=64, n=256, k=512), Gemm(name="b", m=64, n=1024, k=256, inputs=("a",))),
    )


@pytest.fixture
def gemv() -> Workload:
    return Workload(name="gemv", operators=(Gemm(name="a", m=1, n=2048, k=2048),))


@pytest.fixture
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which the roofline machine is installed as a plugin; to be put on a path."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(PLUGINS / "roofline.py", folder)
    info = folder / "roofline-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: roofline\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[cyclescape.accelerators]\nroofline = roofline:Roofline\n")
    return folder
