"""Shards of a sweep: every job of a batch system takes each N-th point into a file of its own, and the files merge.

    DIR/array.sh                       the script, whose every index runs `cyclescape sweep ... --shard INDEX/N`
    DIR/spec.yaml                      the specification as it was when the script was written
    DIR/shards/0003-of-1000.sqlite     what shard 3 has done, with a rollback journal: fit for network file systems
    DIR/shards/0003-of-1000.json       that it has done everything, and for which specification

No daemon and no port: a shard needs a Python and the folder.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ..arguments import path_of, whole_number
from ..errors import InputError
from ..reading import MOST_YAML, parse_json, read_bytes, read_text
from ..simulator.files import write_whole
from ..simulator.record import canonical
from ..simulator.sources import model_digest
from ..simulator.store import ResultStore, StoreError

if TYPE_CHECKING:
    from ..simulator.accelerator import Accelerator
    from .sweep import SweepSpec

__all__ = ["SCHEDULERS", "Array", "Merged", "Shard", "digest_of", "merge_shards", "write_array"]

_FOLDER = "shards"
_MOST = 100_000
_SHARD = re.compile(r"[0-9]{1,6}/[0-9]{1,6}")
_NAME = re.compile(r"(\d+)-of-(\d+)\.sqlite")


@dataclass(frozen=True)
class Shard:
    """Every `count`-th point of a sweep, from the `index`-th on; 1/1 is the whole."""

    index: int = 1
    count: int = 1

    @classmethod
    def read(cls, text: str | Self | None) -> Shard:
        """Read "I/N"; raises `InputError`."""
        if text is None:
            return Shard()
        if isinstance(text, Shard):
            return text
        index, _, count = text.partition("/") if isinstance(text, str) else ("", "", "")
        if not (index and _SHARD.fullmatch(text) and 1 <= int(index) <= int(count) <= _MOST):
            raise InputError(f"shard {text!r}: accepted: I/N with I from 1 to N, and N up to {_MOST}")
        return Shard(int(index), int(count))

    @property
    def whole(self) -> bool:
        """Whether it is no shard but everything."""
        return self.count == 1

    @property
    def name(self) -> str:
        """The name of its files."""
        return f"{self.index:0{len(str(self.count))}d}-of-{self.count}"

    def path(self, out: Path) -> Path:
        """Its store."""
        return out / _FOLDER / f"{self.name}.sqlite"

    def mark(self, out: Path, digest: str, rows: int, failed: int) -> None:
        """Write down that everything is done, for the specification of that digest."""
        text = json.dumps({"sweep": digest, "rows": rows, "failed": failed}) + "\n"
        write_whole(self.path(out).with_suffix(".json"), text)

    def finished(self, out: Path, digest: str) -> bool:
        """Whether everything is done."""
        try:
            mark = self.path(out).with_suffix(".json")
            told = parse_json(read_bytes(mark, 1 << 16), str(mark))
            return bool(told["sweep"] == digest) and self.path(out).exists()
        except (InputError, LookupError, TypeError):
            return False


def digest_of(asked: SweepSpec, machine: Accelerator, workloads: Sequence[Any]) -> str:
    """A digest of all that a sweep's rows depend on: the specification, the workloads' content, the model's sources."""
    given = asked.model_dump(mode="json", exclude={"workloads"})
    parts = (canonical(given), *(workload.digest for workload in workloads), model_digest(type(machine)))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Scheduler:
    """How a batch system spells an array of jobs."""

    prefix: str
    index: str
    """The shell's expression for the index of a job, from 1."""
    submit: str
    lines: tuple[str, ...]
    """Directives; {n}: shards, {cores}: of each job, {logs}: folder for what jobs print."""


SCHEDULERS: Mapping[str, Scheduler] = {
    "slurm": Scheduler(
        "#SBATCH", "$SLURM_ARRAY_TASK_ID", "sbatch {script}",
        ("--job-name=cyclescape", "--array=1-{n}", "--cpus-per-task={cores}", "--output={logs}/%a.log"),
    ),
    "lsf": Scheduler(
        "#BSUB", "$LSB_JOBINDEX", "bsub < {script}",
        ('-J "cyclescape[1-{n}]"', "-n {cores}", '-R "span[hosts=1]"', "-o {logs}/%I.log"),
    ),
    "pbs": Scheduler(
        "#PBS", "${PBS_ARRAY_INDEX:-$PBS_ARRAYID}", "qsub {script}",
        ("-N cyclescape", "-J 1-{n}", "-l select=1:ncpus={cores}", "-j oe", "-o {logs}/"),
    ),
    "sge": Scheduler(
        "#$", "$SGE_TASK_ID", "qsub {script}",
        ("-N cyclescape", "-t 1-{n}", "-S /bin/bash", "-j y", "-o {logs}/"),
    ),
}  # fmt: skip
"""Batch systems whose job arrays are known."""


