"""The page of a study says what the store holds, in one safe and small file."""

import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from page_checks import NASTY, check_page

from cyclescape.agents.study import Study
from cyclescape.agents.sweep import sweep
from cyclescape.errors import InputError
from cyclescape.pages.study_page import write_study_page
from cyclescape.simulator.objective import Objective
from cyclescape.simulator.record import Record, key_of
from cyclescape.simulator.registry import accelerator
from cyclescape.simulator.report import Report
from cyclescape.simulator.store import ResultStore
from cyclescape.traces.workload import Workload


@pytest.fixture(scope="module")
def two(two_agents: Path):
    return check_page(write_study_page(two_agents))


@pytest.fixture(scope="module")
def fronts(front: Path):
    return check_page(write_study_page(front))


def column(page, name: str) -> list:
    data = page.data
    return data["points"]["metrics"][[axis["name"] for axis in data["axes"]].index(name)]


def test_best_design_and_counts_are_those_of_the_studies(two, two_agents: Path) -> None:
    with ResultStore(two_agents, readonly=True) as store:
        studies = [Study.load(two_agents, name) for name in store.studies()]
    best = min((study.best() for study in studies), key=lambda row: row["edp"])
    data = two.data
    at = data["best"]
    assert column(two, "edp")[at] == best["edp"]
    assert column(two, "area_mm2")[at] == best["area_mm2"]
    for parameter, levels in zip(data["parameters"], data["points"]["values"], strict=True):
        assert parameter["values"][levels[at]] == best[parameter["name"]]
    designs = {json.dumps(study.design(t.number), sort_keys=True): t.outcome for study in studies for t in study.trials}
    feasible = sum(outcome.feasible for outcome in designs.values())
    assert f"Designs {len(designs):,} {feasible:,} feasible" in two.shown
    assert len(data["points"]["number"]) == sum(outcome.ok for outcome in designs.values())
    assert data["points"]["state"].count(0) == feasible
    assert "Minimise EDP, with area at most 3 mm²." in two.shown


def test_convergence_is_the_best_so_far_of_each_agent(two, two_agents: Path) -> None:
    with ResultStore(two_agents, readonly=True) as store:
        studies = [Study.load(two_agents, name) for name in store.studies()]
    for study, line in zip(studies, two.data["convergence"]["series"], strict=True):
        assert line["name"] == study.asked.agent
        assert line["tried"] == 60
        best = np.inf
        seen = []
        for number, trial in enumerate(study.trials, 1):
            if trial.outcome.feasible and trial.outcome.values["edp"] < best:
                best = trial.outcome.values["edp"]
                seen.append((number, best))
        assert line["x"] == [number for number, _ in seen]
        assert line["y"] == pytest.approx([value for _, value in seen], rel=1e-5)


def test_cycles_and_energy_parts_sum_to_their_totals(two) -> None:
    data = two.data
    (cycles,) = data["cycles"]
    total = np.sum([np.array(c, float) for c in cycles["columns"]], axis=0)
    assert total == pytest.approx(np.array(column(two, "cycles"), float), rel=1e-4)
    (energy,) = data["parts"]
    assert energy["title"] == "Energy"
    parts = np.sum([np.array(data["points"]["metrics"][item["axis"]], float) for item in energy["items"]], axis=0)
    assert parts == pytest.approx(np.array(column(two, "energy_j"), float), rel=1e-4)


def test_operators_are_those_of_the_best_design(two, two_agents: Path) -> None:
    data = two.data
    found = next(entry for entry in data["again"] if entry["point"] == data["best"])["tables"][0]
    assert np.sum(found["cycles"]) == column(two, "cycles")[data["best"]]
    assert np.sum(found["macs"]) == column(two, "macs")[data["best"]]
    assert np.sum(found["bytes"]) == pytest.approx(column(two, "dram_bytes")[data["best"]], rel=1e-3)
    machine = accelerator("systolic")
    assert data["rooflines"][0]["peak_macs"][data["best"]] == pytest.approx(
        np.prod([p["values"][v[data["best"]]] for p, v in zip(data["parameters"], data["points"]["values"])
                 if p["name"] in ("rows", "cols")]) * machine.design.make().frequency_mhz * 1e6)  # fmt: skip


def test_the_default_design_is_there_to_compare_with(two) -> None:
    machine = accelerator("systolic")
    from cyclescape.traces.catalog import load

    own = machine.run([machine.design.make()], load("alexnet"))[0].metrics["edp_js"]
    data = two.data
    shown = data["baseline"]["metrics"][data["terms"][0]]
    assert shown == pytest.approx(own, rel=1e-5)
    ratio = own / column(two, "edp")[data["best"]]
    assert f"{ratio:.3g} times better than the default design" in two.shown


