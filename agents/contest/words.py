"""What a contest says in words: who leads, when, by how much, and how much of it is luck."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .contest import Contest
from .scores import interval, lottery

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["method", "standings", "verdict"]


def standings(contest: Contest, designs: int, *, defaults: bool = False) -> pd.Series:
    """Mean share of the true hypervolume over problems, of agents that ran on all of them, best first."""
    part = contest.frame
    part = part[(part["designs"] == designs) & ((part["draw"] == 0) | (not defaults))]
    means = part.groupby(["agent", "problem", "draw"])["hv_share"].mean().groupby(["agent", "problem"]).mean().unstack()
    return means.dropna().mean(axis=1).sort_values(ascending=False, kind="stable")


def verdict(contest: Contest) -> list[str]:
    """Sentences, one for each number of designs, on the defaults, and on luck."""
    said = [_leader(contest, designs) for designs in contest.counts]
    said += [_defaults(contest), *_single(contest), *_luck(contest)]
    return [text for text in said if text]


def method(contest: Contest) -> str:
    """What was done, in a sentence or two."""
    draws = sorted(set(contest.draws.values()))
    settings = f"{draws[0]}" if len(draws) == 1 else f"{draws[0]} to {draws[-1]}"
    return (
        f"{_count(len(contest.agents), 'agent')}, each with {settings} setting{'s' if draws[-1] > 1 else ''} of its "
        f"hyper-parameters (the first its defaults) and {_count(contest.seeds, 'seed')}, on "
        f"{_count(len(contest.problems), 'problem')}{_known(contest)}: "
        f"{len(contest.kept):,} studies of {contest.budget} designs. Repeated proposals are free. The share "
        "is that of the true hypervolume (log10 of the objectives; reference: the worst values on the true front plus a "
        "tenth of its extent)."
    )


def _leader(contest: Contest, designs: int) -> str:
    ranked = standings(contest, designs)
    if not len(ranked):
        return ""
    best = str(ranked.index[0])
    text = (
        f"After {designs} designs {best} has {ranked.iloc[0]:.2f} of the true hypervolume, the mean over settings, seeds "
        "and problems"
    )
    if len(ranked) == 1:
        return text + "."
    table = _against(contest, designs, best)
    ahead = [name for name in ranked.index[1:] if table[name][1] > 0]
    level = [str(name) for name in ranked.index[1:] if name not in ahead]
    second = str(ranked.index[1])
    mean, low, high = table[second]
    text += f"; {second} is next, {mean:.3f} behind (95 % interval {low:.3f} to {high:.3f})"
    if not level:
        return text + f". It is ahead of {'it' if len(ahead) == 1 else f'all {len(ahead)} others'} beyond chance."
    return text + f". These seeds cannot tell it from {_listed(level)}."


def _against(contest: Contest, designs: int, best: str, *, defaults: bool = False) -> dict[str, tuple[float, float, float]]:
    part = contest.frame
    part = part[(part["designs"] == designs) & ((part["draw"] == 0) | (not defaults))]
    means = part.groupby(["agent", "problem", "seed"])["hv_share"].mean()
    values = {
        str(agent): {(str(p), int(s)): float(v) for (p, s), v in means[agent].items()}
        for agent in means.index.get_level_values("agent").unique()
    }
    return {name: interval(values[best], values[name]) for name in values if name != best}


def _defaults(contest: Contest) -> str:
    if max(contest.draws.values()) == 1:
        return ""
    parts = []
    for designs in contest.counts:
        ranked = standings(contest, designs, defaults=True)
        if len(ranked):
            parts.append(f"{ranked.index[0]} after {designs} ({ranked.iloc[0]:.2f})")
    return f"With everyone's defaults the lead is with {_listed(parts)}." if parts else ""


def _single(contest: Contest) -> list[str]:
    """Problem by problem: who comes nearest, and how soon within a tenth."""
    said = []
    table = contest.table()
    for problem in table["problem"].unique():
        part = table[(table["problem"] == problem) & (table["designs"] == contest.counts[-1])]
        ranked = part.sort_values(["adrs", "agent"], kind="stable")
        best = ranked.iloc[0]
        text = f"On {problem} {best['agent']} ends {_excess(best['adrs'])} from the true {_goal(contest, problem)} (median)"
        near = part[part["to_10pct"].notna()].sort_values(["to_10pct", "agent"], kind="stable")
        if len(near):
            first = near.iloc[0]
            text += f"; {first['agent']} is the soonest within 10 %, in half of its studies by {first['to_10pct']:.0f} designs"
        else:
            text += "; none is within 10 % in half of its studies"
        said.append(text + ".")
    return said


def _luck(contest: Contest) -> list[str]:
    designs = contest.counts[-1]
    tickets = {a: t for a, t in lottery(contest.frame, designs).items() if len(t) > 1}
    if not tickets:
        return []
    spread = {agent: float(np.ptp(values)) for agent, values in tickets.items()}
    widest, narrowest = max(spread, key=lambda a: spread[a]), min(spread, key=lambda a: spread[a])
    table = contest.table()
    last = table[table["designs"] == designs]
    seeds = float(last["luck_seeds"].mean())
    text = (
        f"Luck after {designs} designs: settings move {widest} most, from {tickets[widest].min():.2f} to "
        f"{tickets[widest].max():.2f} of the hypervolume"
    )
    if narrowest != widest:
        text += f", and {narrowest} least, from {tickets[narrowest].min():.2f} to {tickets[narrowest].max():.2f}"
    text += f". Another seed alone moves a single study by {seeds:.2f} (standard deviation, mean of all agents and problems)."
    return [text]


def _goal(contest: Contest, problem: str) -> str:
    asked = next(p for p in contest.problems.values() if p.name == problem)
    return "front" if len(asked.objective) > 1 else "optimum"


def _excess(value: float) -> str:
    return f"{100 * value:.2g} %" if np.isfinite(value) else "nowhere near (nothing feasible)"


def _known(contest: Contest) -> str:
    unknown = [contest.problems[name].name for name, truth in contest.truths.items() if not truth.enumerated]
    if not unknown:
        return ", every design of which was simulated beforehand"
    return f" ({_listed(unknown)} without a known truth)"


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' if n != 1 else ''}"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
