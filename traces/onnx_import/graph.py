"""From an ONNX model to a workload: order the nodes, find the shapes, convert what does work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import onnx

from ...errors import InputError, did_you_mean
from ...reading import natural
from ..workload import Workload
from . import elementwise, products, windows  # noqa: F401  (they register their converters)
from .convert import CONVERTERS, Refused, Work
from .file import MAX_RANK, Model, open_model
from .node import Node
from .order import label, ordered
from .values import Value, constant_value, fold, infer
from .weights import Weights

__all__ = ["convert"]

_CONTROL_FLOW = {"If", "Loop", "Scan", "SequenceMap"}
_DEFAULT_DOMAIN = ("", "ai.onnx")


def convert(name: str, path: Path, sizes: Mapping[str, int], *, stored_sparsity: bool = False) -> Workload:
    """Import the model at `path` as a workload of that name, with these sizes of its dynamic dimensions."""
    model = open_model(path)
    return _Importer(path, model, sizes).run(name, stored_sparsity)


class _Importer:
    """One import. Every error names the file and the node."""

    def __init__(self, path: Path, model: Model, sizes: Mapping[str, int]) -> None:
        self._model = model
        self._path, self._graph, self._opset, self._sizes = path, model.proto.graph, model.opset, dict(sizes)
        self._functions = {(function.domain, function.name) for function in model.proto.functions}
        self._external = {t.name for t in self._graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL}
        self._values: dict[str, Value] = {}
        self._readers: Counter[str] = Counter()
        self._stated = {info.name: info.type for info in (*self._graph.value_info, *self._graph.output)}

    def run(self, name: str, stored_sparsity: bool = False) -> Workload:
        """Return the workload."""
        given = {*self._given_constants(), *(entry.name for entry in self._graph.input)}
        nodes = ordered(self._path, self._graph, given)
        self._check_names()
        for tensor in self._graph.initializer:
            self._values[tensor.name] = self._constant(tensor)
        for sparse in self._graph.sparse_initializer:
            named = sparse.values
            self._values[named.name] = Value(named.name, named.data_type, tuple(sparse.dims))
        self._read_inputs(nodes)
        self._readers = Counter(source for node in nodes for source in node.input)
        self._readers.update(output.name for output in self._graph.output)
        work = Work(self._opset, self._readers)
        for proto in nodes:
            self._visit(proto, work)
        try:
            operators = work.operators()
        except Refused as reason:
            raise InputError(f"{self._path}: {reason}") from None
        if not operators:
            raise InputError(f"{self._path}: no node of the model does any work on its inputs")
        if stored_sparsity:
            patterns = Weights(self._path, self._model).patterns(work.matrices())
            operators = tuple(
                op.model_copy(update={"weight_sparsity": patterns[op.name]}) if op.name in patterns else op for op in operators
            )
        return Workload(name=name, operators=operators, source=str(self._path), extra_params=work.extra_params)

    def _constant(self, tensor: onnx.TensorProto, name: str = "") -> Value:
        try:
            return constant_value(tensor, name)
        except (LookupError, TypeError, ValueError) as error:
            raise InputError(f"{self._path}: tensor {name or tensor.name!r} cannot be read: {_line(error)}") from None

    def _check_names(self) -> None:
        """Raise `InputError` for a tensor that the file gives twice; an input may have a constant as its default."""
        made = {output for node in self._graph.node for output in node.output}
        for given in (self._given_constants(), [entry.name for entry in self._graph.input]):
            for name, times in Counter(given).items():
                if times > 1:
                    raise InputError(f"{self._path}: tensor {name[:200]!r} is given {times} times (accepted: once)")
                if name and name in made:
                    both = f"tensor {name[:200]!r} is given and made by a node too (accepted: one of both)"
                    raise InputError(f"{self._path}: {both}")

    def _given_constants(self) -> list[str]:
        graph = self._graph
        return [*(tensor.name for tensor in graph.initializer), *(sparse.values.name for sparse in graph.sparse_initializer)]

    # Inputs

    def _read_inputs(self, nodes: list[onnx.NodeProto]) -> None:
        """Set the shapes of the network's inputs, with the sizes that were given for dynamic dimensions."""
        used = {source for node in nodes for source in node.input}
        inputs = [entry for entry in self._graph.input if entry.name not in self._values and entry.name in used]
        dynamic: dict[str, str] = {}
        shapes: dict[str, list[int | str]] = {}
        for entry in inputs:
            kind = entry.type
            if not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
                raise InputError(f"{self._path}: input {entry.name!r} has no shape (accepted: a tensor with one; "
                                 "dimensions may be dynamic)")
            if (rank := len(kind.tensor_type.shape.dim)) > MAX_RANK:
                raise InputError(f"{self._path}: input {entry.name!r} has {rank:,} dimensions (accepted: at most {MAX_RANK})")
            dims = shapes[entry.name] = []
            for at, dim in enumerate(kind.tensor_type.shape.dim):
                size = dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None
                key = "batch" if at == 0 and "batch" in self._sizes else dim.dim_param.strip() or f"{entry.name}_{at}"
                dims.append(size if size is not None and key != "batch" else key)
                if size is None or key == "batch":
                    for part in _parts(key):
                        if natural(part) is None:
                            dynamic.setdefault(part, entry.name)
        self._check_sizes(dynamic)
        for entry in inputs:
            shape = tuple(
                dim if isinstance(dim, int) else sum(natural(p) or self._sizes.get(p, 0) for p in _parts(dim))
                for dim in shapes[entry.name]
            )
            self._values[entry.name] = Value(entry.name, entry.type.tensor_type.elem_type, shape, ("",))

    def _check_sizes(self, dynamic: Mapping[str, str]) -> None:
        """Raise `InputError` unless there is a size for each dynamic dimension, and for nothing else."""
        form = f"{self._path}:" + ",".join(f"{key}=N" for key in dynamic)
        missing = [key for key in dynamic if key not in self._sizes]
        if missing:
            raise InputError(
                f"{self._path}: dimension {missing[0]!r} of input {dynamic[missing[0]]!r} is dynamic and has no size "
                f"(accepted: {form})"
            )
        for key in self._sizes:
            if key not in dynamic:
                hint = did_you_mean(key, dynamic)
                accepted = form if dynamic else "no size but batch; every dimension is fixed"
                raise InputError(f"{self._path}: {key}: no input has this dimension{hint} (accepted: {accepted})")

    # Nodes

    def _visit(self, proto: onnx.NodeProto, work: Work) -> None:
        """Find what a node makes, and add the work it does."""
        where = f"{self._path}: {label(proto)}"
        inputs = [self._values[name] if name else None for name in proto.input]
        outputs = self._constant_node(proto) or self._outputs(proto, inputs, where)
        node = Node(proto, inputs, outputs)
        if any(value is not None and not value.constant for value in inputs):
            converter = CONVERTERS.get(proto.op_type) if proto.domain in _DEFAULT_DOMAIN else None
            if converter is None:
                raise InputError(
                    f"{where}: the work of operator {proto.op_type} is not known (accepted: "
                    f"{', '.join(sorted(CONVERTERS))}; replace the node by such ones before importing)"
                )
            try:
                converter(work, node)
            except Refused as reason:
                raise InputError(f"{where}: {reason}") from None
            except (ArithmeticError, AssertionError, LookupError, TypeError, ValueError) as error:
                raise InputError(f"{where}: its inputs or attributes are malformed: {_line(error)}") from None
        for value in outputs:
            self._values[value.name] = value

    def _constant_node(self, proto: onnx.NodeProto) -> list[Value] | None:
        """Return the output of a Constant whose value is a tensor."""
        if proto.op_type != "Constant" or proto.domain not in _DEFAULT_DOMAIN:
            return None
        for attribute in proto.attribute:
            if attribute.name == "value":
                return [self._constant(attribute.t, proto.output[0])]
        return None

    def _outputs(self, proto: onnx.NodeProto, inputs: list[Value | None], where: str) -> list[Value]:
        """Return the outputs with their shapes, and their content where shapes may depend on it."""
        self._check_operator(proto, where)
        self._check_attributes(proto, inputs, where)
        known = {value.name: value for value in inputs if value is not None}
        try:
            found = infer(proto, known, self._opset)
        except onnx.defs.SchemaError:
            raise InputError(
                f"{where}: operator {proto.op_type} is not in operator set {self._opset} of ONNX (accepted: "
                "standard operators)"
            ) from None
        except Exception as error:  # the library has exceptions of many kinds for a malformed node
            batch = " (the file may fix its batch)" if "batch" in self._sizes else ""
            raise InputError(f"{where}: its inputs do not fit: {_line(error)}{batch}") from None
        outputs = []
        for at, name in enumerate(proto.output):
            if not name or (at and not self._readers[name]):
                continue
            kind, dims = found.get(name, (0, None))
            shape = self._shape(proto, name, dims, where)
            constant = all(value is None or value.constant for value in inputs)
            try:
                content = fold(proto, inputs, shape, self._opset)
            except Exception as error:
                raise InputError(f"{where}: it cannot be computed from its constants: {_line(error)}") from None
            if content is not None:
                constant, shape = True, content.shape
            sources = () if constant else _sources(inputs)
            outputs.append(Value(name, kind, shape, sources, content))
        return outputs

    def _check_operator(self, proto: onnx.NodeProto, where: str) -> None:
        if (proto.domain, proto.op_type) in self._functions:
            raise InputError(f"{where}: {proto.op_type} is a function of the file (accepted: a model whose functions "
                             "are inlined, see onnx.inliner.inline_local_functions)")
        if proto.domain not in _DEFAULT_DOMAIN:
            raise InputError(f"{where}: operator {proto.domain}.{proto.op_type} is no standard operator (accepted: the "
                             "default domain; export the model without fused or vendor operators)")
        if proto.op_type in _CONTROL_FLOW:
            raise InputError(f"{where}: {proto.op_type} depends on data or repeats a graph (accepted: a model without "
                             "control flow; fix its conditions and fold constants before importing)")

    @staticmethod
    def _check_attributes(proto: onnx.NodeProto, inputs: list[Value | None], where: str) -> None:
        """Refuse the numbers with which the library's inference of shapes loops for ever or leaves its memory."""
        first = next((value for value in inputs if value is not None), None)
        rank = len(first.shape) if first is not None else 0
        for attribute in proto.attribute:
            if attribute.name == "num_outputs" and attribute.i != len(proto.output):
                raise InputError(f"{where}: num_outputs={attribute.i} and {len(proto.output)} outputs (accepted: as many)")
            if attribute.name == "axis" and not -rank - 1 <= attribute.i <= rank:
                raise InputError(f"{where}: axis={attribute.i} (accepted: an axis of its first input, which has {rank})")

    def _shape(self, node: onnx.NodeProto, name: str, dims: list[int | None] | None, where: str) -> tuple[int, ...]:
        """Return a static shape: inferred, or where that fails, as the file states it."""
        if dims is None or None in dims:
            dims = self._stated_dims(name, dims)
        if dims is not None and len(dims) > MAX_RANK:
            raise InputError(f"{where}: its output {name!r} has {len(dims):,} dimensions (accepted: at most {MAX_RANK})")
        if dims is None or None in dims:
            known = ["?" if size is None else str(size) for size in dims or ()]
            shown = "unknown" if dims is None else f"[{', '.join(known)}]"
            absent = next((source for source in node.input if source in self._external), None)
            hint = f"; its input {absent!r} lies in another file, which is not read" if absent else ""
            raise InputError(f"{where}: the shape of its output {name!r} cannot be found (so far: {shown}{hint}; accepted: a "
                             "model whose shapes follow from those of its inputs, or are stated in the file)")
        return tuple(size for size in dims if size is not None)

    def _stated_dims(self, name: str, dims: list[int | None] | None) -> list[int | None] | None:
        """Return the dimensions with the unknown ones as the file states them."""
        stated = self._stated.get(name)
        if stated is None or not stated.HasField("tensor_type") or not stated.tensor_type.HasField("shape"):
            return dims
        sizes = [int(dim.dim_value) if dim.HasField("dim_value") else self._sizes.get(dim.dim_param)
                 for dim in stated.tensor_type.shape.dim]
        if dims is None:
            return sizes
        return [b if a is None else a for a, b in zip(dims, sizes)] if len(sizes) == len(dims) else dims


def _sources(inputs: list[Value | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(source for value in inputs if value is not None for source in value.sources))


def _parts(key: str) -> list[str]:
    """Return the terms of a dimension such as "past + new"."""
    return [part.strip() for part in key.split("+")] if "+" in key else [key]


def _line(error: BaseException) -> str:
    """Return the first line of a library's message, without its prefixes."""
    if isinstance(error, ZeroDivisionError):
        return "a size or a count is 0"
    text = " ".join(str(error).split())
    for prefix in ("[ShapeInferenceError] ", "[TypeInferenceError] "):
        text = text.rpartition(prefix)[2]
    return text[:200] or type(error).__name__
