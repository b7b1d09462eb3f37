"""Control and Allocate: booking the read ports of the register file, and its cache."""

from __future__ import annotations

import numpy as np

from ..tables import (
    ALLOCATED,
    BANK_COLUMNS,
    CACHED,
    ISSUE_FREE,
    P_BANKS,
    P_PORTS,
    P_RFC,
    P_WINDOW,
    PORTS,
    REUSE,
    RING,
    SRC,
    SRC_N,
)  # fmt: skip
from .jit import jit

__all__ = ["read_registers"]


@jit
def read_registers(
    table: np.ndarray, sub: np.ndarray, p: np.ndarray, q: int, w: int, k: int, t: int
) -> tuple[int, int]:
    """Pass Control and Allocate; returns (cycle in which the ports were booked, positions that hit the cache).

    A fixed-latency instruction enters Allocate two cycles after its issue, or when the one before it has
    left; it leaves when, in the next three cycles, each bank has as many free reads as it needs.
    """
    entered = max(t + 2, sub[q, ALLOCATED] + 1)
    banks, ports = p[P_BANKS], p[P_PORTS]
    hit = 0
    booked = entered
    if p[P_RFC]:
        for source in range(3):
            r = table[k, SRC + source]
            if table[k, SRC_N + source] > 0 and sub[q, CACHED + 3 * (r % banks) + source] == (w << 16 | r):
                hit |= 1 << source
    if ports > 0:
        needs = 0  # a byte for each bank
        for source in range(3):
            if not hit >> source & 1:
                for r in range(table[k, SRC + source], table[k, SRC + source] + table[k, SRC_N + source]):
                    needs += 1 << 8 * (r % banks)
        while True:
            fits = True
            for bank in range(banks):
                need = needs >> 8 * bank & 255
                if need == 0:
                    continue
                free = 0
                for cycle in range(booked + 1, booked + 1 + p[P_WINDOW]):
                    cell = sub[q, PORTS + bank * BANK_COLUMNS + cycle % RING]
                    free += ports - (cell & 255) if cell >> 8 == cycle else ports
                # A window's worth is the most that a bank can be asked for.
                fits = fits and min(need, ports * p[P_WINDOW]) <= free
            if fits:
                break
            booked += 1
        for bank in range(banks):
            need = needs >> 8 * bank & 255
            if need == 0:
                continue
            for cycle in range(booked + 1, booked + 1 + p[P_WINDOW]):
                cell = sub[q, PORTS + bank * BANK_COLUMNS + cycle % RING]
                used = cell & 255 if cell >> 8 == cycle else 0
                take = min(need, ports - used)
                if take > 0:
                    sub[q, PORTS + bank * BANK_COLUMNS + cycle % RING] = cycle << 8 | (used + take)
                    need -= take
    if p[P_RFC]:
        for source in range(3):
            r = table[k, SRC + source]
            for offset in range(min(2, table[k, SRC_N + source])):
                kept = table[k, REUSE] >> source & 1
                sub[q, CACHED + 3 * ((r + offset) % banks) + source] = (w << 16 | (r + offset)) if kept else -1
    sub[q, ALLOCATED] = booked
    sub[q, ISSUE_FREE] = entered - 1
    return booked, hit
