"""The command line as a person or a script uses it: real processes, real output, exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from commands import cyclescape

import cyclescape as cs


def test_as_a_process(tmp_path):
    """`python -m cyclescape` and the installed script are the same thing, and end in the same exit codes."""
    for command in ([sys.executable, "-m", "cyclescape"], [str(Path(sys.executable).with_name("cyclescape"))]):
        good = subprocess.run([*command, "list", "--json"], capture_output=True, text=True, cwd=tmp_path)
        assert (good.returncode, good.stderr) == (0, "")
        assert "systolic" in {row["name"] for row in json.loads(good.stdout)}
        bad = subprocess.run([*command, "run", "sistolic"], capture_output=True, text=True, cwd=tmp_path)
        assert (bad.returncode, bad.stdout, len(bad.stderr.splitlines())) == (2, "", 1)


SPEC = """
accelerator: systolic
workloads: [alexnet]
grid: {rows: [16, 32], cols: [16, 32], dataflow: all}
"""


@pytest.mark.parametrize(
    "kind", ["accelerators", "parameters", "presets", "workloads", "envs", "agents", "objectives", "metrics"]
)
def test_every_list_has_rows_in_both_forms(kind):
    table, document = cyclescape("list", kind), cyclescape("list", kind, "--json")
    assert table.returncode == document.returncode == 0, table.stderr + document.stderr
    assert len(json.loads(document.stdout)) >= 1
    assert len(table.stdout.splitlines()) >= 3


def test_run_prints_one_json_document_and_nothing_else():
    done = cyclescape("run", "systolic", "-w", "alexnet", "--rows", "64", "--set", "cols=16", "--dataflow=os", "--json")
    document = json.loads(done.stdout)
    assert done.stderr == ""
    assert (document["design"]["rows"], document["design"]["cols"], document["design"]["dataflow"]) == (64, 16, "os")
    assert sum(document["breakdown"].values()) == document["metrics"]["cycles"]
    assert len(document["layers"]["name"]) == len(document["layers"]["cycles"]) > 8
    assert document["provenance"]["model"]


def test_run_for_people_shows_operators_and_writes_page_and_timeline(tmp_path):
    done = cyclescape(
        "run", "systolic", "-w", "alexnet", "--layers", "--html", "run.html", "--timeline", "t.json", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "conv1" in done.stdout
    assert "<html" in (tmp_path / "run.html").read_text()
    assert json.loads((tmp_path / "t.json").read_text())["traceEvents"]


def test_the_two_engines_print_the_same():
    asked = ["run", "systolic", "-w", "alexnet", "--rows", "128", "--json", "--engine"]
    runs = [cyclescape(*asked, engine) for engine in ("compiled", "simpy")]
    first, second = (json.loads(run.stdout) for run in runs)
    for document in (first, second):
        del document["provenance"]
    assert first == second


def test_help_lists_the_parameters_of_a_machine():
    done = cyclescape("run", "systolic", "--help")
    assert done.returncode == 0
    assert "bandwidth_bytes_per_cycle" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "sistolic"], "accelerator 'sistolic' is not known; did you mean 'systolic'?"),
        (["run"], "which accelerator?"),
        (["run", "systolic", "-w", "resnet1"], "workload 'resnet1' is not known"),
        (["run", "systolic", "-w", "resnet18:batch=0"], "batch"),
        (["run", "systolic", "-w", "none.csv"], "none.csv: no such file"),
        (["run", "systolic", "--rows", "-1"], "rows=-1: input should be greater than or equal to 1"),
        (["run", "systolic", "--rows"], "--rows: needs a value"),
        (["run", "systolic", "rows=3"], "'rows=3': not understood"),
        (["run", "systolic", "--set", "rows"], "--set 'rows': accepted: name=value"),
        (["run", "systolic", "--set", "row=3"], "row: unknown parameter; did you mean 'rows'?"),
        (["run", "systolic", "--rows", "9999"], "rows=9999"),
        (["run", "systolic", "--preset", "x"], "preset 'x' is not known; accepted: edge-16x16"),
        (["run", "systolic", "--engine", "x"], "engine 'x'"),
        (["rnu"], "rnu"),
        (["run", "systolic", "--workload"], "--workload"),
        (["search", "systolic", "--objective", "speed"], "objective 'speed'"),
        (["search", "systolic", "--constraint", "area<5"], "constraint 'area<5'"),
        (["search", "systolic", "--agent", "x"], "agent 'x' is not known"),
        (["search", "systolic", "--budget", "0"], "budget=0"),
        (["search", "systolic", "--set", "rows=0"], "rows=0"),
        (["search", "systolic", "--batch", "0"], "batch=0: accepted: a whole number of at least 1"),
        (["policy", "train", "systolic", "-w", "alexnet;vgg16", "-o", "x", "--updates", "500"],
         "--updates: is for --model network, not for --model ranking"),
        (["policy", "train", "systolic", "-w", "alexnet;vgg16", "-o", "x", "--model", "network", "--keep", "2"],
         "--keep: is for --model ranking, not for --model network"),
        (["sweep", "none.yaml", "--out", "o"], "none.yaml: cannot be read: No such file"),
        (["report", "none"], "none"),
        (["validate", "systolic", "none.csv"], "none.csv: cannot be read: No such file"),
        (["validate", "network"], "did you mean 'networks'? (accepted: dataflow, "),
        (["bench", "sistolic"], "accelerator 'sistolic'"),
        (["bench", "gpu", "--traces", "none"], "--traces none: no such directory"),
        (["bench", "dram", "--traces", "."], "--traces: dram-controller takes none"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(tmp_path, arguments, message):
    done = cyclescape(*arguments, cwd=tmp_path)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 2
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accelerator: systolic\nworkloads: [alexnet]\ngrid: {rows: [0]}", "spec.yaml: rows=0"),
        ("accelerator: systolic\nworkloads: [alexnet]\ngrid: {row: [8]}", "spec.yaml: "),
        ("accelerator: systolic\nworkloads: [alexnet]\nspeed: 3", "spec.yaml: speed: unknown parameter"),
        ("accelerator: systolic\nworkloads: [alexnet]", "spec.yaml: "),
        ("a: [", "spec.yaml"),
        ("", "spec.yaml: "),
    ],
)
def test_a_wrong_sweep_names_the_file_and_leaves_nothing(tmp_path, text, message):
    (tmp_path / "spec.yaml").write_text(text)
    done = cyclescape("sweep", "spec.yaml", "--out", "o", cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_unwritable_directory(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "spec.yaml").write_text(SPEC)
    for arguments in (["sweep", "spec.yaml", "--out", "file/o"], ["search", "systolic", "--budget", "2", "--out", "file/o"]):
        done = cyclescape(*arguments, cwd=tmp_path)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert "file/o" in done.stderr


def test_search_sweep_and_report_work_together(tmp_path):
    asked = ["search", "systolic", "-w", "alexnet", "--objective", "time_s,energy_j", "-c", "area_mm2<=10"]
    done = cyclescape(*asked, "--agent", "tpe", "--budget", "15", "--out", "o", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["trials"] == 15
    assert all(row["area_mm2"] <= 10 for row in document["front"])
    assert (tmp_path / "o" / "report.html").stat().st_size > 10_000
    assert (tmp_path / "o" / "plot.png").stat().st_size > 5_000
    (tmp_path / "spec.yaml").write_text(SPEC)
    first = cyclescape("sweep", "spec.yaml", "--out", "s", "--json", cwd=tmp_path)
    again = cyclescape("sweep", "spec.yaml", "--out", "s", "--json", cwd=tmp_path)
    assert (json.loads(first.stdout)["reused"], json.loads(again.stdout)["reused"]) == (0, 12)
    assert cyclescape("report", "s", cwd=tmp_path).returncode == 0


def test_a_search_is_the_same_in_any_number_of_processes_with_one_batch(tmp_path):
    asked = ["search", "systolic", "-w", "alexnet", "--agent", "annealing", "--budget", "12", "--json", "--out"]
    for name, more in (("one", ["--batch", "2"]), ("two", ["--evaluator", "pool:2"]), ("alone", [])):
        assert cyclescape(*asked, name, *more, cwd=tmp_path).returncode == 0
    one, two, alone = (cs.load(tmp_path / name).sort_values("key")["key"].tolist() for name in ("one", "two", "alone"))
    assert one == two != alone


def test_ctrl_c_leaves_a_usable_store_and_says_how_to_go_on(tmp_path):
    asked = ["search", "systolic", "-w", "resnet50", "--agent", "random", "--budget", "100000", "--out", "o"]
    process = subprocess.Popen(
        [sys.executable, "-m", "cyclescape", *asked], cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a background job's children ignore it
    )
    store = tmp_path / "o" / "store.sqlite"
    deadline = time.monotonic() + 120
    import cyclescape as cs

    while time.monotonic() < deadline:
        time.sleep(0.2)
        with suppress(cs.InputError):  # the store may be on its way
            if store.exists() and len(cs.load(store.parent)) > 0:
                break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "run the same search again to go on" in errors
    assert "Traceback" not in errors
    kept = cs.load(tmp_path / "o")
    assert len(kept) > 0


def test_validate_exits_1_where_a_row_does_not_hold(tmp_path):
    from cyclescape.accelerators.systolic.scalesim import SHIPPED

    lines = [line for line in SHIPPED.read_text().splitlines() if not line.startswith("#")]
    header, row = lines[0].split(","), lines[1].split(",")
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("\n".join(lines[:3]) + "\n")
    row[header.index("total_cycles")] = "1"
    bad.write_text(lines[0] + "\n" + ",".join(row) + "\n")
    assert cyclescape("validate", "systolic", str(good)).returncode == 0
    done = cyclescape("validate", "systolic", str(bad), "--json")
    assert done.returncode == 1
    assert {check["field"] for check in json.loads(done.stdout)["failures"]} == {"total_cycles", "machine: cycles - 1"}


def test_a_plugin_is_on_the_command_line_with_nothing_else_touched(plugin, tmp_path):
    """A machine of about 30 lines in one file, installed as an entry point: list, run, search and sweep."""
    environment = {**os.environ, "PYTHONPATH": str(plugin)}

    def run(*arguments):
        command = [sys.executable, "-m", "cyclescape", *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=True).stdout

    assert "roofline" in {row["name"] for row in json.loads(run("list", "--json"))}
    assert json.loads(run("run", "roofline", "-w", "alexnet", "--lanes", "64", "--json"))["design"]["lanes"] == 64
    assert "bandwidth" in run("run", "roofline", "--help")
    found = json.loads(run("search", "roofline", "-w", "alexnet", "--agent", "random", "--budget", "5", "--out", "o", "--json"))
    assert found["trials"] == 5
    (tmp_path / "spec.yaml").write_text(SPEC.replace("systolic", "roofline").replace(
        "{rows: [16, 32], cols: [16, 32], dataflow: all}", "{lanes: all}"))
    assert json.loads(run("sweep", "spec.yaml", "--out", "s", "--json"))["rows"] == 7


def test_the_operators_of_a_workload_say_what_is_dense_and_what_is_effective():
    done = cyclescape("list", "workloads", "alexnet:sparsity=2:4", "--json")
    *rows, whole = json.loads(done.stdout)
    assert {row["sparsity"] for row in rows if row["kind"] in ("conv", "gemm")} == {"2:4"}
    for count in ("macs", "effective_macs", "kept_weights"):
        assert whole[count] == sum(row[count] for row in rows)
    assert whole["macs"] == 724_406_816
    # 363 weights of the first window keep 182; all other reductions are multiples of four
    assert whole["effective_macs"] == 724_406_816 // 2 + 55 * 55 * 96 // 2
    assert "effective" in cyclescape("list", "workloads", "alexnet:sparsity=2:4").stdout
    refused = cyclescape("list", "workloads", "stream")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "it has no operators to list" in refused.stderr


def test_a_run_of_a_pruned_network_says_both_counts():
    pruned = cyclescape("run", "systolic", "-w", "alexnet:sparsity=2:4")
    assert "724,406,816 MACs, 362,348,608 of them effective" in pruned.stdout
    assert "of them effective" not in cyclescape("run", "systolic", "-w", "alexnet").stdout


def test_validate_networks(tmp_path):
    done = cyclescape("validate", "networks", "--json")
    assert done.returncode == 0
    outcome = json.loads(done.stdout)
    assert outcome["ok"]
    assert outcome["checks"] > 150
    table = tmp_path / "table.csv"
    table.write_text("workload,quantity,value,source,difference,why\nvgg16,macs,15.4G,me,0,\n")
    failed = cyclescape("validate", "networks", str(table))
    assert failed.returncode == 1
    assert "15,470,264,320" in failed.stdout
    assert cyclescape("validate", "networks", "--timings", str(table)).returncode == 2
