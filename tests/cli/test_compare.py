"""`cyclescape compare` and its commands."""

import json
from pathlib import Path

import pytest
from commands import cyclescape
from contest_cases import TINY, tiny

SMALL = ("--budget", "20", "--draws", "2", "--seeds", "2")


def test_enumerate_check_and_compare(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(TINY)
    done = cyclescape("compare", "enumerate", "mine.yaml", "--out", "all", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    truth = json.loads(done.stdout)
    assert truth["points"] == 144
    assert truth["truth"] == "all/mine.truth.json"
    checked = cyclescape("compare", "check", "mine.yaml", "--tables", "all", "--n", "100", cwd=tmp_path)
    assert checked.returncode == 0
    assert "holds for its front and 100 random designs" in checked.stdout
    arguments = ("compare", "-p", "mine.yaml", "--tables", "all", "-a", "random", "-a", "genetic", *SMALL, "--out", "out")
    shown = cyclescape(*arguments, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "After 20 designs" in shown.stdout
    assert "out/report.html" in shown.stdout
    document = json.loads(cyclescape(*arguments, "--json", cwd=tmp_path).stdout)
    assert document["studies"] == 2 + 4
    assert document["settings"] == {"random": 1, "genetic": 2}
    assert {row["agent"] for row in document["summary"]} == {"random", "genetic"}
    assert len(document["differences"]) == 2 * 2
    assert (tmp_path / "out" / "report.html").exists()


def test_a_truth_that_does_not_hold_is_exit_code_1(tmp_path: Path) -> None:
    path = tiny(tmp_path)
    truth = json.loads((tmp_path / "tiny.truth.json").read_text())
    truth["front"] = truth["front"][1:]
    (tmp_path / "tiny.truth.json").write_text(json.dumps(truth))
    done = cyclescape("compare", "check", str(path), "--n", "500", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["wrong"]


def test_a_truth_that_holds_can_be_signed_again(tmp_path: Path) -> None:
    path, file = tiny(tmp_path), tmp_path / "tiny.truth.json"
    before = file.read_text()
    file.write_text(json.dumps(json.loads(before) | {"model": "0" * 64}))
    said = cyclescape("compare", "check", str(path), "--n", "50")
    assert "(the model's sources changed since)" in said.stdout
    assert cyclescape("compare", "check", str(path), "--n", "50", "--sign").returncode == 0
    assert json.loads(file.read_text()) == json.loads(before)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("compare",), "compare: where to? (accepted: --out DIR)"),
        (("compare", "-p", "nothing", "--out", "x"), "problem 'nothing' is not known"),
        (("compare", "-p", "gone.yaml", "--out", "x"), "gone.yaml: cannot be read: No such file"),
        (("compare", "enumerate", "bad.yaml", "--out", "x"), "bad.yaml: accelerator: missing"),
        (("compare", "check", "good.yaml"), "problem 'good': no truth to check"),
        (("compare", "-a", "nobody", "-p", "good.yaml", "--out", "x"), "agent 'nobody' is not known"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    (tmp_path / "bad.yaml").write_text("workloads: [alexnet]\nobjective: [edp]\n")
    (tmp_path / "good.yaml").write_text(TINY)
    done = cyclescape(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert not (tmp_path / "x").exists()
