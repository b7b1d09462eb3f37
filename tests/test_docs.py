"""The docs say what is: generated pages are current, and the examples run."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cyclescape.simulator.registry import accelerator

ROOT = Path(__file__).parents[1]


def _script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate, measure = _script("generate"), _script("measure")


@pytest.mark.parametrize("name", generate.MACHINES)
def test_reference_pages_are_those_of_the_declarations(name):
    assert (generate.FOLDER / f"{name}.md").read_text() == generate.page(accelerator(name)), "run python docs/generate.py"


def test_the_page_of_networks_is_that_of_the_catalogue_and_the_published_table():
    assert generate.NETWORKS.read_text() == generate.networks_page(), "run python docs/generate.py"


def test_the_pages_of_environments_and_commands_are_what_is_declared():
    assert generate.ENVIRONMENTS.read_text() == generate.environments_page(), "run python docs/generate.py"
    assert generate.COMMAND_LINE.read_text() == generate.command_line_page(), "run python docs/generate.py"


def test_the_examples_of_the_systolic_page_run():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/models/systolic.md").read_text(), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "systolic.md", "exec", dont_inherit=True), {})


def test_the_examples_of_the_page_of_environments_run(tmp_path, monkeypatch):
    pytest.importorskip("pettingzoo")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/environments.md").read_text(), re.DOTALL)
    assert len(blocks) == 4
    scope = {}
    for block in blocks:
        exec(compile(block, "environments.md", "exec", dont_inherit=True), scope)


def test_the_page_of_agents_names_them_all():
    from cyclescape.agents.searcher import searcher_names

    table = (ROOT / "docs/agents.md").read_text().split("## ")[0].splitlines()
    rows = [line.split("|")[1] for line in table if line.startswith("| `")]
    assert sorted(re.findall(r"`(\w+)`", "".join(rows))) == sorted(searcher_names())


def test_the_examples_of_the_page_of_workloads_run(monkeypatch):
    from cyclescape.traces import catalog

    catalog.entries()
    monkeypatch.setattr(catalog, "_named", dict(catalog._named))
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/workloads.md").read_text(), re.DOTALL)
    assert len(blocks) == 3
    scope = {}
    for block in blocks:
        exec(compile(block, "workloads.md", "exec", dont_inherit=True), scope)


def test_the_examples_of_the_dataflow_page_run():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/models/dataflow.md").read_text(), re.DOTALL)
    scopes = [{} for _ in blocks]
    exec(compile(blocks[0], "dataflow.md", "exec", dont_inherit=True), scopes[0])
    assert scopes[0]["simulate"](scopes[0]["net"]).cycles == 15
    assert scopes[0]["minimal_depths"](scopes[0]["net"]).depths["fork.far->join.in"] == 6
    exec(compile(blocks[1], "dataflow.md", "exec", dont_inherit=True), scopes[0])  # adds a node to that network
    assert "double" in scopes[0]["net"].nodes
    for block, scope in zip(blocks[2:], scopes[2:]):
        exec(compile(block, "dataflow.md", "exec", dont_inherit=True), scope)
    assert sum(scopes[2]["report"].breakdown.values()) == scopes[2]["report"].metrics["cycles"]
    assert 8 <= scopes[3]["served"].swaps < 200


def test_the_examples_of_the_cache_page_run():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/models/cache.md").read_text(), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "cache.md", "exec", dont_inherit=True), {})


@pytest.mark.parametrize("page", [
    "index.md", "tutorial.md", "models/dram.md", "models/row-stationary.md",
    *(f"howto/{path.name}" for path in sorted((ROOT / "docs/howto").glob("*.md"))),
])  # fmt: skip
def test_the_examples_of_a_page_run_from_top_to_bottom(page, tmp_path, monkeypatch):
    from cyclescape.agents import searcher
    from cyclescape.simulator import registry
    from cyclescape.traces import catalog

    catalog.entries()
    monkeypatch.setattr(catalog, "_named", dict(catalog._named))
    monkeypatch.setattr(searcher, "_registered", dict(searcher._registered))
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)
    assert blocks
    scope = {"__name__": "page"}
    try:
        for block in blocks:
            needed = re.match(r"# needs: (\w+)\n", block)
            if needed and importlib.util.find_spec(needed.group(1)) is None:
                continue
            exec(compile(block, page, "exec", dont_inherit=True), scope)
    finally:
        registry._load.cache_clear()


def test_measured_pages_are_those_of_the_figures():
    data = measure.read()
    assert measure.VALIDATION.read_text("utf-8") == measure.validation_page(data), "run python docs/measure.py"
    assert measure.SPEED.read_text("utf-8") == measure.speed_page(data), "run python docs/measure.py"
    assert all(found["ok"] for found in data["validate"].values())


def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("material")
    pytest.importorskip("mkdocstrings")
    build = ["mkdocs", "build", "--strict", "--quiet", "-f", str(ROOT / "mkdocs.yml"), "-d", str(tmp_path)]
    done = subprocess.run([sys.executable, "-m", *build], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING -" not in done.stderr  # strict has said so already
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 30
    asked = {found for page in pages for found in re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=[\"']?(https?:[^\"' >]+)",
                                                             page.read_text("utf-8"))}  # fmt: skip
    assert not asked  # nothing is loaded from elsewhere


def test_the_menu_of_the_site_leads_to_every_page():
    menu = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    listed = {page for page in re.findall(r": (\S+\.md)$", menu, re.MULTILINE) if not page.startswith("notebooks/")}
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert listed == pages | {"contributing.md", "changelog.md"}


def test_the_contributing_guide_adds_a_machine(monkeypatch):
    from cyclescape.simulator import registry

    monkeypatch.setattr(registry, "_registered", {})
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    scope = {}
    exec(compile(block, "CONTRIBUTING.md", "exec", dont_inherit=True), scope)
    import cyclescape as cs

    report = cs.simulate(cs.design("roofline-example", lanes=128), "alexnet")
    assert sum(report.breakdown.values()) == report.metrics["cycles"]
    registry._load.cache_clear()


def test_links_between_pages_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"
