"""Parsers of results: stores and what is made of them, surrogates, policies, contests, sweeps and their shards."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from .case import Parser
from .packed import digests_right, in_array_of_json, in_npy, in_parquet, in_sqlite, in_table, in_zip
from .plain import in_bytes, in_json, in_lines, in_yaml
from .whole import Files

_YAML = (in_yaml, in_yaml, in_yaml, in_lines, in_bytes)
_STORE = (in_sqlite, in_sqlite, in_sqlite, in_bytes)
_TOPOLOGY = "Layer, M, N, K,\na, 4, 8, 8,\nb, 2, 8, 8,\n"


def _searched(room: Path) -> Path:
    """A store with a small search of two objectives and a constraint."""
    import cyclescape as cs

    if not (room / "store.sqlite").exists():
        work = room / "tiny.csv"
        work.write_text(_TOPOLOGY)
        cs.search(
            "systolic",
            str(work),
            objective="time_s,area_mm2",
            constraints="area_mm2<=9",
            agent="random",
            budget=8,
            seed=1,
            out=room,
        )
    return room / "store.sqlite"


def _packed(store: Path) -> bytes:
    """The bytes of a store without its log."""
    import sqlite3

    with sqlite3.connect(store) as db:
        db.execute("PRAGMA journal_mode=DELETE")
        data = bytes(db.serialize())
    db.close()
    return data


def store_seeds(room: Path) -> Sequence[Files]:
    return [{"store.sqlite": _packed(_searched(room))}]


def table_seeds(room: Path) -> Sequence[Files]:
    from cyclescape.simulator.dataset import Dataset

    data = Dataset.read(_searched(room))
    return [{name: data.write(room / name).read_bytes()} for name in ("a.parquet", "a.csv")]


def _frame(path: Path) -> object:
    """Load a store or table as a person does, and what a merge does."""
    import cyclescape as cs
    from cyclescape.simulator.dataset import Dataset

    data = Dataset.read(path)
    return len(cs.load(path)), data.names("metrics"), list(data.trials()), data.store(path.parent / "merged")


def _verified(path: Path) -> object:
    from cyclescape.simulator.verify import verify

    return verify(path, sample=3).ok


def _page(path: Path) -> object:
    """Write the report, and see that no name got out of its text."""
    from cyclescape.pages.study_page import write_study_page

    text = write_study_page(path, path.parent / "report.html").read_text(encoding="utf-8")
    for bad in ("<script>alert", "<img src=x", "</script><script>a"):
        if bad in text:
            raise AssertionError(f"the page has {bad}")
    return text


def _study(path: Path) -> object:
    import cyclescape as cs
    from cyclescape.simulator.lookup import logged

    machine = logged(f"{path}:nearest=true")
    workload = machine.load(machine.default_workload)
    machine.check(workload)
    report = machine.run([machine.design.make({})], workload)[0]
    return report.to_dict(), cs.load(path)


def _samples(path: Path) -> object:
    from cyclescape.agents.surrogate import read_samples
    from cyclescape.traces.catalog import load

    (work := path.parent / "tiny.csv").write_text(_TOPOLOGY)
    samples = read_samples(path, workloads=[load(work)], stale=True)
    return samples.digest, len(samples)


def surrogate_seeds(room: Path, *models: str) -> Sequence[Files]:
    from cyclescape.agents.surrogate import Surrogate, draw

    found = []
    samples = draw(_systolic(), ["attention:seq_len=8,heads=1"], 60, seed=0)
    room.mkdir(exist_ok=True)
    for model in models or ("trees", "forest", "gp", "ensemble"):
        Surrogate.fit(samples, ["time_s"], model=model, effort=0.1).save(room / f"{model}.surrogate")
        found.append({f"{model}.surrogate": (room / f"{model}.surrogate").read_bytes()})
    return found


def _systolic() -> Any:
    import cyclescape as cs

    return cs.accelerator("systolic")


def _surrogate(path: Path) -> object:
    """Load it, as an evaluator too, and ask it one thing."""
    from cyclescape.simulator.evaluator import make_evaluator
    from cyclescape.traces.catalog import load

    evaluator = make_evaluator(f"surrogate:{path}", _systolic())
    return evaluator.evaluate([{"rows": 8}], load("attention:seq_len=8,heads=1"))[0].to_dict()


def policy_seeds(room: Path) -> Sequence[Files]:
    from cyclescape.agents.transfer.train import train

    (room / "w.csv").write_text(_TOPOLOGY)
    (room / "v.csv").write_text(_TOPOLOGY.replace("4", "16"))
    works = [str(room / name) for name in ("w.csv", "v.csv")]
    found = []
    for kind in ("ranking", "network"):
        policy = train(_systolic(), works, kind=kind, budget=6, seeds=1, keep=2, updates=1, agent="random")
        found.append({f"{kind}.policy": policy.write(room / f"{kind}.policy").read_bytes()})
    return found


def _policy(path: Path) -> object:
    """Read it, and let it propose."""
    import cyclescape as cs
    from cyclescape.agents.transfer.file import Policy

    Policy.read(path)
    (path.parent / "w.csv").write_text(_TOPOLOGY)
    return len(cs.search("systolic", str(path.parent / "w.csv"), agent=f"transfer:file={path}", budget=2, seed=0).trials)


_ASKED = {"rows": (4, 8), "cols": (4, 8, 16), "dataflow": ("ws", "os")}


@cache
def _problem_text() -> str:
    """A problem of twelve designs: everything else is fixed."""
    import yaml

    known = _systolic().design.parameters()
    fixed = {name: parameter.default for name, parameter in known.items() if parameter.explored and name not in _ASKED}
    return yaml.safe_dump(
        {
            "summary": "small",
            "accelerator": "systolic",
            "workloads": ["attention:seq_len=8,heads=1"],
            "objective": ["time_s", "area_mm2"],
            "constraints": ["area_mm2<=20"],
            "fixed": fixed,
            "values": {name: list(listed) for name, listed in _ASKED.items()},
            "same": [{"when": {"rows": [4]}, "whatever": ["dataflow"]}],
        },
        sort_keys=False,
    )


def contest_seeds(room: Path) -> Sequence[Files]:
    from cyclescape.agents.contest.problem import ContestProblem
    from cyclescape.agents.contest.table import enumerate_problem
    from cyclescape.agents.contest.truth import truth_of

    (room / "p.yaml").write_text(_problem_text())
    asked = ContestProblem.read(room / "p.yaml")
    table = enumerate_problem(asked, room / "tables")
    truth_of(asked, table).write(room / "tables" / "p.truth.json")
    files = {str(file.relative_to(room)): file.read_bytes() for file in sorted((room / "tables").rglob("*")) if file.is_file()}
    return [{"p.yaml": _problem_text().encode(), **files}]


def _problem(path: Path) -> object:
    """The problem alone."""
    from cyclescape.agents.contest.problem import ContestProblem, Merged

    asked = ContestProblem.read(path)
    space = asked.open().space
    return asked.name, len(space), Merged(space, asked.same).first(tuple(0 for _ in space.names))


def _truth_seeds(room: Path) -> Sequence[Files]:
    return [{"p.truth.json": files["tables/p.truth.json"]} for files in contest_seeds(room)]


def _truth(path: Path) -> object:
    import numpy as np

    from cyclescape.agents.contest.truth import Truth

    truth = Truth.read(path)
    costs = np.zeros((2, len(truth.reference)))
    return truth.best, truth.shares(costs, [1, 2]), truth.distances(costs)


def _table(path: Path) -> object:
    """The table of all designs beside a problem, as a contest asks it."""
    from cyclescape.agents.contest.problem import ContestProblem, Merged
    from cyclescape.agents.contest.table import Table

    asked = ContestProblem.read(path)
    problem = asked.open()
    table = Table(asked, problem, Merged(problem.space, asked.same), path.parent / "tables")
    if table.missing or len(table.merged.ranks) > 100:
        return None
    return [table.report(place, 0) for place in range(len(table.merged.ranks))], [len(rows) for _, rows in table.blocks()]


def _kept_seeds(room: Path) -> Sequence[Files]:
    from cyclescape.agents.contest.contest import compare

    (room / "p.yaml").write_text(_problem_text())
    compare(["random"], [str(room / "p.yaml")], out=room / "out", budget=5, draws=1, seeds=1)
    kept = next((room / "out" / "studies").rglob("*.json"))
    name = str(kept.relative_to(room))
    return [{name: kept.read_bytes(), "p.yaml": _problem_text().encode()}]


def _contest(path: Path) -> object:
    """Go on with a contest whose folder holds a study; a damaged one is run again."""
    from cyclescape.agents.contest.contest import compare

    root = next(parent for parent in path.parents if parent.name == "case" or (parent / "p.yaml").exists())
    contest = compare(["random"], [str(root / "p.yaml")], out=root / "out", budget=5, draws=1, seeds=1)
    return contest.table().to_dict("records")


SWEEP = """accelerator: systolic
workloads: ["attention:seq_len=8,heads=1"]
set: {frequency_mhz: 700}
grid: {rows: [4, 8], cols: all}
sample: {n: 3, seed: 0}
time_limit_s: 60
"""


def _sweep(path: Path) -> object:
    from cyclescape.agents.sweep import Points, SweepSpec
    from cyclescape.simulator.problem import workloads_of
    from cyclescape.simulator.registry import accelerator

    spec = SweepSpec.read(path)
    space = spec.space(accelerator(spec.accelerator))
    workloads = workloads_of(spec.workloads)
    points = Points(space, spec.sample)
    return len(points), next(iter(points)), [work.digest for work in workloads]


def _shard_seeds(room: Path) -> Sequence[Files]:
    from cyclescape.agents.sweep import sweep

    (room / "spec.yaml").write_text(SWEEP)
    for index in (1, 2):
        sweep(room / "spec.yaml", room, shard=f"{index}/2")
    files: Files = {"spec.yaml": SWEEP.encode()}
    for file in sorted((room / "shards").iterdir()):
        if file.suffix in (".json", ".sqlite"):
            files[f"shards/{file.name}"] = _packed(file) if file.suffix == ".sqlite" else file.read_bytes()
    return [{name: files[name] for name in sorted(files, key=lambda n: n != first)} for first in files]


def _shards(path: Path) -> object:
    from cyclescape.agents.shards import merge_shards

    root = path.parent if path.name == "spec.yaml" else path.parent.parent
    merged = merge_shards(root / "spec.yaml", root)
    for text in merged.damaged:
        if "\n" in text:
            raise AssertionError(text)
    return merged


def _any(rng: Any, data: bytes) -> bytes:
    """By the form of the file."""
    if data.startswith(b"SQLite"):
        return rng.choice(_STORE)(rng, data)
    if data.startswith(b"\x93NUMPY"):
        return rng.choice((in_npy, in_bytes))(rng, data)
    return rng.choice((in_json, in_lines))(rng, data) if data.startswith(b"{") else rng.choice(_YAML)(rng, data)


_QUEUE = 'jobs: 4\ncores: 8\nmemory: 16GB\nwalltime: "02:00:00"\nqueue: short\njob_script_prologue: [module load python]\n'


def _queue(path: Path) -> object:
    """The settings, and the script that would be submitted."""
    from cyclescape.simulator.jobqueue import read

    return read("slurm", str(path))


def _runs_seeds(_: Path) -> Sequence[Files]:
    from cyclescape.cli.experiments.runs import _COLUMNS, CHECKPOINTS

    row = ["cloud-1", "edp", "random", "0", "30", "", "-1.5", "-1.4", "-1.3", *("-1.0" if n <= 30 else "" for n in CHECKPOINTS)]
    return [{"runs.csv": f"{','.join(_COLUMNS)}\n{','.join(row)}\n".encode()}]


def _runs(path: Path) -> object:
    from cyclescape.cli.experiments.runs import _read

    return _read(path)


_HEAD = (in_zip({".json": in_json, ".npz": in_zip({".npy": in_npy}), ".txt": in_lines}, digests_right),) * 4


def _rows_seeds(room: Path) -> list[Any]:
    return [*store_seeds(room), *table_seeds(room)]


def _stored_or_exported(rng: Any, data: bytes) -> bytes:
    return (rng.choice(_STORE) if data.startswith(b"SQLite") else _exported)(rng, data)


PARSERS = (
    Parser("store", store_seeds, _frame, _STORE, weight=0.3),
    Parser("store-verify", store_seeds, _verified, _STORE, weight=0.8),
    Parser("store-report", store_seeds, _page, _STORE, weight=0.4),
    Parser(
        "store-lookup",
        _rows_seeds,
        _study,
        (_stored_or_exported,),
        weight=0.15,
    ),
    Parser("dataset", table_seeds, _frame, (lambda rng, data: _exported(rng, data),), weight=0.15),
    Parser(
        "samples",
        _rows_seeds,
        _samples,
        (_stored_or_exported,),
        weight=0.4,
    ),
    Parser("surrogate", surrogate_seeds, _surrogate, (*_HEAD, in_bytes), weight=0.3),
    Parser(
        "policy",
        policy_seeds,
        _policy,
        (in_zip({"header.npy": in_array_of_json, ".npy": in_npy}),) * 4 + (in_bytes,),
        weight=0.3,
    ),
    Parser("contest-problem", lambda _: [{"p.yaml": _problem_text().encode()}], _problem, _YAML, weight=0.3),
    Parser("contest-truth", _truth_seeds, _truth, (in_json, in_json, in_lines, in_bytes)),
    Parser("contest-table", contest_seeds, _table, (_any,), weight=0.3),
    Parser("contest-study", _kept_seeds, _contest, (_any,), weight=0.15),
    Parser("sweep", lambda _: [{"spec.yaml": SWEEP.encode()}], _sweep, _YAML, weight=0.5),
    Parser("shards", _shard_seeds, _shards, (_any,), weight=0.15),
    Parser("job-queue", lambda _: [{"queue.yaml": _QUEUE.encode()}], _queue, _YAML, weight=0.5),
    Parser("experiment-runs", _runs_seeds, _runs, (in_table, in_lines, in_lines, in_bytes)),
)


def _exported(rng: Any, data: bytes) -> bytes:
    table = in_parquet if data.startswith(b"PAR1") else in_table
    return rng.choice((table, table, table, in_bytes))(rng, data)
