"""N:M weight sparsity: of every M consecutive weights along the reduction, N are kept.

The reduction is the dimension that a product sums over: the features that a row of a matrix product reads, or the window of a
convolution, row by row, column by column, channels innermost. A last group that is not full keeps N weights, or all it has.
Each kept weight is stored with its place in its group, ceil(log2 M) bits.

    kept(10, (2, 4)) == 6        # groups of 4, 4 and 2 keep 2, 2 and 2
    metadata_bits(10, (2, 4)) == 12
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import Field, PlainValidator

from ..errors import InputError
from ..reading import natural
from .arguments import Words

if TYPE_CHECKING:
    import numpy as np

    from .operators import Conv, Gemm

    Array = np.ndarray[Any, Any]

__all__ = [
    "DENSE", "STORED", "Pattern", "Sparsity", "StoredSparsity", "detect", "filters_as_matrices", "kept", "magnitude_mask",
    "metadata_bits", "operator_mask",
]

LARGEST_GROUP = 64
MOST_WEIGHTS = 2**26
"""Weights of the largest operator that a mask is made for; counts need no mask."""
_DETECTED = (2, 4, 8, 16)
"""Sizes of groups that are looked for in given weights."""


class Pattern(NamedTuple):
    """N of each M weights are kept."""

    n: int
    m: int

    def __str__(self) -> str:
        return f"{self.n}:{self.m}" if self.n < self.m else "dense"


DENSE = Pattern(1, 1)
STORED: Literal["stored"] = "stored"
_ACCEPTED = f"N:M with 1 <= N <= M <= {LARGEST_GROUP}, or dense"


def _pattern(value: Any) -> Pattern:
    """Return the pattern that a text or a pair stands for; raises `ValueError`."""
    if isinstance(value, str):
        if value == "dense":
            return DENSE
        value = tuple(map(natural, value.split(":")))
    whole = isinstance(value, tuple) and len(value) == 2 and all(type(part) is int for part in value)
    if not whole or not 1 <= value[0] <= value[1] <= LARGEST_GROUP:
        raise ValueError("no pattern of sparsity")
    return Pattern(*value) if value[0] < value[1] else DENSE


def _pattern_or_stored(value: Any) -> Pattern | Literal["stored"]:
    return STORED if isinstance(value, str) and value == STORED else _pattern(value)


_OF_EACH = "weights that are kept of each group along the reduction, 2:4 for two of four"
Sparsity = Annotated[Pattern, PlainValidator(_pattern), Words(_ACCEPTED), Field(description=_OF_EACH)]
StoredSparsity = Annotated[
    Pattern | Literal["stored"], PlainValidator(_pattern_or_stored), Words(f"{_ACCEPTED}, or stored"),
    Field(description=f"{_OF_EACH}; stored: as the zeros of the file's own weights say"),
]


def kept(length: int, pattern: tuple[int, int] | None) -> int:
    """Return how many of `length` weights along the reduction are kept."""
    if pattern is None:
        return length
    n, m = pattern
    groups, rest = divmod(length, m)
    return groups * n + min(n, rest)


def metadata_bits(length: int, pattern: tuple[int, int] | None) -> int:
    """Return the bits that say where in their groups the kept ones of `length` weights were."""
    if pattern is None or pattern[0] == pattern[1]:
        return 0
    return kept(length, pattern) * (pattern[1] - 1).bit_length()


def magnitude_mask(weights: Array, pattern: tuple[int, int]) -> Array:
    """Return which weights are kept, of an array whose last axis but one is the reduction (..., k, n).

    The N largest magnitudes of each group are, the first ones where several are equal. Raises `InputError` for weights that
    cannot be ordered.
    """
    import numpy as np

    n, m = pattern
    magnitude = np.abs(np.swapaxes(np.asarray(weights), -1, -2).astype(np.float64))
    if np.isnan(magnitude).any():
        raise InputError("weights: not a number (accepted: numbers)")
    *others, length = magnitude.shape
    padded = np.full((*others, -(-length // m) * m), -1.0)
    padded[..., :length] = magnitude
    groups = padded.reshape(*others, -1, m)
    chosen = np.argsort(-groups, axis=-1, kind="stable")[..., :n]
    mask = np.zeros(groups.shape, bool)
    np.put_along_axis(mask, chosen, True, axis=-1)
    return np.swapaxes(mask.reshape(padded.shape)[..., :length], -1, -2)


def operator_mask(operator: Conv | Gemm, *, weights: Array | None = None, seed: int = 0) -> Array:
    """Return which weights of an operator are kept, as (groups, k, n), all of them if it is dense.

    Without given weights of that shape, normally distributed ones are drawn; the same seed and name of the operator draw the
    same. Raises `InputError` for an operator without weights, too many of them, or given ones of another shape.
    """
    import numpy as np

    (shape,) = operator.gemms
    if not operator.weight_elements:
        raise InputError(f"operator {operator.name!r}: no weights (accepted: convolutions, products with a constant matrix)")
    if operator.weight_elements > MOST_WEIGHTS:
        many = f"{operator.weight_elements:,} weights"
        raise InputError(f"operator {operator.name!r}: {many} (accepted: at most {MOST_WEIGHTS:,})")
    dims = (shape.groups, shape.k, shape.n)
    if weights is None:
        rng = np.random.default_rng([seed, zlib.crc32(operator.name.encode())])
        weights = rng.standard_normal(dims, np.float32)
    elif tuple(weights.shape) != dims:
        raise InputError(f"operator {operator.name!r}: weights of shape {tuple(weights.shape)} (accepted: {dims})")
    if operator.weight_sparsity is None:
        return np.ones(dims, bool)
    return magnitude_mask(weights, operator.weight_sparsity)


def filters_as_matrices(filters: Array, groups: int = 1) -> Array:
    """Return filters (out, in / groups, height, width), as ONNX and torch store them, as (groups, k, n)."""
    out, channels, height, width = filters.shape
    by_filter = filters.transpose(0, 2, 3, 1).reshape(groups, out // groups, height * width * channels)
    return by_filter.swapaxes(1, 2)


class Detector:
    """Finds the pattern that all of some vectors of weights have, seen part by part."""

    def __init__(self) -> None:
        self._most = dict.fromkeys(_DETECTED, 0)

    def see(self, vectors: Array) -> None:
        """Look at weights (vectors, reduction), or at whether each is not zero."""
        import numpy as np

        counts = (vectors != 0).astype(np.uint8)
        largest = _DETECTED[-1]
        counts = np.pad(counts, ((0, 0), (0, -counts.shape[1] % largest)))
        size = 1
        for m in _DETECTED:
            counts = counts.reshape(len(counts), -1, m // size).sum(axis=2, dtype=np.uint8)
            self._most[m] = max(self._most[m], int(counts.max(initial=0)))
            size = m

    @property
    def dense(self) -> bool:
        """Whether no more can be found."""
        return all(most == m for m, most in self._most.items())

    @property
    def pattern(self) -> Pattern:
        """The pattern that keeps the smallest part, of these the one with the smallest groups."""
        found = min((max(1, most) / m, m, max(1, most)) for m, most in self._most.items())
        return Pattern(found[2], found[1]) if found[2] < found[1] else DENSE


def detect(weights: Array) -> Pattern:
    """Return the pattern N:M, M one of 2, 4, 8 and 16, that the zeros of weights (..., k, n) have; `DENSE` for none."""
    import numpy as np

    detector = Detector()
    vectors = np.swapaxes(np.asarray(weights), -1, -2)
    detector.see(vectors.reshape(-1, vectors.shape[-1]))
    return detector.pattern
