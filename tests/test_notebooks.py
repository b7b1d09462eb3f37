"""The notebooks run from top to bottom, are stored without outputs, and show what their text says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest

from cyclescape.agents import searcher
from cyclescape.simulator import registry

ROOT = Path(__file__).parents[1]
NOTEBOOKS = {path.stem[:2]: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
KEYS = {
    "markdown": {"cell_type", "id", "metadata", "source"},
    "code": {"cell_type", "id", "metadata", "source", "execution_count", "outputs"},
}
LARGEST = 20_000  # bytes; a stored figure would take more


def cells(path: Path, kind: str) -> dict[str, str]:
    """Id to source of the cells of a kind."""
    return {cell["id"]: "".join(cell["source"]) for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind}


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Execute a notebook as CI does, in a folder of its own; gives its names. What it registers is forgotten."""
    monkeypatch.setenv("CYCLESCAPE_CI", "1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    monkeypatch.setattr(searcher, "_registered", dict(searcher._registered))
    plt.switch_backend("agg")

    def execute(number: str) -> dict[str, Any]:
        names: dict[str, Any] = {"__name__": "__main__"}
        for name, source in cells(NOTEBOOKS[number], "code").items():
            exec(compile(source, f"{NOTEBOOKS[number].name}, cell {name}", "exec", dont_inherit=True), names)
        for figure in map(plt.figure, plt.get_fignums()):
            figure.canvas.draw()
        return names

    yield execute
    plt.close("all")
    registry._load.cache_clear()


def test_there_are_seven():
    assert [*NOTEBOOKS] == ["01", "02", "03", "04", "05", "06", "07"]


@pytest.mark.parametrize("path", NOTEBOOKS.values(), ids=lambda path: path.stem)
def test_a_notebook_is_stored_stripped_in_format_4(path):
    text = path.read_text()
    notebook = json.loads(text)
    assert len(text) < LARGEST
    assert set(notebook) == {"cells", "metadata", "nbformat", "nbformat_minor"}
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)  # 4.5 is the first with cell ids
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in notebook["cells"]:
        assert re.fullmatch(r"[a-z0-9-]{1,64}", cell["id"])
        assert set(cell) == KEYS[cell["cell_type"]]
        assert cell["metadata"] == {}
        assert all(isinstance(line, str) for line in cell["source"])
        assert all(line.endswith("\n") for line in cell["source"][:-1])
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


@pytest.mark.parametrize("path", NOTEBOOKS.values(), ids=lambda path: path.stem)
def test_a_notebook_explains_itself(path):
    cells_ = json.loads(path.read_text())["cells"]
    assert cells_[0]["source"][0].startswith("# ")
    assert 'os.environ.get("CYCLESCAPE_CI")' in "".join(cells_[1]["source"])
    for text in cells(path, "markdown").values():
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (path.parent / target).exists(), target
    assert f"notebooks/{path.name}" in (ROOT / "README.md").read_text()


def test_the_first_front_is_one(run):
    names = run("01")
    front = names["front"]  # from small to fast
    assert front.area_mm2.is_monotonic_increasing
    assert front.time_s.is_monotonic_decreasing
    assert (front.power_w <= 10).all()
    assert len(names["rows"]) <= 2 * names["BUDGET"]


def test_a_row_of_scores_needs_its_room(run):
    names = run("02")
    assert "deadlock" in names["short"].reason
    assert names["enough"].ok
    assert len(set(names["least"]["memory_free"])) == 1  # O(1)
    assert names["least"]["scaled"][-1] - names["least"]["scaled"][0] > 4 * (names["LENGTHS"][-1] - names["LENGTHS"][0])  # O(N)


def test_the_stalls_name_the_cure(run):
    names = run("03")
    shares, faster = names["shares"], names["faster"]
    tiled = shares["sgemm, 16x16 tiles"]
    assert max(tiled, key=lambda cause: tiled[cause] * (cause != "issued")) == "memory_queue"
    assert faster["cuda-sgemm-tiled"].max() > 1.3  # a request each cycle
    assert faster["cuda-sgemm-blocked"].min() < 0.95  # no register-file cache


def test_agents_race_with_equal_budgets_and_the_loophole_is_closed(run):
    names = run("04")
    assert [*names["studies"]] == [*names["AGENTS"]]
    for runs in names["studies"].values():
        assert [len(study.trials) for study in runs] == [names["BUDGET"]] * len(names["SEEDS"])
    assert names["ends"].min().min() < 1  # better than the default
    assert "would lose data" in names["long"].reason


def test_the_options_of_the_array_save_cycles(run):
    names = run("05")
    rows = names["rows"]
    at = rows.set_index(["workload", "fusion", "activation_sram_kib"]).sort_index()
    for network in names["NETWORKS"]:
        assert at.loc[network, "pooling", 4096].cycles < at.loc[network, "none", 0].cycles
    ports = {name: report.metrics["cycles"] for name, report in names["runs"].items()}
    assert ports["DDR4-2400, 1 ch."] > ports["port, 16 B/cycle"] > ports["DDR4-2400, 4 ch."]


def test_the_machine_of_the_last_notebook_is_that_of_the_guide(run):
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    assert cells(NOTEBOOKS["06"], "code")["machine"].strip() == block.strip()
    names = run("06")
    assert len(names["rows"]) == 8 * 9
    assert len(names["rewards"]) == names["BUDGET"]


def test_a_surrogate_is_judged_before_it_is_used(run):
    pytest.importorskip("lightgbm")
    names = run("07")
    error = abs(names["alone"] / names["truth"] - 1).mean()
    assert abs(names["rows_out"].mean[:, 0] / names["truth"] - 1).mean() < 2 * error  # few samples here
    assert [reason is None for reason in names["said"].refused] == [True, False, True]
    assert names["said"].notes[2]
    for runs in names["studies"].values():
        assert [len(study.trials) for study in runs] == [names["BUDGET"]] * len(names["SEEDS"])
