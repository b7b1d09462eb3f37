"""Address traces of small programs: what a processor without registers would ask its first cache for.

Every access is one element. Matrices are stored by rows, one after the other from address 0, each from a
multiple of 4,096 bytes on.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..errors import InputError
from .address_generators import splitmix64
from .addresses import AddressTrace
from .catalog import workload

__all__ = ["matmul", "pointer_chase", "stencil", "transpose", "zipf"]

_KIND = "address trace"
_LONGEST = 10**7
"""Accesses of a trace: 0.6 GB while it is made."""

Accesses = Annotated[int, Field(ge=1, le=_LONGEST, description="Accesses.")]
Seed = Annotated[int, Field(ge=0, le=2**63, description="Seed of splitmix64.")]
Size = Annotated[int, Field(ge=1, le=65536, description="Elements along one dimension.")]
Element = Annotated[int, Field(ge=1, le=64, description="Bytes of an element.")]
Tile = Annotated[int, Field(ge=0, le=65536, description="Elements along each side of a tile; 0: no tiles.")]
Items = Annotated[int, Field(ge=1, le=2**26, description="Different items.")]
ItemBytes = Annotated[int, Field(ge=1, le=2**20, description="Bytes from one item to the next.")]
Share = Annotated[int, Field(ge=0, le=1000, description="Writes among 1,000 accesses, drawn.")]
Skew = Annotated[float, Field(ge=0, le=4, description="Exponent: item r is used in proportion to r ** -skew.")]
Order = Literal["ijk", "ikj", "jik", "jki", "kij", "kji"]


def _uniform(seed: int, count: int) -> NDArray[np.float64]:
    """Numbers in [0, 1) with 53 random bits."""
    return (splitmix64(seed, count) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _writes(seed: int, count: int, share: int) -> NDArray[np.bool_]:
    return (splitmix64(seed, count) % np.uint64(1000)).astype(np.int64) < share


@workload("pointer-chase", "A ring of nodes in random order, followed round and round", kind=_KIND)
def pointer_chase(
    name: str, *, n: Accesses = 100_000, nodes: Items = 4096, node_bytes: ItemBytes = 64, seed: Seed = 1
) -> AddressTrace:
    """One cycle through all nodes. Each access needs the one before: give the hierarchy a window of 1."""
    order = np.argsort(splitmix64(seed, nodes), kind="stable").astype(np.int64)
    return AddressTrace.of(name, order[np.arange(n) % nodes] * node_bytes)


@workload("zipf", "Items of a skewed popularity, in random places", kind=_KIND)
def zipf(
    name: str, *, n: Accesses = 100_000, items: Items = 65536, skew: Skew = 1.0, item_bytes: ItemBytes = 64,
    writes: Share = 200, seed: Seed = 1,
) -> AddressTrace:
    """Independent draws; the popular items are not neighbours."""
    weight = np.arange(1, items + 1, dtype=np.float64) ** -skew
    edges = np.cumsum(weight)
    rank = np.searchsorted(edges, _uniform(seed, n) * edges[-1], side="right")
    place = np.argsort(splitmix64(seed + 1, items), kind="stable").astype(np.int64)
    return AddressTrace.of(name, place[np.minimum(rank, items - 1)] * item_bytes, _writes(seed + 2, n, writes))


@workload("matmul", "C += A B in three loops, in tiles or not", kind=_KIND)
def matmul(
    name: str, *, m: Size = 64, n: Size = 64, k: Size = 64, tile: Tile = 0, order: Order = "ijk", element_bytes: Element = 8
) -> AddressTrace:
    """Per step: read A[i, k], read B[k, j], read and write C[i, j]. With tiles, tiles and elements go in the same order."""
    if m * n * k * 4 > _LONGEST:
        raise InputError(f"m={m}, n={n}, k={k}: {m * n * k * 4:,} accesses; accepted: at most {_LONGEST:,}")
    size = dict(zip("ijk", (m, n, k), strict=True))
    step = {axis: tile or size[axis] for axis in "ijk"}
    outer, middle, inner = order
    rounds = []
    for x in range(0, size[outer], step[outer]):
        for y in range(0, size[middle], step[middle]):
            for z in range(0, size[inner], step[inner]):
                starts = dict(zip(order, (x, y, z), strict=True))
                spans = [np.arange(starts[axis], min(starts[axis] + step[axis], size[axis])) for axis in order]
                rounds.append(np.stack([axis.ravel() for axis in np.meshgrid(*spans, indexing="ij")]))
    at = dict(zip(order, np.concatenate(rounds, axis=1), strict=True))
    i, j, inner_index = at["i"], at["j"], at["k"]
    a, b, c = _bases(element_bytes, m * k, k * n, m * n)
    index = np.stack([
        a + (i * k + inner_index) * element_bytes, b + (inner_index * n + j) * element_bytes,
        c + (i * n + j) * element_bytes, c + (i * n + j) * element_bytes,
    ], axis=1)
    return AddressTrace.of(name, index.ravel(), np.tile([False, False, False, True], len(i)))


@workload("transpose", "B = A transposed, element by element or in tiles", kind=_KIND)
def transpose(
    name: str, *, rows: Size = 256, cols: Size = 256, tile: Tile = 0, element_bytes: Element = 8
) -> AddressTrace:
    """Reads A by rows and writes B by columns."""
    if rows * cols * 2 > _LONGEST:
        raise InputError(f"rows={rows}, cols={cols}: {rows * cols * 2:,} accesses; accepted: at most {_LONGEST:,}")
    i, j = (axis.ravel() for axis in np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij"))
    if tile:
        order = np.lexsort((j, i, j // tile, i // tile))
        i, j = i[order], j[order]
    a, b = _bases(element_bytes, rows * cols, rows * cols)
    index = np.stack([a + (i * cols + j) * element_bytes, b + (j * rows + i) * element_bytes], axis=1)
    return AddressTrace.of(name, index.ravel(), np.tile([False, True], len(i)))


@workload("stencil", "Five points of a grid to one of another, row by row", kind=_KIND)
def stencil(
    name: str, *, rows: Size = 128, cols: Size = 128, sweeps: Items = 1, element_bytes: Element = 8
) -> AddressTrace:
    """Jacobi: reads north, west, centre, east, south and writes; then the two grids change places."""
    if rows < 3 or cols < 3:
        raise InputError(f"rows={rows}, cols={cols}: accepted: >= 3")
    if (rows - 2) * (cols - 2) * 6 * sweeps > _LONGEST:
        raise InputError(f"sweeps={sweeps}: more than {_LONGEST:,} accesses; accepted: fewer")
    i, j = (axis.ravel() for axis in np.meshgrid(np.arange(1, rows - 1), np.arange(1, cols - 1), indexing="ij"))
    centre = (i * cols + j) * element_bytes
    around = np.array([-cols, -1, 0, 1, cols]) * element_bytes
    grids = _bases(element_bytes, rows * cols, rows * cols)
    parts = []
    for sweep in range(sweeps):
        old, new = grids[sweep % 2], grids[1 - sweep % 2]
        parts.append(np.concatenate([old + centre[:, None] + around, new + centre[:, None]], axis=1).ravel())
    return AddressTrace.of(name, np.concatenate(parts), np.tile([False] * 5 + [True], len(i) * sweeps))


def _bases(element_bytes: int, *elements: int) -> list[int]:
    """Addresses of arrays that lie one after the other, each from a multiple of 4,096 bytes on."""
    bases, at = [], 0
    for count in elements:
        bases.append(at)
        at += -(-count * element_bytes // 4096) * 4096
    return bases
