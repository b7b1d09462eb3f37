"""The page of a run says what the report says."""

from pathlib import Path

import numpy as np
import pytest
from page_checks import NASTY, check_page

from cyclescape.errors import InputError
from cyclescape.pages.operators import operators_of
from cyclescape.pages.run_page import write_run_page
from cyclescape.simulator.registry import accelerator
from cyclescape.simulator.report import Report, Table
from cyclescape.traces.catalog import load
from cyclescape.traces.workload import Workload


def test_every_number_of_the_report(tmp_path: Path) -> None:
    machine, workload = accelerator("systolic"), load("resnet18")
    design = machine.design.make({"rows": 64, "dataflow": "os"})
    report = machine.run([design], workload)[0]
    path = write_run_page(report, design, workload, tmp_path / "run.html")
    page = check_page(path)
    data = page.data
    assert path.stat().st_size < 200_000
    assert dict(zip(data["cycles"]["causes"], data["cycles"]["values"])) == report.breakdown
    assert data["cycles"]["total"] == report.metrics["cycles"]
    (energy,) = data["parts"]
    assert sum(item["value"] for item in energy["items"]) == pytest.approx(report.metrics["energy_j"])
    assert np.sum(data["operators"]["cycles"]) == report.metrics["cycles"]
    table = dict(zip((head["name"] for head in data["table"]["heads"]), data["table"]["columns"]))
    layers = report.layers
    assert list(table) == list(layers.columns)
    assert all(table[name] == layers[name].tolist() for name in layers.columns)
    assert "The default design with rows = 64, dataflow = os." in page.shown
    assert data["roofline"]["peak"] == 64 * 32 * 1e9
    for parameter in machine.design.parameters():
        assert parameter in page.shown
    assert report.provenance is not None
    assert report.provenance.model[:12] in page.shown


def test_names_from_outside_are_only_ever_text(nasty: Workload, tmp_path: Path) -> None:
    machine = accelerator("systolic")
    design = machine.design.make()
    report = machine.run([design], nasty)[0]
    path = write_run_page(report, design, nasty, tmp_path / "run.html")
    page = check_page(path)
    assert "<script>window.hacked" not in path.read_text("utf-8")
    assert page.data["operators"]["names"][0] == f"first {NASTY}"


def test_a_machine_with_neither_table_nor_parts(machines: None, mlp: Workload, tmp_path: Path) -> None:
    machine = accelerator("roofline")
    design = machine.design.make()
    page = check_page(write_run_page(machine.run([design], mlp)[0], design, mlp, tmp_path / "run.html"))
    assert page.data["operators"] is None
    assert page.data["table"] is None
    assert page.data["roofline"] is None


def test_a_failed_run_has_no_page(machines: None, mlp: Workload, tmp_path: Path) -> None:
    design = accelerator("roofline").design.make()
    with pytest.raises(InputError, match="nothing to show of mlp: too big"):
        write_run_page(Report.failed("too big"), design, mlp, tmp_path / "run.html")
    assert not list(tmp_path.iterdir())


def report_of(cycles: list[int], **columns: list) -> Report:
    names = [f"op{i}" for i in range(len(cycles))]
    return Report({"cycles": sum(cycles)}, {"compute": sum(cycles)}, Table({"name": names, "cycles": cycles, **columns}))


def test_operators_keep_every_cycle() -> None:
    found = operators_of(report_of([5, 0, 7], compute_cycles=[3, 0, 7]))
    assert found is not None
    assert found["names"] == ["op0", "op2"]
    assert found["causes"] == ["compute", "other"]
    assert found["cycles"] == [[3, 7], [2, 0]]
    assert found["fused"] == 1


def test_of_thousands_of_operators_the_fastest_become_one() -> None:
    cycles = [1000 + (i * 7919) % 5000 for i in range(3000)]
    found = operators_of(report_of(cycles))
    assert found is not None
    assert len(found["names"]) == 160
    assert found["names"][-1] == "2841 other operators"
    assert sum(found["cycles"][0]) == sum(cycles)
    assert set(found["cycles"][0][:-1]) == {c for c in cycles if c >= min(found["cycles"][0][:-1])}


def test_reports_without_a_usable_table() -> None:
    assert operators_of(Report({"cycles": 3})) is None
    assert operators_of(Report({"cycles": 3}, table=Table({"name": ["a"]}))) is None
