"""Sweeps: every point of a grid, or a sample of the space, on one or several workloads, into a store.

    accelerator: systolic
    workloads: [resnet18, mobilenet_v1]
    preset: tpu-v1-like                    # what it names stays, but for parameters of the grid
    set: {frequency_mhz: 700}              # parameters that stay
    grid: {rows: [16, 32, 64], cols: all}  # every combination; "all" is what the machine declares; grid: all is what is left
    sample: {n: 1000, seed: 0}             # instead of every combination so many, without repeats; without grid of all of it
    time_limit_s: 60
    evaluator: surrogate:FILE              # instead of the simulator; rows say so

A sweep resumes by itself: what the store holds is not simulated again. It runs in this process, in several, on a
cluster, or as one of many shards (`shards`), with the same rows.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from ..arguments import MOST_SEED, no_flag, path_of, plain, whole_number
from ..errors import InputError, Interrupted, explain
from ..reading import read_yaml
from ..simulator.accelerator import Accelerator
from ..simulator.cluster import QUEUES
from ..simulator.evaluator import Cached, make_evaluator
from ..simulator.files import write_whole
from ..simulator.permutation import Permutation
from ..simulator.problem import check_values, workloads_of
from ..simulator.registry import accelerator as find
from ..simulator.space import Space
from ..simulator.store import ResultStore
from .shards import Shard, digest_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Points", "Progress", "Sample", "Sweep", "SweepSpec", "checked", "sweep"]

_REPORT_S = 0.2


class Sample(BaseModel):
    """So many points, drawn uniformly without repeats; a larger sample of the same seed begins with a smaller one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: Annotated[int, BeforeValidator(no_flag), Field(ge=1)]
    seed: Annotated[int, BeforeValidator(no_flag), Field(ge=0, le=MOST_SEED)] = 0


