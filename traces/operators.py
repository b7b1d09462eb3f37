"""The operators of a network: shapes, work and bytes, and nothing of hardware.

An operator is a frozen, validated value. It names the operators whose outputs it reads, so that a
list of operators is a graph. Counts are in elements and operations; `bits` says how wide the
elements are where the workload fixes it (None leaves it to the machine).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from math import prod
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .sparsity import kept, metadata_bits

__all__ = [
    "Attention", "Conv", "Elementwise", "Embedding", "Gemm", "GemmShape", "Normalization", "Operator",
    "Pool", "Softmax", "TensorBits",
]

Size = Annotated[int, Field(ge=1, le=2**40)]
Sparsity = tuple[Annotated[int, Field(ge=1, le=64)], Annotated[int, Field(ge=1, le=64)]]
"""(n, m): at most n of any m consecutive weights along the reduction are not zero."""


class TensorBits(BaseModel):
    """Element widths in bits, for each tensor of an operator; None means the machine's own width."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Annotated[int, Field(ge=1, le=64)] | None = None
    weight: Annotated[int, Field(ge=1, le=64)] | None = None
    output: Annotated[int, Field(ge=1, le=64)] | None = None


class GemmShape(NamedTuple):
    """`groups` independent products of an (m x k) by a (k x n) matrix."""

    groups: int
    m: int
    n: int
    k: int


def _check_sparsity(sparsity: Sparsity | None) -> None:
    if sparsity and sparsity[0] > sparsity[1]:
        raise ValueError(f"weight_sparsity={sparsity}: at most {sparsity[1]} of {sparsity[1]} can be non-zero")


class _Base(BaseModel):
    """What every operator has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)]
    inputs: tuple[str, ...] = ()
    """Names of the operators whose outputs are read, in order; "" stands for an input of the network."""
    bits: TensorBits = TensorBits()

    @property
    def gemms(self) -> tuple[GemmShape, ...]:
        """The matrix products that the operator consists of; empty for element-wise work."""
        return ()

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations, padding included (the field's usual count)."""
        return sum(prod(gemm) for gemm in self.gemms)

    @property
    def effective_macs(self) -> int:
        """Multiply-accumulates with a weight that is kept; all of `macs` where nothing is pruned."""
        return self.macs

    @property
    def vector_ops(self) -> int:
        """Element operations that are not part of a matrix product."""
        return 0

    @property
    def weight_elements(self) -> int:
        """Elements of the constant operands that stream from memory (no bias)."""
        return 0

    @property
    def prunable(self) -> bool:
        """Whether N:M sparsity applies: it has trained weights, and a reduction over more than one channel."""
        return False

    @property
    def kept_weight_elements(self) -> int:
        """Those of `weight_elements` that are kept."""
        return self.weight_elements

    @property
    def weight_metadata_bits(self) -> int:
        """Bits that say where in their groups the kept weights were."""
        return 0

    def weight_bits(self, element_bits: int) -> int:
        """Return the bits that the weights take in memory: those kept, and where they were."""
        return self.kept_weight_elements * element_bits + self.weight_metadata_bits

    @property
    def params(self) -> int:
        """Trainable parameters, biases and folded normalisation included, as model cards count them."""
        return self.weight_elements

    @property
    @abstractmethod
    def input_elements(self) -> int:
        """Elements read from the operator's inputs, each counted once."""

    @property
    @abstractmethod
    def output_elements(self) -> int:
        """Elements of the output."""


class _Weighted(_Base):
    """An operator that is one set of matrix products, with constant weights as the second operand."""

    weight_sparsity: Sparsity | None = None
    """How the weights are pruned; `macs` and `weight_elements` stay dense, for a machine that cannot skip zeros does all."""

    @property
    def effective_macs(self) -> int:
        """Multiply-accumulates with a weight that is kept; all of `macs` where nothing is pruned."""
        return sum(groups * m * n * kept(k, self.weight_sparsity) for groups, m, n, k in self.gemms)

    @property
    def kept_weight_elements(self) -> int:
        """Those of `weight_elements` that are kept: the same number for each output."""
        if not self.weight_elements:
            return 0
        return sum(groups * n * kept(k, self.weight_sparsity) for groups, _, n, k in self.gemms)

    @property
    def weight_metadata_bits(self) -> int:
        """Bits that say where in their groups the kept weights were, ceil(log2 M) for each."""
        return sum(groups * n * metadata_bits(k, self.weight_sparsity) for groups, _, n, k in self.gemms)


