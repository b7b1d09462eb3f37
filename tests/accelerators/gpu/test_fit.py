"""A design from measurements: hidden parameters come back, and what is not determined is said to be so."""

from __future__ import annotations

import json
import random
from functools import cache

import pytest
import yaml
from commands import cyclescape

from cyclescape.accelerators.gpu.fit.measurements import CHASE, EMPTY, read, template
from cyclescape.accelerators.gpu.fit.search import fit
from cyclescape.accelerators.gpu.fit.simulated import FITTED, NUMERIC, STRUCTURE, Simulated
from cyclescape.accelerators.gpu.validation import SHIPPED
from cyclescape.api import design
from cyclescape.errors import InputError

BRIEF = ("table-1-load-1", "table-1-load-4", "table-1-shared-load-4", "table-2", "listing-1", "bubbles-ffma", "register-cache",
         "constant-first", "figure-4b-stall-5")


@cache
def _cases(names=BRIEF):
    return [item for item in read(SHIPPED) if item.name.startswith(names)]


def _measure(hidden, names=BRIEF):
    """What a GPU with hidden parameters would be measured to do: (case, what, cycles)."""
    simulated = Simulated({}, None, _cases(names))
    values = simulated.values(simulated.start | hidden)
    return [(item.name, item.what, float(value)) for item, value in zip(_cases(names), values)]


