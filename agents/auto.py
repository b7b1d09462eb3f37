"""The default agent: Gaussian processes of what is asked for, and local search on them; needs numpy alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from ..errors import DesignError, InputError
from ..simulator.objective import Objective, Outcome
from ..simulator.space import Index, Space
from .forecast import Forecast
from .pareto import nondominated, reference_point
from .remembering import Remembering
from .searcher import Point

__all__ = ["Auto"]

DIRECTIONS = 64
SAMPLES = 16


class Auto(Remembering):
    """TODO."""

    name: ClassVar[str] = "auto"

    def __init__(
        self, space: Space, objective: Objective, *, budget: int, seed: int, startup: int = 10,
        draws: int = 200, elites: int = 6, climbs: int = 5, steps: int = 5, margin: float = 0.2, soft: float = 0.01,
        cap: int = 300, c1: float = 1.0, c2: float = 1.0, lhs: int = 0,
    ) -> None:
        super().__init__(space, objective, budget=budget, seed=seed)
        self.startup = startup
        self.o = dict(draws=draws, elites=elites, climbs=climbs, steps=steps, margin=margin, soft=soft, c1=c1, c2=c2, lhs=lhs)
        self.turn = 0
        self.forecast = Forecast(space, cap)
        self.sizes = np.array(space.sizes)
        self.moves = moves(space)
        self.pending: dict[Index, None] = {}
        self.barred: set[Index] = set()

    def ask(self, n: int) -> list[Point]:
        return self.points(n, self._next)

    def learn(self, index: Index, outcome: Outcome) -> None:
        self.pending.pop(index, None)

    def _next(self) -> Index | None:
        if (default := self.space.default()) not in self.seen and self._valid(default):
            self.seen.add(default)
            self.pending[default] = None
            return default
        good = sum(outcome.ok for outcome in self.known.values())
        index = None
        if len(self.seen) - len(self.barred) >= self.startup and good >= 2:
            index = self._promising()
        while index is None:
            index = self.unseen()
            if index is None:
                return None
            if not self._valid(index):
                index = None
        self.seen.add(index)
        self.pending[index] = None
        return index

    def _valid(self, index: Index) -> bool:
        try:
            self.space.design(self.space.point(index))
        except DesignError:
            self.seen.add(index)
            self.barred.add(index)
            return False
        return True

    def _promising(self) -> Index | None:
        self.forecast.learn(self.known, self.barred, self.pending, self)
        self._aim()
        self.turn += 1
        self.caution = (1.0, self.o['c1'], 1.0, self.o['c2'])[self.turn % 4]
        scores: dict[Index, float] = {}
        ring = self._starts()
        for _ in range(self.o["steps"]):
            fresh = [i for i in dict.fromkeys(map(tuple, ring.tolist())) if i not in scores and i not in self.barred]
            if not fresh:
                break
            arr = np.array(fresh)
            scores.update(zip(fresh, self._score(arr).tolist()))
            top = sorted(scores, key=scores.__getitem__, reverse=True)[: self.o["climbs"]]
            ring = np.vstack([self._around(np.array(i)) for i in top])
        for index in sorted((i for i in scores if i not in self.seen), key=scores.__getitem__, reverse=True):
            if self._valid(index):
                return index
        return None

    def _around(self, here):
        out = np.repeat(here[None], len(self.moves), axis=0)
        axis, kind, to = self.moves.T
        rows = np.arange(len(out))
        out[rows, axis] = np.where(kind == 1, out[rows, axis] + to, to)
        ok = (out[rows, axis] >= 0) & (out[rows, axis] < self.sizes[axis])
        return out[ok]

    def _starts(self):
        rows = [self.rng.integers(0, self.sizes, size=(self.o["draws"], len(self.sizes)))]
        best = np.array(self.front_or_elites())
        rows.append(best)
        rows += [self._around(i) for i in best]
        a, b = best[self.rng.integers(len(best), size=(2, 100))]
        kids = np.where(self.rng.random(a.shape) < 0.5, a, b)
        mutate = self.rng.random(a.shape) < 1.5 / len(self.axes)
        kids = np.where(mutate, self.rng.integers(0, self.sizes, size=a.shape), kids)
        rows.append(kids)
        return np.vstack(rows)

    def front_or_elites(self):
        n = self.o["elites"]
        order = sorted((i for i in self.known if self.known[i].ok), key=lambda i: self.key(self.known[i]))
        if not self.objective.multi:
            return order[:n]
        feas = [i for i in order if self.known[i].feasible]
        if len(feas) < 2:
            return order[:n]
        front = [i for i, k in zip(feas, nondominated(np.array([self.known[i].costs for i in feas]))) if k]
        pick = self.rng.permutation(len(front))[: 2 * n]
        return [front[int(i)] for i in pick]

    def _aim(self):
        ok = np.array([o.costs for o in self.known.values() if o.ok])
        feas = np.array([o.costs for o in self.known.values() if o.feasible])
        k = ok.shape[1]
        if k == 1:
            self.lam = np.ones((1, 1))
            self.ref = ok.max(axis=0)
            self.scale = 1.0
            self.best = self._scalar(feas).max(axis=0) if len(feas) else np.zeros(1)
            self.tau = self.o["soft"]
        else:
            base = feas[nondominated(feas)] if len(feas) else ok
            extent = np.ptp(base, axis=0)
            self.ref = base.max(axis=0) + self.o["margin"] * np.maximum(extent, 0.1)
            lam = np.abs(self.rng.normal(size=(DIRECTIONS, k)))
            self.lam = lam / np.linalg.norm(lam, axis=1, keepdims=True)
            self.low = base.min(axis=0)
            self.best = self._scalar(feas).max(axis=0) if len(feas) else np.zeros(len(self.lam))
            self.tau = self.o["soft"] ** 1
        self.z = self.rng.normal(size=(SAMPLES // 2, k))
        if k == 1:
            q = (np.arange(SAMPLES) + 0.5) / SAMPLES
            self.z = _ppf(q)[:, None]
        else:
            self.z = np.vstack([self.z, -self.z])

    def _scalar(self, costs):
        """[..., K] -> [..., L]"""
        k = costs.shape[-1]
        if k == 1:
            return self.ref - costs
        ext = self.ref - getattr(self, "low", self.ref - 1)
        room = (self.ref - costs) / ext
        out = np.min(np.maximum(room[..., None, :], 0) / self.lam, axis=-1)
        return out**k

    def _score(self, places):
        (mean, sd), logp = self.forecast.predict(places)
        total = 0.0
        for z in self.z:
            gain = self._scalar(mean + self.caution * sd * z) - self.best
            total = total + np.logaddexp(0.0, gain / self.tau).mean(axis=-1)
        return np.log(total) + logp


def _ppf(q):
    from statistics import NormalDist
    return np.array([NormalDist().inv_cdf(x) for x in q])


def moves(space):
    out = []
    every = sum(s - 1 for s in space.sizes)
    for axis, (name, size) in enumerate(zip(space.names, space.sizes)):
        if size == 1:
            continue
        if not space.parameters[name].ordered:
            out += [(axis, 0, v) for v in range(size)]
        elif every <= 64:
            out += [(axis, 1, d) for d in range(-size + 1, size) if d]
        else:
            out += [(axis, 1, d) for d in (-2, -1, 1, 2)]
    return np.array(out)
