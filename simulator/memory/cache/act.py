"""What a node does when its time has come: the acting half of the compiled kernel.

Functions that may send a recall return whether there was a place for it.
"""

from __future__ import annotations

from numba import njit

from . import columns as k
from .answer import answer, make_dirty, open_mshr, reply, wait_for
from .kinds import Rows, Vector
from .plan import find, free_mshr, room, set_base
from .prefetch import wanted
from .replacement import choose, placed, replaced, touch

__all__ = ["act_on_recall", "act_on_request", "choose_queue", "serve_memory", "take_message"]


@njit(cache=True, nogil=True)
def choose_queue(m: Vector, n: int, now: int) -> None:
    """Pick, of the queues whose first message has arrived, the next one in turn."""
    low, high, upper = m[n + k.ABOVE], m[n + k.ABOVE_END], m[n + k.TURN]
    m[n + k.WHEN] = -1
    for _ in range(low, high, k.NODE_SIZE):
        upper = upper + k.NODE_SIZE if low <= upper < high - k.NODE_SIZE else low
        if m[upper + k.HELD] > 0 and m[m[upper + k.HEAD] + k.Q_ARRIVES] <= now:
            m[n + k.PICKED] = upper
            return


@njit(cache=True, nogil=True)
def _next_place(m: Vector, n: int, q: int) -> int:
    """The place after one in a node's queue."""
    q += k.QUEUE_SIZE
    return m[n + k.QUEUE] if q == m[n + k.QUEUE_END] else q


@njit(cache=True, nogil=True)
def _push(m: Vector, n: int, now: int, kind: int, line: int, who: int, origin: int) -> None:
    """Send a message down; room for it was found before."""
    q, below = m[n + k.TAIL], m[n + k.BELOW]
    m[n + k.TAIL] = _next_place(m, n, q)
    m[n + k.HELD] += 1
    m[q + k.Q_LINE], m[q + k.Q_KIND], m[q + k.Q_ARRIVES] = line, kind, now + m[n + k.HIT_CYCLES]
    m[q + k.Q_WHO], m[q + k.Q_ORIGIN] = who, origin
    if m[below + k.PICKED] < 0:
        m[below + k.WHEN] = -1


@njit(cache=True, nogil=True)
def _pop(m: Vector, n: int, now: int) -> None:
    """Take the picked message off its queue; its place is free from the next cycle on."""
    upper = m[n + k.PICKED]
    q = m[upper + k.HEAD]
    m[q + k.Q_FREE] = now + 1
    m[upper + k.HEAD] = _next_place(m, upper, q)
    m[upper + k.HELD] -= 1
    if m[upper + k.DOES] != k.REQUEST:  # it may have waited for this place
        m[upper + k.WHEN] = -1
    m[n + k.PICKED], m[n + k.TURN] = -1, upper


@njit(cache=True, nogil=True)
def _begin(m: Vector, n: int, now: int) -> None:
    """Take the planned request, and add what it waited for to the account."""
    m[n + k.LAST] = now
    m[n + k.WHEN] = -1
    if m[n + k.WAITED]:
        for cause in range(m[n + k.CAUSES_N]):
            m[m[n + k.STALLS] + cause] += m[m[n + k.WAITS] + cause]


@njit(cache=True, nogil=True)
def _count(m: Vector, n: int, event: int) -> None:
    m[m[n + k.EVENTS] + event] += 1


@njit(cache=True, nogil=True)
def _recall_above(m: Vector, n: int, line: int, now: int) -> bool:
    """Send a recall to every cache above."""
    for upper in range(m[n + k.ABOVE], m[n + k.ABOVE_END], k.NODE_SIZE):
        if m[upper + k.RECALL_TAIL] - m[upper + k.RECALL_HEAD] >= m[upper + k.RECALL_ROOM]:
            return False
        r = m[upper + k.RECALLS] + m[upper + k.RECALL_TAIL] % m[upper + k.RECALL_ROOM] * k.RECALL_SIZE
        m[r + k.R_LINE], m[r + k.R_ARRIVES] = line, now + m[n + k.HIT_CYCLES]
        m[upper + k.RECALL_TAIL] += 1
        m[upper + k.WHEN] = -1
    return True


@njit(cache=True, nogil=True)
def _throw_out(m: Vector, n: int, slot: int) -> int:
    """Clear a slot to make room; return the kind of message that its line needs, or -1."""
    flag = m[m[n + k.FLAGS] + slot]
    if m[m[n + k.TAGS] + slot] < 0:
        return -1
    replaced(m, n, slot)
    _count(m, n, k.EVICTED)
    if flag & k.PREFETCHED:
        _count(m, n, k.USELESS)
    if flag & k.DIRTY:
        _count(m, n, k.WRITEBACKS)
        return k.WRITEBACK
    if m[n + k.BELOW_EXCLUSIVE]:
        _count(m, n, k.VICTIMS)
        return k.VICTIM
    return -1


