"""A node of an ONNX graph as the converters see it: values in place of names, attributes with defaults."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import onnx
from onnx import helper

from .values import Value

__all__ = ["Node"]


@dataclass
class Node:
    """A node whose inputs and outputs have shapes."""

    proto: onnx.NodeProto
    inputs: list[Value | None]
    outputs: list[Value]

    @property
    def kind(self) -> str:
        """The operator's name."""
        return self.proto.op_type

    @property
    def name(self) -> str:
        """The node's name, or that of its first output."""
        return self.proto.name or self.output.name

    @property
    def output(self) -> Value:
        """The first output."""
        return self.outputs[0]

    @property
    def x(self) -> Value:
        """The first input."""
        return self.input(0)

    def input(self, index: int) -> Value:
        """Return an input that the operator's schema requires."""
        value = self.inputs[index]
        assert value is not None, f"{self.kind} has no input {index}"
        return value

    def optional(self, index: int) -> Value | None:
        """Return an input that may be left out."""
        return self.inputs[index] if index < len(self.inputs) else None

    @cached_property
    def _attributes(self) -> dict[str, Any]:
        return {attribute.name: helper.get_attribute_value(attribute) for attribute in self.proto.attribute}

    def attribute(self, name: str, default: Any = None) -> Any:
        """Return an attribute, text decoded."""
        value = self._attributes.get(name, default)
        return value.decode(errors="replace") if isinstance(value, bytes) else value

    @property
    def activations(self) -> list[Value]:
        """The inputs that are not constant, in order."""
        return [value for value in self.inputs if value is not None and not value.constant]