def test_front_is_that_of_the_study(fronts, front: Path) -> None:
    study = Study.load(front)
    rows = study.front()
    data = fronts.data
    assert [data["points"]["number"][i] for i in data["front"]] == rows["number"].tolist()
    assert [column(fronts, "time_s")[i] for i in data["front"]] == rows["time_s"].tolist()
    assert data["ranked"] == data["front"]
    assert f"The front ({len(rows)} designs)" in fronts.shown
    ties = int(rows["ties"].sum())
    assert (f"{ties} more have the objectives of one of these." in fronts.shown) == (ties > 0)
    shares = data["convergence"]["series"][0]["y"]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    reasons = {data["reasons"][r] for r, s in zip(data["points"]["reason"], data["points"]["state"]) if s == 1}
    assert reasons == {"breaks area_mm2<=6"}


def test_failed_designs_are_listed_by_reason(fronts, front: Path) -> None:
    failed = [t.outcome.reason for t in Study.load(front).trials if not t.outcome.ok]
    assert failed
    assert "Designs without numbers" in fronts.shown
    assert f"{len(failed)} {failed[0]}" in fronts.shown or f"{len(failed)} lanes=" in fronts.shown


def test_names_from_outside_are_only_ever_text(fronts, front: Path) -> None:
    text = (front / "report.html").read_text(encoding="utf-8")
    assert "<script>window.hacked" not in text
    assert "<img" not in text
    assert "\u2028" not in next(part for part in fronts.raw["script"] if part.startswith("{"))
    assert NASTY in fronts.data["workloads"][0]
    assert "roofline on net </script><script>window.hacked=1</script>" in fronts.shown
    assert "cannot be loaded by its name" in fronts.shown


def test_hostile_reasons_parameters_and_metrics(machines: None, mlp: Workload, tmp_path: Path) -> None:
    machine = accelerator("roofline")
    with ResultStore(tmp_path) as store:
        records = []
        for lanes in (4, 8, 16):
            report = Report({"cycles": 10.0 * lanes, f"x{NASTY}": 1.0 / lanes}, {f"stall {NASTY}": 10 * lanes})
            if lanes == 16:
                report = Report.failed(f"no {NASTY}")
            design = {"lanes": lanes, NASTY: NASTY}
            records.append(Record(machine, design, mlp, {}, report, key_of(machine, design, mlp, {})))
        store.put(records)
    page = check_page(write_study_page(tmp_path))
    assert "no </script><script>window.hacked=1</script>" in page.shown
    assert page.data["cycles"][0]["causes"] == [f"stall {NASTY}"]


def test_the_same_store_gives_the_same_bytes(two_agents: Path, tmp_path: Path) -> None:
    one, other = (write_study_page(two_agents, tmp_path / f"{i}.html").read_bytes() for i in range(2))
    assert one == other


def test_a_thousand_designs_take_less_than_a_megabyte_and_all_are_drawn(tmp_path: Path) -> None:
    spec = {"accelerator": "systolic", "workloads": ["alexnet"], "sample": {"n": 1000, "seed": 0}, "grid": "all"}
    sweep(spec, tmp_path)
    path = write_study_page(tmp_path)
    page = check_page(path)
    assert path.stat().st_size < 1_000_000
    with ResultStore(tmp_path, readonly=True) as store:
        frame = store.frame()
    assert len(page.data["points"]["number"]) == frame["reason"].isna().sum()
    assert page.data["sweep"]
    assert page.data["convergence"] is None  # the order of a sweep says nothing
    rows, area, time = (frame[name][frame["reason"].isna()].to_numpy() for name in ("rows", "area_mm2", "time_s"))
    ahead = [not np.any((area <= a) & (time <= t) & ((area < a) | (time < t))) for a, t in zip(area, time)]
    assert len(page.data["front"]) == sum(ahead)
    fit = page.data["effects"][0]["fit"]
    assert fit["explained"] > 0.5
    assert max(fit["importance"], key=fit["importance"].get) in ("rows", "cols", "bandwidth_bytes_per_cycle")
    middle = page.data["effects"][0]["strips"]["rows"][0][1]
    assert middle == pytest.approx(np.median(time[rows == 4]), rel=1e-4)