@njit(cache=True, nogil=True)
def _take_in(m: Vector, n: int, slot: int, line: int) -> None:
    """Give a slot to a line."""
    m[m[n + k.TAGS] + slot], m[m[n + k.FLAGS] + slot] = line, 0
    placed(m, n, slot)


@njit(cache=True, nogil=True)
def _send_away(m: Vector, n: int, leaves: int, old: int, now: int) -> bool:
    """Send what was thrown out down, and recall it from above if the level is inclusive."""
    if leaves >= 0:
        _push(m, n, now, leaves, old, -1, -1)
    if old >= 0 and m[n + k.INCLUSION] == k.INCLUSIVE:
        return _recall_above(m, n, old, now)
    return True


@njit(cache=True, nogil=True)
def _write(m: Vector, n: int, slot: int, kind: int, line: int, now: int) -> None:
    """Write into a line: keep it dirty, or pass the write on."""
    if m[n + k.WRITE_BACK]:
        make_dirty(m, n, slot)
    else:
        _push(m, n, now, kind, line, -1, -1)


@njit(cache=True, nogil=True)
def act_on_request(m: Vector, a: Rows, n: int, now: int) -> bool:
    """Carry the planned request out."""
    kind, line, mode, slot, found = m[n + k.KIND], m[n + k.LINE], m[n + k.MODE], m[n + k.SLOT], m[n + k.FOUND]
    _begin(m, n, now)
    if m[n + k.TOP]:
        i = m[n + k.WHO]
        m[n + k.NEXT] += k.TRACE_SIZE
        a[i + k.A_ISSUED] = now
        if mode == k.SCRATCHPAD:
            pad = m[k.FIRST_PAD] + a[i + k.A_PAD] * k.PAD_SIZE
            m[m[n + k.BANK]] = now + m[pad + k.PAD_INTERVAL]
            reply(m, a, n, now + m[pad + k.PAD_HIT], 0, m[n + k.CAUSES_N] - k.WAIT - 1)
            return True
    else:
        _pop(m, n, now)
    m[m[n + k.BANK]] = now + m[n + k.INTERVAL]
    m[m[n + k.COUNTS] + kind * len(k.OUTCOMES) + found] += 1
    if m[n + k.ORIGIN] >= 0:
        a[m[n + k.ORIGIN] + k.A_FOUND] |= (found + 1) << 2 * m[n + k.LEVEL]
    trigger, fits = False, True
    if mode == k.USE:
        trigger = _use(m, a, n, slot, now)
    elif mode == k.FETCH:
        fits = _fetch(m, n, slot, now)
        trigger = True
    elif mode == k.PLACE:
        fits = _place(m, n, slot, now)
    elif mode == k.PASS_READ:
        h = open_mshr(m, n, m[n + k.HANDLE], -1)
        _push(m, n, now, kind, line, h, m[n + k.ORIGIN])
        wait_for(m, n, h, now)
    else:
        _count(m, n, k.PASSED)
        _push(m, n, now, kind, line, -1, -1)
        reply(m, a, n, now + m[n + k.HIT_CYCLES], 0, m[n + k.LEVEL])
    if m[n + k.PREFETCH_KIND] != k.NO_PREFETCH and kind in (k.READ, k.WRITE):
        fits = _prefetch(m, n, line, trigger, now) and fits
    return fits


@njit(cache=True, nogil=True)
def _use(m: Vector, a: Rows, n: int, slot: int, now: int) -> bool:
    """Serve a request whose line is there or under way; True if it is the first use of a prefetched line."""
    kind, line, merges = m[n + k.KIND], m[n + k.LINE], m[n + k.FOUND] == k.MERGE
    flag, first = m[n + k.FLAGS] + slot, False
    touch(m, n, slot)
    if m[flag] & k.PREFETCHED and kind in (k.READ, k.WRITE):
        m[flag] &= ~k.PREFETCHED
        _count(m, n, k.LATE if merges else k.USEFUL)
        first = True
    if kind in (k.WRITE, k.WRITEBACK):
        _write(m, n, slot, kind, line, now)
    ready, server = now + m[n + k.HIT_CYCLES], m[n + k.LEVEL]
    if merges:
        h, fill = m[m[n + k.OWNERS] + slot], m[m[n + k.FILLS] + slot]
        m[h + k.COUNT] += 1
        if fill == k.FAR:
            wait_for(m, n, h, now)
            return first
        ready, server = max(ready, fill), m[h + k.SERVER]
    dirty = 0
    if m[n + k.INCLUSION] == k.EXCLUSIVE and kind in (k.READ, k.PREFETCH):  # the line moves up
        dirty = m[flag] & k.DIRTY
        _count(m, n, k.MOVED_UP)
        m[m[n + k.EVENTS] + k.MOVED_UP_DIRTY] += dirty
        m[m[n + k.TAGS] + slot], m[flag] = -1, 0
    reply(m, a, n, ready, dirty, server)
    return first


