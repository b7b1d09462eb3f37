"""What outcomes told so far say about points that were not tried."""

from __future__ import annotations

import numpy as np

from .gaussian import Gaussian


class Forecast:
    def __init__(self, space, cap=300) -> None:
        self.space, self.cap = space, cap
        self.columns = [_columns(space, axis) for axis in range(len(space.sizes))]
        self.width = sum(c.shape[1] for c in self.columns)
        self.models = None
        self.fitted = 0
        self.valid = None

    def features(self, places):
        places = np.asarray(places)
        return np.hstack([c[places[:, a]] for a, c in enumerate(self.columns)])

    def learn(self, known, barred, pending, who):
        ok = [i for i, o in known.items() if o.ok]
        if len(ok) > self.cap:
            order = sorted(ok, key=lambda i: who.key(known[i]))
            half = order[: self.cap * 2 // 3]
            rest = order[self.cap * 2 // 3 :]
            pick = who.rng.permutation(len(rest))[: self.cap - len(half)]
            ok = half + [rest[int(i)] for i in pick]
        x = self.features(ok)
        y = np.array([np.concatenate((known[i].costs, known[i].violations)) for i in ok])
        self.k = len(known[ok[0]].costs)
        if self.models is None:
            self.models = [Gaussian(self.width) for _ in range(y.shape[1])]
        count = len(known)
        if count >= self.fitted * 1.15 + 1:
            pick = np.arange(len(ok)) if len(ok) <= 200 else np.sort(who.rng.permutation(len(ok))[:200])
            for m, t in zip(self.models, y.T):
                m.fit(x[pick], t[pick], 30)
            self.fitted = count
        for m, t in zip(self.models, y.T):
            m.condition(x, t)
        if pending:
            px = self.features(list(pending))
            for m, t in zip(self.models, y.T):
                m.condition(np.vstack((x, px)), np.concatenate((t, m.predict(px)[0])))
        bad = [i for i, o in known.items() if not o.ok] + sorted(barred)
        self.valid = None
        if bad:
            bad = bad[-self.cap // 2 :]
            good = ok[-self.cap // 2 :]
            self.valid = Gaussian(self.width)
            vx = self.features(good + bad)
            vy = np.array([1.0] * len(good) + [-1.0] * len(bad))
            self.valid.logs[:] = -0.7
            self.valid.condition(vx, vy)

    def predict(self, places):
        f = self.features(places)
        p = [m.predict(f) for m in self.models]
        mean = np.array([a for a, _ in p]).T
        sd = np.array([b for _, b in p]).T
        logp = np.zeros(len(f))
        k = self.k
        for j in range(k, mean.shape[1]):
            logp += log_phi(-mean[:, j] / sd[:, j])
        if self.valid is not None:
            a, b = self.valid.predict(f)
            logp += log_phi(a / np.maximum(b, 0.1))
        return (mean[:, :k], sd[:, :k]), logp


def log_phi(x):
    x = np.maximum(x, -30.0)
    tail = np.minimum(x, -4.0)
    far = -0.5 * tail**2 - np.log(-tail) - 0.9189385 - 1 / tail**2
    near = 0.5 * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3)))
    return np.where(x < -4.0, far, np.log(np.maximum(near, 1e-12)))


def _columns(space, axis):
    name, size = space.names[axis], space.sizes[axis]
    if space.parameters[name].ordered:
        return np.arange(size)[:, None] / max(1, size - 1)
    return np.eye(size) / np.sqrt(2)
