"""A workload: a frozen graph of operators, in an order in which it can be executed."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..errors import InputError
from .operators import Conv, Gemm, Operator, total
from .sparsity import DENSE, Pattern

__all__ = ["UniqueNames", "Workload"]


class UniqueNames:
    """Numbers names that a file uses more than once: "a", "a#2", "a#3"."""

    def __init__(self) -> None:
        self._copies: dict[str, int] = {}

    def __call__(self, name: str) -> str:
        """Return the name, or a numbered one that was not returned before."""
        unique = name
        while unique in self._copies:
            self._copies[name] += 1
            unique = f"{name}#{self._copies[name]}"
        self._copies[unique] = 1
        return unique


class Workload(BaseModel):
    """A network as operators in topological order.

    Raises `pydantic.ValidationError` for a repeated name, or an input that no earlier operator makes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    operators: Annotated[tuple[Operator, ...], Field(min_length=1)]
    source: str = ""
    """Where the shapes come from: a publication or a file name."""
    extra_params: int = 0
    """Parameters that belong to no operator (a class token); negative where operators share a table."""

    @model_validator(mode="after")
    def _is_a_graph(self) -> Workload:
        known = {""}
        for op in self.operators:
            if op.name in known:
                raise ValueError(f"operator {op.name!r}: the name is used twice")
            for source in op.inputs:
                if source not in known:
                    raise ValueError(f"operator {op.name!r}: input {source!r} is made by no earlier operator")
            known.add(op.name)
        return self

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the operators: two workloads with the same work have the same digest."""
        text = self.model_dump_json(include={"operators"})
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def consumers(self) -> dict[str, tuple[str, ...]]:
        """For each operator the names of those that read its output, in order."""
        readers: dict[str, list[str]] = {op.name: [] for op in self.operators}
        for op in self.operators:
            for source in dict.fromkeys(op.inputs):
                if source:
                    readers[source].append(op.name)
        return {name: tuple(names) for name, names in readers.items()}

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulate operations of one run."""
        return total(self.operators, "macs")

    @cached_property
    def effective_macs(self) -> int:
        """Multiply-accumulates with a weight that is kept; `macs` where nothing is pruned."""
        return total(self.operators, "effective_macs")

    @cached_property
    def params(self) -> int:
        """Trainable parameters, the pruned ones included."""
        return total(self.operators, "params") + self.extra_params

    @cached_property
    def kept_params(self) -> int:
        """Trainable parameters that are kept; `params` where nothing is pruned."""
        return self.params - total(self.operators, "weight_elements") + total(self.operators, "kept_weight_elements")

    def pruned(self, pattern: Pattern) -> Workload:
        """Return the same work with every prunable operator, that has no pattern of its own, pruned to N:M.

        Raises `InputError` if there is none to prune.
        """
        if pattern == DENSE:
            return self
        if not any(op.prunable for op in self.operators):
            raise InputError(f"sparsity={pattern}: no operator has weights to prune (accepted: dense)")
        operators = tuple(
            op.model_copy(update={"weight_sparsity": tuple(pattern)})
            if isinstance(op, Conv | Gemm) and op.prunable and op.weight_sparsity is None else op
            for op in self.operators
        )
        return Workload(name=self.name, operators=operators, source=self.source, extra_params=self.extra_params)

    @cached_property
    def vector_ops(self) -> int:
        """Element operations outside of matrix products."""
        return total(self.operators, "vector_ops")

    def __hash__(self) -> int:
        return hash((self.name, self.digest))

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Workload) and (self.name, self.digest) == (other.name, other.digest)
