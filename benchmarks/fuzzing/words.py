"""Parsers of text on a command line: settings, workloads, objectives, agents, evaluators, and whole commands."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from .case import Parser
from .plain import in_bytes, in_lines
from .whole import Files

_LINES = (in_lines, in_lines, in_lines, in_bytes)


def _seeds(*words: str) -> Callable[[Path], Sequence[Files]]:
    return lambda _: [{"words": text.encode()} for text in words]


def _reading(read: Callable[[str], object]) -> Callable[[Path], object]:
    """What takes text, as what takes a file that has it, without the NUL that no argument of a program can have."""
    return lambda path: read(path.read_bytes().decode("utf-8", "surrogateescape").replace("\0", ""))


def _settings(text: str) -> object:
    import cyclescape as cs
    from cyclescape.cli.settings import parameter_values

    name, _, rest = text.partition(" ")
    machine = cs.accelerator(name)
    return machine.design.make(parameter_values(machine, rest.split(" ")))


def _workload(text: str) -> object:
    from cyclescape.traces.catalog import load

    workload = load(text)
    return workload.name, workload.digest


def _objective(text: str) -> object:
    from cyclescape.simulator.objective import Objective
    from cyclescape.simulator.report import Report

    terms, _, limits = text.partition("|")
    objective = Objective.parse(terms, limits)
    report = Report({"time_s": 1.0, "energy_j": 0.0, "area_mm2": 2.0, "utilization": 0.5, "cycles": 10})
    return objective.outcome([report, report]).costs


def _agent(text: str) -> object:
    import cyclescape as cs
    from cyclescape.agents.searcher import make_searcher
    from cyclescape.simulator.objective import Objective
    from cyclescape.simulator.space import Space

    space = Space(cs.accelerator("systolic").design, values={"rows": (4, 8, 16), "dataflow": ("ws", "os")})
    return make_searcher(text, space, Objective.parse("edp"), budget=10, seed=0)


def _evaluator(text: str) -> object:
    import cyclescape as cs
    from cyclescape.simulator.evaluator import make_evaluator

    if text.strip().startswith(("dask", "slurm", "pbs", "lsf", "sge")):
        return None  # starts what it says
    if text.strip().startswith("cached:") and Path(text.strip()[7:]).is_absolute():
        return None  # writes where it says
    with make_evaluator(text, cs.accelerator("systolic")) as evaluator:
        return evaluator.settings


def _evaluator_seeds(room: Path) -> Sequence[Files]:
    from .results import surrogate_seeds, table_seeds

    (name, table), *_ = table_seeds(room)[-1].items()
    (learned, surrogate), *_ = surrogate_seeds(room / "learned", "gp")[0].items()
    words = ("direct", "pool:1", "cached:kept", f"lookup:{name}", f"lookup:{name}:nearest=true", f"surrogate:{learned}")
    return [{"words": text.encode(), name: table, learned: surrogate} for text in words]


def _parts(text: str) -> object:
    """Small forms: a shard, options of a lookup."""
    from cyclescape.agents.shards import Shard
    from cyclescape.simulator.lookup import _options

    kind, _, rest = text.partition(" ")
    return Shard.read(rest) if kind == "shard" else _options(rest)


_COMMANDS = (
    "run systolic --workload tiny.csv --set rows=8 --cols 16 --json",
    "run systolic -w tiny.csv --timeline t.json --html p.html",
    "list parameters systolic",
    "list workloads tiny.csv --json",
    "list metrics",
    "report found",
    "dataset export found --out a.csv",
    "verify found --sample 1",
    "sweep spec.yaml --out swept --shard 1/2",
    "policy show ranking.policy",
    "surrogate predict gp.surrogate --set rows=8 --workload attention:seq_len=8,heads=1",
    "compare check p.yaml --tables tables",
)


def _command_seeds(room: Path) -> Sequence[Files]:
    """What every command names is there for each."""
    from . import results

    rooms = [room / name for name in ("searched", "learned", "trained", "enumerated")]
    for place in rooms:
        place.mkdir(parents=True)
    files = {f"found/{name}": data for name, data in results.store_seeds(rooms[0])[0].items()}
    files |= results.surrogate_seeds(rooms[1], "gp")[0] | results.policy_seeds(rooms[2])[0]
    spec = results.SWEEP.replace("time_limit_s: 60\n", "")  # which is kept by other processes
    files |= results.contest_seeds(rooms[3])[0] | {"spec.yaml": spec.encode()}
    return [{"words": text.encode(), **files} for text in _COMMANDS]


_TOPOLOGY = "Layer, M, N, K,\na, 4, 8, 8,\n"


def _command(text: str) -> object:
    """A whole command that ends soon if its words are other ones, too; what it writes is beside it.

    Exit code 2 says one line on stderr.
    """
    from cyclescape.cli import main
    from cyclescape.errors import InputError

    Path("tiny.csv").write_text(_TOPOLOGY)
    argv = [word for word in text.split(" ") if word]
    out, errors = (
        io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace"),
        io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace"),
    )
    before = sys.argv
    sys.argv = ["cyclescape", *argv]
    code: object = 0
    try:
        with redirect_stdout(out), redirect_stderr(errors):
            main()
    except SystemExit as ended:
        code = ended.code
    finally:
        sys.argv = before
    errors.seek(0)
    said = errors.read()
    if code == 2:
        raise InputError(said.removesuffix("\n"))
    if code not in (0, 1, None) or "Traceback" in said:
        raise AssertionError(f"exit code {code}: {said[-300:]}")
    return code


PARSERS = (
    Parser(
        "settings",
        _seeds(
            "systolic rows=8 cols=16 dataflow=ws",
            "dram-controller page_policy=Closed request_buffer_size=8",
            "streaming graph=naive lanes=2",
            "gpu-core warps=16 register_cache=false",
            "dataflow sockets=2 hbm_gib=1.5",
            "memory-hierarchy l1_kib=16 l1_policy=lru",
            "row-stationary rows=12 cols=14",
        ),
        _reading(_settings),
        _LINES,
        words=True,
    ),
    Parser(
        "workload",
        _seeds(
            "resnet18:batch=2,resolution=64",
            "attention:seq_len=16,heads=2",
            "stream:n=100,writes=every3",
            "zipf:n=50,items=10,skew=1.1",
            "random:n=20,writes=rand:100",
            "matmul:m=4,n=4,k=4,tile=2",
            "shufflenet-v2:width=0.5,sparsity=2:4",
            "vector-add:ctas=2,warps=1",
            "cuda-vector-add:n=64,arch=sm_86",
            "pointer-chase:n=10,nodes=4",
            "transpose:rows=4,cols=4",
            "mobilenet-v1:width=0.25",
        ),
        _reading(_workload),
        _LINES,
        words=True,
        weight=0.3,
    ),
    Parser(
        "objective",
        _seeds(
            "edp",
            "time_s, energy_j|area_mm2<=20",
            "max:utilization,min:cycles|time_s>=0.1; energy_j<=1e-3",
            "min:energy_j*time_s**2/area_mm2",
            "max:utilization/time_s",
        ),
        _reading(_objective),
        _LINES,
        words=True,
    ),
    Parser(
        "agent",
        _seeds(
            "random",
            "genetic:population=8,mutation=0.1",
            "annealing:hot=1.0",
            "nsga2:population=6",
            "auto",
            "guided",
            "ants",
            "sobol",
        ),
        _reading(_agent),
        _LINES,
        words=True,
        weight=0.5,
    ),
    Parser(
        "evaluator",
        _evaluator_seeds,
        _reading(_evaluator),
        _LINES,
        words=True,
        weight=0.5,
    ),
    Parser(
        "small-forms",
        _seeds("shard 3/100", "shard 1/1", "lookup a.csv:nearest=true,machine=systolic", "lookup x"),
        _reading(_parts),
        _LINES,
        words=True,
    ),
    Parser(
        "command",
        _command_seeds,
        _reading(_command),
        _LINES,
        words=True,
        weight=0.3,
    ),
)
