"""What the pages print beside their text is right: commands have the options they name, files are read, Python blocks run."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

import cyclescape as cs
import cyclescape.cli.main
from cyclescape.agents.contest.problem import ContestProblem
from cyclescape.agents.sweep import SweepSpec
from cyclescape.cli.app import app
from cyclescape.simulator import jobqueue
from cyclescape.simulator.registry import accelerator

ROOT = Path(__file__).parents[1]
_USAGE = typer.BadParameter.__base__  # typer may have a click of its own
PAGES = ["README.md", "CONTRIBUTING.md", *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md"))]


def blocks(page: str, language: str = "") -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)
    return [text for name, text in found if name == language]


def run(page: str, block: str, scope: dict) -> None:
    exec(compile(block, page, "exec", dont_inherit=True), scope)


def plain(code: str) -> str:
    """Code without blanks, and without the comma that a formatter puts before a bracket."""
    return re.sub(r"\s+", "", code).replace(",)", ")")


def cli(words: list[str]) -> int:
    return CliRunner().invoke(app, words).exit_code


def commands(page: str) -> list[str]:
    """Commands of blocks and within sentences, but for those that leave something out."""
    lines = [line for block in blocks(page) for line in block.splitlines()]
    text = (ROOT / page).read_text()
    lines += re.findall(r"`(cyclescape [^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    found = [" ".join(line.split()) if "\n" in line else line for line in lines if line.startswith("cyclescape ")]
    return [line for line in found if "..." not in line.split(" #")[0]]


def understood(line: str) -> None:
    """Parse a command as the shell and the command line do, and run nothing. Raises a `click` error."""
    words = shlex.split(line.split(" > ")[0], comments=True)[1:]
    command = typer.main.get_command(app)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        command = command.commands[words[0]]
        words = words[1:]
    if not words:
        return  # a sentence that names a command
    try:
        context = command.make_context(command.name, words)
    except typer.Exit:
        return  # --help
    names = {word[2:].partition("=")[0] for word in context.args if word.startswith("--")}
    if names and (name := context.params["accelerator"]) != "roofline-example":  # which the reader writes
        assert names <= set(accelerator(name).design.parameters()), line


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_a_page_have_the_options_that_they_name(page):
    for line in commands(page):
        understood(line)


def test_a_misspelled_command_of_a_page_would_be_found():
    for line in (
        "cyclescape list workloads NAME too many", "cyclescape rum systolic", "cyclescape sweep spec.yaml --ut runs",
        "cyclescape run systolic --workload resnet18 --row 64",
    ):  # fmt: skip
        with pytest.raises((_USAGE, KeyError, AssertionError)):
            understood(line)


@pytest.mark.parametrize(("page", "count"), [("README.md", 1), ("docs/sweeps.md", 2), ("docs/contest.md", 1)])
def test_files_that_pages_print_are_read(page, count, tmp_path):
    found = blocks(page, "yaml")
    assert len(found) == count
    for text in found:
        file = tmp_path / re.match(r"# (\w+\.yaml)", text).group(1)
        file.write_text(text)
        if file.name == "spec.yaml":
            spec = SweepSpec.read(file)
            assert len(spec.grid) == 3 if page == "README.md" else spec.sample.n == 100_000
        elif file.name == "my.yaml":
            assert len(ContestProblem.read(file).open().space) == 27
        elif importlib.util.find_spec("dask_jobqueue"):
            assert jobqueue.read("slurm", str(file))[0] == 10


def test_the_examples_of_the_readme_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cs.sweep({"accelerator": "systolic", "workloads": ["alexnet"], "grid": {"rows": [16, 32]}}, out="runs/b")
    scope: dict = {}
    for block in blocks("README.md", "python"):
        run("README.md", block.replace("budget=100", "budget=12"), scope)
    assert scope["study"].asked.budget == 12
    assert len(scope["study"].front()) > 0
    assert len(scope["frame"]) == 2
    assert scope["info"]["feasible"] in (True, False)


def test_the_example_of_the_page_of_data_sets_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cs.sweep({"accelerator": "systolic", "workloads": ["alexnet"], "grid": {"rows": [16, 32]}}, out="runs/a")
    (shell,) = blocks("docs/datasets.md")
    export, merge, show = (shlex.split(line, comments=True)[1:] for line in shell.splitlines())
    assert cli(export) == 0
    assert cli([*export[:-1], "b.parquet"]) == cli([*export[:-1], "c.csv"]) == 0
    assert cli(merge) == cli(show) == 0
    scope: dict = {}
    (block,) = blocks("docs/datasets.md", "python")
    run("datasets.md", block, scope)
    assert scope["frame"].equals(cs.load("runs/a"))


def test_the_examples_of_the_page_of_surrogates_run(tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    first, method = blocks("docs/surrogate.md", "python")
    scope: dict = {}
    monkeypatch.chdir(tmp_path)
    run("surrogate.md", first, scope)
    assert (tmp_path / "my.surrogate").exists()
    assert scope["said"].mean["time_s"].shape == (3,)
    assert (scope["said"].std["time_s"] > 0).all()
    run("surrogate.md", method, scope)
    _, rules = re.split("@cs.register", blocks("docs/howto/own-accelerator.md", "python")[0])
    designs = [SimpleNamespace(lanes=lanes, bandwidth=16) for lanes in (8, 1024)]
    workload = cs.workload("alexnet")
    closed = scope["bounds"](None, designs, workload)
    assert "op.input_elements + op.weight_elements + op.output_elements" in rules  # the machine whose bounds they are
    assert closed["cycles"][0] == workload.macs / 8
    assert closed["memory_share"][0] < closed["memory_share"][1] < 1


def test_the_declaration_of_the_page_of_the_house_is_that_of_the_array():
    (block,) = blocks("docs/architecture.md", "python")
    declared = (ROOT / "accelerators/systolic/design.py").read_text()
    assert plain(block) in plain(declared)


def test_the_notes_of_the_page_of_the_array_are_those_of_a_run():
    _, printed = blocks("docs/models/systolic.md")
    notes = cs.simulate(cs.design("systolic"), "resnet50").layers.set_index("name")["note"]
    for line in printed.splitlines():
        name, note = line.split(maxsplit=1)
        assert notes[name] == note, name