@njit(cache=True, nogil=True)
def _fetch(m: Vector, n: int, slot: int, now: int) -> bool:
    """Ask below for a line that is not there; let the request wait for it."""
    kind, line, old = m[n + k.KIND], m[n + k.LINE], m[m[n + k.TAGS] + slot]
    leaves = _throw_out(m, n, slot)
    h = open_mshr(m, n, m[n + k.HANDLE], slot)
    _take_in(m, n, slot, line)
    _push(m, n, now, k.PREFETCH if kind == k.PREFETCH else k.READ, line, h, m[n + k.ORIGIN])
    if kind == k.WRITE:
        _write(m, n, slot, kind, line, now)
    wait_for(m, n, h, now)
    return _send_away(m, n, leaves, old, now)


@njit(cache=True, nogil=True)
def _place(m: Vector, n: int, slot: int, now: int) -> bool:
    """Take in a whole line from above."""
    kind, line, old = m[n + k.KIND], m[n + k.LINE], m[m[n + k.TAGS] + slot]
    leaves = _throw_out(m, n, slot)
    _take_in(m, n, slot, line)
    m[m[n + k.FILLS] + slot] = now
    if kind == k.WRITEBACK:
        _write(m, n, slot, kind, line, now)
    return _send_away(m, n, leaves, old, now)


@njit(cache=True, nogil=True)
def _prefetch(m: Vector, n: int, line: int, trigger: bool, now: int) -> bool:
    """Let the prefetcher learn, and fetch what it wants as far as that can be done at once."""
    fits = True
    first, step, count = wanted(m, n, line, trigger)
    for target in range(first, first + count * step, step if step else 1):
        if target < 0 or find(m, n, target) >= 0:
            continue
        slot = choose(m, n, set_base(m, n, target))
        old, messages = m[m[n + k.TAGS] + slot], 1
        if old >= 0:
            messages += 1 if m[m[n + k.FLAGS] + slot] & k.DIRTY else m[n + k.BELOW_EXCLUSIVE]
        h, under_way = free_mshr(m, n), old >= 0 and m[m[n + k.FILLS] + slot] > now
        if under_way or m[h + k.UNTIL] > now or room(m, n, messages) > now:
            _count(m, n, k.DROPPED)
            continue
        _count(m, n, k.ISSUED)
        leaves = _throw_out(m, n, slot)
        open_mshr(m, n, h, slot)
        m[h + k.COUNT] = 0
        _take_in(m, n, slot, target)
        m[m[n + k.FLAGS] + slot] = k.PREFETCHED
        _push(m, n, now, k.PREFETCH, target, h, -1)
        fits = _send_away(m, n, leaves, old, now) and fits
    return fits


@njit(cache=True, nogil=True)
def act_on_recall(m: Vector, n: int, now: int) -> bool:
    """Give up a line that the level below has evicted."""
    line = m[m[n + k.RECALLS] + m[n + k.RECALL_HEAD] % m[n + k.RECALL_ROOM] * k.RECALL_SIZE + k.R_LINE]
    m[n + k.RECALL_HEAD] += 1
    m[n + k.RECALLED] = now
    m[n + k.WHEN] = -1
    slot = find(m, n, line)
    if slot >= 0 and m[m[n + k.FILLS] + slot] <= now:
        flag = m[n + k.FLAGS] + slot
        _count(m, n, k.INVALIDATED)
        if m[flag] & k.PREFETCHED:
            _count(m, n, k.USELESS)
        if m[flag] & k.DIRTY:
            _count(m, n, k.WRITEBACKS)
            _push(m, n, now, k.WRITEBACK, line, -1, -1)
        m[m[n + k.TAGS] + slot], m[flag] = -1, 0
    return _recall_above(m, n, line, now)


@njit(cache=True, nogil=True)
def take_message(m: Vector, now: int) -> int:
    """Let the memory take the message that it planned to; return where that stands until the next push."""
    n = m[k.MEMORY]
    q = m[m[n + k.PICKED] + k.HEAD]
    _begin(m, n, now)
    _pop(m, n, now)
    m[m[n + k.COUNTS] + m[q + k.Q_KIND]] += 1
    return q


@njit(cache=True, nogil=True)
def serve_memory(m: Vector, a: Rows, now: int) -> None:
    """Transfer one request and answer it if it is a read."""
    n, q = m[k.MEMORY], take_message(m, now)
    m[n + k.BUSY] = now + (m[n + k.SERVES_WORD] if m[q + k.Q_KIND] == k.WRITE else m[n + k.SERVES_LINE])
    if m[q + k.Q_WHO] >= 0:
        answer(m, a, m[q + k.Q_WHO], m[n + k.BUSY] + m[n + k.HIT_CYCLES], 0, m[n + k.LEVEL])
