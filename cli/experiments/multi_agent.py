"""One agent for each parameter, or one for all? The DRAM controller's ten knobs, as in arXiv 2211.16385, on equal terms."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...agents.paired import Difference, difference
from ...errors import InputError
from ...simulator.registry import accelerator
from ...simulator.space import Space
from .outcome import Finding, Outcome, Part
from .runs import CHECKPOINTS, Course, Known, Task, perform

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["SIZES", "Size", "reachable", "run", "study"]

MACHINE = "dram-controller"
TRACES = ("stream", "random", "cloud-1", "cloud-2")
OBJECTIVES = {"power": "power_w", "latency": "time_s", "joint": "power_w*time_s"}
DECODED = "decoded"
"""The places that the published decoder reaches."""
_MATTERS = 0.1
"""Difference in % from which a design counts as worse."""


@dataclass(frozen=True)
class Arm:
    """An agent as the study has it."""

    name: str
    agent: str
    limited: str = ""


TEAM = Arm("team", "ippo")
OTHERS = (
    Arm("one, factorised", "ppo"), Arm("one, sequential", "ppo:form=sequential"), Arm("one, SAC", "sac"),
    Arm("random", "random"),
)  # fmt: skip
CENTRAL = Arm("team, central critic", "ippo:critic=central")
DECODER = Arm("one, SAC, published decoder", "sac", DECODED)
MAIN = (TEAM, *OTHERS)
FURTHER = (DECODER, CENTRAL)
MEASURES = {
    "final": "the best at the end", "area": "the best so far, over the whole search",
    "late": "the mean of the last quarter",
}  # fmt: skip


_ALIKE = (
    "Where they have them, all have the same learning rate (0.003), networks (two layers of 64), rollouts (32 designs), epochs "
    "(10), clipping (0.2) and entropy bonus (0.01). Team: a PPO learner for each knob, which knows the shared reward and "
    "nothing of the others. One: PPO with a head for each knob, PPO that chooses the knobs in turn, SAC on a box. Differences "
    "are paired by problem and seed: by how many % the other agent's objective is higher than the team's, so that above 0 "
    "the team is better. Intervals hold 95 % of the bootstrap over seeds; the problems are given."
)


@dataclass(frozen=True)
class Size:
    """How much is run."""

    requests: int
    traces: tuple[str, ...]
    objectives: tuple[str, ...]
    seeds: int
    further_seeds: int
    """Seeds of what stands beside the claim: the published decoder and the central critic."""
    budget: int
    takes: str
    """CPU time, for people."""


SIZES = {
    "quick": Size(200, ("stream", "cloud-1"), ("latency", "joint"), 2, 1, 50, "a quarter of a CPU minute"),
    "full": Size(1000, TRACES, tuple(OBJECTIVES), 5, 1, 300, "about ten CPU minutes"),
}


def run(size: str = "quick", runs: Path | None = None) -> Outcome:
    """Run the study; with `runs` each search is kept in that CSV file as it ends, and what is there is not run again."""
    if size not in SIZES:
        raise InputError(f"size {size!r}: accepted: {', '.join(SIZES)}")
    chosen = SIZES[size]
    space = Space(accelerator(MACHINE).design)
    evaluator = Known(MACHINE, ("power_w", "time_s"))
    courses = perform(tasks(chosen), evaluator, {DECODED: reachable(space)}, runs, _told)
    return study(chosen, courses)


def _told(done: int, of: int) -> None:
    if done % 20 == 0 or done == of:
        print(f"{done} of {of} searches", file=sys.stderr)


def arms(size: Size) -> list[tuple[Arm, int]]:
    """Every agent of a size, and with how many seeds."""
    return [*((arm, size.seeds) for arm in MAIN), *((arm, size.further_seeds) for arm in FURTHER)]


def tasks(size: Size) -> list[Task]:
    """Every search: first what the claim is about, all of a seed before the next, then the rest."""
    found = [
        (arm in MAIN, seed, _task(size, trace, objective, arm, seed))
        for arm, seeds in arms(size) for seed in range(seeds) for trace, objective in _problems(size)
    ]  # fmt: skip
    return [task for _, _, task in sorted(found, key=lambda entry: (not entry[0], entry[1]))]


def _problems(size: Size) -> list[tuple[str, str]]:
    return [(trace, objective) for trace in size.traces for objective in size.objectives]


def _task(size: Size, trace: str, objective: str, arm: Arm, seed: int) -> Task:
    """Seeds differ between problems, for an agent's first designs depend on its seed alone."""
    own = 100 * _problems(size).index((trace, objective)) + seed
    return Task(f"{trace}:n={size.requests}", OBJECTIVES[objective], arm.agent, own, size.budget, arm.limited)


