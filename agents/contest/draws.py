"""What the hyper-parameters of agents are drawn from.

An agent declares it on its keyword arguments with the marks of a design's parameters,

    def __init__(self, space, objective, *, budget, seed, startup: Annotated[int, Values(5, 10, 20)] = 10)

and those that do not are in the table below: around their defaults, as far as a careful user might go.
"""

from __future__ import annotations

from typing import Any, get_args

import numpy as np

from ...simulator.parameters import Choices, Range, Values
from ..searcher import searcher_options

__all__ = ["draws_of", "ranges_of"]

_AUTO = {"startup": Values(5, 10, 15, 25), "caution": Values(1.0, 2.0, 3.0, 5.0)}
_EVOLUTION = {
    "population": Values(8, 12, 20, 32, 48), "crossover": Values(0.5, 0.7, 0.9, 1.0),
    "mutation": Values(0.5, 1.0, 1.5, 2.0, 3.0),
}  # fmt: skip
_RANGES: dict[str, dict[str, Values]] = {
    "annealing": {"hot": Values(0.03, 0.1, 0.2, 0.3, 0.5, 1.0), "cold": Values(0.001, 0.003, 0.01, 0.03)},
    "ants": {
        "ants": Values(4, 8, 16, 32), "evaporation": Values(0.1, 0.2, 0.3, 0.5, 0.8), "greed": Values(0.0, 0.1, 0.2, 0.4, 0.6),
    },
    "assisted": _AUTO,
    "auto": _AUTO,
    "a2c": {"learning_rate": Values(1e-3, 3e-3, 1e-2), "n_steps": Values(4, 8, 16, 32), "ent_coef": Values(0.0, 0.01, 0.05)},
    "bottleneck": {"patience": Values(2, 4, 6, 10, 16), "kick": Values(1, 2, 3, 4)},
    "dqn": {
        "learning_rate": Values(3e-4, 1e-3, 3e-3), "gradient_steps": Values(1, 2, 4, 8), "exploration": Values(0.2, 0.5, 0.8),
    },
    "genetic": _EVOLUTION,
    "gp": {"startup": Values(5, 10, 20, 40)},
    "guided": {"startup": Values(10, 20, 40, 80), "trees": Values(10, 30, 100), "optimism": Values(0.0, 0.5, 1.0, 2.0, 4.0)},
    "ippo": {"learning_rate": Values(1e-3, 3e-3, 1e-2), "n_steps": Values(8, 16, 32, 64), "ent_coef": Values(0.0, 0.01, 0.05)},
    "nsga2": _EVOLUTION,
    "ppo": {  # whose batches of 32 must divide n_steps
        "learning_rate": Values(1e-3, 3e-3, 1e-2), "n_steps": Values(32, 64), "n_epochs": Values(5, 10, 20),
        "ent_coef": Values(0.0, 0.01, 0.05),
    },
    "sac": {"learning_rate": Values(1e-3, 3e-3, 1e-2), "startup": Values(16, 32, 64), "gradient_steps": Values(1, 2, 4)},
    "tpe": {"startup": Values(5, 10, 20, 40), "candidates": Values(8, 16, 24, 48, 96)},
}  # fmt: skip
_TRIES = 64


def ranges_of(agent: str) -> dict[str, tuple[Any, ...]]:
    """The values that each hyper-parameter of an agent is drawn from, uniformly; none if it declares none."""
    found: dict[str, tuple[Any, ...]] = {}
    for option, annotation in searcher_options(agent).items():
        marks = [*getattr(annotation, "__metadata__", ()), _RANGES.get(agent, {}).get(option)]
        for mark in marks:
            listed: tuple[Any, ...] = mark.values() if isinstance(mark, Range | Values) else ()
            if isinstance(mark, Choices):
                listed = mark.listed or get_args(get_args(annotation)[0]) or (False, True)
            if listed:
                found[option] = tuple(listed)
                break
    return found


def draws_of(spec: str, n: int) -> list[str]:
    """Up to n settings of an agent, all different: first the one given, then draws of what it leaves open."""
    name, _, text = spec.partition(":")
    given = [part.strip() for part in text.split(",") if part.strip()]
    ranges = {key: listed for key, listed in ranges_of(name).items() if all(part.partition("=")[0] != key for part in given)}
    found = [spec]
    rng = np.random.default_rng([0xD12A, *name.encode()])
    while ranges and len(found) < n:
        for _ in range(_TRIES):
            drawn = [f"{key}={listed[int(rng.integers(len(listed)))]}" for key, listed in ranges.items()]
            setting = f"{name}:{','.join([*given, *drawn])}"
            if setting not in found:
                found.append(setting)
                break
        else:
            break
    return found
