"""What a hierarchy costs: access times, energy and area from counts and cited tables.

Per level: each look-up is one access of a word; lines that come in are written, lines that are handed up or
leave are read. Tags, MSHRs and the tables of prefetchers take area and leak. Off-chip memory has one price a
bit, or the currents of its device.
"""

from __future__ import annotations

from ...simulator.energy import technology
from ...simulator.memory.cache import columns as k
from ...simulator.memory.cache.hierarchy import Hierarchy, Level
from ...simulator.memory.cache.result import CacheCounts, Result
from ...simulator.technology import Curve

__all__ = ["access_ns", "area_mm2", "energies_j", "leakage_w"]

KIB = 1024
_CACTI = "CACTI 7 (github.com/HewlettPackard/cacti, 1ffd8df), cache, 4 ways, 64-byte lines, 64-bit port, itrs-lop, 350 K"
_ACCESS_NS = {
    "horowitz-45nm": Curve(
        (
            (4 * KIB, 0.5781), (16 * KIB, 0.7115), (64 * KIB, 1.103), (256 * KIB, 1.875), (1024 * KIB, 3.444),
            (4096 * KIB, 5.674), (16384 * KIB, 10.33),
        ),
        "bytes", "ns", f"{_CACTI}, 45 nm",
    ),
    "eyeriss-65nm": Curve(
        (
            (4 * KIB, 0.8912), (16 * KIB, 1.065), (64 * KIB, 1.631), (256 * KIB, 2.587), (1024 * KIB, 4.362),
            (4096 * KIB, 7.879), (16384 * KIB, 13.93),
        ),
        "bytes", "ns", f"{_CACTI}, 65 nm",
    ),
}
_ADDRESS_BITS = 48
_TARGET_BITS = 16
"""Of a request that waits in an MSHR: who, which word, read or write."""
_ENTRY_BITS = 64
"""Of a stream or zone that a prefetcher follows."""


def access_ns(name: str, size_bytes: int) -> float:
    """Access time of a cache of this capacity; the number of ways changes it by at most 4% in the source."""
    return float(_ACCESS_NS[name](size_bytes))


def _tag_bytes(level: Level, line_bytes: int) -> int:
    """Tags with a valid and a dirty bit, in whole bytes."""
    sets = level.sets(line_bytes)
    tag_bits = _ADDRESS_BITS - (line_bytes - 1).bit_length() - (sets - 1).bit_length() + 2
    return -(-sets * level.ways * tag_bits // 8)


def _register_bits(level: Level) -> int:
    """MSHRs, and what the prefetcher remembers."""
    entries = level.prefetcher.entries if level.prefetcher and level.prefetcher.kind != "next-line" else 0
    return level.mshrs * (_ADDRESS_BITS + level.targets * _TARGET_BITS) + entries * _ENTRY_BITS


def _arrays(hierarchy: Hierarchy) -> list[tuple[int, int]]:
    """Number and capacity in bytes of equal SRAMs: each level's banks with their tags, and the scratchpads."""
    levels = [
        (level.banks, -(-(level.size_bytes + _tag_bytes(level, hierarchy.line_bytes)) // level.banks))
        for level in hierarchy.levels
    ]
    return levels + [(1, pad.size_bytes) for pad in hierarchy.scratchpads]


def area_mm2(hierarchy: Hierarchy, name: str) -> float:
    """Area of caches with their tags, MSHRs and prefetchers, and of scratchpads."""
    tech = technology(name)
    registers = sum(_register_bits(level) for level in hierarchy.levels)
    srams = sum(count * tech.sram_area_mm2(size) for count, size in _arrays(hierarchy))
    return float(srams + registers * tech.register_area_um2_per_bit / 1e6)


def leakage_w(hierarchy: Hierarchy, name: str) -> float:
    """Static power of the same."""
    tech = technology(name)
    registers_mm2 = sum(_register_bits(level) for level in hierarchy.levels) * tech.register_area_um2_per_bit / 1e6
    srams = sum(count * tech.sram_leakage_mw(size) for count, size in _arrays(hierarchy))
    return float(srams + registers_mm2 * tech.logic_leakage_mw_per_mm2) * 1e-3


def energies_j(result: Result, name: str, seconds: float) -> dict[str, float]:
    """Energy of each level, of the scratchpads, of the memory (at its price a bit) and of leakage.

    The memory's includes writing the lines that are still dirty at the end, so that no design saves by keeping them.
    """
    tech, h = technology(name), result.hierarchy
    out = {}
    for depth, counts in enumerate(result.levels):
        words, lines = _accesses(counts, depth)
        bits = 8 * (words * h.word_bytes + lines * h.line_bytes)
        out[counts.name] = bits * tech.sram_read_pj_per_bit(counts.level.size_bytes / counts.level.banks) * 1e-12
    pad_bits = 8 * h.word_bytes * (sum(result.lengths) - result.levels[0].accesses)
    pad_bytes = sum(pad.size_bytes for pad in h.scratchpads)
    out["scratchpad"] = pad_bits * tech.sram_read_pj_per_bit(pad_bytes) * 1e-12 if pad_bytes else 0.0
    out["memory"] = 8 * (result.memory_bytes + result.dirty_bytes) * tech.dram_pj_per_bit * 1e-12
    out["leakage"] = leakage_w(h, name) * seconds
    return out


def _accesses(counts: CacheCounts, depth: int) -> tuple[int, int]:
    """Accesses of a word (every look-up) and of a line (in, up, out); the first level (depth 0) hands up words."""
    level, look, events = counts.level, counts.lookups, counts.events
    exclusive = level.inclusion == "exclusive"
    fetched = events["prefetches_issued"]
    if not exclusive:
        fetched += int(look[k.READ, k.MISS] + look[k.PREFETCH, k.MISS])
        fetched += int(look[k.WRITE, k.MISS]) if level.allocate else 0
    placed = int(look[[k.WRITEBACK, k.VICTIM]].sum())
    handed_up = 0 if depth == 0 else int(look[[k.READ, k.PREFETCH], k.HIT].sum())
    left = events["writebacks"] + events["clean_victims"]
    return int(look.sum()), fetched + placed + handed_up + left
