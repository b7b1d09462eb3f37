"""A builder of workloads that follows shapes, so that a network's file reads like its paper.

A `Tensor` says where a value lies: the operators that made it, one after another. Concatenating,
splitting, reshaping and shuffling make no operator, because they do no work: the consumer names every
operator that it reads from. Shapes are channel-last.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Literal

from pydantic import ValidationError

from ..errors import InputError, explain
from .checked import Count, Extent, Name, checked
from .operators import Attention, Conv, Elementwise, Embedding, Gemm, Normalization, Pool, Softmax
from .workload import Workload

__all__ = ["Graph", "Tensor"]

Pair = Count | tuple[Count, Count]
Padding = Extent | tuple[Extent, Extent]


_KINDS = (Attention, Conv, Elementwise, Embedding, Gemm, Normalization, Pool, Softmax)


def _of_tensor(tensor: Tensor, *_: Any) -> str:
    return f"a tensor of shape {tensor.shape}"


def _of_operator(graph: Graph, name: Any = "", *_: Any) -> str:
    return f"operator {graph.full_name(str(name)[:200])!r}"


def _of_graph(*_: Any) -> str:
    return "a graph"


@dataclass(frozen=True)
class Tensor:
    """A value in the making: an image (batch, height, width, channels) or tokens (batch, tokens, features)."""

    shape: tuple[int, ...]
    sources: tuple[str, ...] = ("",)
    """The operators whose outputs hold it, in order; "" is an input of the network."""

    @property
    def features(self) -> int:
        """Size of the last dimension: channels of an image, features of a token."""
        return self.shape[-1]

    @property
    def elements(self) -> int:
        """Elements in all."""
        return prod(self.shape)

    @property
    def image(self) -> tuple[int, int, int, int]:
        """Batch, height, width and channels; raises `InputError` for what is no image."""
        if len(self.shape) != 4:
            raise InputError(f"a tensor of shape {self.shape} is no image (accepted: batch, height, width, channels)")
        batch, height, width, channels = self.shape
        return batch, height, width, channels

    @checked(_of_tensor)
    def reshape(self, *shape: Count) -> Tensor:
        """Return the same elements in another shape."""
        if prod(shape) != self.elements:
            raise InputError(f"a tensor of shape {self.shape} cannot be seen as {shape}")
        return replace(self, shape=shape)

    def flatten(self) -> Tensor:
        """Return one row for each sample."""
        return self.reshape(self.shape[0], prod(self.shape[1:]))

    def tokens(self) -> Tensor:
        """Return one token for each pixel."""
        batch, height, width, channels = self.image
        return self.reshape(batch, height * width, channels)

    @checked(_of_tensor)
    def part(self, features: Count) -> Tensor:
        """Return some of the features, read where they lie."""
        if features > self.features:
            raise InputError(f"a tensor of shape {self.shape}: features={features} (accepted: 1 to {self.features})")
        return replace(self, shape=(*self.shape[:-1], features))

    @checked(_of_tensor)
    def rows(self, rows: Count) -> Tensor:
        """Return some of the tokens of each sample, read where they lie."""
        if len(self.shape) < 2 or rows > self.shape[1]:
            most = self.shape[1] if len(self.shape) > 1 else "a tensor of two dimensions or more"
            raise InputError(f"a tensor of shape {self.shape}: rows={rows} (accepted: at most {most})")
        return replace(self, shape=(self.shape[0], rows, *self.shape[2:]))


class Graph:
    """Operators in the making. Every method names its operator, adds it, and returns its output."""

    def __init__(self) -> None:
        self._operators: list[Any] = []
        self._scopes: list[str] = []
        self.extra_params = 0
        """Parameters that belong to no operator; negative where operators share a table."""

    def workload(self, name: str, source: str = "") -> Workload:
        """Return what was built; raises `InputError` for a name used twice, a tensor of another graph, or no operator."""
        try:
            return Workload(name=name, operators=tuple(self._operators), source=source, extra_params=self.extra_params)
        except ValidationError as error:
            raise InputError(f"network {name!r}: {explain(error)}"[:2000]) from None

    def full_name(self, name: str) -> str:
        """Return the name of an operator that is added now: the scopes', then its own."""
        return ".".join([*self._scopes, name])

    def _refusal(self, name: str, reason: str) -> InputError:
        return InputError(f"operator {self.full_name(name)!r}: {reason}")

    @contextmanager
    @checked(_of_graph)
    def scope(self, name: Name) -> Iterator[None]:
        """Put `name.` before the names of the operators that are added inside."""
        self._scopes.append(name)
        try:
            yield
        finally:
            self._scopes.pop()

    @staticmethod
    @checked(_of_graph)
    def input(*shape: Count) -> Tensor:
        """Return an input of the network."""
        if not shape:
            raise InputError("an input of the network: no size (accepted: a size for each dimension)")
        return Tensor(shape)

    @staticmethod
    @checked(_of_graph)
    def concat(*tensors: Tensor) -> Tensor:
        """Return the tensors side by side along the features."""
        if len({tensor.shape[:-1] for tensor in tensors}) != 1:
            shapes = [t.shape for t in tensors]
            raise InputError(f"tensors of shapes {shapes} side by side (accepted: alike in all but their features)")
        sources = dict.fromkeys(source for tensor in tensors for source in tensor.sources)
        return Tensor((*tensors[0].shape[:-1], sum(t.features for t in tensors)), tuple(sources))

    def add_operator(self, kind: type[Any], name: str, inputs: tuple[Tensor, ...], shape: tuple[int, ...],
                     **fields: Any) -> Tensor:
        """Add any operator; its output has the given shape. Raises `InputError` naming the operator."""
        if not isinstance(name, str):
            raise InputError(f"an operator: name={name!r:.200} (accepted: text)")
        full_name = self.full_name(name)
        if kind not in _KINDS:
            accepted = ", ".join(known.__name__ for known in _KINDS)
            raise InputError(f"operator {full_name!r}: kind={kind!r:.200} (accepted: {accepted})")
        if not isinstance(inputs, tuple) or any(not isinstance(tensor, Tensor) for tensor in inputs):
            raise InputError(f"operator {full_name!r}: inputs={inputs!r:.200} (accepted: a tuple of tensors)")
        if not isinstance(shape, tuple) or any(not isinstance(size, int) or size < 1 for size in shape):
            raise InputError(f"operator {full_name!r}: shape={shape!r:.200} (accepted: a tuple of integers >= 1)")
        sources = tuple(source for tensor in inputs for source in tensor.sources)
        try:
            self._operators.append(kind(name=full_name, inputs=sources, **fields))
        except ValidationError as error:
            raise InputError(f"operator {full_name!r}: {explain(error)}") from None
        return Tensor(shape, (full_name,))

    # Convolutions and windows

    @checked(_of_operator)
    def conv(self, name: Name, x: Tensor, channels: Count, kernel: Pair, *, stride: Pair = 1, padding: Padding | None = None,
             groups: Count = 1, dilation: Count = 1, bias: bool = False, batch_norm: bool = False,
             activation: str | None = None) -> Tensor:
        """Convolve an image; the default padding is half the window, which keeps the size at stride 1."""
        batch, height, width, in_channels = x.image
        kernel_h, kernel_w = _pair(kernel)
        stride_h, stride_w = _pair(stride)
        if padding is None:
            padding = (dilation * (kernel_h - 1) // 2, dilation * (kernel_w - 1) // 2)
        pad_h, pad_w = _pair(padding)
        fields = {
            "batch": batch, "in_h": height, "in_w": width, "in_channels": in_channels, "out_channels": channels,
            "kernel_h": kernel_h, "kernel_w": kernel_w, "stride_h": stride_h, "stride_w": stride_w,
            "padding": (pad_h, pad_h, pad_w, pad_w), "dilation": dilation, "groups": groups, "bias": bias,
            "batch_norm": batch_norm,
        }
        y = self.add_operator(Conv, name, (x,), (), **fields)
        made = self._operators[-1]
        y = replace(y, shape=(batch, made.out_h, made.out_w, channels))
        return self.activate(f"{name}.{activation}", y, activation) if activation else y

    @checked(_of_operator)
    def depthwise(self, name: Name, x: Tensor, kernel: Pair, **options: Any) -> Tensor:
        """Convolve every channel on its own."""
        return self.conv(name, x, x.features, kernel, groups=x.features, **options)

    @checked(_of_operator)
    def conv_transpose(self, name: Name, x: Tensor, channels: Count, kernel: Count, *, stride: Count,
                       padding: Extent) -> Tensor:
        """Spread every pixel over a window: a product for each pixel, then overlapping windows and a bias are added."""
        batch, height, width, in_channels = x.image
        out_h, out_w = ((size - 1) * stride - 2 * padding + kernel for size in (height, width))
        windows = self.add_operator(
            Gemm, name, (x,), (batch, height, width, kernel * kernel * channels),
            m=batch * height * width, n=kernel * kernel * channels, k=in_channels,
        )
        shape = (batch, out_h, out_w, channels)
        if min(shape) < 1:
            raise self._refusal(name, f"padding={padding} leaves nothing of the image (accepted: less than half of it)")
        return self.add_operator(
            Elementwise, f"{name}.overlap_add", (windows,), shape, function="overlap_add", elements=prod(shape),
            operands=(-(-kernel // stride)) ** 2 + 1, reads=windows.elements, parameters=channels,
        )

    @checked(_of_operator)
    def pool(self, name: Name, x: Tensor, mode: Literal["max", "average"], kernel: Count, stride: Count | None = None, *,
             padding: Extent = 0, ceil: bool = False) -> Tensor:
        """Pool an image; `ceil` keeps a last partial window that starts inside the image or its padding."""
        batch, height, width, channels = x.image
        sizes = []
        for size in (height, width):
            spare = size + 2 * padding - kernel
            step = stride or kernel
            out = (-(-spare // step) if ceil else spare // step) + 1
            if ceil and (out - 1) * step >= size + padding:
                out -= 1
            if spare < 0 and not (ceil and out >= 1):
                raise self._refusal(name, f"kernel={kernel} is larger than the image {height}x{width} with padding {padding} "
                                          "(accepted: a window inside the image)")
            sizes.append(out)
        return self.add_operator(
            Pool, name, (x,), (batch, *sizes, channels), mode=mode, batch=batch, in_h=height, in_w=width,
            channels=channels, kernel_h=kernel, kernel_w=kernel, out_h=sizes[0], out_w=sizes[1],
        )

    @checked(_of_operator)
    def adaptive_pool(self, name: Name, x: Tensor, size: Count) -> Tensor:
        """Average to a fixed size; where the sizes do not divide, windows are rounded up."""
        batch, height, width, channels = x.image
        if (height, width) == (size, size):
            return x
        return self.add_operator(
            Pool, name, (x,), (batch, size, size, channels), mode="average", batch=batch, in_h=height, in_w=width,
            channels=channels, kernel_h=-(-height // size), kernel_w=-(-width // size), out_h=size, out_w=size,
        )

    @checked(_of_operator)
    def global_pool(self, name: Name, x: Tensor) -> Tensor:
        """Average each channel over the whole image."""
        return self.adaptive_pool(name, x, 1)

    # Matrix products

    @checked(_of_operator)
    def linear(self, name: Name, x: Tensor, features: Count, *, bias: bool = True,
               activation: str | None = None) -> Tensor:
        """Multiply every row with one constant matrix; the batch is folded into the rows."""
        shape = (*x.shape[:-1], features)
        y = self.add_operator(
            Gemm, name, (x,), shape, m=prod(x.shape[:-1]), n=features, k=x.features, bias=bias
        )
        return self.activate(f"{name}.{activation}", y, activation) if activation else y

    @checked(_of_operator)
    def attention(self, name: Name, q: Tensor, k: Tensor, v: Tensor, *, heads: Count, kv_heads: Count | None = None,
                  cached: Extent = 0, causal: bool = False) -> Tensor:
        """Attend from queries (batch, tokens, heads * width) to keys and values (batch, tokens, kv_heads * width).

        `cached` tokens, whose keys and values are an input of the network, come before those of `k` and `v`.
        """
        shared = kv_heads or heads
        shapes = f"q={q.shape}, k={k.shape}, v={v.shape}"
        if {len(t.shape) for t in (q, k, v)} != {3} or len({t.shape[0] for t in (q, k, v)}) > 1 or k.shape[1] != v.shape[1]:
            raise self._refusal(name, f"{shapes} (accepted: batch, tokens, features; as many tokens of k as of v)")
        if q.features % heads or k.features % shared or v.features % shared or q.features * shared != k.features * heads:
            raise self._refusal(name, f"heads={heads}, kv_heads={kv_heads} with {shapes} (accepted: heads that divide the "
                                      "features, and a query as wide as a key)")
        batch, q_len, q_features = q.shape
        inputs = tuple(dict.fromkeys((q, k, v)))
        inputs = tuple(Tensor(t.shape, (s,)) for s, t in {s: t for t in inputs for s in t.sources}.items())
        return self.add_operator(
            Attention, name, (*inputs, self.input(cached)) if cached else inputs,
            (batch, q_len, heads * (v.features // shared)),
            batch=batch, heads=heads, kv_heads=kv_heads, q_len=q_len, kv_len=k.shape[1] + cached, cached=cached,
            head_dim=q_features // heads, v_dim=v.features // shared, causal=causal,
        )

    # Element by element

    @checked(_of_operator)
    def elementwise(self, name: Name, function: str, *operands: Tensor, parameters: Extent = 0) -> Tensor:
        """Apply a function; operands after the first are broadcast to its shape."""
        if not operands:
            raise self._refusal(name, "no operand (accepted: one or more)")
        first = operands[0]
        for other in operands[1:]:
            if first.elements % other.elements:
                raise self._refusal(name, f"shape {other.shape} does not broadcast to {first.shape} (accepted: as many "
                                          "elements, or a divisor)")
        same = all(other.elements == first.elements for other in operands)
        return self.add_operator(
            Elementwise, name, operands, first.shape, function=function, elements=first.elements,
            operands=len(operands) + (parameters > 0), parameters=parameters,
            reads=None if same else sum(operand.elements for operand in operands),
        )

    @checked(_of_operator)
    def activate(self, name: Name, x: Tensor, function: str) -> Tensor:
        """Apply an activation function."""
        return self.elementwise(name, function, x)

    @checked(_of_operator)
    def add(self, name: Name, *operands: Tensor) -> Tensor:
        """Add tensors."""
        return self.elementwise(name, "add", *operands)

    @checked(_of_operator)
    def multiply(self, name: Name, x: Tensor, y: Tensor) -> Tensor:
        """Multiply two tensors."""
        return self.elementwise(name, "multiply", x, y)

    @checked(_of_operator)
    def norm(self, name: Name, x: Tensor, mode: Literal["layer", "rms", "group", "batch", "local"] = "layer", *,
             affine: bool = True) -> Tensor:
        """Normalise: layer and rms over the features of each row, batch by channel, group over each sample."""
        rows = x.shape[0] if mode == "group" else prod(x.shape[:-1])
        features = x.features if mode == "group" else None
        return self.add_operator(
            Normalization, name, (x,), x.shape, mode=mode, rows=rows, cols=x.elements // rows, features=features,
            affine=affine,
        )

    @checked(_of_operator)
    def softmax(self, name: Name, x: Tensor) -> Tensor:
        """Apply a softmax over the last dimension."""
        return self.add_operator(
            Softmax, name, (x,), x.shape, rows=prod(x.shape[:-1]), cols=x.features
        )

    @checked(_of_operator)
    def embedding(self, name: Name, ids: Tensor, entries: Count, width: Count) -> Tensor:
        """Look every id up in a table."""
        return self.add_operator(
            Embedding, name, (ids,), (*ids.shape, width), entries=entries, width=width, tokens=ids.elements
        )


def _pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value
