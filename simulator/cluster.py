"""Evaluation on a Dask cluster: one that runs already, one on this machine, or jobs of a batch system.

    dask:tcp://host:8786     the scheduler that answers there
    dask:4                   four workers on this machine (`dask` alone: one for each core)
    slurm:FILE.yaml          jobs that dask-jobqueue submits; also lsf, pbs, sge. See `jobqueue`

Workers need the same cyclescape: one whose model has other sources is refused, so that no row has a wrong key.
Each worker simulates one chunk at a time, whatever its number of threads. A worker that dies loses its chunk, which
is run again; new workers join at any time.
"""

from __future__ import annotations

import contextlib
import logging
import pickle
import time
import warnings
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

from ..errors import CyclescapeError, InputError, MissingExtraError, said
from .accelerator import Accelerator
from .chunks import Chunked, Dead, Lost
from .design import Design
from .evaluator import Pace
from .pool import workers_of
from .report import Report
from .sources import model_digest

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["QUEUES", "Cluster"]

QUEUES = ("slurm", "lsf", "pbs", "sge")
"""Batch systems that dask-jobqueue submits to."""

_CHUNK_S = 0.25
_SCHEDULER_S = 0.02
"""Client and scheduler take some milliseconds for a task: chunks get longer by this for each worker, so that those keep up."""
_OWN = {
    "distributed.worker.daemon": False,  # daemons could not start the process that a time limit ends
    "distributed.scheduler.allowed-failures": 0,  # we count
    "distributed.scheduler.worker-saturation": 1.0,  # nothing waits in a worker, to be taken for what killed it
}
"""Settings of clusters that are started here."""
_ANSWER_S = 15.0
_STARTS = 3
_ALONE_S = 30.0