def _write(path, rows):
    path.write_text("case,what,cycles\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows))
    return path


def _hidden(seed):
    rng, start = random.Random(seed), Simulated({}, None, _cases()).start
    hidden = {name: rng.choice(values) for name, values in STRUCTURE.items()}
    for name, (low, high) in NUMERIC.items():
        hidden[name] = max(low, min(high, rng.randint(start[name] // 2, 2 * start[name] + 6)))
    return hidden


@pytest.mark.parametrize("seed", [0, 5])
def test_hidden_parameters_come_back(tmp_path, seed):
    hidden = _hidden(seed)
    found = fit(_write(tmp_path / "m.csv", _measure(hidden)), {}, None)
    assert not found.unexplained
    rows = {row["parameter"]: row for row in found.rows}
    assert list(rows) == list(FITTED)
    determined = {name for name, row in rows.items() if row["status"] == "determined"}
    assert len(determined) >= 12
    assert {name: found.parameters[name] for name in determined} == {name: hidden[name] for name in determined}
    for name, row in rows.items():
        if row["status"] == "several":
            assert row["others"]
        if row["status"] == "unmeasured":
            assert name not in found.parameters
            assert row["measurements"] == 0
    assert {name for name, row in rows.items() if row["status"] == "unmeasured"} == {
        "l2_extra_cycles", "dram_extra_cycles", "launch_cycles", "dispatch_milli_cycles"}


def test_the_chip_is_fitted_to_chases_and_empty_kernels(tmp_path):
    hidden = {"sms": 4, "l2_extra_cycles": 160, "dram_extra_cycles": 111, "launch_cycles": 2100, "dispatch_milli_cycles": 1150}
    asked = [(CHASE, "l1", 1), (CHASE, "l2", 1), (CHASE, "dram", 1), (EMPTY, "blocks=1", 1), (EMPTY, "blocks=4096", 1)]
    measured = read(_write(tmp_path / "ask.csv", asked))
    simulated = Simulated(hidden, None, measured)
    rows = [(item.name, item.what, float(x)) for item, x in zip(measured, simulated.values(simulated.start))]
    found = fit(_write(tmp_path / "m.csv", rows), {"sms": 4}, None)
    assert not found.unexplained
    for name, value in hidden.items():
        assert found.parameters[name] == pytest.approx(value, abs=1), name  # thousandths of a cycle are rounded away
    by_name = {row["parameter"]: row for row in found.rows}
    assert by_name["global_return_cycles"]["status"] == "together"  # one level of a chase says nothing of its parts


def test_a_measurement_that_no_design_gives_is_named_and_moves_nothing(tmp_path):
    wrong = "table-2-lds-regular-64-raw"
    rows = [(name, what, cycles + 40 * (name == wrong)) for name, what, cycles in _measure({}, ("table-2", "listing-1"))]
    found = fit(_write(tmp_path / "m.csv", rows), {}, None)
    assert [(row["case"], row["measured"] - row["simulated"]) for row in found.unexplained] == [(wrong, 40)]
    start = Simulated({}, None, _cases()).start
    assert {name: value for name, value in found.parameters.items() if value != start[name]} == {}


def test_what_is_given_stays(tmp_path):
    path = _write(tmp_path / "m.csv", _measure({"global_return_cycles": 30}, ("table-2-ldg",)))
    found = fit(path, {"global_return_cycles": 27}, None)
    assert found.parameters["global_return_cycles"] == 27
    assert {row["parameter"]: row["status"] for row in found.rows}["global_return_cycles"] == "given"
    assert found.unexplained


def test_a_file_of_microbenchmarks_is_one_of_measurements(tmp_path):
    text = ".case own\n.set sub_cores=1\nLDG.E R4, [R8] {S2 W0} ; 0\nMOV R9, R4 {M0} ; 40\n"
    (tmp_path / "own.gasm").write_text(text)
    for path in (tmp_path / "own.gasm", tmp_path):
        found = fit(path, {}, None)
        assert not found.unexplained
        assert found.measurements == 1
    assert design("gpu-core", **found.parameters)


def test_the_command_writes_a_design_that_runs(tmp_path):
    listed = cyclescape("fit", "gpu", "--template").stdout.splitlines()
    assert listed[0] == "case,what,cycles"
    assert len(listed) == 1 + len(template())
    _write(tmp_path / "m.csv", _measure({"global_return_cycles": 40}, ("table-2-ldg",)))
    done = cyclescape("fit", "gpu-core", "m.csv", "--out", "own.yaml", "--set", "sms=2", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["design"] == yaml.safe_load((tmp_path / "own.yaml").read_text())
    assert document["design"]["parameters"]["global_return_cycles"] == 40
    ran = cyclescape("run", "gpu-core", "--design", "own.yaml", "-w", "ffma-chain:iterations=1", "--json", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(("text", "message"), [
    ("a,b\n", r":1: column 'case' is missing; accepted: case, what, cycles"),
    ("case,what,cycles\nlisting-9,elapsed,5\n", r":2: case: 'listing-9' is not known; accepted: a case of micro2025.gasm"),
    ("case,what,cycles\nlisting-1-even-even,elapsed,fast\n", r":2: cycles: 'fast'; accepted: a number from 0 to 1e9"),
    ("case,what,cycles\nlisting-1-even-even,elapsed,-1\n", r":2: cycles: '-1'; accepted"),
    ("case,what,cycles\nlisting-1-even-even,W0.99,5\n", r":2: what: 'W0.99'; accepted: a warp and an instruction"),
    ("case,what,cycles\ntable-1-load-1,elapsed,5\n", r":2: what: 'elapsed'; accepted: elapsed for a case with two CLOCKs"),
    ("case,what,cycles\npointer-chase,l3,5\n", r":2: what: 'l3'; accepted: l1, l2, dram"),
    ("case,what,cycles\nlisting-1-even-even,elapsed\n", r":2: 2 cells; accepted: 3"),
    ("case,what,cycles\nlisting-1-even-even,end,5\nlisting-1-even-even,end,5\n", r":3: .* was measured in line 2 already"),
    ("case,what,cycles\nlisting-1-even-even,end,\n", "no measurement; accepted: rows of case, what, cycles"),
])
def test_wrong_files_are_one_line(tmp_path, text, message):
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        fit(tmp_path / "m.csv", {}, None)


def test_wrong_commands_are_one_line(tmp_path):
    (tmp_path / "m.csv").write_text("case,what,cycles\npointer-chase,l1,5\n")
    for arguments, message in [
        (["fit", "systolic", "m.csv"], "systolic cannot be fitted to measurements"), (["fit", "gpu"], "which measurements?"),
        (["fit", "gpu", "none.csv"], "none.csv: no such file"),
        (["fit", "gpu", "m.csv", "-o", "a.json"], "accepted: a file that ends in"),
        (["fit", "gpu", "m.csv", "--set", "colour=1"], "colour"),
    ]:
        done = cyclescape(*arguments, cwd=tmp_path)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
        assert message in done.stderr
