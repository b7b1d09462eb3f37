"""Independent learners with a shared reward: multi-agent PPO on stacks of small networks (torch).

Every agent has a policy and optimiser steps of its own and sees nothing of the others' actions; what ties them is
the reward alone (independent PPO: Schroeder de Witt et al., arXiv 2011.09533). With a central critic they share the
estimate of that reward, too (Yu et al., arXiv 2103.01955). A team of one is single-agent PPO as Stable-Baselines3
has it, to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain, pairwise

import torch
from torch import nn

__all__ = ["Stack", "Team"]

_NONE = -1e9
"""Logit of what is no action."""
_MOST_GRADIENT = 0.5
"""Norm at which an agent's gradient is cut off, as in Stable-Baselines3."""


class Stack(nn.Module):
    """As many networks of one shape as there are agents, evaluated at once: linear layers with tanh between them.

    Weights are orthogonal with gain sqrt(2), the last layer's with `gain`; biases begin at 0.
    """

    def __init__(self, agents: int, widths: Sequence[int], gain: float) -> None:
        super().__init__()
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for i, (into, out) in enumerate(pairwise(widths)):
            weight = torch.empty(agents, into, out)
            for each in weight:
                nn.init.orthogonal_(each, gain if i == len(widths) - 2 else math.sqrt(2))
            self.weights.append(nn.Parameter(weight))
            self.biases.append(nn.Parameter(torch.zeros(agents, 1, out)))

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """float32[batch, features], or that for each agent, to float32[agents, batch, outputs]."""
        x = seen.expand(len(self.weights[0]), *seen.shape[-2:])
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases)):
            x = torch.baddbmm(bias, torch.tanh(x) if i else x, weight)
        return x


class Team:
    """Agents that act in `MultiDiscrete` spaces of their own, each in one or several parameters.

    `sizes` lists for each agent the number of values of each of its parameters; `features` is the length of an
    observation, which all agents share. Random numbers are torch's global ones.
    """

    def __init__(
        self, sizes: Sequence[Sequence[int]], features: int, *, central: bool = False, learning_rate: float = 3e-3,
        n_epochs: int = 10, clip_range: float = 0.2, ent_coef: float = 0.01, vf_coef: float = 0.5, width: int = 64,
    ) -> None:  # fmt: skip
        self.n_epochs, self.clip_range, self.ent_coef, self.vf_coef = n_epochs, clip_range, ent_coef, vf_coef
        agents, heads, most = len(sizes), max(map(len, sizes)), max(chain(*sizes))
        self._heads = (heads, most)
        self._blank = torch.ones(agents, 1, heads, most, dtype=torch.bool)
        for agent, listed in enumerate(sizes):
            self._blank[agent, 0, len(listed) :, 0] = False  # a head that an agent lacks has one action: nothing
            for head, size in enumerate(listed):
                self._blank[agent, 0, head, :size] = False
        self.actors = Stack(agents, (features, width, width, heads * most), 0.01)
        self.critics = Stack(1 if central else agents, (features, width, width, 1), 1.0)
        parameters = [*self.actors.parameters(), *self.critics.parameters()]
        self._optimizer = torch.optim.Adam(parameters, lr=learning_rate, eps=1e-5)

    def policies(self, seen: torch.Tensor) -> torch.distributions.Categorical:
        """Distributions of every agent's every action: [agents, batch, heads]."""
        logits = self.actors(seen).view(len(self._blank), -1, *self._heads)
        return torch.distributions.Categorical(logits=logits.masked_fill(self._blank, _NONE))

    @torch.no_grad()
    def act(self, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw actions, int64[agents, batch, heads], and their log probabilities, float32[agents, batch]."""
        policies = self.policies(seen)
        actions = policies.sample()
        return actions, policies.log_prob(actions).sum(-1)

    def learn(self, seen: torch.Tensor, actions: torch.Tensor, log_probs: torch.Tensor, rewards: torch.Tensor) -> None:
        """One update, `n_epochs` steps of every agent on the whole batch.

        `rewards`, float32[batch], are shared; each ends an episode of one action.
        """
        with torch.no_grad():
            advantages = rewards - self.critics(seen)[..., 0]
            advantages = (advantages - advantages.mean(-1, keepdim=True)) / (advantages.std(-1, keepdim=True) + 1e-8)
        for _ in range(self.n_epochs):
            policies = self.policies(seen)
            ratio = torch.exp(policies.log_prob(actions).sum(-1) - log_probs)
            clipped = ratio.clamp(1 - self.clip_range, 1 + self.clip_range)
            gain = torch.min(advantages * ratio, advantages * clipped) + self.ent_coef * policies.entropy().sum(-1)
            error = (self.critics(seen)[..., 0] - rewards).square()
            loss = self.vf_coef * error.mean(-1).sum() - gain.mean(-1).sum()
            self._optimizer.zero_grad()
            loss.backward()  # a sum over agents, so that each one's gradient is that of its own loss
            self._cut()
            self._optimizer.step()

    def _cut(self) -> None:
        """Cut off each agent's gradient by its own norm: policy and critic together, or a central critic by itself."""
        actors, critics = list(self.actors.parameters()), list(self.critics.parameters())
        alone = len(critics[0]) == len(actors[0])
        for group in ([*actors, *critics],) if alone else (actors, critics):
            gradients = [parameter.grad for parameter in group if parameter.grad is not None]
            norm = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients]).sum(0).sqrt()
            share = (_MOST_GRADIENT / (norm + 1e-6)).clamp(max=1.0)
            for gradient in gradients:
                gradient.mul_(share[:, None, None])
