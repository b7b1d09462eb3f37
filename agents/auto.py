"""The default agent: chosen by the budget and by what is installed, from what measurements favour."""

from __future__ import annotations

from ..simulator.objective import Objective
from ..simulator.space import Space
from .optuna_searchers import Gp, Tpe, gp_is_there
from .searcher import Searcher

__all__ = ["GP_BUDGET", "auto"]

GP_BUDGET = 150
"""Up to this budget a Gaussian process is far ahead per design (and later its cost per suggestion grows)."""


def auto(space: Space, objective: Objective, *, budget: int, seed: int) -> Searcher:
    """A Gaussian process for small budgets where torch is installed, else tree-structured Parzen."""
    kind = Gp if budget <= GP_BUDGET and gp_is_there() else Tpe
    return kind(space, objective, budget=budget, seed=seed)