def test_many_designs_are_thinned_but_no_front_is(machines: None, mlp: Workload, tmp_path: Path) -> None:
    machine = accelerator("roofline")
    rng = np.random.default_rng(0)
    with ResultStore(tmp_path) as store:
        records = []
        for i in range(12_000):
            time_s, energy_j, area = np.exp(rng.normal(size=3))
            lanes = int(4 * 2 ** rng.integers(0, 7))
            design = {"lanes": lanes, "bandwidth": 8, "frequency_mhz": 500, "fused": True, "serial": i}
            report = Report({"cycles": 1.0, "time_s": time_s, "energy_j": energy_j, "area_mm2": area}, {"compute": 1})
            records.append(Record(machine, design, mlp, {}, report, key_of(machine, design, mlp, {})))
        store.put(records)
    path = write_study_page(tmp_path, objective="time_s, energy_j, area_mm2")
    page = check_page(path)
    data = page.data
    assert 200 <= len(data["points"]["number"]) <= 4000
    assert f"{len(data['points']['number']):,} of 12,000 designs are drawn" in page.shown
    with ResultStore(tmp_path, readonly=True) as store:
        frame = store.frame()
    for one, other in (("time_s", "energy_j"), ("energy_j", "area_mm2")):
        order = frame.sort_values([one, other])
        ahead = order[other] < order[other].cummin().shift(fill_value=np.inf)
        assert set(order.index[ahead]) <= set(data["points"]["number"])
    assert len(data["front"]) > 50


@pytest.mark.parametrize("count", [1, 2, 10])
def test_a_handful_of_designs(machines: None, mlp: Workload, tmp_path: Path, count: int) -> None:
    machine = accelerator("roofline")
    designs = [machine.design.make({"lanes": 4, "bandwidth": 1 + i}) for i in range(count)]
    reports = machine.run(designs, mlp)
    with ResultStore(tmp_path) as store:
        store.put(Record(machine, d, mlp, {}, r, key_of(machine, d, mlp, {})) for d, r in zip(designs, reports))
    page = check_page(write_study_page(tmp_path))
    assert len(page.data["points"]["number"]) == count
    assert all(effect["fit"] is None for effect in page.data["effects"])


def test_several_workloads(machines: None, mlp: Workload, gemv: Workload, tmp_path: Path) -> None:
    from cyclescape.agents.search import search

    study = search("roofline", [mlp, gemv], objective="edp", aggregate="worst", agent="random", budget=40, out=tmp_path)
    page = check_page(write_study_page(tmp_path))
    assert column(page, "edp")[page.data["best"]] == study.best()["edp"]
    assert column(page, "time_s@gemv")[page.data["best"]] == study.best()["time_s@gemv"]
    assert [entry["workload"] for entry in page.data["cycles"]] == ["mlp", "gemv"]
    assert "Minimise EDP (the worst over 2 workloads)." in page.shown
    assert page.data["rooflines"] == []


def test_values_are_found_whether_they_are_written_as_integers_or_not(machines: None, mlp: Workload, tmp_path: Path) -> None:
    """A study may explore 8 where a design's JSON has 8.0."""
    machine = accelerator("roofline")
    with ResultStore(tmp_path) as store:
        for value in (8, 16.0, True):
            design = {**machine.design.make({"lanes": 4}).model_dump(), "bandwidth": value}
            report = Report({"cycles": 1.0, "time_s": 1.0, "area_mm2": float(value)}, {"compute": 1})
            store.put([Record(machine, design, mlp, {}, report, key_of(machine, design, mlp, {}))])
    page = check_page(write_study_page(tmp_path))
    (parameter,) = page.data["parameters"]
    assert len(parameter["values"]) == 3
    assert sorted(page.data["points"]["values"][0]) == [0, 1, 2]


@pytest.mark.parametrize("count", [1, 3])
def test_each_workload_has_a_roofline(tmp_path: Path, count: int) -> None:
    names = ["alexnet", "resnet18", "mobilenet-v1"][:count]
    sweep({"accelerator": "systolic", "workloads": names, "grid": {"rows": [16, 32]}}, tmp_path)
    data = check_page(write_study_page(tmp_path)).data
    assert [data["workloads"][one["workload"]] for one in data["rooflines"]] == names
    for one in data["rooflines"]:
        assert one["peak_macs"] == [16 * 32 * 1e9, 32 * 32 * 1e9]
        rate = np.array(data["points"]["metrics"][one["macs"]]) / np.array(data["points"]["metrics"][one["time"]])
        assert (rate <= np.array(one["peak_macs"])).all()


