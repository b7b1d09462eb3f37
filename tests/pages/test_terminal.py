"""What the terminal shows: numbers with units, nothing from outside as markup or control."""

import io
from pathlib import Path

import pytest
from page_checks import NASTY
from rich.console import Console

from cyclescape.agents.search import search
from cyclescape.agents.study import Study
from cyclescape.pages.progress import bar, duration
from cyclescape.pages.terminal import clean, operator_table, show_run, show_study
from cyclescape.simulator.registry import accelerator
from cyclescape.simulator.units import quantity
from cyclescape.traces.catalog import load
from cyclescape.traces.workload import Workload


def console(width: int = 120) -> Console:
    return Console(file=io.StringIO(), width=width, highlight=False)


def text(of: Console) -> str:
    assert isinstance(of.file, io.StringIO)
    return of.file.getvalue()


def test_a_run() -> None:
    machine, workload = accelerator("systolic"), load("alexnet")
    design = machine.design.make({"rows": 64})
    report = machine.run([design], workload)[0]
    out = console()
    show_run(machine, design, workload, report, console=out)
    shown = text(out)
    assert "systolic on alexnet  rows=64" in shown
    assert f"{1e3 * report.metrics['time_s']:.2f} ms" in shown
    assert f"{report.metrics['area_mm2']:.2f} mm²" in shown
    share = 100 * report.breakdown["compute"] / report.metrics["cycles"]
    assert f"{share:.1f} %" in next(line for line in shown.splitlines() if line.startswith("compute"))
    slowest = report.layers.sort_values("cycles", ascending=False)["name"].iloc[0]
    assert slowest in shown
    assert "the 10 slowest of" in shown
    assert max(map(len, shown.splitlines())) <= 120


def test_with_layers_every_operator_is_there() -> None:
    machine, workload = accelerator("systolic"), load("alexnet")
    design = machine.design.make()
    report = machine.run([design], workload)[0]
    out = console()
    show_run(machine, design, workload, report, layers=True, console=out)
    ran = report.layers[report.layers["cycles"] > 0]["name"]
    assert all(name in text(out) for name in ran)
    table = operator_table(report, 3)
    assert table is not None
    assert table.row_count == 3


def test_a_front_and_a_best_list(front: Path, two_agents: Path) -> None:
    study = Study.load(front)
    out = console(160)
    show_study(study, front, console=out)
    rows = study.front()
    assert f"front: {len(rows)} design" in text(out)
    assert str(rows["number"].iloc[0]) in text(out)
    assert "150 designs" in text(out)
    single = Study.load(two_agents)
    out = console(160)
    show_study(single, console=out)
    best = single.best()
    assert best is not None
    lines = text(out).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("best: 5 designs"))
    assert lines[at + 2].split()[0] == str(best["number"])


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_a_narrow_terminal_loses_no_parameter(two_agents: Path, width: int) -> None:
    study = Study.load(two_agents)
    out = console(width)
    show_study(study, console=out)
    best = study.best()
    assert best is not None
    shown = " ".join(text(out).split())
    columns = " ".join(str(best[name]) for name in study.asked.values)
    words = ", ".join(f"{quantity(name).label} {best[name]}" for name in study.asked.values)
    assert (columns if width >= 100 else words) in shown
    assert max(map(len, text(out).splitlines())) <= width


def test_nothing_feasible_is_said_with_the_reason(machines: None, mlp: Workload) -> None:
    study = search("roofline", mlp, objective="edp", constraints="area_mm2<=0.0001", agent="random", budget=3)
    out = console()
    show_study(study, console=out)
    assert "no feasible design: " in text(out)


def test_names_cannot_style_or_move_anything(nasty: Workload) -> None:
    machine = accelerator("systolic")
    design = machine.design.make()
    report = machine.run([design], nasty)[0]
    out = Console(file=io.StringIO(), width=200, force_terminal=True)
    show_run(machine, design, nasty, report, layers=True, console=out)
    assert "[b]x[/b]" in text(out)
    assert NASTY[:30] in text(out)
    assert clean("a\x1b[31mb\r\n\u202ec") == "a\ufffd[31mb\ufffd\ufffd\ufffdc"


def test_progress_as_lines_and_as_a_bar() -> None:
    lines = console()
    with bar("tpe", "designs", console=lines, line_s=0) as update:
        update(10, 40, "best [b]1[/b]")
        update(20, 40, "best [b]1[/b]")
    first, second = text(lines).splitlines()
    assert first.startswith("tpe: 10/40 designs, ")
    assert " left" not in first  # it took compiling, too
    assert second.startswith("tpe: 20/40 designs, ")
    assert "left, best [b]1[/b]" in second
    quiet = console()
    with bar("tpe", "designs", console=quiet) as update:
        update(10, 40, "")
    assert text(quiet) == ""
    screen = Console(file=io.StringIO(), width=120, force_terminal=True)
    with bar("tpe", "designs", console=screen) as update:
        update(40, 40, "[b]x[/b]")
    assert "40/40" in text(screen)
    assert "[b]x[/b]" in text(screen)


@pytest.mark.parametrize(("seconds", "said"), [(0.4, "0 s"), (42, "42 s"), (190, "3 min 10 s"), (7500, "2 h 5 min")])
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said
