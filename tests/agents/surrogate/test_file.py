"""A file comes back with the same bits, and one that is not what it should be is refused in one line."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cyclescape.agents.surrogate import Samples, Surrogate, read_samples
from cyclescape.agents.surrogate import file as module
from cyclescape.errors import InputError
from cyclescape.simulator.accelerator import Accelerator
from cyclescape.simulator.evaluator import Cached, Direct
from cyclescape.simulator.store import ResultStore
from cyclescape.traces.workload import Workload


def test_comes_back(surrogate: Surrogate, samples: Samples, file: Path, tmp_path: Path) -> None:
    back = Surrogate.load(file)
    assert back.save(tmp_path / "b.surrogate").read_bytes() == file.read_bytes()
    for workload, rows in samples.by_workload():
        designs = [samples.designs[i] for i in rows]
        first, again = surrogate.predict(designs, workload), back.predict(designs, workload)
        assert all(np.array_equal(first.mean[name], again.mean[name]) for name in first.mean)
        assert all(np.array_equal(first.std[name], again.std[name]) for name in first.std)


def test_damage_is_refused(file: Path, tmp_path: Path) -> None:
    """Any byte may be another, and the file may end anywhere: never another answer, never a traceback."""
    data = file.read_bytes()
    broken = tmp_path / "broken"
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(data), 40):
        broken.write_bytes(data[:place])
        with pytest.raises(InputError):
            Surrogate.load(broken)
    refused = 0
    for place in rng.integers(0, len(data), 40):
        broken.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        try:
            back = Surrogate.load(broken)
        except InputError:
            refused += 1
        else:  # a field of the zip that nobody reads, such as a date
            assert back.save(tmp_path / "again").read_bytes() == data
    assert refused > 30


def changed(file: Path, change: Any) -> Path:
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    out = file.with_name("changed")
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return out


def in_head(**values: Any) -> Any:
    def change(parts: dict[str, bytes]) -> None:
        parts["surrogate.json"] = json.dumps({**json.loads(parts["surrogate.json"]), **values}).encode()

    return change


@pytest.mark.parametrize(("change", "says"), [
    (in_head(schema=99), "form 99 of the file is not known"), (in_head(format="other"), "not a surrogate"),
    (in_head(accelerator="abacus"), "learned from 'abacus', which is not installed"), (in_head(metrics=["time_s"]), "damaged"),
    (in_head(metrics=["speed", "energy_j"]), "no metric speed"), (in_head(seen={"rows": 3, "table": [[2, 1]]}), "damaged"),
    (in_head(model="oracle"), "damaged"), (in_head(encoder={}), "damaged"),
    (lambda parts: parts.pop("surrogate.json"), "not a surrogate"),
    (lambda parts: parts.update({"mean0.txt": b"tree\n"}), "mean0.txt is not what was written"),
    (lambda parts: parts.update(extra=b""), "extra is not what was written"),
])
def test_foreign_files_are_refused(file: Path, change: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Surrogate.load(changed(file, change))


def test_nothing_is_unpickled(file: Path) -> None:
    packed = io.BytesIO()
    np.savez(packed, x=np.array([print], dtype=object))

    def change(parts: dict[str, bytes]) -> None:
        import hashlib

        parts["arrays.npz"] = packed.getvalue()
        head = json.loads(parts["surrogate.json"])
        head["parts"]["arrays.npz"] = hashlib.sha256(packed.getvalue()).hexdigest()
        parts["surrogate.json"] = json.dumps(head).encode()

    with pytest.raises(InputError, match="damaged"):
        Surrogate.load(changed(file, change))


def test_another_simulator_is_refused_unless_accepted(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "model_digest", lambda _: "0" * 64)
    with pytest.raises(InputError, match="learned from other sources of roofline"):
        Surrogate.load(file)
    assert Surrogate.load(file, stale=True).answers == ("time_s", "energy_j")


def test_samples_come_from_stores_and_tables(roofline: Accelerator, mlp: Workload, tmp_path: Path) -> None:
    designs = [{"lanes": 2**i, "bandwidth": 2**j} for i in range(2, 6) for j in range(4)]
    with Cached(Direct(roofline), ResultStore(tmp_path)) as evaluator:
        evaluator.evaluate([*designs, {"lanes": 256, "frequency_mhz": 1000}], mlp)
        evaluator.store.export(tmp_path / "rows.parquet")
    with pytest.raises(InputError, match="workload 'mlp' is not found here"):
        read_samples(tmp_path)
    stored = read_samples(tmp_path, workloads=[mlp])
    assert len(stored) == len(designs)
    table = read_samples(tmp_path / "rows.parquet", workloads=[mlp])
    assert table.designs == stored.designs
    assert np.array_equal(table.metrics["energy_j"], stored.metrics["energy_j"])
