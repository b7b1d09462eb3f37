"""Run a whole network on the DRAM behind the array: `memory="dram"`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...errors import InputError
from ...simulator.memory.dram.bursts import BurstPort
from ...simulator.memory.dram.controller.state import CAUSES
from ...simulator.memory.dram.devices import Device
from ...simulator.memory.dram.energy import currents_of, energy_j
from ...simulator.memory.dram.results import RankActivity
from . import engines
from .components import STALLS, JobRun
from .design import SystolicDesign
from .dram import execute, list_transfers
from .dram_reference import walk
from .lowering import JobTable, field
from .offchip import Memory, regions
from .program import FUSED, RESULT
from .program import STALLS as FIRST_STALL
from .timing import N_ACC

__all__ = ["CAUSES", "MOST_TRANSFERS", "DramOutcome", "run_on_dram"]

MOST_TRANSFERS = 2**22


@dataclass(frozen=True)
class DramOutcome:
    """What the memory did, beside the times that are written into the result rows."""

    stalls_s: np.ndarray
    """Seconds of stalls of each job by what the data bus did meanwhile: (jobs, len(CAUSES))."""
    energy_j: float | None
    """Of all ranks, all the time; None where no currents are known for the device."""


@dataclass(frozen=True)
class Job:
    """One operator, ready to run."""

    tables: tuple[np.ndarray, ...]
    counts: tuple[int, int, int, int]
    begin: np.ndarray
    apart: np.ndarray
    steps: int
    transfers: int


class _Activity(NamedTuple):
    """What the energy formulas ask of a run."""

    device: Device
    ranks: tuple[RankActivity, ...]
    cycles: int


def run_on_dram(
    design: SystolicDesign, jobs: JobTable, rows: np.ndarray, engine: str = "compiled", log: dict[int, JobRun] | None = None
) -> DramOutcome:
    """Time every job on the design's DRAM and write cycles and stalls into its row of results.

    The engine `simpy` puts what it saw of each job into `log`, if there is one.

    Raises `InputError` for an operator that the memory cannot hold, or a run of too many transfers.
    """
    memory = design.offchip
    assert memory is not None
    heads = [j for j, row in enumerate(rows) if row[FUSED] >= 0]
    ready = [prepare(design, jobs, j, rows[j], memory) for j in heads]
    total = sum(job.transfers for job in ready)
    if total > MOST_TRANSFERS:
        raise InputError(f"memory=dram: {total} tile transfers; accepted: at most 2^22 (larger scratchpads need fewer)")
    port = BurstPort(memory.system, max(total, 1))
    up, down = memory.ticks.numerator, memory.ticks.denominator
    accounts, base, booked = np.zeros((len(rows), len(CAUSES)), np.int64), 0, 0
    for j, job in zip(heads, ready, strict=True):
        row = rows[j]
        stalls = np.zeros(N_ACC, np.int64)
        if engine == "compiled":
            steps, transfers = np.zeros((job.steps, 5), np.int64), np.zeros((job.transfers, 5), np.int64)
            list_transfers(*job.tables[:8], job.begin, job.apart, steps, transfers)
            cycles = int(execute(port.state, steps, transfers, job.tables[8], design.dataflow == "is", base, up, down,
                                 stalls, accounts[j], np.zeros(0, np.int64)))
            assert cycles >= 0, "a transfer came too late for the memory"
        else:
            plan = engines.job_plan(design, jobs, j, row)
            begin, apart = job.begin.tolist(), job.apart.tolist()
            seen, account = walk(plan, job.counts, begin, apart, port, memory.ticks, base)
            accounts[j] = [account[cause] for cause in CAUSES]
            if log is not None:
                log[j] = seen
            cycles, stalls[: len(STALLS)] = seen.cycles, [seen.stalls[name] for name in STALLS]
        is_vector = bool(jobs.row(j)[field("vector")])
        beside = engines.vector_cycles(design, jobs, j, row)
        _write(row, is_vector, cycles, beside, stalls)
        busy = int(port.booked()[:, CAUSES.index("busy")].sum())
        row[RESULT.index("port_busy_cycles")] = (busy - booked) * down // (up * memory.system.data_buses)
        booked = busy
        base += max(cycles, beside)
    ticks = -(-base * up // down)
    currents = currents_of(memory.system.device)
    energy = None
    if currents is not None:
        activity = _Activity(memory.system.device, port.ranks(ticks), ticks)
        ranks = energy_j(activity, currents)  # type: ignore[arg-type]
        energy = float(sum(part for rank in ranks for part in rank.values()))
    return DramOutcome(accounts * (memory.system.device.tick_ps * 1e-12), energy)


def prepare(design: SystolicDesign, jobs: JobTable, j: int, row: np.ndarray, memory: Memory) -> Job:
    tables = engines.step_tables(design, jobs, j, row)
    trips, dims, full, last, *bits, _ = tables
    along = dict(zip(dims.tolist(), trips[1:].tolist(), strict=True))
    groups, m, n, k = int(trips[0]), along[0], along[1], along[2]
    most = max(int(full) if groups > 1 else 0, int(last))
    sizes = (groups * m * k, groups * k * n, groups * m * n, groups * m * n if k > 1 else 0)
    largest = tuple(most * int(table.max()) for table in bits)
    begin, apart = regions(jobs.names[jobs.operator[j]], sizes, largest, memory)
    none = np.zeros((0, 5), np.int64)
    steps, transfers = list_transfers(*tables[:8], begin, apart, none, none)
    return Job(tables, (groups, m, n, k), begin, apart, int(steps), int(transfers))


def _write(row: np.ndarray, is_vector: bool, cycles: int, beside: int, stalls: np.ndarray) -> None:
    """Replace the times that were planned with those that were seen; `beside` is the vector unit's for what is fused."""
    row[RESULT.index("cycles")] = max(cycles, beside)
    row[FIRST_STALL : FIRST_STALL + len(STALLS)] = stalls[: len(STALLS)]
    if not is_vector:
        busy = cycles - int(stalls[: len(STALLS)].sum())
        row[RESULT.index("fill_drain_cycles")] = busy - row[RESULT.index("compute_cycles")]
        row[RESULT.index("vector_cycles")] = max(0, beside - cycles)
