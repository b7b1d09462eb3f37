"""`cyclescape compare`: the contest of agents, the truths that it needs, and whether they still hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import InputError
from ..pages.progress import bar
from .app import app, resumable
from .output import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from ..agents.contest.contest import Contest

group = typer.Typer(
    invoke_without_command=True, help="Compare agents at equal budgets on problems whose truth is known; resumes by itself."
)
app.add_typer(group, name="compare")

_SHOWN = ("agent", "designs", "best_ratio", "hv_share", "adrs", "to_10pct", "to_1pct", "cpu_ms")
"""Columns of the table in a terminal; the page has them all."""


@group.callback()
def compare(
    ctx: typer.Context,
    agent: list[str] = typer.Option([], "--agent", "-a", help="An agent, perhaps with options; all of them if not given."),
    without: list[str] = typer.Option([], "--without", help="An agent to leave out."),
    problem: list[str] = typer.Option([], "--problem", "-p", help="A problem's name or file; all that ship if not given."),
    budget: int = typer.Option(300, help="Designs that each study pays for; repeats are free."),
    draws: int = typer.Option(10, help="Settings of each agent's hyper-parameters; the first is its defaults."),
    seeds: int = typer.Option(5, help="Seeds of each setting."),
    allowance: float = typer.Option(3600.0, help="CPU seconds an agent's further settings may cost; dear agents get fewer."),
    tables: Path = typer.Option(None, help="Where `compare enumerate` kept its tables and truths."),
    jobs: int = typer.Option(1, "--jobs", "-j", min=1, help="Processes; a study runs in one."),
    out: Path = typer.Option(None, help="Folder for studies, tables, figures and the page; goes on there if stopped."),
    json: bool = JsonOption,
) -> None:
    """Compare agents: curves, a table, the lottery of hyper-parameters, and an answer in words."""
    if ctx.invoked_subcommand is not None:
        return
    if out is None:
        raise InputError("compare: where to? (accepted: --out DIR)")
    from ..agents.contest.contest import compare as run_contest
    from ..pages.contest_page import write_contest

    with resumable(), bar("contest", "studies") as update:
        contest = run_contest(
            agent or None, problem or None, out=out, budget=budget, draws=draws, seeds=seeds, jobs=jobs,
            allowance_s=allowance, without=without, tables=tables, progress=update,
        )  # fmt: skip
    page = write_contest(contest)
    if json:
        print_json(_document(contest, page))
    else:
        _show(contest, page)


@group.command()
def enumerate(
    problem: str = typer.Argument(..., help="A problem's name or file."),
    out: Path = typer.Option(..., help="Folder for the table and the truth; goes on there if stopped."),
    json: bool = JsonOption,
) -> None:
    """Simulate every design of a problem and write its truth: optimum, front, hypervolume."""
    from ..agents.contest.problem import ContestProblem
    from ..agents.contest.table import enumerate_problem
    from ..agents.contest.truth import truth_of

    asked = ContestProblem.read(problem)
    with resumable(), bar(f"all of {asked.name}", "designs") as update:
        table = enumerate_problem(asked, out, progress=lambda done, total: update(done, total, ""))
    truth = truth_of(asked, table)
    path = out / f"{asked.name}.truth.json"
    truth.write(path)
    if json:
        print_json({"truth": str(path), **truth.model_dump(mode="json")})
        return
    print(
        f"{truth.points:,} points, {truth.distinct:,} different; {100 * truth.feasible_share:.1f} % feasible; true front of "
        f"{len(truth.front)}; hypervolume {truth.hypervolume:.6g}\n{path}"
    )


@group.command()
def check(
    problem: str = typer.Argument(..., help="A problem's name or file."),
    n: int = typer.Option(1000, help="Random designs to simulate."),
    seed: int = typer.Option(0, help="Which random designs."),
    tables: Path = typer.Option(None, help="Where `compare enumerate` wrote the truth; beside the problem if not given."),
    sign: bool = typer.Option(False, "--sign", help="If it holds, write the digest of today's sources into it."),
    json: bool = JsonOption,
) -> None:
    """Simulate a truth's front and a random sample again, and say whether the truth still holds; exit 1 if not."""
    from ..agents.contest.problem import ContestProblem
    from ..agents.contest.truth import CHANGED, Truth, sampled, truth_path
    from ..simulator.sources import model_digest

    asked = ContestProblem.read(problem)
    path = truth_path(asked, tables)
    if path is None:
        raise InputError(f"problem {asked.name!r}: no truth to check (accepted: one that `compare enumerate` wrote)")
    truth = Truth.read(path)
    with asked.open() as opened:
        stale, model = truth.stale(opened), model_digest(type(opened.machine))
    wrong = sampled(asked, truth, n, seed)
    if sign and stale == CHANGED and not wrong:
        truth.model_copy(update={"model": model}).write(path)
    if json:
        print_json({"truth": str(path), "stale": stale, "sampled": n, "wrong": wrong})
    else:
        note = f" ({stale})" if stale else ""
        print(f"{path}: {'holds' if not wrong else 'does not hold'} for its front and {n} random designs{note}")
        for text in wrong[:10]:
            print(f"  {text}")
    if wrong:
        raise typer.Exit(1)


def _show(contest: Contest, page: Path) -> None:
    from ..agents.contest.words import method, verdict
    from ..pages.contest_page import COLUMNS, shown

    table, titles = contest.table(), {name: title for name, title in COLUMNS.items() if name in _SHOWN}
    for problem in table["problem"].unique():
        part = table[(table["problem"] == problem)].sort_values(
            ["designs", "hv_share", "agent"], ascending=[True, False, True], kind="stable"
        )
        rows = [{title: shown(row, name) for name, title in titles.items()} for _, row in part.iterrows()]
        print_table(problem, rows, list(titles.values()))
        print()
    print(method(contest))
    for text in [*verdict(contest), *contest.remarks]:
        print(f"- {text}")
    print(page)


def _document(contest: Contest, page: Path) -> dict[str, Any]:
    from ..agents.contest.words import method, verdict

    pairs = [contest.differences(n, defaults=defaults) for n in contest.counts for defaults in (False, True)]
    return {
        "out": str(contest.out), "page": str(page), "budget": contest.budget, "seeds": contest.seeds, "settings": contest.draws,
        "studies": len(contest.kept), "method": method(contest), "verdict": verdict(contest), "remarks": contest.remarks,
        "summary": contest.table().to_dict("records"),
        "differences": [row for frame in pairs for row in frame.to_dict("records")],
        "cost": contest.cost().to_dict("records"),
    }
