"""Synthetic request streams, each from a seed.

The pseudo-random source is splitmix64 (Steele, Lea and Flood, OOPSLA 2014), so that any language can
make the same trace.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, did_you_mean
from ..reading import natural
from .addresses import AddressTrace

__all__ = ["PATTERNS", "address_trace", "splitmix64"]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def splitmix64(seed: int, count: int) -> NDArray[np.uint64]:
    """The first `count` outputs of splitmix64 from a seed."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed & (1 << 64) - 1) + _GAMMA * np.arange(1, count + 1, dtype=np.uint64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


Lines = tuple[NDArray[np.int64], NDArray[np.bool_]]
"""Byte addresses and directions."""


def _draws(seed: int, count: int, *moduli: int) -> list[NDArray[np.int64]]:
    """Draw `len(moduli)` numbers for each of `count` requests, each below its modulus."""
    raw = splitmix64(seed, count * len(moduli)).reshape(count, len(moduli))
    return [(raw[:, i] % np.uint64(m)).astype(np.int64) for i, m in enumerate(moduli)]


def _directions(writes: str, i: NDArray[np.int64], drawn: NDArray[np.int64] | None) -> NDArray[np.bool_]:
    if writes == "none":
        return np.zeros(len(i), bool)
    if writes == "all":
        return np.ones(len(i), bool)
    if writes == "every3":
        return i % 3 == 2
    permille = _permille(writes)
    assert drawn is not None
    assert permille is not None
    return drawn < permille


def _permille(writes: str) -> int | None:
    """Writes among 1,000 requests if they are drawn, else None."""
    if writes in ("none", "all", "every3"):
        return None
    kind, _, share = writes.partition(":")
    permille = natural(share, 0, 1000) if kind == "rand" else None
    if permille is None:
        raise InputError(f"writes={writes!r:.40}: accepted: none, all, every3, or rand:N with N of 1000 requests writing")
    return permille


def _plain(address: NDArray[np.int64], i: NDArray[np.int64], writes: str, seed: int) -> Lines:
    drawn = _draws(seed, len(i), 1000)[0] if _permille(writes) is not None else None
    return address, _directions(writes, i, drawn)


