"""Agents as parameters of tests: those whose library is not installed are skipped."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from cyclescape.agents.searcher import searcher_names

_NEEDS = {"gp": "torch", "sobol": "scipy", **dict.fromkeys(("a2c", "dqn", "ippo", "ppo", "sac"), "stable_baselines3")}


def agents(*left_out: str) -> list[Any]:
    """Every agent but those left out."""
    return [
        pytest.param(name, marks=pytest.mark.skipif(
            name in _NEEDS and importlib.util.find_spec(_NEEDS[name]) is None, reason=f"needs {_NEEDS.get(name)}"))
        for name in searcher_names() if name not in left_out
    ]  # fmt: skip
