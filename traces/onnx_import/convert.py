"""What each ONNX operator is as work: a converter for every operator that an import accepts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import ValidationError

from ...errors import explain
from ..operators import (
    Attention,
    Conv,
    Elementwise,
    Embedding,
    Gemm,
    Normalization,
    Operator,
    Pool,
    Softmax,
)
from ..workload import UniqueNames
from .node import Node
from .values import Value

__all__ = ["CONVERTERS", "Converter", "Matrix", "Record", "Refused", "Work", "converts"]

_KINDS: dict[str, type[Any]] = {
    kind.model_fields["kind"].default: kind
    for kind in (Attention, Conv, Elementwise, Embedding, Gemm, Normalization, Pool, Softmax)
}


class Refused(Exception):
    """A node that cannot be expressed; the message says why and what would be accepted."""


class Matrix(NamedTuple):
    """A constant tensor as the weights of a product."""

    tensor: str
    reduction: tuple[int, ...]
    """The axes that the product sums over, outermost first."""


@dataclass
class Record:
    """An operator in the making: a later node may still be folded into it."""

    fields: dict[str, Any]
    output: str
    """The tensor that holds exactly its output."""
    matrix: Matrix | None = None
    """Where its weights are, if they are a constant that is read as it is."""

    @property
    def name(self) -> str:
        """The operator's name."""
        return str(self.fields["name"])


class Work:
    """The operators found so far."""

    def __init__(self, opset: int, readers: Counter[str]) -> None:
        self.opset = opset
        self.extra_params = 0
        self._readers = readers
        self._records: dict[str, Record] = {}
        self._unique = UniqueNames()

    def add(self, node: Node, kind: str, inputs: list[Value], *, suffix: str = "", matrix: Matrix | None = None,
            **fields: Any) -> None:
        """Add an operator that makes the node's first output from these values."""
        name = self._unique((node.name[:150] or kind) + suffix)
        sources = tuple(source for value in inputs for source in value.sources)
        self._records[name] = Record({"kind": kind, "name": name, "inputs": sources, **fields}, node.output.name, matrix)
        for output in node.outputs:
            output.sources = (name,)

    def foldable(self, value: Value) -> Record | None:
        """Return the operator whose output is this value, if nothing but one node reads it."""
        record = self._records.get(value.sources[0]) if len(value.sources) == 1 else None
        return record if record is not None and record.output == value.name and self._readers[value.name] == 1 else None

    def fold(self, node: Node, record: Record, **fields: Any) -> None:
        """Let an earlier operator do a node's work, so that its output is the node's."""
        record.fields.update(fields)
        record.output = node.output.name
        node.output.sources = (record.name,)

    def matrices(self) -> dict[str, Matrix]:
        """Return where the weights of each operator are, for those that have constant ones."""
        return {name: record.matrix for name, record in self._records.items() if record.matrix is not None}

    def operators(self) -> tuple[Operator, ...]:
        """Return the operators; raises `Refused` for one that cannot be."""
        return tuple(self._operator(record) for record in self._records.values())

    @staticmethod
    def _operator(record: Record) -> Operator:
        try:
            operator: Operator = _KINDS[record.fields["kind"]](**record.fields)
        except ValidationError as error:
            raise Refused(f"node {record.name!r}: {explain(error)}") from None
        return operator


Converter = Callable[[Work, Node], None]
CONVERTERS: dict[str, Converter] = {}


def converts(kinds: str) -> Callable[[Converter], Converter]:
    """Register a converter for operators, given as names with blanks between."""

    def register(converter: Converter) -> Converter:
        CONVERTERS.update(dict.fromkeys(kinds.split(), converter))
        return converter

    return register


# What only moves or renames elements, or answers about shapes, is read where it lies.
@converts("Reshape Flatten Squeeze Unsqueeze Identity Cast CastLike Transpose")
def _renames(work: Work, node: Node) -> None:
    """Leave the output where the input is."""
    if node.output.elements != node.x.elements:
        raise Refused(f"shape {list(node.x.shape)} cannot be seen as {list(node.output.shape)} (accepted: as many "
                      "elements; the file may fix its batch)")


@converts(
    "Dropout Concat Split Slice Pad Expand Tile DepthToSpace SpaceToDepth Shape Size GatherElements GatherND "
    "ScatterElements ScatterND ReverseSequence ConstantOfShape Range EyeLike Trilu OneHot BitCast Col2Im CenterCropPad"
)
def _moves(work: Work, node: Node) -> None:
    """Leave the outputs where the inputs are: all of them, a part, or copies."""


@converts("Gather")
def _gather(work: Work, node: Node) -> None:
    """Look rows of a constant table up; any other gathering is a movement."""
    table, rows = node.input(0), node.input(1)
    if table.constant and node.attribute("axis", 0) == 0 and len(table.shape) == 2:
        work.add(node, "embedding", [rows], entries=table.shape[0], width=table.shape[1], tokens=rows.elements)
