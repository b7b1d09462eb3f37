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
from cyclescape.agents.surrogate.sources import answering_sources
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


def in_head(edit: Any = lambda head: None, *, signed: bool = True, **values: Any) -> Any:
    """Change the head, and sign it again, so that what else is looked at is reached."""

    def change(parts: dict[str, bytes]) -> None:
        head = {**json.loads(parts["surrogate.json"]), **values}
        edit(head)
        if signed:
            head["digest"] = module.head_digest(head)
        parts["surrogate.json"] = json.dumps(head).encode()

    return change


def in_encoder(part: str, **values: Any) -> Any:
    return in_head(lambda head: head["encoder"][part].update(values))


def turned(head: dict[str, Any]) -> None:
    head["encoder"]["ordered"] = dict(reversed(head["encoder"]["ordered"].items()))


@pytest.mark.parametrize("edit", [
    lambda head: head["metrics"].reverse(), lambda head: head.update(bounded=[True, True]), turned,
    lambda head: head["encoder"]["ordered"].update(lanes=[1, 1e9]), lambda head: head.update(learned=[]),
    lambda head: head["seen"].update(table=[[0.0] * len(row) for row in head["seen"]["table"]]),
    lambda head: head["exact"].update(area_mm2=3.0), lambda head: head["origin"].update(version="9.9"),
    lambda head: head.pop("digest"),
])
def test_a_head_that_was_edited_is_refused(file: Path, edit: Any) -> None:
    with pytest.raises(InputError, match="surrogate.json is not what was written; fit it again"):
        Surrogate.load(changed(file, in_head(edit, signed=False)))


@pytest.mark.parametrize(("change", "says"), [
    (in_head(metrics=["time_s", "time_s"]), "time_s is answered twice"),
    (in_head(exact={"time_s": 3.0}), "time_s is answered twice"),
    (in_head(lambda head: head["encoder"]["fixed"].pop("frequency_mhz")), "nothing is said of frequency_mhz"),
    (in_encoder("fixed", frequency_mhz=None), "frequency_mhz=None: .*accepted: integer"),
    (in_encoder("fixed", frequency_mhz=True), "frequency_mhz=True"),
    (in_encoder("fixed", lanes=4), "lanes is said in two ways"), (in_encoder("fixed", wheels=4), "no parameter wheels"),
    (in_encoder("ordered", lanes=[64, 4]), "lanes from 64 to 4 is no range"),
    (in_encoder("ordered", lanes=[0, 64]), "lanes=0: "), (in_encoder("work", log_macs=[1.0, 1.0]), "log_macs from 1.0 to 1.0"),
    (in_encoder("choices", fused=[False, "Bogus"]), "fused='Bogus': "),
    (in_encoder("choices", fused=[True, True]), "a choice twice"),
    (in_head(lambda head: head["encoder"].update(choices={}, ordered={**head["encoder"]["ordered"], "fused": [0, 1]})),
     "fused has no order"),
    (in_head(lambda head: head["origin"].update(tried=5)), "damaged"),
    (in_head(lambda head: head["origin"].update(samples="many")), "not said as it should be"),
])
def test_a_head_that_contradicts_itself_is_refused_whoever_signed_it(file: Path, change: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Surrogate.load(changed(file, change))


def test_a_closed_form_that_is_not_there_is_one_line(file: Path, roofline: Accelerator, mlp: Workload) -> None:
    for change in (in_head(bounded=[True, False]), in_head(exact={"area_mm2": 1.0})):
        surrogate = Surrogate.load(changed(file, change))
        with pytest.raises(InputError, match=r"roofline gives no closed form of \w+, which the surrogate needs: fit it again"):
            surrogate.predict([roofline.design.make({})], mlp)


@pytest.mark.parametrize(("change", "says"), [
    (in_head(schema=99), "form 99 of the file is not known"), (in_head(format="other"), "not a surrogate"),
    (in_head(schema=2), "form 2 of the file is of an older version.*fit it again"),
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
        digest = hashlib.sha256(packed.getvalue()).hexdigest()
        in_head(lambda head: head["parts"].update({"arrays.npz": digest}))(parts)

    with pytest.raises(InputError, match="arrays.npz"):
        Surrogate.load(changed(file, change))


def test_another_simulator_is_refused_unless_accepted(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "model_digest", lambda _: "0" * 64)
    with pytest.raises(InputError, match="learned from other sources of roofline"):
        Surrogate.load(file)
    assert Surrogate.load(file, stale=True).answers == ("time_s", "energy_j")


def test_another_meaning_of_columns_is_refused_unless_accepted(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "answering_digest", lambda: "0" * 64)
    with pytest.raises(InputError, match="other sources of the surrogate .* its columns may mean something else.*--stale"):
        Surrogate.load(file)
    again = Surrogate.load(file, stale=True).save(tmp_path / "again")  # it does not become one of today's
    assert again.read_bytes() == file.read_bytes()


def test_the_sources_that_answer_are_all_in_their_digest() -> None:
    names = {name.rpartition(".")[2] for name in answering_sources()}
    assert names >= {"surrogate", "features", "statistics", "columns", "calibration", "partial"}
    assert names >= {"gaussian", "trees", "ensemble"}
    assert not names & {"accuracy", "file", "bench", "plots"}


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
