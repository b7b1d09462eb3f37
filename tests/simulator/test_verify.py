import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from commands import cyclescape

from cyclescape.errors import InputError
from cyclescape.simulator import registry
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.dataset import Dataset
from cyclescape.simulator.evaluator import make_evaluator
from cyclescape.simulator.record import TrialRecord
from cyclescape.simulator.store import FILE_NAME, ResultStore
from cyclescape.simulator.verify import Verification, verify
from cyclescape.traces.workload import Workload


@pytest.fixture
def filled(roofline: Accelerator, mlp: Workload, gemv: Workload, tmp_path: Path) -> Path:
    """Eighty rows: designs on two workloads, some of which break a rule."""
    points: list[Any] = [{"lanes": n} for n in range(1, 37)]
    points += [{"lanes": 256, "frequency_mhz": 1000}, {"lanes": -1}, {"lane": 3}, {"lanes": 8, "fused": False}]
    with make_evaluator(f"cached:{tmp_path}", roofline) as evaluator:
        for workload in (mlp, gemv):
            evaluator.evaluate(points, workload)
    return tmp_path


def changed(folder: Path, statement: str, *values: Any) -> None:
    with sqlite3.connect(folder / FILE_NAME) as db:
        assert db.execute(statement, values).rowcount >= 1
    db.close()


def outcomes(found: Verification) -> dict[str, int]:
    return {outcome: len(found.of(outcome)) for outcome in ("same", "differs", "changed", "not run") if found.of(outcome)}


def test_what_was_simulated_comes_back_bit_for_bit(filled: Path) -> None:
    seen: list[tuple[int, int]] = []
    found = verify(filled, sample=0, progress=lambda done, total: seen.append((done, total)))
    assert found.ok
    assert found.rows == 80
    assert outcomes(found) == {"same": 80}
    assert seen[-1] == (80, 80)
    assert verify(filled, sample=0, evaluator="pool:1").sample == found.sample


def test_a_sample_is_drawn_by_its_seed(filled: Path) -> None:
    drawn = [{row.key for row in verify(filled, sample=20, seed=seed).sample} for seed in (0, 0, 1)]
    assert [len(keys) for keys in drawn] == [20, 20, 20]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(verify(filled, sample=1000).sample) == 80
    with pytest.raises(InputError, match="at least 0"):
        verify(filled, sample=-1)


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("metrics", '{"cycles":1}', "cycles "),
        ("breakdown", '{"compute":1}', "compute "),
        ("reason", "does not fit", "reason 'does not fit' was stored, now None"),
    ],
)
def test_a_row_that_was_altered_differs(column: str, value: str, says: str, filled: Path) -> None:
    changed(filled, f"UPDATE evaluations SET {column}=? WHERE design LIKE '%\"lanes\":7}}' AND workload='mlp'", value)
    found = verify(filled, sample=0)
    assert not found.ok
    assert outcomes(found) == {"same": 79, "differs": 1}
    assert says in found.of("differs")[0].note
    done = cyclescape("verify", str(filled), "--sample", "0")
    assert done.returncode == 1
    assert "79 the same, 1 differ" in done.stdout
    assert cyclescape("verify", str(filled), "--sample", "0", "--json").returncode == 1


def test_the_last_bit_counts(filled: Path) -> None:
    with sqlite3.connect(filled / FILE_NAME) as db:
        key, text = db.execute("SELECT key, metrics FROM evaluations WHERE reason IS NULL").fetchone()
    db.close()
    metrics = json.loads(text)
    import math

    metrics["energy_j"] = math.nextafter(metrics["energy_j"], 1)
    changed(filled, "UPDATE evaluations SET metrics=? WHERE key=?", json.dumps(metrics), key)
    assert [row.key for row in verify(filled, sample=0).of("differs")] == [key]


@pytest.mark.parametrize("column", ["design", "workload_digest", "settings", "model", "accelerator"])
def test_inputs_that_were_altered_no_longer_give_the_key(column: str, filled: Path) -> None:
    changed(filled, f"UPDATE evaluations SET {column}='{{}}' WHERE rowid IN (3, 5)")
    found = verify(filled, sample=0)
    assert not found.ok
    assert len(found.damages) == 2
    assert all("its inputs do not give this key" in line for line in found.damages)
    assert outcomes(found) == {"same": 78}
    assert cyclescape("verify", str(filled)).returncode == 1


