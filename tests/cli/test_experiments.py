"""Experiments that ship: they say what the docs say, on the command line, as JSON and as a figure."""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from commands import cyclescape
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread

from cyclescape.cli.experiments import EXPERIMENTS, run
from cyclescape.cli.experiments.drawing import save, spread
from cyclescape.cli.experiments.macs_vs_latency import rank_correlation

ROOT = Path(__file__).parents[2]
outcome = cache(run)


def findings(name):
    return {finding.claim: finding for finding in outcome(name).findings}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_page_says_what_the_simulation_says(name):
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    generate.run = outcome
    page = (ROOT / "docs" / "experiments" / f"{name}.md").read_text()
    assert page == generate.study(page, generate.documented(name)), "run python docs/generate.py"


FIGURES = [("draco", "png"), ("shufflenet-guidelines", "svg"), ("macs-vs-latency", "png"), ("gpu-shapes", "png")]


@pytest.mark.parametrize(("name", "suffix"), FIGURES)
def test_figures_are_drawn_and_always_the_same(tmp_path, name, suffix):
    for i in (1, 2):
        save(outcome(name).draw(), tmp_path / f"{i}.{suffix}")
    first, again = (tmp_path / f"{i}.{suffix}" for i in (1, 2))
    assert first.read_bytes() == again.read_bytes()
    if suffix == "png":
        assert imread(first).std() > 0.05  # something is drawn
    else:
        assert "parallel" in first.read_text()


def test_draco_pays_on_a_large_array_with_one_group_at_a_time_only():
    parts = {part.title: {row["machine"]: row for row in part.rows} for part in outcome("draco").parts}
    small, large = parts["16 x 16 PEs: cycles"], parts["64 x 64 PEs: cycles"]
    groups = ("G=1", "G=2", "G=4", "G=8", "G=16", "G=32")
    published = [large["RS, as published"][g] for g in groups]
    assert published == [378256, 265360, 214456, 221008, 248287, 324979]
    strict = [large["RS, one group"][g] for g in groups]
    assert strict == [378256, 265360, 219664, 233104, 255952, 339280]
    assert large["RS, many groups"]["G=1"] == 158407 == min(large["RS, many groups"][g] for g in groups)
    assert small["RS, as published"]["G=1"] == min(small["RS, as published"][g] for g in groups)
    for array in (small, large):
        for g in groups:
            assert array["RS, many groups"][g] <= array["RS, as published"][g] <= array["RS, one group"][g]


def test_guidelines_hold_or_are_said_not_to():
    found = findings("shufflenet-guidelines")
    for flow in ("ws", "os"):
        assert found[f"and are the fastest ({flow})"].agrees
        assert found[f"more groups, at equal work, move more bytes and take more time ({flow})"].agrees
        # Weight stationary, four in series are faster: their tensors fit on chip.
        assert found[f"fragments, at equal work, take more time ({flow})"].agrees == (flow == "os")
        assert found[f"shortcuts are not negligible ({flow})"].agrees
        assert not found[f"activations are not negligible ({flow})"].agrees


def test_the_blocks_that_are_compared_do_equal_work():
    for part in outcome("shufflenet-guidelines").parts[:4]:
        work = [row["mmacs"] for row in part.rows]
        assert max(work) <= 1.06 * min(work), part.title


def test_macs_misorder_networks_but_not_within_a_family():
    networks, summary, inversions = outcome("macs-vs-latency").parts
    for line in summary.rows:
        assert 0.5 < line["rank_correlation"] < 0.95
        assert 0 < line["inversions"] < line["pairs"] / 2
        wider = [row[line["machine"]] for row in networks.rows if row["network"].startswith("mobilenet-v1")]
        assert all(a < b for a, b in pairwise(wider))
    assert all(row["macs_ratio"] > 1 and row["time_ratio"] > 1 for row in inversions.rows)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=8, unique=True))
def test_rank_correlation_is_one_in_order_and_minus_one_reversed(values):
    rising = [float(value) ** 3 for value in values]
    if len(set(rising)) == len(values):
        assert rank_correlation(values, rising) == pytest.approx(1)
        assert rank_correlation(values, [-value for value in rising]) == pytest.approx(-1)


@given(st.lists(st.floats(0, 1), max_size=8).map(sorted), st.floats(0, 0.3))
def test_labels_are_spread_and_stay_in_order(heights, gap):
    moved = spread(heights, gap)
    assert all(b - a >= gap - 1e-9 for a, b in pairwise(moved))
    assert sum(moved) == pytest.approx(sum(heights), abs=1e-9)
    if all(b - a >= gap + 1e-9 for a, b in pairwise(heights)):
        assert moved == pytest.approx(heights)


def test_the_command_lists_runs_and_draws(tmp_path):
    assert [row["name"] for row in json.loads(cyclescape("experiment", "--json").stdout)] == list(EXPERIMENTS)
    done = cyclescape("experiment", "draco", "--out", "draco.svg", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "378,256" in done.stdout
    assert "RS, many groups" in (tmp_path / "draco.svg").read_text()
    document = json.loads(cyclescape("experiment", "draco", "--json").stdout)
    assert document == outcome("draco").to_dict()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["drac"], "experiment 'drac' is not known; did you mean 'draco'? (accepted: draco,"),
        (["draco", "--out", "a.gif"], "--out a.gif: accepted: a file that ends in .png or .svg"),
        (["draco", "--out", "none/a.png"], "none/a.png: no such folder"),
    ],
)
def test_wrong_input_is_one_line(tmp_path, arguments, message):
    done = cyclescape("experiment", *arguments, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert message in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_gpu_core_has_the_published_shapes_where_they_are_said_to_be_reproduced():
    found = findings("gpu-shapes")
    refused = {claim for claim, finding in found.items() if not finding.agrees}
    assert refused == {"and so does the code for every architecture"}
    dependence = {row["kernel"]: row for row in outcome("gpu-shapes").parts[1].rows}
    for kernel, published in (("fma-loads:n=256", (0.749, 0.749, 0.749)), ("sgemm-blocked:n=128,k=256", (0.618, 0.926, 0.964))):
        got = [dependence[kernel][f"readers_{n}"] for n in (1, 3, 63)]
        assert got == pytest.approx(published, abs=0.02)  # MICRO 2025, section 7.5 and its authors' data; nothing was fitted
