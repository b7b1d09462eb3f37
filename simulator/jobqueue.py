"""Dask workers as jobs of a batch system, from a YAML file:

    jobs: 10              # how many to submit
    cores: 8              # of each job, and as many workers
    memory: 16GB
    walltime: "02:00:00"
    queue: short          # and whatever else the batch system's class of dask-jobqueue takes

The file's names are those of dask-jobqueue, which writes the job scripts and submits them.
"""

from __future__ import annotations

import inspect
import shutil
from typing import Any

from ..errors import InputError, MissingExtraError, said
from ..reading import read_yaml

__all__ = ["submitted"]

_CLASSES = {"slurm": "SLURMCluster", "lsf": "LSFCluster", "pbs": "PBSCluster", "sge": "SGECluster"}
_SUBMIT = {"slurm": "sbatch", "lsf": "bsub", "pbs": "qsub", "sge": "qsub"}


def submitted(queue: str, file: str) -> tuple[Any, dict[str, int]]:
    """Start a scheduler here, submit its workers; return the cluster and what `scale` was called with. Raises `InputError`."""
    jobs, options = read(queue, file)
    # dask-jobqueue would try again and again, in the background, and never say so to us.
    if shutil.which(_SUBMIT[queue]) is None:
        raise InputError(f"{queue}:{file}: no {_SUBMIT[queue]!r} on the PATH (accepted: a machine that submits jobs)")
    cluster = prepared(queue, file, options)
    try:
        cluster.scale(jobs=jobs)
    except Exception as error:
        cluster.close()
        raise InputError(f"{file}: {queue} did not take the jobs: {said(error)}") from None
    return cluster, {"jobs": jobs}


def prepared(queue: str, file: str, options: dict[str, Any]) -> Any:
    """Return the cluster before anything is submitted; its `job_script()` shows what would be."""
    try:
        import dask_jobqueue
    except ImportError:
        raise MissingExtraError(f"evaluator '{queue}:{file}'", "cluster") from None
    options.setdefault("scheduler_options", {"dashboard_address": ":0"})  # several people on one login node
    prologue = ["export DASK_DISTRIBUTED__WORKER__DAEMON=False", *options.pop("job_script_prologue", [])]
    try:
        return getattr(dask_jobqueue, _CLASSES[queue])(job_script_prologue=prologue, **options)
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        raise InputError(f"{file}: {said(error)}") from None


def read(queue: str, file: str) -> tuple[int, dict[str, Any]]:
    """Return the number of jobs and the options of the cluster's class."""
    if not file:
        raise InputError(f"evaluator {queue!r}: which options? (accepted: {queue}:FILE.yaml with jobs, cores, memory, ...)")
    given = read_yaml(file, "a YAML file with jobs, cores, memory, ...")
    if not isinstance(given, dict):
        raise InputError(f"{file}: a mapping is wanted (accepted: jobs, cores, memory, walltime, ...)")
    options = dict(given)
    jobs = options.pop("jobs", 1)
    if isinstance(jobs, bool) or not isinstance(jobs, int) or not 1 <= jobs <= 10_000:
        raise InputError(f"{file}: jobs={jobs!r}: accepted: a whole number from 1 to 10000")
    if missing := [name for name in ("cores", "memory") if name not in options]:
        raise InputError(f"{file}: {missing[0]}: missing (accepted: jobs, cores, memory, walltime, ...)")
    accepted = _accepted(queue, file)
    if unknown := [name for name in options if name not in accepted]:
        raise InputError(f"{file}: {unknown[0]}: unknown option (accepted: jobs, {', '.join(accepted)})")
    options.setdefault("processes", options["cores"])
    return jobs, options


def _accepted(queue: str, file: str) -> list[str]:
    """Every option of the class of dask-jobqueue and of its jobs."""
    try:
        import dask_jobqueue
        from dask_jobqueue.core import Job
    except ImportError:
        raise MissingExtraError(f"evaluator '{queue}:{file}'", "cluster") from None
    kind = getattr(dask_jobqueue, _CLASSES[queue])
    names = {*inspect.signature(kind.__init__).parameters, *inspect.signature(kind.job_cls.__init__).parameters}
    names |= {*inspect.signature(Job.__init__).parameters}
    private = {
        "self", "job_kwargs", "base_class_kwargs", "n_workers", "job_cls", "loop", "asynchronous", "scheduler",
        "dashboard_address",
    }  # fmt: skip
    return sorted(names - private)
