"""A policy network: from the features of a workload to a distribution over designs, one parameter after the other.

Two hidden layers see the features, the values chosen so far and which parameter is next, and give a
logit for each of its values. It is evaluated with numpy; training it needs torch (the extra `rl`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import MissingExtraError
from ...simulator.space import Index

__all__ = ["PolicyNetwork", "reinforce"]

Weights = dict[str, np.ndarray]


class PolicyNetwork:
    """Proposes designs for a workload. `sizes` are those of the space; `weights` as `shapes` says."""

    def __init__(self, sizes: Sequence[int], weights: Weights) -> None:
        self.sizes, self.weights = tuple(sizes), weights
        self.starts = np.concatenate(([0], np.cumsum(self.sizes)))

    @staticmethod
    def shapes(sizes: Sequence[int], features: int, hidden: int) -> dict[str, tuple[int, ...]]:
        """The shape of each layer's weights."""
        values, inputs = sum(sizes), features + sum(sizes) + len(sizes)
        return {
            "w1": (inputs, hidden), "b1": (hidden,), "w2": (hidden, hidden), "b2": (hidden,),
            "w3": (hidden, values), "b3": (values,),
        }  # fmt: skip

    def propose(self, workload: np.ndarray, rng: np.random.Generator, *, greedy: bool = False) -> Index:
        """Draw a design for standardised features float64[f], or take the likeliest value of each parameter."""
        chosen = np.zeros(int(self.starts[-1]))
        index: list[int] = []
        for axis, size in enumerate(self.sizes):
            logits = self._logits(workload, chosen, axis)
            noise = 0.0 if greedy else rng.gumbel(size=size)
            index.append(int(np.argmax(logits + noise)))
            chosen[self.starts[axis] + index[-1]] = 1.0
        return tuple(index)

    def _logits(self, workload: np.ndarray, chosen: np.ndarray, axis: int) -> np.ndarray:
        w = self.weights
        turn = np.zeros(len(self.sizes))
        turn[axis] = 1.0
        x = np.tanh(np.concatenate((workload, chosen, turn)) @ w["w1"] + w["b1"])
        x = np.tanh(x @ w["w2"] + w["b2"])
        part = slice(self.starts[axis], self.starts[axis + 1])
        return np.asarray(x @ w["w3"][:, part] + w["b3"][part])


def reinforce(
    sizes: Sequence[int], workloads: np.ndarray, rewards: Callable[[int, list[Index]], np.ndarray], *,
    seed: int, updates: int = 500, batch: int = 16, designs: int = 16, hidden: int = 96, rate: float = 2e-3,
    entropy: float = 0.12, progress: Callable[[int, float], None] | None = None,
) -> PolicyNetwork:  # fmt: skip
    """Train a policy by REINFORCE on many workloads.

    `workloads` is float64[w, f], standardised; `rewards(w, designs)` says how designs do on one of them, always
    to be maximised. An update draws `designs` designs for each of `batch` workloads; what a design is better
    than the others on its workload, over their standard deviation, is its advantage (so that workloads of any
    scale count alike). The bonus for `entropy` fades to nothing. Equal arguments give an equal policy.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("training a policy network", "rl") from error
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _train(torch, sizes, workloads, rewards, seed, updates, batch, designs, hidden, rate, entropy, progress)
    finally:
        torch.set_num_threads(threads)


def _train(
    torch: Any, sizes: Sequence[int], workloads: np.ndarray, rewards: Any, seed: int, updates: int, batch: int,
    designs: int, hidden: int, rate: float, entropy: float, progress: Any,
) -> PolicyNetwork:  # fmt: skip
    rng = np.random.default_rng([seed, *b"reinforce"])
    made = torch.Generator().manual_seed(int(rng.integers(2**31)))
    shapes = PolicyNetwork.shapes(sizes, workloads.shape[1], hidden)
    w = {}
    for name, shape in shapes.items():
        scale = 0.01 if name == "w3" else 1.0 / np.sqrt(shape[0])
        first = torch.zeros(shape) if len(shape) == 1 else torch.randn(shape, generator=made) * scale
        w[name] = first.requires_grad_()
    optimiser = torch.optim.Adam(w.values(), lr=rate)
    known = torch.tensor(workloads, dtype=torch.float32)
    starts = np.concatenate(([0], np.cumsum(sizes)))
    for update in range(updates):
        picked = rng.choice(len(workloads), size=min(batch, len(workloads)), replace=False)
        which = np.repeat(picked, designs)
        chosen = torch.zeros((len(which), int(starts[-1])))
        logs, spread = torch.zeros(len(which)), torch.zeros(len(which))
        places = []
        for axis in range(len(sizes)):
            turn = torch.zeros((len(which), len(sizes)))
            turn[:, axis] = 1.0
            x = torch.tanh(torch.cat((known[which], chosen, turn), dim=1) @ w["w1"] + w["b1"])
            x = torch.tanh(x @ w["w2"] + w["b2"])
            part = slice(int(starts[axis]), int(starts[axis + 1]))
            log = torch.log_softmax(x @ w["w3"][:, part] + w["b3"][part], dim=1)
            place = torch.multinomial(log.detach().exp(), 1, generator=made)
            logs = logs + log.gather(1, place)[:, 0]
            spread = spread - (log.exp() * log).sum(dim=1)
            chosen = chosen.clone()
            chosen[:, part] = torch.nn.functional.one_hot(place[:, 0], int(sizes[axis])).float()
            places.append(place[:, 0].numpy())
        drawn = np.stack(places, axis=1)
        reward = np.concatenate([
            rewards(int(one), [tuple(map(int, row)) for row in drawn[which == one]]) for one in picked
        ]).reshape(len(picked), designs)
        better = (reward - reward.mean(axis=1, keepdims=True)) / (reward.std(axis=1, keepdims=True) + 0.05)
        advantage = torch.tensor(better.ravel(), dtype=torch.float32)
        bonus = entropy * (1.0 - update / updates)
        loss = -(advantage * logs).mean() - bonus * spread.mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if progress is not None:
            progress(update, float(reward.mean()))
    return PolicyNetwork(sizes, {name: tensor.detach().numpy().astype(np.float64) for name, tensor in w.items()})
