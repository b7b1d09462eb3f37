"""Thread blocks: where and when they are placed."""

from __future__ import annotations

import numpy as np

from ..tables import (
    AGE,
    AT,
    BLOCK,
    BLOCKS,
    BUFFER,
    C_OTHER,
    CLEARED,
    COUNT,
    END,
    FETCH,
    FETCH_FROM,
    FETCH_WAKE,
    FIRST,
    HOLD_FROM,
    LAST_ISSUE,
    LAST_RD,
    LAST_WR,
    NEVER,
    NEXT,
    NEXT_ISSUE,
    NUMBER,
    O_AGE,
    O_CTA,
    O_CTAS,
    O_DISPATCH_AT,
    O_DISPATCH_MILLI,
    O_FREED,
    O_LIVE,
    O_TAKEN,
    O_WARM,
    O_WARPS_PER_CTA,
    P_BUFFER,
    P_SUB_CORES,
    P_WARPS,
    PREDICATES,
    READERS,
    READY,
    S_LENGTH,
    S_START,
    UNTIL,
    W_COLUMNS,
    WAITING,
    WAKE,
    WHY,
    State,
    Work,
)  # fmt: skip
from .jit import jit

__all__ = ["dispatch", "next_dispatch"]


@jit
def launch(work: Work, state: State, p: np.ndarray, m: int, block: int, cta: int, t: int) -> None:
    """Place the warps of a CTA on an SM; they can be fetched for from this cycle on."""
    warp, sub, sm, order = state.warp, state.sub, state.sm, state.order
    size = order[O_WARPS_PER_CTA]
    first, last = cta * size, min((cta + 1) * size, work.warps.shape[0])
    alive = 0
    for number in range(first, last):
        place = block * size + number - first
        w = m * p[P_WARPS] + place
        start = work.warps[number, S_START]
        warp[w, AT], warp[w, END], warp[w, FETCH], warp[w, FIRST] = start, start + work.warps[number, S_LENGTH], start, start
        warp[w, NEXT_ISSUE], warp[w, FETCH_FROM], warp[w, CLEARED], warp[w, LAST_ISSUE] = t, t, t, t - 1
        warp[w, LAST_WR], warp[w, LAST_RD], warp[w, HOLD_FROM], warp[w, WAITING] = -1, -1, -1, 0
        warp[w, AGE], warp[w, BLOCK], warp[w, NUMBER], warp[w, WHY] = order[O_AGE], block, number, C_OTHER
        warp[w, UNTIL] = 0
        order[O_AGE] += 1
        for counter in range(6):
            warp[w, COUNT + counter] = 0
        for r in range(state.values.shape[1]):
            state.values[w, r, READY] = 0
            state.values[w, r, READERS] = 0
        for column in range(PREDICATES, W_COLUMNS):
            warp[w, column] = 0
        if work.warps[number, S_LENGTH] == 0:
            continue
        alive += 1
        if order[O_WARM]:
            warp[w, FETCH] = min(start + p[P_BUFFER], start + work.warps[number, S_LENGTH])
            for index in range(start, warp[w, FETCH]):
                warp[w, BUFFER + (index & 7)] = t
        q = m * p[P_SUB_CORES] + place % p[P_SUB_CORES]
        sub[q, WAKE] = min(sub[q, WAKE], t)
        sub[q, FETCH_WAKE] = 0
    sm[m, BLOCKS + block] = alive
    order[O_LIVE] += alive
    sm[m, NEXT] = min(sm[m, NEXT], t)


@jit
def next_dispatch(order: np.ndarray, places: np.ndarray) -> int:
    """The cycle in which the next CTA can be placed, as far as is known."""
    if order[O_TAKEN] == order[O_FREED]:
        return NEVER
    return max(-(-order[O_DISPATCH_AT] // 1000), places[order[O_TAKEN] % places.shape[0], 2])


@jit
def dispatch(work: Work, state: State, p: np.ndarray, t: int) -> None:
    """Give CTAs to places as these come free, one an interval."""
    order, places = state.order, state.places
    while order[O_CTA] < order[O_CTAS] and next_dispatch(order, places) <= t:
        free = order[O_TAKEN] % places.shape[0]
        order[O_TAKEN] += 1
        launch(work, state, p, places[free, 0], places[free, 1], order[O_CTA], t)
        order[O_CTA] += 1
        order[O_DISPATCH_AT] = max(order[O_DISPATCH_AT] + order[O_DISPATCH_MILLI], 1000 * t)