class SweepSpec(BaseModel):
    """What to sweep; see the module for an example."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    accelerator: str
    workloads: Annotated[tuple[Any, ...], Field(min_length=1)]
    preset: str | None = None
    set: dict[str, Any] = {}
    grid: dict[str, tuple[Any, ...] | Literal["all"]] | Literal["all"] = {}
    sample: Sample | None = None
    time_limit_s: Annotated[Annotated[float, Field(gt=0)] | None, BeforeValidator(no_flag)] = None
    engine: str | None = None
    evaluator: str | None = None
    """Who answers, such as "surrogate:FILE"; the simulator if not given."""

    @model_validator(mode="before")
    @classmethod
    def _one_workload(cls, given: Any) -> Any:
        """Accept `workload: NAME` and a single name under `workloads`."""
        if isinstance(given, Mapping):
            given = dict(given)
            if "workload" in given and "workloads" not in given:
                given["workloads"] = given.pop("workload")
            if "workloads" in given and not isinstance(given["workloads"], list | tuple):
                given["workloads"] = [given["workloads"]]
        return given

    @field_validator("grid", mode="before")
    @classmethod
    def _lists(cls, given: Any) -> Any:
        """Say what a grid is made of, in place of every form that it does not have."""
        if not isinstance(given, Mapping):
            return given
        lists: dict[str, Any] = {}
        for name, listed in given.items():
            listed = plain(listed)
            if isinstance(listed, Sequence) and not isinstance(listed, str | bytes):
                lists[name] = tuple(map(plain, listed))
            elif isinstance(listed, str) and listed == "all":
                lists[name] = listed
            else:
                raise ValueError(f"{name}={listed!r}: accepted: a list of values, or all")
        return lists

    @field_validator("set", mode="before")
    @classmethod
    def _plain(cls, given: Any) -> Any:
        """Numpy's numbers as Python's, which can be written down."""
        return {name: plain(value) for name, value in given.items()} if isinstance(given, Mapping) else given

    @classmethod
    def read(cls, given: str | Path | Mapping[str, Any] | SweepSpec) -> SweepSpec:
        """Read a YAML file or take a mapping; raises `InputError` with file and field."""
        if isinstance(given, SweepSpec):
            return given
        if not isinstance(given, str | PathLike | Mapping):
            raise InputError(f"sweep: {given!r}: accepted: a YAML file, or a mapping of accelerator, workloads, set, grid, ...")
        where = "sweep" if isinstance(given, Mapping) else str(given)
        values = given if isinstance(given, Mapping) else read_yaml(given, "a YAML file")
        if not isinstance(values, Mapping):
            raise InputError(f"{where}: a mapping is wanted (accepted: accelerator, workloads, set, grid, ...)")
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            accepted = ", ".join(cls.model_fields)
            raise InputError(f"{where}: {explain(error)} (accepted fields: {accepted})") from None

    def space(self, machine: Accelerator) -> Space:
        """The points of the sweep; raises `InputError` for a parameter or value that cannot be.

        What is set stays, and so does what the preset names where the grid does not name it, too.
        """
        known = machine.design.parameters()
        fixed = dict(self.set)
        if self.preset is not None:
            fixed = machine.design.make(fixed, preset=self.preset).model_dump()
        stay = {*self.set, *(machine.design.presets[self.preset] if self.preset is not None else ())}
        grid = self.grid
        if grid == "all" or (not grid and self.sample is not None):
            grid = {name: "all" for name in known if known[name].explored and name not in stay}
        if not grid:
            why = f": preset {self.preset!r} names all that would be explored" if self.preset is not None else ""
            accepted = "grid: {parameter: [values] or all}, or sample: {n: N}"
            raise InputError(f"sweep: nothing varies{why} (accepted: {accepted})")
        values: dict[str, tuple[Any, ...]] = {}
        for name, listed in grid.items():
            if name in self.set:
                raise InputError(f"sweep: {name} is both set and swept")
            if listed == "all":
                listed = known[name].explored if name in known else ()
                if name in known and not listed:
                    raise InputError(f"sweep: {name}: the machine declares no values to explore; list them")
            values[name] = tuple(listed)
            fixed.pop(name, None)
        fixed, values = check_values(machine.design, fixed, values)
        for name, parameter in known.items():
            if name not in values:
                fixed.setdefault(name, parameter.default)
        return Space(machine.design, fixed, values)


@dataclass(frozen=True)
class Progress:
    """How far a sweep is. Rows are designs times workloads."""

    total: int
    done: int
    reused: int
    """Rows that the store had already."""
    failed: int
    seconds: float

    @property
    def left_s(self) -> float:
        """Seconds that remain at the rate so far (infinite before the first new row)."""
        fresh = self.done - self.reused
        return self.seconds / fresh * (self.total - self.done) if fresh else float("inf")


@dataclass(frozen=True)
class Sweep:
    """A finished sweep."""

    path: Path
    progress: Progress

    def frame(self) -> pd.DataFrame:
        """Everything in the store, as `load` gives it."""
        with ResultStore(self.path, readonly=True) as store:
            return store.frame()


def sweep(
    spec: str | Path | Mapping[str, Any] | SweepSpec,
    out: str | Path,
    *,
    jobs: int = 1,
    cluster: str | None = None,
    shard: str | Shard | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Sweep:
    """Run a sweep into the store in `out`: in `jobs` processes, or on a `cluster` (`dask:ADDRESS`, `slurm:FILE`, ...).

    With `shard` ("3/100") only every 100th point runs, into a file of its own; `merge_shards` brings them together.
    Resumes by itself, safe to kill. Raises `InputError` for a wrong specification, and `Interrupted` on Ctrl-C with
    what is kept.
    """
    mine = Shard.read(shard)
    folder = path_of("out", out, "a folder for the store")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is no folder (accepted: a folder for the store, made if it is not there)")
    asked, executor, machine, workloads, space = checked(spec, jobs, cluster)
    chosen = Points(space, asked.sample, mine)
    total = len(chosen) * len(workloads)
    place = folder if mine.whole else mine.path(folder)
    inner = make_evaluator(executor, machine, time_limit_s=asked.time_limit_s, engine=asked.engine)
    # The rollback journal of a shard needs no memory shared between hosts, which network file systems do not have.
    with inner, ResultStore(place, log=mine.whole) as store:
        evaluator = Cached(inner, store, time_limit_s=asked.time_limit_s)
        shown = asked.model_copy(update={"workloads": tuple(workload.name for workload in workloads)})
        write_whole(folder / "sweep.json", json.dumps(shown.model_dump(mode="json"), indent=2) + "\n")
        done = failed = 0
        start = last = time.monotonic()

        def state() -> Progress:
            return Progress(total, done, evaluator.hits, failed, time.monotonic() - start)

        try:
            for workload in workloads:
                designs = ({**space.fixed, **point} for point in chosen)
                with closing(evaluator.batches(designs, workload, ordered=False)) as batches:
                    for _, report in chain.from_iterable(batches):
                        done += 1
                        failed += not report.ok
                        if progress is not None and time.monotonic() - last >= _REPORT_S:
                            last = time.monotonic()
                            progress(state())
        except KeyboardInterrupt:
            raise Interrupted(
                f"interrupted after {done} of {total} rows; they are kept in {place}: run the same sweep again to go on"
            ) from None
        if progress is not None:
            progress(state())
        if not mine.whole:
            mine.mark(folder, digest_of(asked, machine, workloads), done, failed)
        return Sweep(place, state())


def checked(
    spec: str | Path | Mapping[str, Any] | SweepSpec, jobs: int = 1, cluster: str | None = None
) -> tuple[SweepSpec, str, Accelerator, tuple[Any, ...], Space]:
    """A specification that can run: it, its evaluator, machine, workloads and points; raises `InputError`."""
    asked = SweepSpec.read(spec)
    jobs = whole_number("jobs", jobs)
    if asked.evaluator and (jobs != 1 or cluster):
        raise InputError(f"evaluator {asked.evaluator!r} of the sweep, and jobs or a cluster: accepted: one of them")
    executor = asked.evaluator or _executor(jobs, cluster)
    machine = find(asked.accelerator)
    workloads = workloads_of(asked.workloads)
    for workload in workloads:
        machine.check(workload, asked.engine)
    try:
        space = asked.space(machine)
    except InputError as error:
        raise InputError(f"{spec}: {error}" if isinstance(spec, str | Path) else str(error)) from None
    return asked, executor, machine, workloads, space


def _executor(jobs: int, cluster: str | None) -> str:
    """The name of the evaluator that simulates."""
    if cluster is None:
        return "direct" if jobs == 1 else f"pool:{jobs}"
    if jobs != 1:
        raise InputError("jobs and cluster: one of them (a cluster has its own number of workers)")
    kind = cluster.partition(":")[0] if isinstance(cluster, str) else ""
    if kind not in ("dask", *QUEUES):
        accepted = ["dask", "dask:N", "dask:ADDRESS", *(f"{queue}:FILE" for queue in QUEUES)]
        raise InputError(f"cluster {cluster!r} is not known (accepted: {', '.join(accepted)})")
    return cluster


class Points:
    """The points of a sweep, or of one shard of it, computed one by one as they are asked for."""

    def __init__(self, space: Space, sample: Sample | None = None, shard: Shard | None = None) -> None:
        self._space, shard = space, shard or Shard()
        size = space.size
        everything = sample is None or sample.n >= size
        self._order = None if everything or sample is None else Permutation(size, sample.seed)
        self._places = range(shard.index - 1, size if everything or sample is None else sample.n, shard.count)

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        space, order = self._space, self._order
        for place in self._places:
            yield space.point(space.unrank(place if order is None else order(place)))