class Conv(_Weighted):
    """A two-dimensional convolution, channel-last; groups = in_channels makes it depthwise.

    `window="floor"` drops a last partial window, as frameworks do; "ceil" keeps it, as SCALE-Sim does.
    """

    kind: Literal["conv"] = "conv"
    batch: Size = 1
    in_h: Size
    in_w: Size
    in_channels: Size
    out_channels: Size
    kernel_h: Size
    kernel_w: Size
    stride_h: Size = 1
    stride_w: Size = 1
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Rows above and below, columns left and right: (top, bottom, left, right)."""
    dilation: Size = 1
    groups: Size = 1
    bias: bool = False
    batch_norm: bool = False
    """A batch normalisation folded into the weights at inference; it adds two parameters a channel."""
    window: Literal["floor", "ceil"] = "floor"

    @model_validator(mode="after")
    def _consistent(self) -> Conv:
        _check_sparsity(self.weight_sparsity)
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ValueError(
                f"groups={self.groups} must divide in_channels={self.in_channels} "
                f"and out_channels={self.out_channels}"
            )
        if min(self.padding) < 0:
            raise ValueError(f"padding={self.padding} must not be negative")
        spare_h = self._spare(self.in_h, self.padding[:2], self.kernel_h)
        spare_w = self._spare(self.in_w, self.padding[2:], self.kernel_w)
        if spare_h < 0 or spare_w < 0:
            raise ValueError(
                f"the kernel ({self.kernel_h}x{self.kernel_w}, dilation {self.dilation}) is larger than "
                f"the input ({self.in_h}x{self.in_w}, padding {self.padding})"
            )
        return self

    def _spare(self, size: int, pads: tuple[int, ...], kernel: int) -> int:
        """Return the positions that the window can move on along one axis."""
        return size + sum(pads) - (self.dilation * (kernel - 1) + 1)

    def _out(self, spare: int, stride: int) -> int:
        return (-(-spare // stride) if self.window == "ceil" else spare // stride) + 1

    @cached_property
    def out_h(self) -> int:
        """Rows of the output."""
        return self._out(self._spare(self.in_h, self.padding[:2], self.kernel_h), self.stride_h)

    @cached_property
    def out_w(self) -> int:
        """Columns of the output."""
        return self._out(self._spare(self.in_w, self.padding[2:], self.kernel_w), self.stride_w)

    @property
    def depthwise(self) -> bool:
        """Whether every channel is filtered on its own."""
        return self.groups == self.in_channels and self.groups > 1

    @property
    def prunable(self) -> bool:
        """Not where every channel is filtered on its own: a window of one channel has nothing to choose from."""
        return not self.depthwise

    @property
    def gemms(self) -> tuple[GemmShape, ...]:
        """The im2col product of each group: output pixels x filters x window."""
        k = self.kernel_h * self.kernel_w * (self.in_channels // self.groups)
        return (GemmShape(self.groups, self.batch * self.out_h * self.out_w, self.out_channels // self.groups, k),)

    @property
    def weight_elements(self) -> int:
        """Elements of the filters."""
        return self.kernel_h * self.kernel_w * (self.in_channels // self.groups) * self.out_channels

    @property
    def params(self) -> int:
        """Filters, bias and folded batch normalisation."""
        return self.weight_elements + self.out_channels * (int(self.bias) + 2 * int(self.batch_norm))

    @property
    def input_elements(self) -> int:
        """Elements of the unpadded input."""
        return self.batch * self.in_h * self.in_w * self.in_channels

    @property
    def output_elements(self) -> int:
        """Elements of the output."""
        return self.batch * self.out_h * self.out_w * self.out_channels


class Gemm(_Weighted):
    """`batch` products of an (m x k) by a (k x n) matrix.

    With `weights` the second matrix is constant: one for all of the batch (`batch` rows then simply add
    to m in the network builder) or one for each; without, both operands are activations.
    """

    kind: Literal["gemm"] = "gemm"
    batch: Size = 1
    m: Size
    n: Size
    k: Size
    weights: bool = True
    trained: bool = True
    """Whether the weights are parameters of this operator. Those of a Fourier transform are not, nor is a table that another
    operator counts already; such weights are neither counted nor pruned."""
    bias: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Gemm:
        _check_sparsity(self.weight_sparsity)
        if not self.weights and (self.bias or self.weight_sparsity):
            raise ValueError("bias and weight_sparsity need weights=True")
        return self

    @property
    def prunable(self) -> bool:
        """Whether the second matrix is trained."""
        return self.weights and self.trained

    @property
    def gemms(self) -> tuple[GemmShape, ...]:
        """The product itself."""
        return (GemmShape(self.batch, self.m, self.n, self.k),)

    @property
    def weight_elements(self) -> int:
        """Elements of the constant matrix."""
        return self.batch * self.n * self.k if self.weights else 0

    @property
    def params(self) -> int:
        """The constant matrix and the bias."""
        return (self.weight_elements if self.trained else 0) + (self.batch * self.n if self.bias else 0)

    @property
    def input_elements(self) -> int:
        """Elements of the activations read."""
        return self.batch * (self.m * self.k + (0 if self.weights else self.n * self.k))

    @property
    def output_elements(self) -> int:
        """Elements of the result."""
        return self.batch * self.m * self.n


class Attention(_Base):
    """Scaled dot-product attention: scores = Q K^T, softmax over each row, output = scores V.

    Projections are operators of their own, and are its inputs; "" among the inputs is the cache. With
    `kv_heads` < `heads` the keys and values are shared by groups of heads. `causal` halves nothing: dense
    machines compute the masked half too.
    """

    kind: Literal["attention"] = "attention"
    batch: Size = 1
    heads: Size
    kv_heads: Size | None = None
    q_len: Size
    kv_len: Size
    head_dim: Size
    v_dim: Size | None = None
    causal: bool = False
    cached: Annotated[int, Field(ge=0)] = 0
    """Tokens, of `kv_len`, whose keys and values were made in an earlier run and come from memory."""
    shared_values: bool = False
    """The values are the first `v_dim` elements of the keys, read once (absorbed latent attention)."""

    @model_validator(mode="after")
    def _consistent(self) -> Attention:
        if self.heads % (self.kv_heads or self.heads):
            raise ValueError(f"kv_heads={self.kv_heads} must divide heads={self.heads}")
        if self.cached > self.kv_len:
            raise ValueError(f"cached={self.cached} must not exceed kv_len={self.kv_len}")
        if self.shared_values and (self.v_dim or self.head_dim) > self.head_dim:
            raise ValueError(f"v_dim={self.v_dim} must not exceed head_dim={self.head_dim} when values are shared")
        return self

    @property
    def gemms(self) -> tuple[GemmShape, ...]:
        """One score and one value product for each sequence and key/value head.

        Query heads that share keys are stacked in m, since they meet the same second operand.
        """
        kv = self.kv_heads or self.heads
        groups, m = self.batch * kv, self.q_len * (self.heads // kv)
        return (
            GemmShape(groups, m, self.kv_len, self.head_dim),
            GemmShape(groups, m, self.v_dim or self.head_dim, self.kv_len),
        )

    @property
    def score_elements(self) -> int:
        """Elements of the score matrices of all heads."""
        return self.batch * self.heads * self.q_len * self.kv_len

    @property
    def vector_ops(self) -> int:
        """Softmax: maximum, subtract, exponential, sum and divide for each score."""
        return 5 * self.score_elements

    @property
    def input_elements(self) -> int:
        """Queries, keys and values."""
        kv = self.kv_heads or self.heads
        values = 0 if self.shared_values else self.v_dim or self.head_dim
        return self.batch * (self.heads * self.q_len * self.head_dim + kv * self.kv_len * (self.head_dim + values))

    @property
    def output_elements(self) -> int:
        """One vector for each query and head."""
        return self.batch * self.heads * self.q_len * (self.v_dim or self.head_dim)


class Pool(_Base):
    """Maximum or average over windows; a window as large as the input is a global pooling."""

    kind: Literal["pool"] = "pool"
    mode: Literal["max", "average"] = "max"
    batch: Size = 1
    in_h: Size
    in_w: Size
    channels: Size
    kernel_h: Size
    kernel_w: Size
    out_h: Size
    out_w: Size

    @property
    def vector_ops(self) -> int:
        """One operation for each element of each window."""
        return self.output_elements * self.kernel_h * self.kernel_w

    @property
    def input_elements(self) -> int:
        """Elements of the input."""
        return self.batch * self.in_h * self.in_w * self.channels

    @property
    def output_elements(self) -> int:
        """Elements of the output."""
        return self.batch * self.out_h * self.out_w * self.channels


class Elementwise(_Base):
    """A function of `operands` tensors, element by element (an activation, an addition)."""

    kind: Literal["elementwise"] = "elementwise"
    function: str = "add"
    elements: Size
    """Elements of the result."""
    operands: Annotated[int, Field(ge=1, le=64)] = 1
    """Operands of the function: activations, and the trainable one if there are `parameters`."""
    reads: Size | None = None
    """Elements read of the activations where one is broadcast; `elements` of each if not given."""
    parameters: Annotated[int, Field(ge=0, le=2**40)] = 0
    """Elements of a trainable operand (a position embedding, a scale for each channel)."""

    @property
    def vector_ops(self) -> int:
        """One operation for each element and operand beyond the first, and at least one."""
        return self.elements * max(1, self.operands - 1)

    @property
    def weight_elements(self) -> int:
        """Elements of the trainable operand."""
        return self.parameters

    @property
    def input_elements(self) -> int:
        """Elements of all operands that are activations."""
        activations = self.operands - (self.parameters > 0)
        return self.elements * activations if self.reads is None else self.reads

    @property
    def output_elements(self) -> int:
        """Elements of the result."""
        return self.elements


class Softmax(_Base):
    """A softmax over each of `rows` rows of `cols` elements."""

    kind: Literal["softmax"] = "softmax"
    rows: Size
    cols: Size

    @property
    def vector_ops(self) -> int:
        """Maximum, subtract, exponential, sum and divide for each element."""
        return 5 * self.rows * self.cols

    @property
    def input_elements(self) -> int:
        """Elements of the input."""
        return self.rows * self.cols

    @property
    def output_elements(self) -> int:
        """Elements of the output."""
        return self.rows * self.cols


class Normalization(_Base):
    """Layer, RMS, group or (unfolded) batch normalisation of `rows` rows of `cols` elements.

    "local" is AlexNet's response normalisation over neighbouring channels, which has no parameters.
    """

    kind: Literal["normalization"] = "normalization"
    mode: Literal["layer", "rms", "group", "batch", "local"] = "layer"
    rows: Size
    cols: Size
    features: Size | None = None
    """Channels that carry a scale and an offset; `cols` if not given."""
    affine: bool = True
    """Whether there is a trainable scale (and, except for rms, offset)."""

    @property
    def vector_ops(self) -> int:
        """Count operations an element.

        Layer and group: sum, square sum, subtract, scale, offset. RMS: square sum, two scales. Batch: scale,
        offset. Local: square, the window's sum carried along (add, subtract), scale and offset, power, divide.
        """
        per_element = {"layer": 5, "group": 5, "rms": 3, "batch": 2, "local": 6}[self.mode]
        return per_element * self.rows * self.cols

    @property
    def params(self) -> int:
        """Scale and offset of each feature (RMS has a scale only)."""
        if not self.affine or self.mode == "local":
            return 0
        return (1 if self.mode == "rms" else 2) * (self.features or self.cols)

    @property
    def input_elements(self) -> int:
        """Elements of the input."""
        return self.rows * self.cols

    @property
    def output_elements(self) -> int:
        """Elements of the output."""
        return self.rows * self.cols


class Embedding(_Base):
    """A table look-up: `tokens` rows of `width` elements from a table of `entries` rows."""

    kind: Literal["embedding"] = "embedding"
    entries: Size
    width: Size
    tokens: Size

    @property
    def params(self) -> int:
        """The whole table."""
        return self.entries * self.width

    @property
    def vector_ops(self) -> int:
        """One move for each element."""
        return self.tokens * self.width

    @property
    def input_elements(self) -> int:
        """Rows that are read."""
        return self.tokens * self.width

    @property
    def output_elements(self) -> int:
        """Rows that are written."""
        return self.tokens * self.width


Operator = Annotated[
    Conv | Gemm | Attention | Pool | Elementwise | Softmax | Normalization | Embedding,
    Field(discriminator="kind"),
]


def total(operators: Sequence[_Base], count: str) -> int:
    """Return the sum of one of the integer counts (`"macs"`, `"params"`, ...) over operators."""
    return sum(getattr(operator, count) for operator in operators)