def reachable(space: Space) -> dict[str, tuple[Any, ...]]:
    """Values that the published single agent can propose.

    `action_mapper` of oss-arch-gym (arch_gym/envs/envHelpers.py) takes the last of the boundaries -1, -1 + 2/k, ... that is
    at most round(a), for an action a in -1..1 and k values. Rounded are -1, 0 and 1, so the first, the middle and the last.
    """
    return {
        name: tuple(listed[at] for at in sorted({0, len(listed) // 2, len(listed) - 1}))
        for name, listed in space.values.items()
    }


Read = Callable[[Course], float]
Of = Callable[[Arm, Read], np.ndarray]


def study(size: Size, courses: Sequence[Course]) -> Outcome:
    """What follows from the runs."""
    known = {course.task: course for course in courses}

    def of(arm: Arm, read: Read) -> np.ndarray:
        """float64[problems, seeds]; NaN where an agent has fewer seeds."""
        table = [
            [known.get(_task(size, trace, objective, arm, seed)) for seed in range(size.seeds)]
            for trace, objective in _problems(size)
        ]
        return np.array([[np.nan if course is None else read(course) for course in row] for row in table])

    least = np.nanmin([of(arm, lambda course: course.final) for arm, _ in arms(size)], axis=(0, 2))
    parts = [
        Part("what each agent reaches", [_reached(size, arm, of, least) for arm in (*MAIN, *FURTHER)]),
        *(_compared(measure, of) for measure in MEASURES),
        Part("each problem: how much better the team is than one factorised agent, %", _by_problem(size, of)),
        _decoder(size, of, least),
    ]  # fmt: skip
    objectives = ", ".join(f"{name} ({OBJECTIVES[name]})" for name in size.objectives)
    setup = (
        f"The ten knobs of `{MACHINE}` (442,368 designs), {size.requests:,} requests of {', '.join(size.traces)}; objectives "
        f"{objectives}: {len(_problems(size))} problems. Each agent searches each with {size.seeds} seeds (the central "
        f"critic and the published decoder: {size.further_seeds}) and {size.budget} designs, repeats uncharged. "
        f"{_ALIKE} This size takes {size.takes}."
    )
    return Outcome("multi-agent", setup, tuple(parts), partial(_draw, size, known, least))


def _reached(size: Size, arm: Arm, of: Of, least: np.ndarray) -> dict[str, Any]:
    """How near an agent comes to the least that any found, in % (geometric mean over problems and seeds)."""
    row: dict[str, Any] = {"agent": arm.name}

    def off(read: Read) -> np.ndarray:
        return of(arm, read) - least[:, None]

    for count in (10, 50, 100, 300):
        if count <= size.budget:
            row[f"after_{count}_%_off"] = _percent(np.nanmean(off(partial(_best, count))))
    row["late_%_off"] = _percent(np.nanmean(off(lambda course: course.late)))
    ends = off(lambda course: course.final)
    row["ends_within_1_%"] = f"{int((ends <= np.log10(1.01)).sum())} of {int(np.isfinite(ends).sum())}"
    return row


def _best(count: int, course: Course) -> float:
    return course.best[count]


def _compared(measure: str, of: Of) -> Part:
    """The team against each other agent by one measure."""
    rows, findings = [], []
    for arm in OTHERS:
        gaps = _gaps(of, TEAM, arm, measure)
        over = difference(gaps)
        signs = [difference([row]).sign for row in gaps]
        rows.append({
            "team_against": arm.name, "better_by_%": _percent(over.mean), "low_%": _percent(over.low),
            "high_%": _percent(over.high),
            "problems_better": signs.count(1), "undecided": signs.count(0), "worse": signs.count(-1),
        })  # fmt: skip
        findings.append(Finding(
            f"by {MEASURES[measure]}, the team consistently beats: {arm.name}", over.sign > 0 and -1 not in signs,
            f"{_interval(over)}; better in {signs.count(1)}, worse in {signs.count(-1)} of {len(signs)} problems",
        ))  # fmt: skip
    return Part(f"the team against others: {MEASURES[measure]}", rows, tuple(findings))


def _gaps(of: Of, team: Arm, other: Arm, measure: str) -> np.ndarray:
    """Decades by which the other's objective is higher, float64[problems, seeds]."""
    return of(other, lambda course: getattr(course, measure)) - of(team, lambda course: getattr(course, measure))


def _by_problem(size: Size, of: Of) -> list[dict[str, Any]]:
    rows = [{"problem": f"{trace}, {objective}"} for trace, objective in _problems(size)]
    for measure in MEASURES:
        for row, gaps in zip(rows, _gaps(of, TEAM, OTHERS[0], measure), strict=True):
            over = difference([gaps])
            row[measure] = f"{_percent(over.mean):+.2f} [{_percent(over.low):+.2f}, {_percent(over.high):+.2f}]"
    return rows


def _decoder(size: Size, of: Of, least: np.ndarray) -> Part:
    """Whether the designs that the published decoder reaches hold one as good as the best of all searches."""
    best = np.nanmin(of(DECODER, lambda course: course.final), axis=1) - least
    rows = [
        {"problem": f"{trace}, {objective}", "best_with_the_decoder_%_off": _percent(off)}
        for (trace, objective), off in zip(_problems(size), best, strict=True)
    ]
    found = Finding(
        "the published decoder puts designs as good as the best out of reach", _percent(best.max()) >= _MATTERS,
        f"SAC with it ends at most {_percent(best.max())} % above the least that any search found, in {len(best)} problems",
    )  # fmt: skip
    return Part("what can be reached with the published decoder", rows, (found,))


def _percent(decades: float | np.floating[Any]) -> float:
    return round(100.0 * (10.0 ** float(decades) - 1.0), 2) + 0.0  # no negative zero


def _interval(over: Difference) -> str:
    return f"{_percent(over.mean):+.2f} % [{_percent(over.low):+.2f}, {_percent(over.high):+.2f}]"


def _draw(size: Size, known: dict[Task, Course], least: np.ndarray) -> Figure:
    from .drawing import COLORS, finish, new_figure

    shown = (TEAM, *OTHERS)
    counts = [count for count in CHECKPOINTS if count <= size.budget]
    rows = len(size.objectives)
    figure, panels = new_figure(
        "Best so far, % above the least that any search found (mean of seeds)", (rows, len(size.traces)),
        (3.3 * len(size.traces) + 1, 2.6 * rows + 0.6),
    )  # fmt: skip
    spots = [(objective, trace) for objective in size.objectives for trace in size.traces]
    for axes, (objective, trace) in zip(panels, spots, strict=True):
        floor = least[_problems(size).index((trace, objective))]
        for arm, color in zip(shown, COLORS, strict=False):
            gaps = np.array([
                [known[_task(size, trace, objective, arm, seed)].best[count] - floor for count in counts]
                for seed in range(size.seeds)
            ])  # fmt: skip
            axes.plot(counts, 100 * (10 ** gaps.mean(axis=0) - 1), color=color, linewidth=1.5, label=arm.name)
        axes.set_xscale("log")
        axes.set_xticks(counts[::2], [str(count) for count in counts[::2]])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        finish(axes, f"{trace}, {objective}", "designs", "% above the least")
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(shown), frameon=False, fontsize=9)
    return figure
