"""Values of parameters are what the design reads: numbers that are one to it count once, in searches and in sweeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from refusals import refusal

from cyclescape.accelerators.dataflow import Dataflow
from cyclescape.agents.search import search
from cyclescape.agents.surrogate.samples import draw
from cyclescape.agents.sweep import sweep
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.problem import check_values
from cyclescape.traces.workload import Workload


def test_values_as_the_design_reads_them(roofline: Accelerator) -> None:
    listed = {"lanes": ["16", 16, 32.0, np.int64(32)], "fused": ["yes", True, 0]}
    fixed, values = check_values(roofline.design, {"bandwidth": "8"}, listed)
    assert repr((fixed, values)) == "({'bandwidth': 8}, {'lanes': (16, 32), 'fused': (True, False)})"


def test_values_that_only_contradict_others(roofline: Accelerator) -> None:
    fixed, values = check_values(roofline.design, {"frequency_mhz": "1000"}, {"lanes": [8, "256", 256.0]})
    assert repr((fixed, values)) == "({'frequency_mhz': 1000}, {'lanes': (8, 256)})"
    assert refusal(check_values, roofline.design, {}, {"lanes": [8, "many"]}) == "lanes='many': accepted: integer >= 1"
    assert refusal(check_values, roofline.design, {"lanes": 8}, {"lanes": [8]}) == "lanes: both fixed and explored"


def test_real_numbers_are_written_as_machines_declare_them() -> None:
    given = {"hbm_gbytes_per_s": [200.0, "400", 400, 612.5]}
    fixed, values = check_values(Dataflow.design, {"hbm_gib": 16, "ddr_gib": 16.0, "hbm_pj_per_bit": "3.5"}, given)
    assert repr(values) == "{'hbm_gbytes_per_s': (200, 400, 612.5)}"
    assert repr(fixed) == "{'hbm_gib': 16, 'ddr_gib': 16.0, 'hbm_pj_per_bit': 3.5}"


@pytest.mark.parametrize("lanes", [["8", 8, 16], [8.0, 16.0], np.array([8, 16, 8])])
def test_a_search_charges_a_design_once(lanes: list[object], roofline: Accelerator, mlp: Workload) -> None:
    fixed = {"bandwidth": 8, "frequency_mhz": 500, "fused": True}
    study = search(roofline, mlp, agent="grid", budget=9, fixed=fixed, values={"lanes": lanes})
    assert [dict(trial.point) for trial in study.trials] == [{"lanes": 8}, {"lanes": 16}]
    plain = search(roofline, mlp, agent="grid", budget=9, fixed=fixed, values={"lanes": [8, 16]})
    assert study.asked.digest == plain.asked.digest
    assert repr((plain.asked.fixed, plain.asked.values)) == repr((fixed, {"lanes": (8, 16)}))  # the study that it always was


def test_samples_of_a_surrogate_too(roofline: Accelerator, mlp: Workload) -> None:
    fixed = {"bandwidth": 8, "frequency_mhz": 500, "fused": True}
    drawn = draw(roofline, [mlp], 9, fixed=fixed, values={"lanes": ["8", 8.0, 16]})
    assert sorted(design.lanes for design in drawn.designs) == [8, 16]


def test_a_sweep_runs_a_design_once(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    spec = {"accelerator": "roofline", "workloads": [mlp], "grid": {"lanes": ["16", 16, 32.0], "bandwidth": [8]}}
    done = sweep(spec, tmp_path)
    assert (done.progress.total, done.progress.reused, sorted(done.frame()["lanes"])) == (2, 0, [16, 32])
