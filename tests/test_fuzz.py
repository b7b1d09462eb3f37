"""A small run of benchmarks/fuzz.py, in this process: valid inputs are read, damaged ones are refused in peace."""

from __future__ import annotations

import pickle
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from cyclescape.errors import InputError

sys.path.append(str(Path(__file__).parent.parent / "benchmarks"))

from fuzzing.case import made, placed
from fuzzing.guards import Watch
from fuzzing.parsers import PARSERS
from fuzzing.worker import _try

CASES = 25
QUICK = [
    "topology",
    "sass",
    "microbenchmarks",
    "kernel-trace",
    "requests-text",
    "requests-stl",
    "requests-csv",
    "requests-npz",
    "dram-mapping",
    "scalesim-table",
    "streaming-table",
    "row-stationary-table",
    "published-table",
    "job-queue",
    "experiment-runs",
    "settings",
    "objective",
    "small-forms",
    "sweep",
]
"""Parsers whose seeds cost nothing to make."""


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


@pytest.mark.parametrize("name", QUICK)
def test_every_case_is_read_or_refused_in_one_line(name: str, watch: Watch, tmp_path: Path, monkeypatch: Any) -> None:
    if name == "job-queue":
        pytest.importorskip("dask_jobqueue")
    parser = PARSERS[name]
    seeds = parser.seeds(tmp_path)
    here = tmp_path / "case"
    placed(here, dict(seeds[0]), {})
    monkeypatch.chdir(here)
    parser.read(here / next(iter(seeds[0])))  # what is imported once counts for no case
    outcomes: dict[str, int] = {}
    with (tmp_path / "printed").open("wb") as printed:
        for number in range(CASES):
            main, files, changes = made(parser, seeds, 0, number)
            placed(here, files, changes)
            monkeypatch.chdir(here)
            found = _try(parser, here / main, here, watch, printed.fileno())
            assert not found["defects"], f"python benchmarks/fuzz.py --only {name} --case {number}: {found['defects']}"
            outcomes[found["outcome"]] = outcomes.get(found["outcome"], 0) + 1
    assert outcomes["accepted"] >= len(seeds)
    assert outcomes["refused"] >= 5


def _long(_: Path) -> None:
    error = InputError("x")
    error.args = ("a\nb" + "x" * 5000,)
    raise error


def _loop(_: Path) -> None:
    while True:
        pass


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (lambda path: {}["a"], "KeyError"),
        (lambda path: (path.parents[1] / "outside").write_text("x"), "which is outside"),
        (_long, "control characters"),
        (_long, "a message of 5003 characters"),
        (_loop, "hangs"),
        (lambda path: pickle.loads(b"cos\nsystem\n."), "pickle.find_class"),
        (lambda path: warnings.warn("x", stacklevel=1), "warns"),
    ],
)
def test_what_a_reader_may_not_do_is_found(read: Any, said: str, watch: Watch, tmp_path: Path) -> None:
    here = tmp_path / "case"
    here.mkdir()
    with (tmp_path / "printed").open("wb") as printed, patch("fuzzing.worker.SECONDS", 0.2):
        found = _try(replace(PARSERS["topology"], read=read), here / "a.csv", here, watch, printed.fileno())
    assert any(said in what for what, _ in found["defects"])


def test_a_link_that_is_replaced_is_not_what_it_leads_to(watch: Watch, tmp_path: Path) -> None:
    here = tmp_path / "case"
    here.mkdir()
    (here / "link").symlink_to("/dev/zero")

    def read(path: Path) -> None:
        (here / "new").write_text("x")
        (here / "new").replace(here / "link")

    with (tmp_path / "printed").open("wb") as printed:
        found = _try(replace(PARSERS["topology"], read=read), here / "a.csv", here, watch, printed.fileno())
    assert not found["defects"]
