"""The pages in a real browser, where there is one: no error, nothing refused, and everything answers."""

import csv
import io
import json
from pathlib import Path

import pytest
from page_checks import BROWSER, in_browser

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
