"""Reading an ONNX file without its weights.

Shapes and small constants are all that a workload needs, so the file is mapped, the data of large tensors and whatever else
is not read are stepped over, and only what remains is parsed. Time and memory follow the size of the graph, never the size of
the weights or the sizes that a broken file claims.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from ...errors import InputError

__all__ = ["Model", "open_model"]

LARGE = 1 << 15
"""Bytes from which a tensor's data are left out: more than the content of any tensor that is followed."""
MAX_GRAPH_BYTES = 64 << 20
MAX_FIELDS = 2_000_000
MAX_RANK = 64

# The fields of each message of onnx.proto that are kept, with the kind of message that a field holds, if it holds one.
# Whatever else a file has (documentation, metadata, training, the graphs inside of control flow) is never parsed.
_FIELDS: dict[str, dict[int, str]] = {
    "model": {1: "", 7: "graph", 8: "", 25: "function"},
    "function": {1: "", 10: ""},
    "graph": {1: "node", 5: "initializer", 11: "value", 12: "value", 13: "value", 15: "sparse"},
    "node": {1: "", 2: "", 3: "", 4: "", 5: "attribute", 7: ""},
    "attribute": {1: "", 2: "", 3: "", 4: "", 5: "tensor", 7: "", 8: "", 9: "", 10: "tensor", 20: "", 21: "", 22: "sparse"},
    "value": {1: "", 2: "type"},
    "type": {1: "tensor_type"},
    "tensor_type": {1: "", 2: "shape"},
    "shape": {1: ""},
    "sparse": {1: "tensor", 3: ""},
    "initializer": dict.fromkeys(range(1, 15), ""),
    "tensor": dict.fromkeys(range(1, 15), ""),
}
_TENSORS = {"initializer", "tensor"}
_TENSOR_DIMS, _TENSOR_NAME = 1, 8
_ATTRIBUTE_INTS = 8
_TENSOR_DATA = {4, 5, 6, 7, 9, 10, 11}
_AS_IN_MEMORY = {4, 9, 10}  # float_data, raw_data, double_data; the others are packed


@dataclass
class Model:
    """A parsed model whose large tensors have no data."""

    proto: onnx.ModelProto
    opset: int
    """Version of the default operator set."""
    dropped: dict[str, range | None] = field(default_factory=dict)
    """Bytes of the file with data that were stepped over, by name of the initializer; None where they were packed."""


def open_model(path: Path) -> Model:
    """Read a model; raises `InputError` if it is not one, or its tensors do not hold what they declare."""
    size = path.stat().st_size
    if not size:
        raise InputError(f"{path}: the file is empty (accepted: an ONNX model)")
    dropped: dict[str, range | None] = {}
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        small = _Reader(path, data, dropped).without_data(0, size, "model")
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
    for dims in (*(sparse.dims for sparse in proto.graph.sparse_initializer), *_attribute_dims(proto.graph)):
        _check_dims(path, "a constant", dims)
    return Model(proto, opset, dropped)


class _Reader:
    """Walks a protobuf message and copies what is read of it, without the data of large tensors."""

    def __init__(self, path: Path, data: mmap.mmap, dropped: dict[str, range | None]) -> None:
        self._path, self._data, self._dropped = path, data, dropped
        self._fields = self._kept = 0

    def without_data(self, start: int, end: int, kind: str) -> bytes:
        """Return the message between two positions without large data; kinds of message nest at most seven deep."""
        known = _FIELDS[kind]
        parts: list[bytes] = []
        name = ""
        left_out: range | None = range(0)
        for number, wire, begin, content, stop in self._walk(start, end):
            if number not in known:
                continue
            if wire == 2 and known[number]:
                small = self.without_data(content, stop, known[number])
                parts += (_varint(number << 3 | 2), _varint(len(small)), small)
                continue
            if wire == 2 and kind in _TENSORS:
                if number in _TENSOR_DATA and stop - content > LARGE:
                    left_out = range(content, stop) if number in _AS_IN_MEMORY else None
                    continue
                if number == _TENSOR_DIMS and stop - content > 10 * MAX_RANK:
                    raise InputError(f"{self._path}: a tensor has more than {MAX_RANK} dimensions")
                if number == _TENSOR_NAME:
                    name = self._data[content:stop][:1000].decode(errors="replace")
            unpacked = 8 if kind == "attribute" and number == _ATTRIBUTE_INTS else 1
            self._kept += (stop - begin) * unpacked
            if self._kept > MAX_GRAPH_BYTES:
                raise InputError(f"{self._path}: more than {MAX_GRAPH_BYTES >> 20} MiB besides the weights")
            parts.append(self._data[begin:stop])
        if kind == "initializer" and left_out != range(0):
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


def _check_dims(path: Path, what: str, dims: Sequence[int]) -> None:
    if len(dims) > MAX_RANK:
        raise InputError(f"{path}: {what} has {len(dims):,} dimensions (accepted: at most {MAX_RANK})")
    if min(dims, default=0) < 0:
        raise InputError(f"{path}: {what} has a negative dimension: {list(dims)}")


def _attribute_dims(graph: onnx.GraphProto) -> Iterator[Sequence[int]]:
    for node in graph.node:
        for attribute in node.attribute:
            yield from (tensor.dims for tensor in (attribute.t, *attribute.tensors))
            yield attribute.sparse_tensor.dims


def _check_data(path: Path, tensor: onnx.TensorProto, dropped: dict[str, range | None]) -> None:
    """Raise `InputError` if data are not as long as the dimensions say; external data are not looked at."""
    _check_dims(path, f"tensor {tensor.name[:200]!r}", tensor.dims)
    dims = list(tensor.dims)
    bits = _BITS.get(tensor.data_type)
    if bits is None or tensor.data_location == onnx.TensorProto.EXTERNAL:
        return
    declared = -(-prod(dims) * bits // 8)
    held: int | None
    if tensor.name in dropped:
        span = dropped[tensor.name]
        held = None if span is None else len(span)
    elif tensor.HasField("raw_data"):
        held = len(tensor.raw_data)
    else:
        typed = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")
        held = None if any(len(getattr(tensor, data)) for data in typed) else 0
    if held is not None and held != declared:
        raise InputError(
            f"{path}: tensor {tensor.name[:200]!r} declares {declared:,} bytes by its dimensions {dims}, and holds {held:,}"
        )


# Bits of an element for the types of TensorProto.DataType that have a fixed width.
_BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16,
         17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4}
