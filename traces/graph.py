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
from .operators import Attention, Conv, Elementwise, Embedding, Gemm, Normalization, Pool, Softmax
from .workload import Workload

__all__ = ["Graph", "Tensor"]

Pair = int | tuple[int, int]


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

    def reshape(self, *shape: int) -> Tensor:
        """Return the same elements in another shape."""
        if prod(shape) != self.elements:
            raise InputError(f"a tensor of shape {self.shape} cannot be seen as {shape}")
        return replace(self, shape=shape)

    def flatten(self) -> Tensor:
        """Return one row for each sample."""
        return self.reshape(self.shape[0], prod(self.shape[1:]))

    def tokens(self) -> Tensor:
        """Return one token for each pixel."""
        batch, height, width, channels = self.shape
        return self.reshape(batch, height * width, channels)

    def part(self, features: int) -> Tensor:
        """Return some of the features, read where they lie."""
        return replace(self, shape=(*self.shape[:-1], features))

    def rows(self, rows: int) -> Tensor:
        """Return some of the tokens of each sample, read where they lie."""
        return replace(self, shape=(self.shape[0], rows, *self.shape[2:]))


class Graph:
    """Operators in the making. Every method names its operator, adds it, and returns its output."""

    def __init__(self) -> None:
        self._operators: list[Any] = []
        self._scopes: list[str] = []
        self.extra_params = 0
        """Parameters that belong to no operator; negative where operators share a table."""

    def workload(self, name: str, source: str = "") -> Workload:
        """Return what was built."""
        return Workload(
            name=name, operators=tuple(self._operators), source=source, extra_params=self.extra_params
        )

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Put `name.` before the names of the operators that are added inside."""
        self._scopes.append(name)
        try:
            yield
        finally:
            self._scopes.pop()

    @staticmethod
    def input(*shape: int) -> Tensor:
        """Return an input of the network."""
        return Tensor(shape)

    @staticmethod
    def concat(*tensors: Tensor) -> Tensor:
        """Return the tensors side by side along the features."""
        if len({tensor.shape[:-1] for tensor in tensors}) != 1:
            raise InputError(f"tensors of shapes {[t.shape for t in tensors]} differ in more than their features")
        sources = dict.fromkeys(source for tensor in tensors for source in tensor.sources)
        return Tensor((*tensors[0].shape[:-1], sum(t.features for t in tensors)), tuple(sources))

    def add_operator(self, kind: type[Any], name: str, inputs: tuple[Tensor, ...], shape: tuple[int, ...],
                     **fields: Any) -> Tensor:
        """Add any operator; its output has the given shape. Raises `InputError` naming the operator."""
        full_name = ".".join([*self._scopes, name])
        sources = tuple(source for tensor in inputs for source in tensor.sources)
        try:
            self._operators.append(kind(name=full_name, inputs=sources, **fields))
        except ValidationError as error:
            raise InputError(f"operator {full_name!r}: {explain(error)}") from None
        return Tensor(shape, (full_name,))

    # Convolutions and windows

    def conv(self, name: str, x: Tensor, channels: int, kernel: Pair, *, stride: Pair = 1, padding: Pair | None = None,
             groups: int = 1, dilation: int = 1, bias: bool = False, batch_norm: bool = False,
             activation: str | None = None) -> Tensor:
        """Convolve an image; the default padding is half the window, which keeps the size at stride 1."""
        batch, height, width, in_channels = x.shape
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

    def depthwise(self, name: str, x: Tensor, kernel: Pair, **options: Any) -> Tensor:
        """Convolve every channel on its own."""
        return self.conv(name, x, x.features, kernel, groups=x.features, **options)

    def conv_transpose(self, name: str, x: Tensor, channels: int, kernel: int, *, stride: int, padding: int) -> Tensor:
        """Spread every pixel over a window: a product for each pixel, then overlapping windows and a bias are added."""
        batch, height, width, in_channels = x.shape
        out_h, out_w = ((size - 1) * stride - 2 * padding + kernel for size in (height, width))
        windows = self.add_operator(
            Gemm, name, (x,), (batch, height, width, kernel * kernel * channels),
            m=batch * height * width, n=kernel * kernel * channels, k=in_channels,
        )
        shape = (batch, out_h, out_w, channels)
        return self.add_operator(
            Elementwise, f"{name}.overlap_add", (windows,), shape, function="overlap_add", elements=prod(shape),
            operands=(-(-kernel // stride)) ** 2 + 1, reads=windows.elements, parameters=channels,
        )

    def pool(self, name: str, x: Tensor, mode: Literal["max", "average"], kernel: int, stride: int | None = None, *,
             padding: int = 0, ceil: bool = False) -> Tensor:
        """Pool an image; `ceil` keeps a last partial window that starts inside the image or its padding."""
        batch, height, width, channels = x.shape
        sizes = []
        for size in (height, width):
            spare = size + 2 * padding - kernel
            step = stride or kernel
            out = (-(-spare // step) if ceil else spare // step) + 1
            if ceil and (out - 1) * step >= size + padding:
                out -= 1
            if spare < 0 and not (ceil and out >= 1):
                raise InputError(f"operator {name!r}: a window of {kernel} is larger than the image {height}x{width}")
            sizes.append(out)
        return self.add_operator(
            Pool, name, (x,), (batch, *sizes, channels), mode=mode, batch=batch, in_h=height, in_w=width,
            channels=channels, kernel_h=kernel, kernel_w=kernel, out_h=sizes[0], out_w=sizes[1],
        )

    def adaptive_pool(self, name: str, x: Tensor, size: int) -> Tensor:
        """Average to a fixed size; where the sizes do not divide, windows are rounded up."""
        batch, height, width, channels = x.shape
        if (height, width) == (size, size):
            return x
        return self.add_operator(
            Pool, name, (x,), (batch, size, size, channels), mode="average", batch=batch, in_h=height, in_w=width,
            channels=channels, kernel_h=-(-height // size), kernel_w=-(-width // size), out_h=size, out_w=size,
        )

    def global_pool(self, name: str, x: Tensor) -> Tensor:
        """Average each channel over the whole image."""
        return self.adaptive_pool(name, x, 1)

    # Matrix products

    def linear(self, name: str, x: Tensor, features: int, *, bias: bool = True,
               activation: str | None = None) -> Tensor:
        """Multiply every row with one constant matrix; the batch is folded into the rows."""
        shape = (*x.shape[:-1], features)
        y = self.add_operator(
            Gemm, name, (x,), shape, m=prod(x.shape[:-1]), n=features, k=x.features, bias=bias
        )
        return self.activate(f"{name}.{activation}", y, activation) if activation else y

    def attention(self, name: str, q: Tensor, k: Tensor, v: Tensor, *, heads: int, kv_heads: int | None = None,
                  cached: int = 0, causal: bool = False) -> Tensor:
        """Attend from queries (batch, tokens, heads * width) to keys and values (batch, tokens, kv_heads * width).

        `cached` tokens, whose keys and values are an input of the network, come before those of `k` and `v`.
        """
        batch, q_len, q_features = q.shape
        shared = kv_heads or heads
        inputs = tuple(dict.fromkeys((q, k, v)))
        inputs = tuple(Tensor(t.shape, (s,)) for s, t in {s: t for t in inputs for s in t.sources}.items())
        return self.add_operator(
            Attention, name, (*inputs, self.input(cached)) if cached else inputs,
            (batch, q_len, heads * (v.features // shared)),
            batch=batch, heads=heads, kv_heads=kv_heads, q_len=q_len, kv_len=k.shape[1] + cached, cached=cached,
            head_dim=q_features // heads, v_dim=v.features // shared, causal=causal,
        )

    # Element by element

    def elementwise(self, name: str, function: str, *operands: Tensor, parameters: int = 0) -> Tensor:
        """Apply a function; operands after the first are broadcast to its shape."""
        first = operands[0]
        for other in operands[1:]:
            if first.elements % other.elements:
                raise InputError(f"operator {name!r}: shape {other.shape} does not broadcast to {first.shape}")
        same = all(other.elements == first.elements for other in operands)
        return self.add_operator(
            Elementwise, name, operands, first.shape, function=function, elements=first.elements,
            operands=len(operands) + (parameters > 0), parameters=parameters,
            reads=None if same else sum(operand.elements for operand in operands),
        )

    def activate(self, name: str, x: Tensor, function: str) -> Tensor:
        """Apply an activation function."""
        return self.elementwise(name, function, x)

    def add(self, name: str, *operands: Tensor) -> Tensor:
        """Add tensors."""
        return self.elementwise(name, "add", *operands)

    def multiply(self, name: str, x: Tensor, y: Tensor) -> Tensor:
        """Multiply two tensors."""
        return self.elementwise(name, "multiply", x, y)

    def norm(self, name: str, x: Tensor, mode: Literal["layer", "rms", "group", "batch", "local"] = "layer", *,
             affine: bool = True) -> Tensor:
        """Normalise: layer and rms over the features of each row, batch by channel, group over each sample."""
        rows = x.shape[0] if mode == "group" else prod(x.shape[:-1])
        features = x.features if mode == "group" else None
        return self.add_operator(
            Normalization, name, (x,), x.shape, mode=mode, rows=rows, cols=x.elements // rows, features=features,
            affine=affine,
        )

    def softmax(self, name: str, x: Tensor) -> Tensor:
        """Apply a softmax over the last dimension."""
        return self.add_operator(
            Softmax, name, (x,), x.shape, rows=prod(x.shape[:-1]), cols=x.features
        )

    def embedding(self, name: str, ids: Tensor, entries: int, width: int) -> Tensor:
        """Look every id up in a table."""
        return self.add_operator(
            Embedding, name, (ids,), (*ids.shape, width), entries=entries, width=width, tokens=ids.elements
        )


def _pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value
