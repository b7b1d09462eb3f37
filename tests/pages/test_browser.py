"""The pages in a real browser, where there is one: no error, nothing refused, and everything answers."""

import csv
import io
import json
from pathlib import Path

import pytest
from page_checks import BROWSER, in_browser

from cyclescape.agents.search import search
from cyclescape.pages.run_page import write_run_page
from cyclescape.pages.study_page import write_study_page
from cyclescape.simulator.registry import accelerator
from cyclescape.simulator.store import ResultStore
from cyclescape.traces.workload import Workload

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome is installed")

COMMON = """
put('hacked', window.hacked ?? null);
const drawn = (box) => box.querySelectorAll('svg *').length;
put('charts', [...document.querySelectorAll('.chart')].map((box) => [box.id, drawn(box)]));
const broken = (node) => [...node.attributes].some((a) => /NaN|Infinity|undefined/.test(a.value));
put('bad', [...document.querySelectorAll('svg *')].filter(broken).length);
"""

STUDY = """
const scatter = document.getElementById('scatter');
const name = () => document.getElementById('pinned-name').textContent;
const choose = (id, text) => {
  const select = document.getElementById(id);
  select.value = [...select.options].find((o) => o.textContent === text).value;
  fire(select, 'change');
};
put('first', name());
put('cycles', document.getElementById('pinned-cycles').textContent);
const frame = scatter.getBoundingClientRect();
const at = (mark, name) => Number(mark.getAttribute(name));
const over = (mark) => ({clientX: frame.left + at(mark, 'cx'), clientY: frame.top + at(mark, 'cy')});
fire(scatter, 'pointermove', over(scatter.querySelector('.ring')));
put('tip', document.getElementById('tip').hidden ? null : document.getElementById('tip').textContent);
fire(scatter, 'pointerleave');
put('hushed', document.getElementById('tip').hidden);
for (let i = 0; i < 3; i++) fire(scatter, 'keydown', {key: 'ArrowLeft'});
put('said', document.getElementById('live').textContent);
fire(scatter, 'keydown', {key: 'Enter'});
put('walked', name());
fire(scatter, 'click', over(scatter.querySelector('circle.member')));
put('clicked', name());
const before = scatter.innerText;
choose('axis-y', 'Energy'); choose('color', 'dataflow');
put('relabelled', [before.includes('EDP'), scatter.textContent.includes('Energy')]);
put('legend', document.getElementById('scatter-legend').textContent);
document.getElementById('log-x').click();
put('members', scatter.querySelectorAll('circle.member').length);
const heads = [...document.querySelectorAll('#table th button')];
heads[1].click(); heads[1].click();
put('sort', heads[1].parentElement.getAttribute('aria-sort'));
put('numbers', [...document.querySelectorAll('#table tbody tr')].map((r) => r.children[1].textContent));
document.querySelector('#table tbody tr button').click();
put('row', [name(), document.querySelector('#table tbody tr').className]);
choose('op-order', 'the slowest, by name');
put('slowest', document.getElementById('operators').textContent);
fire(document.getElementById('operators'), 'keydown', {key: 'ArrowDown'});
put('operator', document.getElementById('live').textContent);
for (const id of ['roofline', 'convergence']) {
  fire(document.getElementById(id), 'keydown', {key: 'ArrowRight'});
  put(id, [document.getElementById('live').textContent, document.getElementById('tip').textContent]);
}
const chart = document.getElementById('convergence');
const inside = chart.getBoundingClientRect();
scatter.focus();
fire(chart, 'pointerdown', {pointerType: 'touch', clientX: inside.right - 40, clientY: inside.top + 60});
fire(chart, 'pointerleave', {pointerType: 'touch'});
scatter.blur();
put('tapped', document.getElementById('tip').hidden ? null : document.getElementById('tip').textContent);
const edge = document.getElementById('tip').getBoundingClientRect();
put('tip_edges', [edge.left, edge.right]);
fire(document.body, 'pointerdown', {pointerType: 'touch'});
put('untapped', document.getElementById('tip').hidden);
const keep = async (text) => put(text.startsWith('[') ? 'json' : 'csv', text);
Object.defineProperty(navigator, 'clipboard', {value: {writeText: keep}});
document.getElementById('copy-csv').click(); document.getElementById('copy-json').click();
const theme = () => getComputedStyle(document.body).backgroundColor;
const light = theme(); document.getElementById('theme').click(); put('themes', [light, theme()]);
"""