def test_other_sources_of_the_model_are_told_apart(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cyclescape.simulator.verify.model_digest", lambda machine: "another")
    changed(filled, "UPDATE evaluations SET metrics='{\"cycles\":1}' WHERE rowid=4")
    found = verify(filled, sample=0)
    assert found.ok
    assert outcomes(found) == {"changed": 80}
    notes = [row.note.partition(":")[0] for row in found.of("changed")]
    assert notes.count("other numbers now") == 1
    assert notes.count("the same numbers still") == 79


def test_what_cannot_run_again_says_why(
    filled: Path, roofline: Accelerator, faulty: Accelerator, mlp: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_evaluator(f"cached:{filled}", faulty, time_limit_s=0.3) as evaluator:
        evaluator.evaluate([{"size": 1, "mode": "hang"}, {"size": 2}], mlp)
    with ResultStore(filled) as store:
        row = next(iter(store.rows()))
        settings = '{"engine":"compiled","surrogate":"a file"}'
        row |= {"settings": settings, "surrogate": 1}
        identity = (row["accelerator"], row["design"], row["workload_digest"], settings, row["model"])
        row["key"] = hashlib.sha256("\n".join(identity).encode()).hexdigest()
        store.take(Dataset([row]), "a surrogate's answer")
    changed(filled, "DELETE FROM workloads WHERE name='gemv'")
    with ResultStore(filled) as store:
        store.put_trials([TrialRecord("s", 0, 0, "0" * 64, "random", 0, None, 0.0)])
    found = verify(filled, sample=0)
    assert found.ok
    assert found.orphans == 1
    assert outcomes(found) == {"same": 41, "not run": 42}
    notes = {row.note for row in found.of("not run")}
    assert len(notes) == 3
    assert "a learned model answered, not the simulator" in notes
    assert "no word of the model's: time limit of 0.3 s exceeded" in notes
    assert any(note.startswith("workload 'gemv' is not recorded, and not found by its name:") for note in notes)
    monkeypatch.delitem(registry._registered, "roofline")
    registry._load.cache_clear()
    assert sum("accelerator 'roofline' is not known" in row.note for row in verify(filled, sample=0).of("not run")) == 81


@pytest.mark.parametrize(("statement", "says"), [
    ("UPDATE evaluations SET workload='resnet50' WHERE workload='mlp'", "'resnet50' is recorded as 'mlp'"),
    ("UPDATE workloads SET operators=replace(operators, '256', '257')", "is another network"),
    ("UPDATE evaluations SET surrogate=1 WHERE rowid=7", "its settings name none"),
    ("UPDATE evaluations SET retry_above_s=1 WHERE rowid=7", "has no reason"),
])  # fmt: skip
def test_what_contradicts_itself_was_altered(statement: str, says: str, filled: Path) -> None:
    changed(filled, statement)
    found = verify(filled, sample=0)
    assert not found.ok
    assert any(says in line for line in found.damages)
    assert cyclescape("verify", str(filled), "--sample", "1").returncode == 1


def test_a_sample_of_which_nothing_runs_shows_nothing(filled: Path) -> None:
    changed(filled, "DELETE FROM workloads")
    found = verify(filled)
    assert outcomes(found) == {"not run": 80}
    assert not found.ok


def test_a_workload_is_found_by_its_name(tmp_path: Path) -> None:
    import cyclescape as cs

    machine = registry.accelerator("systolic")
    with make_evaluator(f"cached:{tmp_path}", machine) as evaluator:
        evaluator.evaluate([{"rows": 8}], cs.workload("alexnet:batch=2"))
    assert outcomes(verify(tmp_path)) == {"same": 1}
    changed(tmp_path, "DELETE FROM workloads")
    assert outcomes(verify(tmp_path)) == {"same": 1}
    changed(tmp_path, "UPDATE evaluations SET workload='alexnet'")
    note = verify(tmp_path).of("not run")[0].note
    assert note == "workload 'alexnet': what that name means has changed since, and the work itself is not recorded"


def test_a_damaged_file_is_found(filled: Path) -> None:
    path = filled / FILE_NAME
    data = bytearray(path.read_bytes())
    data[8192:8300] = b"\xff" * 108
    path.write_bytes(data)
    done = cyclescape("verify", str(filled))
    assert done.returncode in (1, 2)
    assert "DAMAGED" in done.stdout or "malformed" in done.stderr
    nothing = cyclescape("verify", str(filled / "nowhere"))
    assert nothing.returncode == 2
    assert "no results here" in nothing.stderr
    assert nothing.stderr.count("\n") == 1
