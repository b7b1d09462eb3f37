"""`cyclescape surrogate`: fit, score, predict, and what they say when they cannot."""

from __future__ import annotations

import json

import pytest
from commands import cyclescape

pytest.importorskip("lightgbm")
WORK = "cloud-1:n=200"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    out = tmp_path_factory.mktemp("surrogate") / "a.surrogate"
    done = cyclescape("surrogate", "fit", "--sample", "60", "-a", "dram", "-w", WORK, "-m", "time_s", "--model", "trees",
                      "-o", str(out), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"] == ["time_s"]
    return out


def test_predict_and_score(file):
    one = cyclescape("surrogate", "predict", str(file), "--page_policy", "Closed", "--json")
    row = json.loads(one.stdout)["metrics"][0]
    assert 0 < row["low_90"] < row["mean"] < row["high_90"]
    scored = cyclescape("surrogate", "score", str(file), "--sample", "30", "--no-splits", "--json")
    (figures,) = json.loads(scored.stdout)["scores"]
    assert figures["rows"] == 30
    assert figures["spearman"] > 0.8


def test_search_simulates_its_front(file, tmp_path):
    done = cyclescape("search", "dram", "-w", WORK, "--objective", "time_s", "--budget", "30", "--agent", "random",
                      "--evaluator", f"surrogate:{file}", "--out", str(tmp_path), "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["trials"] > 30
    assert all(not row["surrogate"] and row["note"].startswith("simulated") for row in document["front"])


@pytest.mark.parametrize(("arguments", "says"), [
    (["fit", "-o", "x"], "one of them says what was simulated"), (["fit", "--sample", "9", "-o", "x"], "of which machine"),
    (["fit", "nowhere", "-o", "x"], "no results here"), (["fit", "nowhere", "-o", "no/x"], "no such folder"),
    (["predict", "nowhere"], "No such file"), (["predict", "{file}", "-w", "stream"], "only ever saw cloud-1:n=200"),
    (["predict", "{file}", "--channels", "2"], "channels=2: the surrogate only ever saw 1"),
])
def test_what_cannot_be_is_one_line(file, tmp_path, arguments, says):
    done = cyclescape("surrogate", *(text.format(file=file) for text in arguments), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_one_family_of_workloads_says_nothing_of_others(tmp_path):
    pytest.importorskip("sklearn")
    work = ["-w", "cloud-1:n=1000,seed=1", "-w", "cloud-1:n=1000,seed=2"]
    out = str(tmp_path / "p")
    done = cyclescape("surrogate", "fit", "--sample", "12", "-a", "dram", *work, "--prefix", "0.1", "--model", "gp", "-o", out)
    assert done.returncode == 0, done.stderr
    scored = cyclescape("surrogate", "score", out, "--sample", "12", "--seed", "0", "--json")
    assert scored.returncode == 0, scored.stderr
    document = json.loads(scored.stdout)
    assert {row["split"] for row in document["scores"]} == {"random"}
    assert "one family of workloads: nothing can be said about others" in document["notes"]