def test_another_objective_can_be_asked_of_the_same_results(two_agents: Path, tmp_path: Path) -> None:
    path = write_study_page(two_agents, tmp_path / "p.html", objective="max:pe_utilization", constraints="area_mm2<=1")
    page = check_page(path)
    with ResultStore(two_agents, readonly=True) as store:
        frame = store.frame()
    best = frame["pe_utilization"][frame["area_mm2"] <= 1].max()
    assert column(page, "pe_utilization")[page.data["best"]] == best
    assert "Maximise PE utilization, with area at most 1 mm²." in page.shown


def test_nothing_feasible_is_said(two_agents: Path, tmp_path: Path) -> None:
    page = check_page(write_study_page(two_agents, tmp_path / "p.html", constraints="area_mm2<=0.0001"))
    assert page.data["best"] is None
    assert page.data["front"] == []
    assert "no feasible design" in page.shown


def test_studies_of_other_questions_are_left_out_and_counted(two_agents: Path, tmp_path: Path) -> None:
    from cyclescape.agents.search import search

    shutil.copy(two_agents / "store.sqlite", tmp_path / "store.sqlite")
    search("systolic", "alexnet", objective="time_s", agent="random", budget=5, out=tmp_path)
    page = check_page(write_study_page(tmp_path))
    assert len(page.data["points"]["number"]) <= 5
    assert "2 studies of other questions" in page.shown
    with ResultStore(two_agents, readonly=True) as store:
        first = next(iter(store.studies()))
    again = check_page(write_study_page(tmp_path, study=first))
    assert [line["name"] for line in again.data["series"]] == ["tpe", "random"]
    with pytest.raises(InputError, match=f"no study 'nope' .accepted: {first}"):
        write_study_page(tmp_path, study="nope")


def test_a_machine_that_is_gone_leaves_the_numbers(front: Path, tmp_path: Path) -> None:
    shutil.copy(front / "store.sqlite", tmp_path / "store.sqlite")
    with sqlite3.connect(tmp_path / "store.sqlite") as db:
        db.execute("UPDATE studies SET asked = replace(asked, '\"roofline\"', '\"gone\"')")
    db.close()
    page = check_page(write_study_page(tmp_path))
    assert "accelerator 'gone' is not known" in page.shown
    assert page.data["again"] == []
    assert page.data["best"] is not None


def test_what_cannot_be_is_said_in_one_line(tmp_path: Path, two_agents: Path) -> None:
    with pytest.raises(InputError, match="no results here"):
        write_study_page(tmp_path)
    ResultStore(tmp_path).close()
    with pytest.raises(InputError, match="holds no results yet"):
        write_study_page(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can be written"):
        write_study_page(two_agents, tmp_path / "file" / "page.html")
    with pytest.raises(InputError, match="not understood"):
        write_study_page(two_agents, objective="edp**")


def test_objective_names_survive(two_agents: Path) -> None:
    page = check_page(write_study_page(two_agents, objective=Objective.parse("energy_j*time_s**2")))
    assert page.data["axes"][page.data["terms"][0]]["label"] == "energy_j · time_s²"


def test_designs_of_a_sweep_that_did_not_run_its_workloads_are_counted(
    machines: None, mlp: Workload, gemv: Workload, tmp_path: Path
) -> None:
    for workload, lanes in ((mlp, [4, 8, 16]), (gemv, [32, 64])):
        sweep({"accelerator": "roofline", "workloads": [workload], "grid": {"lanes": lanes}}, tmp_path)
    page = check_page(write_study_page(tmp_path))
    assert len(page.data["points"]["number"]) == 3
    assert "2 designs are left out: they did not run mlp" in page.shown


@pytest.mark.parametrize(("objective", "others"), [
    ("latency", ["time_s", "energy_j", "cycles"]), ("energy", ["energy_j", "time_s"]), ("edp", ["energy_j", "time_s"]),
    ("time_s", ["energy_j", "cycles"]),
])  # fmt: skip
def test_no_metric_gives_way_to_an_objective_of_another_name(
    objective: str, others: list[str], machines: None, mlp: Workload, tmp_path: Path
) -> None:
    from cyclescape.agents.search import search

    search("roofline", mlp, objective=objective, agent="random", budget=5, out=tmp_path)
    page = check_page(write_study_page(tmp_path))
    names = [axis["name"] for axis in page.data["axes"]]
    assert names[0] == objective
    assert len(names) == len(set(names))
    assert set(others) <= set(names)
    labels = [axis["label"] for axis in page.data["axes"]]
    assert labels[0] == {"edp": "EDP"}.get(objective, objective.removesuffix("_s"))
    assert len(labels) == len(set(labels))