@dataclass(frozen=True)
class Array:
    """A script that is ready to be submitted."""

    script: Path
    submit: str
    """The command that submits it, or once more what is not finished."""
    shards: int


def write_array(
    spec: Path, out: Path, *, shards: int, scheduler: str, jobs: int = 1, directives: Sequence[str] = ()
) -> Array:
    """Write the script of a job array; raises `InputError`. `directives` go to the batch system as they are."""
    if scheduler not in SCHEDULERS:
        raise InputError(f"scheduler {scheduler!r} is not known (accepted: {', '.join(SCHEDULERS)})")
    shards, jobs = whole_number("shards", shards, 2, _MOST), whole_number("jobs", jobs)
    if bad := [line for line in directives if "\n" in line or "\r" in line]:
        raise InputError(f"directive {bad[0]!r}: must be one line")
    folder = out.resolve()
    if re.search(r"[\s%\"'\\]", str(folder)):
        raise InputError(f"{folder}: batch systems take no blanks, quotes or % in the folder of their logs")
    others = sorted({int(match[2]) for path in _stores(folder) if (match := _NAME.fullmatch(path.name))} - {shards})
    if others:
        raise InputError(
            f"{folder / _FOLDER}: shards of {others[0]} are here, not of {shards}: "
            "merge them (--merge), then move the folder away"
        )
    how = SCHEDULERS[scheduler]
    known = {"n": shards, "cores": jobs, "logs": folder / _FOLDER}
    script, copied = folder / "array.sh", folder / "spec.yaml"
    lines = [line.format(**known) for line in how.lines] + list(directives)
    if scheduler == "sge" and jobs > 1 and not any(line.startswith("-pe") for line in directives):
        raise InputError("jobs: SGE wants to know the parallel environment (accepted: --directive '-pe NAME CORES')")
    submit = how.submit.format(script=script)
    command = [sys.executable, "-m", "cyclescape", "sweep", str(copied), "--out", str(folder)]
    text = "\n".join([
        "#!/bin/bash",
        *(f"{how.prefix} {line}" for line in lines),
        f"# A sweep in {shards} shards. Submit: {submit}",
        f"# Again after a failure: what is done is not simulated again. Then: {shlex.join(command[1:])} --merge",
        f"cd {shlex.quote(str(Path.cwd()))} || exit 2",
        f'exec {shlex.join(command)} --shard "{how.index}/{shards}" --jobs {jobs}',
        "",
    ])  # fmt: skip
    try:
        (folder / _FOLDER).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}") from None
    write_whole(copied, read_text(spec, MOST_YAML))
    write_whole(script, text)
    return Array(script, submit, shards)


@dataclass
class Merged:
    """What came of merging."""

    shards: int = 0
    """Files that were read."""
    new: int = 0
    """Rows that the store did not have."""
    rows: int = 0
    """Rows of the store now."""
    unfinished: list[int] = field(default_factory=list)
    """Shards without everything that was asked for."""
    damaged: list[str] = field(default_factory=list)
    """Files that could not be read, and why; the others are merged."""


def merge_shards(spec: str | Path | Mapping[str, Any] | SweepSpec, out: str | Path) -> Merged:
    """Bring the rows of all shards in `out` into its store; again whenever there are more. Nothing is removed.

    A shard that still runs gives what it has. Raises `InputError` if there are no shards.
    """
    from ..simulator.problem import workloads_of
    from ..simulator.registry import accelerator
    from .sweep import SweepSpec

    asked = SweepSpec.read(spec)
    digest = digest_of(asked, accelerator(asked.accelerator), workloads_of(asked.workloads))
    folder = path_of("out", out, "the folder of a sweep's shards")
    files = _stores(folder)
    if not files:
        raise InputError(f"{folder}: no shards here (accepted: a folder in which `sweep --shard I/N` ran)")
    outcome = Merged()
    with ResultStore(folder) as store:
        for file in files:
            try:
                outcome.new += store.merge(file)
                outcome.shards += 1
            except StoreError as error:
                if str(store.path) in str(error) and str(file) not in str(error):
                    raise  # it is the store itself that cannot be written
                outcome.damaged.append(str(error))
        outcome.rows = len(store)
    counts = {int(match[2]) for file in files if (match := _NAME.fullmatch(file.name))}
    finished = [count for count in counts if not _unfinished(folder, count, digest)]
    if not finished:  # one complete division is enough
        outcome.unfinished = _unfinished(folder, max(counts), digest)
    return outcome


def _unfinished(folder: Path, count: int, digest: str) -> list[int]:
    return [i for i in range(1, count + 1) if not Shard(i, count).finished(folder, digest)]


def _stores(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / _FOLDER).glob("*-of-*.sqlite") if _NAME.fullmatch(path.name))