class Cluster(Chunked):
    """Simulates on the workers of a Dask scheduler. With `time_limit_s` a design that takes longer fails.

    Raises `InputError` for an address at which no scheduler answers, `MissingExtraError` without Dask.
    """

    ahead = 3

    def __init__(
        self,
        machine: Accelerator,
        where: str,
        *,
        queue: str = "",
        time_limit_s: float | None = None,
        engine: str | None = None,
    ) -> None:
        super().__init__(machine, 1, Pace(_CHUNK_S), engine)
        self.name = f"{queue or 'dask'}{':' if where else ''}{where}"
        self.time_limit_s = time_limit_s
        self._own: Any = None
        self._asked: dict[str, int] = {}
        """How many workers or jobs to keep, as the cluster that was started here takes it."""
        self._sent: set[str] = set()
        self._looked = self._alone = time.monotonic()
        try:
            import dask
            import distributed
        except ImportError:
            raise MissingExtraError(f"evaluator {self.name!r}", "cluster") from None
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what ends a worker ends up in a row or an error
        self._configured = contextlib.ExitStack()
        self._configured.enter_context(dask.config.set(_OWN))
        try:
            self._client = self._connected(distributed, where, queue)
        except BaseException:
            self.close()
            raise
        # Another's scheduler has tried a chunk on several workers (four, by default) before it says that it killed them.
        self.attempts, self.together = (1, 1) if self._own is None else (2, 2)
        self._look()

    def _connected(self, distributed: Any, where: str, queue: str) -> Client:
        if queue:
            from .jobqueue import submitted

            self._own, self._asked = submitted(queue, where)
        elif not where or where.isdecimal():
            self._asked = {"n": workers_of(where, "dask")}
            self._own = self._here(distributed, self._asked["n"])
        try:
            client: Client = distributed.Client(self._own or where, timeout=_ANSWER_S, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                f"evaluator {self.name!r}: no Dask scheduler answers there: {said(error)} (accepted: dask, dask:N, dask:tcp://HOST:PORT)"
            ) from None
        return client

    def _here(self, distributed: Any, workers: int) -> Any:
        """A scheduler and workers on this machine; tried again, since one worker that dies while it starts ends the start."""
        for attempt in range(_STARTS):
            try:
                return distributed.LocalCluster(
                    n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL
                )
            except (RuntimeError, OSError, TimeoutError) as error:
                if attempt == _STARTS - 1:
                    raise CyclescapeError(
                        f"{self.name}: the workers do not start: {said(error)} (a script must be a file, and guarded by "
                        "if __name__ == '__main__')"
                    ) from None
        raise AssertionError

    def _look(self) -> None:
        """See how many workers there are; warn where there have been none for a while."""
        now = time.monotonic()
        self._looked = now
        if self._client.status != "running":
            raise CyclescapeError(f"{self.name}: the scheduler is gone; what came back is kept: run the same again to go on")
        try:
            workers = len(self._client.nthreads())
        except (OSError, ValueError) as error:
            raise CyclescapeError(f"{self.name}: the scheduler is gone ({said(error)}); run the same again to go on") from None
        if self._own is not None and len(self._own.workers) < sum(self._asked.values()):
            self._own.scale(**self._asked)  # it gives up workers that stay away for long, and jobs come to their end
        if workers:
            self._alone = now
        elif now - self._alone > _ALONE_S:
            self._alone = now
            warnings.warn(f"{self.name}: no workers for {_ALONE_S:.0f} s; waiting for some", stacklevel=2)
        self.width = max(1, workers)
        limit = self.time_limit_s
        target = max(_CHUNK_S, _SCHEDULER_S * self.width)
        self._pace.target_s = target if limit is None else min(target, limit / 4)

    def _prepare(self, workload: Any, engine: str) -> Any:
        from .cluster_worker import Carrier, Task

        if workload.digest not in self._sent:  # workers that come later get it as well, before their first chunk
            self._client.register_plugin(Carrier(workload.digest, pickle.dumps(workload)), name=f"cyclescape-{workload.digest}")
            self._sent.add(workload.digest)
        return Task(type(self.machine), workload.digest, engine, self.time_limit_s)

    def _send(self, designs: list[Design], task: Any) -> Any:
        from .cluster_worker import simulate

        if time.monotonic() - self._looked > 2.0:
            self._look()
        try:
            return self._client.submit(simulate, [design.model_dump() for design in designs], task, pure=False)
        except (RuntimeError, OSError, ValueError) as error:  # the client is closed
            raise CyclescapeError(f"{self.name}: the scheduler is gone ({said(error)}); run the same again to go on") from None

    def _received(self, future: Any) -> list[Report] | Dead:
        from distributed.scheduler import KilledWorker

        try:
            answer = future.result()
        except KilledWorker:
            return Dead(Report.failed("the worker process died", retry_above_s=0.0), again=True)
        except (CancelledError, OSError, TimeoutError) as error:
            raise Lost(said(error)) from None
        except CyclescapeError:
            raise
        except Exception as error:
            return Dead(Report.failed(f"the worker process could not answer: {said(error)}"), again=False)
        mine = model_digest(type(self.machine))
        if type(self.machine).__module__ != "__main__" and answer.model != mine:
            raise CyclescapeError(
                f"{self.name}: the worker on {answer.host} (cyclescape {answer.version}) has other sources of "
                f"{self.machine.name}: install the same on all, or let them share one installation"
            )
        self._pace.note(len(answer.reports), answer.seconds)
        reports: list[Report] = answer.reports
        return reports

    def _restart(self, error: Lost, fruitless: int) -> None:
        if fruitless > 3:
            raise CyclescapeError(f"{self.name}: chunks keep being lost ({error}); run the same again to go on")
        self._look()

    def close(self) -> None:
        """Leave the cluster; end it if it was started here."""
        for held in (getattr(self, "_client", None), self._own):
            if held is not None:
                with contextlib.suppress(Exception):
                    held.close(timeout=5)
        self._own = None
        self._configured.close()
