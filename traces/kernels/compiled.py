"""The CUDA kernels of this package as workloads: compiled by nvcc, executed from their listings.

    cuda-sgemm-blocked:n=256,arch=sm_86

Every function fills memory, launches the kernel of its name in `cuda/`, and says what numpy makes of the same inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from ..catalog import workload
from .host import Host, shipped
from .numbers_reference import arithmetic_of
from .trace import KernelTrace

__all__ = ["KERNELS", "CompiledKernel"]

Arch = Annotated[Literal["sm_75", "sm_80", "sm_86", "sm_90", "sm_120"], Field(description="architecture compiled for")]
Elements = Annotated[int, Field(ge=1, le=2**22, description="elements")]
Side = Annotated[int, Field(ge=1, le=1024, description="rows and columns of every matrix")]
Depth = Annotated[int, Field(ge=0, le=1024, description="columns of A and rows of B; 0: as many as n")]
Vertices = Annotated[int, Field(ge=1, le=2**17, description="vertices")]
Rows = Annotated[int, Field(ge=0, le=4096, description="rows; 0: as many as n")]
Columns = Annotated[int, Field(ge=1, le=128, description="columns of a thread block")]
Steps = Annotated[int, Field(ge=1, le=5000, description="iterations of the loop")]
Blocks = Annotated[int, Field(ge=1, le=10**4, description="thread blocks")]
Threads = Annotated[int, Field(ge=1, le=1024, description="threads of a block")]
FLOAT = 2e-6
"""Tolerance for sums of float32 in another order, relative to the largest result; grows with the terms."""


@dataclass(frozen=True)
class CompiledKernel:
    """A kernel, and what its host does."""

    name: str
    """Of the .cu file."""
    host: Callable[..., None]
    """(host, n, ...)."""

    def run(self, arch: str, *sizes: int) -> Host:
        """Execute the kernel; the host has the results and what they must be."""
        host = Host(shipped(self.name, arch))
        self.host(host, *sizes)
        return host


def _blocks(n: int, threads: int) -> int:
    return -(-n // threads)


def _vector_add(host: Host, n: int) -> None:
    a, b = host.floats(n), host.floats(n)
    at = [host.memory.put(x) for x in (a, b, np.zeros(n, np.float32))]
    host.launch((_blocks(n, 256),), (256,), *at, np.int32(n))
    host.expect("c", at[2], a + b)


def _gemm(tile: int, block: tuple[int, ...], kind: type) -> Callable[..., None]:
    def run(host: Host, n: int, m: int = 0, k: int = 0) -> None:
        m, k = m or n, k or n
        a: np.ndarray = host.floats(m, k).astype(kind)
        b: np.ndarray = host.floats(k, n).astype(kind)
        at = [host.memory.put(x) for x in (a, b, np.zeros((m, n), np.float32))]
        host.launch((_blocks(n, tile), _blocks(m, tile)), block, *at, np.int32(m), np.int32(n), np.int32(k))
        exact = (a.astype(np.float64) @ b.astype(np.float64)).astype(np.float32)
        host.expect("C", at[2], exact, FLOAT * max(1, k) ** 0.5)

    return run


def _reduction(host: Host, n: int) -> None:
    x = host.floats(n)
    at = [host.memory.put(x), host.memory.put(np.zeros(1, np.float32))]
    host.launch((min(32, _blocks(n, 256)),), (256,), *at, np.int32(n))
    exact = x.sum(dtype=np.float64)
    # Terms cancel, so the error is judged against their magnitudes.
    host.expect("sum", at[1], np.array([exact], np.float32), FLOAT * float(np.abs(x).sum()) / max(abs(float(exact)), 1e-30))


def _softmax(host: Host, n: int, rows: int = 0) -> None:
    rows = rows or n
    x = 4 * host.floats(rows, n)
    at = [host.memory.put(x), host.memory.put(np.zeros_like(x))]
    host.launch((_blocks(rows, 4),), (128,), *at, np.int32(rows), np.int32(n))
    exact = np.exp(x.astype(np.float64) - x.max(axis=1, keepdims=True))
    host.expect("y", at[1], (exact / exact.sum(axis=1, keepdims=True)).astype(np.float32), 1e-5)


def _transpose(host: Host, n: int, rows: int = 0) -> None:
    rows = rows or n
    x = host.random.integers(0, 2**32, (rows, n), np.uint32)
    at = [host.memory.put(x), host.memory.put(np.zeros((n, rows), np.uint32))]
    host.launch((_blocks(n, 32), _blocks(rows, 32)), (32, 8), *at, np.int32(rows), np.int32(n))
    host.expect("out", at[1], np.ascontiguousarray(x.T))


def _stencil(host: Host, n: int, rows: int = 0) -> None:
    rows = rows or n
    x, centre, side = host.floats(rows, n), np.float32(0.5), np.float32(0.125)
    at = [host.memory.put(x), host.memory.put(np.zeros_like(x))]
    host.launch((_blocks(n, 32), _blocks(rows, 8)), (32, 8), *at, np.int32(rows), np.int32(n), centre, side)
    exact = x.copy()
    inner = slice(1, -1)
    around = x[inner, :-2] + x[inner, 2:] + x[:-2, inner] + x[2:, inner]
    exact[inner, inner] = centre * x[inner, inner] + side * around
    host.expect("out", at[1], exact, FLOAT)


def _convolution(host: Host, n: int, rows: int = 0, block: int = 32) -> None:
    rows = rows or n
    x = host.floats(rows, n)
    at = [host.memory.put(x), host.memory.put(np.zeros_like(x))]
    host.launch((_blocks(n, block), _blocks(rows, 8)), (block, 8), *at, np.int32(rows), np.int32(n))
    weights = ((0.2, -0.3, 0.4), (0.5, 0.6, 0.7), (-0.8, -0.9, 0.1))
    exact = np.zeros((rows, n))
    for y in range(3):
        for z in range(3):
            if min(rows, n) > 2:
                exact[1:-1, 1:-1] += weights[y][z] * x[y : rows - 2 + y, z : n - 2 + z]
    host.expect("out", at[1], exact.astype(np.float32), FLOAT)


def _histogram(host: Host, n: int) -> None:
    x = host.random.integers(0, 256, n, np.uint8)
    at = [host.memory.put(x), host.memory.put(np.zeros(256, np.uint32))]
    host.launch((min(32, _blocks(n, 1024)),), (128,), *at, np.int32(n))
    host.expect("counts", at[1], np.bincount(x, minlength=256).astype(np.uint32))


def _bfs(host: Host, n: int) -> None:
    degrees = host.random.integers(0, 7, n)
    first = np.concatenate([[0], np.cumsum(degrees)]).astype(np.int32)
    edges = host.random.integers(0, n, int(first[-1])).astype(np.int32)
    level = np.full(n, -1, np.int32)
    level[0] = 0
    more = np.zeros(1, np.int32)
    at = [host.memory.put(x) for x in (first, edges, level, more)]
    for depth in range(n):
        host.memory.bytes.store(np.array([at[3] - at[0]]) + host.memory.starts[0], 4, np.zeros((1, 1), np.uint32))
        host.launch((_blocks(n, 128),), (128,), *at, np.int32(depth), np.int32(n))
        if not host.memory.get(at[3], more)[0]:
            break
    host.expect("level", at[2], _levels(first, edges))


def _levels(first: np.ndarray, edges: np.ndarray) -> np.ndarray:
    level = np.full(len(first) - 1, -1, np.int32)
    level[0], wave, depth = 0, np.array([0]), 0
    while len(wave):
        depth += 1
        near = np.unique(np.concatenate([edges[first[v] : first[v + 1]] for v in wave]))
        wave = near[level[near] == -1]
        level[wave] = depth
    return level


def _ffma_chain(host: Host, n: int, blocks: int = 1, threads: int = 32) -> None:
    a, b = np.float32(0.999), np.float32(0.001)
    at = host.memory.put(np.zeros(blocks * threads, np.float32))
    host.launch((blocks,), (threads,), at, a, b, np.int32(n))
    x = np.tile(np.arange(threads), blocks).astype(np.float64)
    for _ in range(128 * n):
        x = (x * a + b).astype(np.float32).astype(np.float64)
    host.expect("out", at, x.astype(np.float32))


def _max_flops(host: Host, n: int, blocks: int = 1, threads: int = 256) -> None:
    a, b = np.float32(1e-6), np.float32(1.0)
    at = host.memory.put(np.zeros(blocks * threads, np.float32))
    host.launch((blocks,), (threads,), at, a, b, np.int32(n))
    t = np.tile(np.arange(threads), blocks).astype(np.float32)
    x, y = [t + np.float32(c) for c in range(16)], [a * (t + np.float32(c)) for c in range(4)]
    for _ in range(n):
        for j in range(8):
            x = [(x[c].astype(np.float64) * y[c % 4] + y[(c + j) % 4]).astype(np.float32) for c in range(16)]
    exact = np.stack([np.full_like(t, b), *x]).sum(axis=0, dtype=np.float64)
    host.expect("out", at, exact.astype(np.float32), 10 * FLOAT)


def _numbers(host: Host, n: int) -> None:
    a, b = (host.random.integers(0, 2**32, n, np.uint32) for _ in range(2))
    at = [host.memory.put(x) for x in (a, b, np.zeros((n, 8), np.uint32), np.zeros((n, 6), np.float32), np.zeros((n, 2)))]
    host.launch((_blocks(n, 128),), (128,), *at, np.int32(n))
    b = b | np.uint32(1)
    with np.errstate(all="ignore"):
        integers, floats, doubles = arithmetic_of(a, b)
    host.expect("integers", at[2], integers)
    host.expect("floats", at[3], floats, 1e-6, by_column=True)
    host.expect("doubles", at[4], doubles, 1e-15, by_column=True)


def _fma_loads(host: Host, n: int, blocks: int = 1, threads: int = 1024) -> None:
    a, b = host.floats(blocks * threads), host.floats(blocks * threads)
    at = [host.memory.put(x) for x in (a, b, np.zeros_like(a))]
    host.launch((blocks,), (threads,), *at, np.int32(n))
    x = np.zeros(blocks * threads)
    for _ in range(4 * n):
        x = (a.astype(np.float64) * b + x).astype(np.float32).astype(np.float64)
    host.expect("out", at[2], x.astype(np.float32))


def _insertion_sort(host: Host, n: int) -> None:
    x = host.random.integers(-100, 100, (n, 8), np.int32)
    at = [host.memory.put(x), host.memory.put(np.zeros_like(x))]
    host.launch((_blocks(n, 128),), (128,), *at, np.int32(n))
    host.expect("out", at[1], np.sort(x, axis=1))


def _async_copy(host: Host, n: int, blocks: int = 1) -> None:
    x = host.floats(blocks, n, 128, 4)
    at = [host.memory.put(x), host.memory.put(np.zeros((blocks, 128), np.float32))]
    host.launch((blocks,), (128,), *at, np.int32(n))
    exact = np.roll(x.astype(np.float64).sum(axis=(1, 3)), -1, axis=1)
    host.expect("out", at[1], exact.astype(np.float32), FLOAT * (4 * n) ** 0.5)


KERNELS: dict[str, CompiledKernel] = {
    kernel.name: kernel for kernel in (
        CompiledKernel("vector_add", _vector_add), CompiledKernel("sgemm_tiled", _gemm(16, (16, 16), np.float32)),
        CompiledKernel("sgemm_blocked", _gemm(128, (256,), np.float32)),
        CompiledKernel("hgemm_tensor", _gemm(32, (128,), np.float16)), CompiledKernel("reduction", _reduction),
        CompiledKernel("softmax", _softmax), CompiledKernel("transpose", _transpose), CompiledKernel("stencil", _stencil),
        CompiledKernel("convolution", _convolution),
        CompiledKernel("histogram", _histogram), CompiledKernel("bfs", _bfs), CompiledKernel("ffma_chain", _ffma_chain),
        CompiledKernel("max_flops", _max_flops), CompiledKernel("numbers", _numbers),
        CompiledKernel("fma_loads", _fma_loads), CompiledKernel("insertion_sort", _insertion_sort),
        CompiledKernel("async_copy", _async_copy),
    )
}


def _trace(name: str, kernel: str, arch: str, *sizes: int) -> KernelTrace:
    return KERNELS[kernel].run(arch, *sizes).trace(name)


@workload("cuda-vector-add", "c = a + b, one element a thread; compiled CUDA", kind="kernels")
def vector_add(name: str, *, n: Elements = 4096, arch: Arch = "sm_86") -> KernelTrace:
    """Streams two arrays in and one out."""
    return _trace(name, "vector_add", arch, n)


@workload("cuda-sgemm-tiled", "SGEMM with 16x16 tiles in shared memory, one result a thread; compiled CUDA", kind="kernels")
def sgemm_tiled(name: str, *, n: Side = 64, m: Rows = 0, k: Depth = 0, arch: Arch = "sm_86") -> KernelTrace:
    """Two loads from shared memory for each FFMA."""
    return _trace(name, "sgemm_tiled", arch, n, m, k)


@workload("cuda-sgemm-blocked", "SGEMM of 128x128 results a block, 8x8 a thread; compiled CUDA", kind="kernels")
def sgemm_blocked(name: str, *, n: Side = 128, m: Rows = 0, k: Depth = 0, arch: Arch = "sm_86") -> KernelTrace:
    """Operands are reused in registers."""
    return _trace(name, "sgemm_blocked", arch, n, m, k)


@workload("cuda-hgemm-tensor", "GEMM of halves by tensor cores, 32x32 results a block; compiled CUDA", kind="kernels")
def hgemm_tensor(name: str, *, n: Side = 64, m: Rows = 0, k: Depth = 0, arch: Arch = "sm_86") -> KernelTrace:
    """HMMA from shared memory by LDSM."""
    return _trace(name, "hgemm_tensor", arch, n, m, k)


@workload("cuda-numbers", "division, bits, halves, doubles, special functions on each element; compiled CUDA", kind="kernels")
def numbers(name: str, *, n: Elements = 4096, arch: Arch = "sm_86") -> KernelTrace:
    """Many kinds of arithmetic, subroutines among them."""
    return _trace(name, "numbers", arch, n)


@workload("cuda-reduction", "sum of an array by shuffles, shared memory and an atomic; compiled CUDA", kind="kernels")
def reduction(name: str, *, n: Elements = 65536, arch: Arch = "sm_86") -> KernelTrace:
    """At most 32 thread blocks of 256."""
    return _trace(name, "reduction", arch, n)


@workload("cuda-softmax", "softmax of each row, a warp a row; compiled CUDA", kind="kernels")
def softmax(name: str, *, n: Side = 128, rows: Rows = 0, arch: Arch = "sm_86") -> KernelTrace:
    """Three passes over each row."""
    return _trace(name, "softmax", arch, n, rows)


@workload("cuda-transpose", "transposition through shared memory; compiled CUDA", kind="kernels")
def transpose(name: str, *, n: Side = 128, rows: Rows = 0, arch: Arch = "sm_86") -> KernelTrace:
    """Without bank conflicts."""
    return _trace(name, "transpose", arch, n, rows)


@workload("cuda-stencil", "five-point stencil in two dimensions; compiled CUDA", kind="kernels")
def stencil(name: str, *, n: Side = 128, rows: Rows = 0, arch: Arch = "sm_86") -> KernelTrace:
    """Five loads and a store a point."""
    return _trace(name, "stencil", arch, n, rows)


@workload("cuda-convolution", "convolution of a plane with 3x3 constants, one result a thread; compiled CUDA", kind="kernels")
def convolution(
    name: str, *, n: Side = 128, rows: Rows = 0, block: Columns = 32, arch: Arch = "sm_86",
) -> KernelTrace:
    """Nine loads a result; blocks have eight rows."""
    return _trace(name, "convolution", arch, n, rows, block)


@workload("cuda-histogram", "histogram of bytes by atomics in shared memory; compiled CUDA", kind="kernels")
def histogram(name: str, *, n: Elements = 65536, arch: Arch = "sm_86") -> KernelTrace:
    """At most 32 thread blocks of 128."""
    return _trace(name, "histogram", arch, n)


@workload("cuda-bfs", "breadth-first search of a random graph, a launch a level; compiled CUDA", kind="kernels")
def bfs(name: str, *, n: Vertices = 1024, arch: Arch = "sm_86") -> KernelTrace:
    """Three edges a vertex in the mean; lanes diverge."""
    return _trace(name, "bfs", arch, n)


@workload("cuda-ffma-chain", "a loop of 128 FFMA that need each other; compiled CUDA", kind="kernels")
def ffma_chain(
    name: str, *, n: Steps = 8, blocks: Blocks = 1, threads: Threads = 32, arch: Arch = "sm_86"
) -> KernelTrace:
    """Latency."""
    return _trace(name, "ffma_chain", arch, n, blocks, threads)


@workload("cuda-max-flops", "a loop of 128 independent FFMA; compiled CUDA", kind="kernels")
def max_flops(
    name: str, *, n: Steps = 8, blocks: Blocks = 1, threads: Threads = 256, arch: Arch = "sm_86"
) -> KernelTrace:
    """Throughput."""
    return _trace(name, "max_flops", arch, n, blocks, threads)


@workload("cuda-fma-loads", "a loop of four FFMA that need each other, of three registers; compiled CUDA", kind="kernels")
def fma_loads(
    name: str, *, n: Steps = 128, blocks: Blocks = 1, threads: Threads = 1024, arch: Arch = "sm_86"
) -> KernelTrace:
    """Latency and register ports at once."""
    return _trace(name, "fma_loads", arch, n, blocks, threads)


@workload("cuda-insertion-sort", "every thread sorts eight numbers in its local memory; compiled CUDA", kind="kernels")
def insertion_sort(name: str, *, n: Elements = 4096, arch: Arch = "sm_86") -> KernelTrace:
    """Local memory; lanes diverge."""
    return _trace(name, "insertion_sort", arch, n)


@workload("cuda-async-copy", "tiles copied to shared memory while others are summed (cp.async); compiled CUDA", kind="kernels")
def async_copy(name: str, *, n: Steps = 16, blocks: Blocks = 4, arch: Arch = "sm_86") -> KernelTrace:
    """LDGSTS from sm_80 on."""
    return _trace(name, "async_copy", arch, n, blocks)
