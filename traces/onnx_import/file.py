"""Reading an ONNX file without its weights.

Shapes and small constants are all that a workload needs, so the file is mapped, the fields of large
tensors are stepped over, and only what remains is parsed. Time and memory follow the size of the graph,
never the size of the weights or the sizes that a broken file claims.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from ...errors import InputError

__all__ = ["Model", "open_model"]

LARGE = 1 << 16
"""Bytes from which a part of the file is looked into; tensors with more data are kept without them."""
MAX_GRAPH_BYTES = 64 << 20
MAX_FIELDS = 2_000_000
MAX_DEPTH = 32

# Fields of the messages in onnx.proto that hold messages with tensors in them, and a tensor's own data.
_INNER = {
    "model": {7: "graph"},
    "graph": {1: "node", 5: "tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph"},
}
_TENSOR_NAME = 8
_TENSOR_DATA = {4, 5, 6, 7, 9, 10, 11}
_AS_IN_MEMORY = {4, 9, 10}  # float_data, raw_data, double_data; the others are packed


@dataclass
class Model:
    """A parsed model whose large tensors have no data."""

    proto: onnx.ModelProto
    opset: int
    """Version of the default operator set."""
    dropped: dict[str, int | None] = field(default_factory=dict)
    """Bytes of data that were stepped over, by name of the tensor; None where they were packed."""


def open_model(path: Path) -> Model:
    """Read a model; raises `InputError` if it is not one, or its tensors do not hold what they declare."""
    size = path.stat().st_size
    if not size:
        raise InputError(f"{path}: the file is empty (accepted: an ONNX model)")
    dropped: dict[str, int | None] = {}
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        small = _Reader(path, data, dropped).without_data(0, size, "model", 0)
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(small)
    except (DecodeError, ValueError, RecursionError):
        raise InputError(f"{path}: not an ONNX model, or a damaged one (its protobuf cannot be decoded)") from None
    if not proto.graph.node:
        raise InputError(f"{path}: not an ONNX model, or one without nodes")
    versions = {entry.domain: entry.version for entry in proto.opset_import}
    opset = versions.get("", versions.get("ai.onnx", 0))
    if opset < 1:
        raise InputError(f"{path}: the model names no version of the default operator set (opset_import)")
    newest = onnx.defs.onnx_opset_version()
    if opset > newest:
        raise InputError(f"{path}: operator set {opset} (accepted: 1 to {newest}, or a newer onnx library)")
    for tensor in proto.graph.initializer:
        _check_data(path, tensor, dropped)
    return Model(proto, opset, dropped)


class _Reader:
    """Walks a protobuf message and copies it without the data of large tensors."""

    def __init__(self, path: Path, data: mmap.mmap, dropped: dict[str, int | None]) -> None:
        self._path, self._data, self._dropped = path, data, dropped
        self._fields = self._kept = 0

    def without_data(self, start: int, end: int, kind: str, depth: int) -> bytes:
        """Return the message between two positions without large data."""
        if depth > MAX_DEPTH:
            raise InputError(f"{self._path}: graphs are nested more than {MAX_DEPTH} deep")
        inner = _INNER.get(kind, {})
        parts: list[bytes] = []
        name = ""
        left_out: int | None = 0
        for number, wire, begin, content, stop in self._walk(start, end):
            large = stop - content > LARGE
            if wire == 2 and large and number in inner:
                small = self.without_data(content, stop, inner[number], depth + 1)
                parts += (_varint(number << 3 | 2), _varint(len(small)), small)
                continue
            if wire == 2 and large and kind == "tensor" and number in _TENSOR_DATA:
                left_out = stop - content if number in _AS_IN_MEMORY else None
                continue
            if kind == "tensor" and number == _TENSOR_NAME and wire == 2:
                name = self._data[content:stop][:1000].decode(errors="replace")
            self._kept += stop - begin
            if self._kept > MAX_GRAPH_BYTES:
                raise InputError(f"{self._path}: more than {MAX_GRAPH_BYTES >> 20} MiB besides the weights")
            parts.append(self._data[begin:stop])
        if left_out != 0:
            self._dropped[name] = left_out
        return b"".join(parts)

    def _walk(self, position: int, end: int) -> Iterator[tuple[int, int, int, int, int]]:
        """Yield number, wire type, and where each field begins, where its content does, and where it ends."""
        while position < end:
            self._fields += 1
            if self._fields > MAX_FIELDS:
                raise InputError(f"{self._path}: more than {MAX_FIELDS:,} fields in the graph")
            begin = position
            tag, position = self._number(position, end)
            number, wire = tag >> 3, tag & 7
            content = position
            if wire == 0:
                _, stop = self._number(position, end)
            elif wire == 2:
                length, content = self._number(position, end)
                stop = content + length
            else:
                stop = position + {1: 8, 5: 4}.get(wire, 0)
            if not number or wire not in (0, 1, 2, 5):
                raise InputError(f"{self._path}: not an ONNX model, or a damaged one (byte {begin} starts no field)")
            if stop > end:
                raise InputError(
                    f"{self._path}: truncated or damaged: the field at byte {begin} ends at byte {stop}, "
                    f"after its message or the file does ({end})"
                )
            yield number, wire, begin, content, stop
            position = stop

    def _number(self, position: int, end: int) -> tuple[int, int]:
        """Return the variable-length integer at a position, and the position after it."""
        value = shift = 0
        while position < end and shift < 70:
            byte = self._data[position]
            value |= (byte & 0x7F) << shift
            position, shift = position + 1, shift + 7
            if byte < 0x80:
                return value, position
        raise InputError(f"{self._path}: truncated or damaged at byte {position}")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _check_data(path: Path, tensor: onnx.TensorProto, dropped: dict[str, int | None]) -> None:
    """Raise `InputError` if data are not as long as the dimensions say; external data are not looked at."""
    dims = list(tensor.dims)
    if min(dims, default=0) < 0:
        raise InputError(f"{path}: tensor {tensor.name!r} has a negative dimension: {dims}")
    bits = _BITS.get(tensor.data_type)
    if bits is None or tensor.data_location == onnx.TensorProto.EXTERNAL:
        return
    declared = -(-prod(dims) * bits // 8)
    if tensor.name in dropped:
        held = dropped[tensor.name]
    elif tensor.HasField("raw_data"):
        held = len(tensor.raw_data)
    else:
        typed = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")
        held = None if any(len(getattr(tensor, data)) for data in typed) else 0
    if held is not None and held != declared:
        raise InputError(
            f"{path}: tensor {tensor.name!r} declares {declared:,} bytes by its dimensions {dims}, and holds {held:,}"
        )


# Bits of an element for the types of TensorProto.DataType that have a fixed width.
_BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16,
         17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4}