@pytest.mark.parametrize(("width", "page_width"), [(1280, 1280), (520, 375)])
def test_a_study(two_agents: Path, tmp_path: Path, width: int, page_width: int) -> None:
    page = write_study_page(two_agents, tmp_path / "page.html")
    # A window cannot be made as narrow as a phone, but the page in it can: the same rules hold up to 560 pixels.
    narrow = f"document.documentElement.style.width = '{page_width}px';"
    left = in_browser(page, tmp_path, narrow + COMMON + STUDY, width)
    assert left["errors"] == []
    assert left["violations"] == []
    assert left["ready"] == "true"
    assert left["right"] <= page_width  # nothing sticks out sideways
    assert left["bad"] == 0
    assert len(left["charts"]) >= 6
    assert all(count > 5 for name, count in left["charts"] if name)
    assert left["first"].endswith("best")
    assert "compute" in left["cycles"]
    number = left["first"].removeprefix("Design ").removesuffix("best")
    assert number in left["tip"]
    assert left["hushed"] is True
    assert left["said"].startswith("Design #")
    assert left["walked"] != left["first"]
    assert left["said"].split(":")[0] in left["walked"]
    assert left["clicked"].startswith("Design #")
    assert left["clicked"] != left["walked"]
    assert left["relabelled"][1] is True
    assert left["legend"].startswith("oswsis")
    assert left["members"] >= 1
    assert left["sort"] == "descending"
    assert len(left["numbers"]) == 20
    assert left["row"][1] == "on"
    copied = list(csv.DictReader(io.StringIO(left["csv"])))
    for row, also in zip(copied, json.loads(left["json"]), strict=True):
        assert list(row) == list(also)
        assert all(float(text) == cell if isinstance(cell, int | float) else text == cell
                   for text, cell in zip(row.values(), also.values()))  # fmt: skip
    assert len(copied) == 20
    with ResultStore(two_agents, readonly=True) as store:
        frame = store.frame()
    edp = frame["edp_js"][(frame["area_mm2"] <= 3) & frame["reason"].isna()].drop_duplicates()
    assert sorted(float(row["edp"]) for row in copied) == pytest.approx(sorted(edp)[:20])
    assert "conv" in left["slowest"]
    assert "cycles" in left["operator"]
    assert left["themes"][0] != left["themes"][1]
    assert left["requests"] == []
    assert left["roofline"][0].startswith("design #")
    assert "of the peak" in left["roofline"][1]
    assert left["convergence"][0].startswith("after ")
    assert left["tapped"].startswith("after ")
    assert left["tip_edges"][0] >= 0
    assert left["tip_edges"][1] <= width
    assert left["untapped"] is True


ROOFS = """
const select = document.getElementById('roof-workload'), chart = document.getElementById('roofline');
put('labels', [...select.options].map((option) => {
  select.value = option.value; fire(select, 'change');
  return [option.textContent, chart.getAttribute('aria-label')];
}));
"""
NEAREST = """
put('pinned', document.getElementById('pinned-name').textContent);
put('said', document.querySelector('.words').textContent);
"""


def test_several_workloads_failures_and_an_empty_feasible_set(tmp_path: Path) -> None:
    study = search("systolic", ["alexnet", "mobilenet-v1"], objective="time_s,area_mm2", agent="random", budget=12,
                   values={"rows": [4, 256], "cols": [4, 256], "ofmap_sram_kib": [8, 512]}, out=tmp_path)  # fmt: skip
    assert any(not trial.outcome.ok for trial in study.trials)
    left = in_browser(write_study_page(tmp_path), tmp_path, ROOFS + COMMON)
    assert (left["errors"], left["violations"], left["ready"], left["bad"]) == ([], [], "true", 0)
    assert [name for name, _ in left["labels"]] == ["alexnet", "mobilenet-v1"]
    assert len({label for _, label in left["labels"]}) == 2
    page = write_study_page(tmp_path, tmp_path / "none.html", constraints="area_mm2<=0.001")
    left = in_browser(page, tmp_path, NEAREST + COMMON)
    assert (left["errors"], left["violations"], left["ready"], left["bad"]) == ([], [], "true", 0)
    ran = [trial for trial in study.trials if trial.outcome.ok]
    least = min(ran, key=lambda trial: trial.outcome.values["area_mm2"])
    assert left["pinned"] == f"Design #{least.number}not feasible"
    assert left["said"].startswith(f"No design keeps every limit. Nearest comes design #{least.number}, which breaks")
    assert left["right"] <= 1280


def test_hostile_names_do_nothing(front: Path, nasty: Workload, tmp_path: Path) -> None:
    left = in_browser(write_study_page(front, tmp_path / "page.html"), tmp_path, COMMON)
    assert (left["errors"], left["violations"], left["ready"], left["hacked"]) == ([], [], "true", None)
    assert left["right"] <= 1280
    machine = accelerator("systolic")
    design = machine.design.make()
    page = write_run_page(machine.run([design], nasty)[0], design, nasty, tmp_path / "run.html")
    drive = """
    const chart = document.getElementById('operators');
    fire(chart, 'keydown', {key: 'ArrowRight'});
    put('tip', document.getElementById('tip').textContent);
    put('rows', document.querySelectorAll('#table tbody tr').length);
    put('images', document.images.length);
    """
    left = in_browser(page, tmp_path, drive + COMMON)
    assert (left["errors"], left["violations"], left["ready"], left["hacked"]) == ([], [], "true", None)
    assert "<img src=x onerror=" in left["tip"]
    assert left["rows"] == 2
    assert left["images"] == 0
    assert left["bad"] == 0
