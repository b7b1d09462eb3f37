"""The experiment of many searches: its file of runs, its intervals, and what the published decoder reaches."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import cyclescape
from hypothesis import given
from hypothesis import strategies as st

from cyclescape.agents.paired import difference
from cyclescape.cli.experiments import multi_agent, runs
from cyclescape.errors import InputError
from cyclescape.simulator.registry import accelerator
from cyclescape.simulator.space import Space

PAGE = Path(__file__).parents[2] / "docs" / "experiments" / "multi-agent.csv"
SMALL = multi_agent.Size(60, ("random",), ("joint",), 2, 1, 12, "no time")
RL = pytest.mark.skipif(importlib.util.find_spec("stable_baselines3") is None, reason="needs the extra rl")


@given(st.integers(1, 12))
def test_the_decoder_reaches_what_its_formula_says(count: int) -> None:
    listed = tuple(range(count))
    boundaries = np.arange(-1, 1, 2 / count)
    reached = {int(np.where(boundaries <= round(action))[0][-1]) for action in np.linspace(-1, 1, 101)}

    class One:
        values = {"knob": listed}

    assert set(multi_agent.reachable(One())["knob"]) == reached  # type: ignore[arg-type]


def test_the_decoder_leaves_a_seventeenth_of_the_controller() -> None:
    design = accelerator("dram-controller").design
    left = multi_agent.reachable(Space(design))
    assert max(map(len, left.values())) == 3
    assert (len(Space(design)), len(Space(design, values=left))) == (442_368, 26_244)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=6), st.floats(-1, 1))
def test_intervals_hold_the_mean_and_move_with_the_values(values: list[float], shift: float) -> None:
    plain, moved = difference(np.array([values])), difference(np.array([values]) + shift)
    assert min(values) - 1e-9 <= plain.low <= plain.mean + 1e-9
    assert plain.mean - 1e-9 <= plain.high <= max(values) + 1e-9
    assert (moved.mean, moved.low, moved.high) == pytest.approx((plain.mean + shift, plain.low + shift, plain.high + shift))
    again = difference(np.array([[*values, np.nan]]))  # a pair that is missing changes nothing
    assert again == plain


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    covered = [
        over.low <= 0.3 <= over.high
        for over in (difference(rng.normal(0.3, 1.0, (12, 5)), seed) for seed in range(100))
    ]
    assert 80 <= sum(covered) <= 99  # percentiles of five values are a little too narrow


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(multi_agent.SIZES, "quick", SMALL)


@RL
@pytest.mark.usefixtures("small")
def test_runs_are_kept_and_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "runs.csv"
    whole = multi_agent.run("quick", file)
    lines = file.read_text().splitlines()
    assert len(lines) == 1 + len(multi_agent.tasks(SMALL)) == 1 + 2 * 5 + 2
    file.write_text("\n".join(lines[:-3]) + "\n")
    ran: list[Any] = []
    search = runs._run
    monkeypatch.setattr(runs, "_run", lambda *given: ran.append(given) or search(*given))
    again = multi_agent.run("quick", file)
    assert len(ran) == 3
    assert again.to_dict() == whole.to_dict()
    assert sorted(file.read_text().splitlines()) == sorted(lines)
    assert not [row for row in whole.parts[0].rows if row["after_10_%_off"] < 0]
    assert len(whole.draw().axes) == 1
    for text, says in [
        ("a,b\n", "column .* is missing"),
        (lines[0] + "\nx,y\n", ":2: 2 cells"),
        (lines[0] + "\n" + lines[1].replace("ippo,", "ippo,x", 1) + "\n", "line 2: .*x.*accepted: numbers"),
    ]:
        file.write_text(text)
        with pytest.raises(InputError, match=says):
            multi_agent.run("quick", file)


def test_the_table_of_problems_has_the_intervals_that_are_counted() -> None:
    outcome = multi_agent.study(multi_agent.SIZES["full"], runs._read(PAGE))
    tables = {part.title: part.rows for part in outcome.parts}
    each = next(rows for title, rows in tables.items() if title.startswith("each problem"))
    for measure, title in multi_agent.MEASURES.items():
        counted = next(row for row in tables[f"the team against others: {title}"] if row["team_against"] == "one, factorised")
        spans = [[float(text) for text in re.findall(r"[+-][\d.]+", row[measure])] for row in each]
        assert sum(low > 0 for _, low, _ in spans) == counted["problems_better"]
        assert sum(high < 0 for _, _, high in spans) == counted["worse"]
        assert all(low <= mean <= high for mean, low, high in spans)


def test_the_page_stands_on_complete_runs() -> None:
    kept = {course.task for course in runs._read(PAGE)}
    assert kept == set(multi_agent.tasks(multi_agent.SIZES["full"]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["draco", "--size", "full"], "experiment 'draco': takes no --size (accepted with it: multi-agent)"),
        (["multi-agent", "--size", "big"], "size 'big': accepted: quick, full"),
    ],
)
def test_wrong_sizes_are_one_line(arguments: list[str], message: str) -> None:
    done = cyclescape("experiment", *arguments)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert message in done.stderr