def stream(i: NDArray[np.int64], *, seed: int, writes: str, line: int, footprint: int) -> Lines:
    """One line after the other, from 0, wrapping at the footprint."""
    return _plain(i % (footprint // line) * line, i, writes, seed)


def stride(i: NDArray[np.int64], *, seed: int, writes: str, line: int, footprint: int, stride: int = 4096) -> Lines:
    """Steps of `stride` bytes; after each wrap the start moves on by one line."""
    steps = max(1, footprint // stride)
    return _plain((i % steps * stride + i // steps * line) % footprint, i, writes, seed)


def random(i: NDArray[np.int64], *, seed: int, writes: str, line: int, footprint: int) -> Lines:
    """Lines of the footprint, uniformly."""
    if _permille(writes) is None:
        return _draws(seed, len(i), footprint // line)[0] * line, _directions(writes, i, None)
    lines, drawn = _draws(seed, len(i), footprint // line, 1000)
    return lines * line, _directions(writes, i, drawn)


def runs(i: NDArray[np.int64], *, seed: int, writes: str, line: int, footprint: int, run: int = 16) -> Lines:
    """Runs of consecutive lines from random starts."""
    permille = _permille(writes)
    per_run = 1 + (run if permille is not None else 0)
    count = -(-len(i) // run)
    raw = splitmix64(seed, count * per_run).reshape(count, per_run)
    start = (raw[:, 0] % np.uint64(footprint // line)).astype(np.int64)
    address = ((start[:, None] + np.arange(run)) % (footprint // line)).ravel()[: len(i)] * line
    drawn = (raw[:, 1:] % np.uint64(1000)).astype(np.int64).ravel()[: len(i)] if permille is not None else None
    return address, _directions(writes, i, drawn)


def multi(i: NDArray[np.int64], *, seed: int, writes: str, line: int, footprint: int, k: int = 4, gap: int = 1 << 24) -> Lines:
    """`k` sequential streams in turn, `gap` bytes apart."""
    return _plain(i % k * gap + i // k * line, i, writes, seed)


def bankconf(
    i: NDArray[np.int64], *, seed: int, writes: str, line: int, footprint: int, k: int = 4, row_stride: int = 1 << 17,
    cols: int = 128,
) -> Lines:
    """`k` rows in turn, `row_stride` bytes apart: with the right stride, rows of one bank."""
    return _plain(i % k * row_stride + i // k % cols * line, i, writes, seed)


def hotrow(
    i: NDArray[np.int64], *, seed: int, writes: str, line: int, footprint: int, hot: int = 80, hot_bytes: int = 1 << 16
) -> Lines:
    """A line of one small region with chance `hot` in 100, else any line of the footprint."""
    permille = _permille(writes)
    raw = splitmix64(seed, len(i) * (3 if permille is not None else 2)).reshape(len(i), -1)
    spans = np.where(raw[:, 0] % np.uint64(100) < hot, hot_bytes // line, footprint // line).astype(np.uint64)
    drawn = (raw[:, 2] % np.uint64(1000)).astype(np.int64) if permille is not None else None
    return (raw[:, 1] % spans).astype(np.int64) * line, _directions(writes, i, drawn)


def pingpong(
    i: NDArray[np.int64], *, seed: int, writes: str, line: int, footprint: int, block: int = 8, gap: int = 1 << 24
) -> Lines:
    """A copy: blocks read from one stream and written to another, `gap` bytes on. `writes` has no part in it."""
    blk, off = i // block, i % block
    return (blk // 2 * block + off) * line + blk % 2 * gap, blk % 2 == 1


def cloud(
    i: NDArray[np.int64], *, seed: int, writes: str, line: int, footprint: int, tenants: int = 8, run: int = 8, hot: int = 70
) -> Lines:
    """Tenants that share a memory: short runs, `hot` % of them in the tenant's own working set of 1/64.

    Runs start at random; each belongs to a random tenant, who owns an equal part of the footprint.
    """
    permille = _permille(writes)
    count = -(-len(i) // run)
    raw = splitmix64(seed, count * (3 + run)).reshape(count, 3 + run)
    part = footprint // line // tenants
    tenant = (raw[:, 0] % np.uint64(tenants)).astype(np.int64)
    spans = np.where(raw[:, 1] % np.uint64(100) < hot, max(run, part // 64), part).astype(np.uint64)
    start = tenant * part + (raw[:, 2] % spans).astype(np.int64)
    address = (start[:, None] + np.arange(run)).ravel()[: len(i)] % (footprint // line) * line
    drawn = (raw[:, 3:] % np.uint64(1000)).astype(np.int64).ravel()[: len(i)]
    return address, _directions(writes, i, drawn if permille is not None else None)


PATTERNS: dict[str, Callable[..., Lines]] = {
    pattern.__name__: pattern for pattern in (stream, stride, random, runs, multi, bankconf, hotrow, pingpong, cloud)
}


def address_trace(
    pattern: str, n: int = 10_000, *, seed: int = 1, writes: str = "none", line: int = 64, base: int = 0,
    footprint: int = 1 << 30, every: int = 0, name: str | None = None, **shape: int,
) -> AddressTrace:
    """Make a trace of `n` requests.

    Args:
        pattern: one of `PATTERNS`.
        n: requests.
        seed: of splitmix64.
        writes: `none`, `all`, `every3` (two reads, one write) or `rand:N` (N of 1,000, drawn).
        line: bytes between neighbouring requests; 64 for DDR, 32 for HBM, LPDDR and GDDR.
        base: added to every address.
        footprint: bytes within which most patterns stay.
        every: clocks from one arrival to the next; 0 means as fast as they are taken.
        name: of the trace; by default the pattern and what differs from the defaults.
        shape: the pattern's own parameters (`run`, `k`, `gap` ...).

    Raises `InputError` for an unknown pattern or parameter, or a footprint of less than a line.
    """
    if pattern not in PATTERNS:
        hint = did_you_mean(pattern, PATTERNS)
        raise InputError(f"pattern {pattern!r} is not known{hint} (accepted: {', '.join(PATTERNS)})")
    make = PATTERNS[pattern]
    own = [p for p in inspect.signature(make).parameters if p not in ("i", "seed", "writes", "line", "footprint")]
    for key, value in shape.items():
        if key not in own:
            raise InputError(f"{key}: pattern {pattern!r} takes {', '.join(own) or 'no parameters of its own'}")
        if value < 1 and key != "hot":
            raise InputError(f"{key}={value}: accepted: >= 1")
    bounds = {"n": (n, 1), "line": (line, 1), "footprint": (footprint, line), "base": (base, 0), "every": (every, 0)}
    for key, (value, least) in bounds.items():
        if value < least:
            raise InputError(f"{key}={value}: accepted: >= {least}")
    _permille(writes)
    i = np.arange(n, dtype=np.int64)
    address, is_write = make(i, seed=seed, writes=writes, line=line, footprint=footprint, **shape)
    if name is None:
        given: dict[str, Any] = {"seed": (seed, 1), "writes": (writes, "none"), "line": (line, 64), "every": (every, 0)}
        parts = [f"n={n}", *(f"{k}={v}" for k, (v, usual) in given.items() if v != usual)]
        name = f"{pattern}:{','.join([*parts, *(f'{k}={v}' for k, v in shape.items())])}"
    return AddressTrace.of(name, address + base, is_write, i * every)
