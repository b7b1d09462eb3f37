"""When a node can act next, and what it will do: the waiting half of the compiled kernel.

Nothing here changes what a cache holds. A node's plan stays true until something reaches the node: an answer,
a recall, a request, a free place in its queue; whoever sends that marks the plan as stale.
"""

from __future__ import annotations

from numba import njit

from . import columns as k
from .kinds import Rows, Vector
from .replacement import choose

__all__ = ["bank_of", "find", "free_mshr", "plan_cache", "plan_memory", "retire", "room", "set_base"]


@njit(cache=True, nogil=True)
def set_base(m: Vector, n: int, line: int) -> int:
    """The first slot of a line's set."""
    index = line & m[n + k.MASK] if m[n + k.MASK] >= 0 else line % m[n + k.SETS]
    return index * m[n + k.WAYS]


@njit(cache=True, nogil=True)
def find(m: Vector, n: int, line: int) -> int:
    """The slot of a line, or -1."""
    base, tags = set_base(m, n, line), m[n + k.TAGS]
    for slot in range(base, base + m[n + k.WAYS]):
        if m[tags + slot] == line:
            return slot
    return -1


@njit(cache=True, nogil=True)
def room(m: Vector, n: int, messages: int) -> int:
    """When the queue below has room for that many messages; FAR if that is not known yet."""
    if messages == 0:
        return 0
    if m[n + k.HELD] + messages > m[n + k.DEPTH]:
        return k.FAR
    last = m[n + k.TAIL] + (messages - 1) * k.QUEUE_SIZE
    if last >= m[n + k.QUEUE_END]:
        last += m[n + k.QUEUE] - m[n + k.QUEUE_END]
    return m[last + k.Q_FREE]


@njit(cache=True, nogil=True)
def free_mshr(m: Vector, n: int) -> int:
    """The MSHR that is free first, the lowest number among equals."""
    low = m[n + k.MSHR]
    best = low
    for h in range(low + k.MSHR_SIZE, low + m[n + k.MSHRS] * k.MSHR_SIZE, k.MSHR_SIZE):
        if m[h + k.UNTIL] < m[best + k.UNTIL]:
            best = h
    return best


@njit(cache=True, nogil=True)
def bank_of(m: Vector, n: int, line: int) -> int:
    """Where the time stands from which a line's bank is free."""
    return m[n + k.BANK_FREE] + (line % m[n + k.BANKS] if m[n + k.BANKS] > 1 else 0)


@njit(cache=True, nogil=True)
def _wait(m: Vector, n: int, cause: int, now: int, until: int) -> int:
    """Charge the time until a resource is there to a cause; return the later time."""
    if until <= now:
        return now
    m[m[n + k.WAITS] + cause] += until - now
    m[n + k.WAITED] = 1
    return until


@njit(cache=True, nogil=True)
def _start_over(m: Vector, n: int) -> None:
    """Forget the old plan."""
    m[n + k.DOES] = k.NOTHING
    if m[n + k.WAITED]:
        m[n + k.WAITED] = 0
        for cause in range(m[n + k.WAITS], m[n + k.WAITS] + m[n + k.CAUSES_N]):
            m[cause] = 0


@njit(cache=True, nogil=True)
def plan_cache(m: Vector, a: Rows, n: int) -> int:
    """Decide what a cache does next and return when."""
    _start_over(m, n)
    when = _plan_access(m, a, n) if m[n + k.TOP] else _plan_message(m, n)
    if m[n + k.RECALL_HEAD] < m[n + k.RECALL_TAIL]:
        r = m[n + k.RECALLS] + m[n + k.RECALL_HEAD] % m[n + k.RECALL_ROOM] * k.RECALL_SIZE
        arrives = max(m[r + k.R_ARRIVES], m[n + k.RECALLED])
        if arrives <= when:
            m[n + k.DOES] = k.RECALL
            slot = find(m, n, m[r + k.R_LINE])
            if slot >= 0 and m[m[n + k.FILLS] + slot] <= arrives and m[m[n + k.FLAGS] + slot] & k.DIRTY:
                arrives = max(arrives, room(m, n, 1))
            when = arrives
    return when


@njit(cache=True, nogil=True)
def _plan_access(m: Vector, a: Rows, n: int) -> int:
    """Take up the master's next access and say when it can be taken; FAR if that is not known yet."""
    i = m[n + k.NEXT]
    if i >= m[n + k.END]:
        return k.FAR
    now = _wait(m, n, k.IDLE, m[n + k.LAST] + 1, a[i + k.A_ARRIVAL])
    oldest = i - m[k.WINDOW]
    if oldest >= m[n + k.START]:
        if not retire(m, a, n, oldest):
            return k.FAR
        now = _wait(m, n, k.WAIT + m[n + k.RETIRED_FROM], now, m[n + k.RETIRED_TIME])
    m[n + k.LINE], m[n + k.KIND], m[n + k.WHO], m[n + k.ORIGIN] = a[i + k.A_PLACE], a[i + k.A_WRITE], i, i
    if a[i + k.A_PAD] >= 0:
        pad = m[k.FIRST_PAD] + a[i + k.A_PAD] * k.PAD_SIZE
        m[n + k.DOES], m[n + k.MODE], m[n + k.BANK] = k.REQUEST, k.SCRATCHPAD, m[pad + k.PAD_FREE] + a[i + k.A_PLACE]
        now = _wait(m, n, k.PORT, now, m[m[n + k.BANK]])
        return _wait(m, n, k.RECALLING, now, m[n + k.RECALLED])
    return _plan_lookup(m, n, now)


@njit(cache=True, nogil=True)
def retire(m: Vector, a: Rows, n: int, last: int) -> bool:
    """Retire a master's accesses in order up to `last`; False if one of them has no answer yet."""
    while m[n + k.RETIRED] <= last:
        done = a[m[n + k.RETIRED] + k.A_DONE]
        if done < 0:
            return False
        if done > m[n + k.RETIRED_TIME]:
            m[n + k.RETIRED_TIME] = done
            m[n + k.RETIRED_FROM] = a[m[n + k.RETIRED] + k.A_SERVED]
        m[n + k.RETIRED] += k.TRACE_SIZE
    return True


@njit(cache=True, nogil=True)
def _plan_message(m: Vector, n: int) -> int:
    """Take up the next message from above and say when it can be taken; FAR if that is not known yet."""
    if m[n + k.PICKED] < 0:
        when = _next_queue(m, n)
        if m[n + k.PICKED] < 0:
            return when
    q = m[m[n + k.PICKED] + k.HEAD]
    m[n + k.LINE], m[n + k.KIND] = m[q + k.Q_LINE], m[q + k.Q_KIND]
    m[n + k.WHO], m[n + k.ORIGIN] = m[q + k.Q_WHO], m[q + k.Q_ORIGIN]
    return _plan_lookup(m, n, _wait(m, n, k.IDLE, m[n + k.LAST] + 1, m[q + k.Q_ARRIVES]))


@njit(cache=True, nogil=True)
def _next_queue(m: Vector, n: int) -> int:
    """Pick the only queue at once if it holds something; of several, plan to choose once one has arrived."""
    first, low, high = k.FAR, m[n + k.ABOVE], m[n + k.ABOVE_END]
    for upper in range(low, high, k.NODE_SIZE):
        if m[upper + k.HELD] > 0:
            first = min(first, m[m[upper + k.HEAD] + k.Q_ARRIVES])
    if first == k.FAR:
        return k.FAR
    if high == low + k.NODE_SIZE:
        m[n + k.PICKED] = low
        return first
    m[n + k.DOES] = k.CHOOSE
    return max(first, m[n + k.LAST] + 1)


@njit(cache=True, nogil=True)
def _plan_lookup(m: Vector, n: int, now: int) -> int:
    """Look the line up, decide how the request is carried out, and wait for what that needs."""
    kind, line = m[n + k.KIND], m[n + k.LINE]
    m[n + k.BANK] = bank_of(m, n, line)
    now = _wait(m, n, k.PORT, now, m[m[n + k.BANK]])
    slot = find(m, n, line)
    messages = int(kind in (k.WRITE, k.WRITEBACK) and not m[n + k.WRITE_BACK])
    mode, found = k.USE, k.HIT
    if slot >= 0:
        fill = m[m[n + k.FILLS] + slot]
        if fill > now and m[m[m[n + k.OWNERS] + slot] + k.COUNT] >= m[n + k.TARGETS]:
            if fill == k.FAR:
                return k.FAR
            now = _wait(m, n, k.NO_TARGET, now, fill)
    else:
        mode, found = _mode_of_miss(m, n, kind), k.MISS
        if mode == k.FETCH:
            messages += 1
        elif mode != k.PLACE:
            messages = 1
        if mode in (k.FETCH, k.PASS_READ):
            m[n + k.HANDLE] = free_mshr(m, n)
            free = m[m[n + k.HANDLE] + k.UNTIL]
            if free == k.FAR:
                return k.FAR
            now = _wait(m, n, k.NO_MSHR, now, free)
        if mode in (k.FETCH, k.PLACE):
            slot = choose(m, n, set_base(m, n, line))
            if m[m[n + k.TAGS] + slot] >= 0:
                fill = m[m[n + k.FILLS] + slot]
                if fill == k.FAR:
                    return k.FAR
                now = _wait(m, n, k.NO_VICTIM, now, fill)
                messages += 1 if m[m[n + k.FLAGS] + slot] & k.DIRTY else m[n + k.BELOW_EXCLUSIVE]
    free = room(m, n, messages)
    if free == k.FAR:
        return k.FAR
    now = _wait(m, n, k.NO_ROOM, now, free)
    now = _wait(m, n, k.RECALLING, now, m[n + k.RECALLED])
    if mode == k.USE and m[m[n + k.FILLS] + slot] > now:
        found = k.MERGE
    m[n + k.DOES], m[n + k.MODE], m[n + k.SLOT], m[n + k.FOUND] = k.REQUEST, mode, slot, found
    return now


@njit(cache=True, nogil=True)
def _mode_of_miss(m: Vector, n: int, kind: int) -> int:
    """How a request is carried out whose line is not there."""
    exclusive = m[n + k.INCLUSION] == k.EXCLUSIVE
    if kind in (k.READ, k.PREFETCH):
        return k.PASS_READ if exclusive else k.FETCH
    if kind == k.WRITE:
        return k.FETCH if m[n + k.ALLOCATE] and not exclusive else k.PASS_ON
    if kind == k.WRITEBACK and not exclusive and (m[n + k.INCLUSION] == k.INCLUSIVE or not m[n + k.ALLOCATE]):
        return k.PASS_ON
    return k.PLACE


@njit(cache=True, nogil=True)
def plan_memory(m: Vector) -> int:
    """Decide which request the memory takes next and return when."""
    n = m[k.MEMORY]
    _start_over(m, n)
    if m[n + k.PICKED] < 0:
        when = _next_queue(m, n)
        if m[n + k.PICKED] < 0:
            return when
    m[n + k.DOES] = k.REQUEST
    now = _wait(m, n, k.IDLE, m[n + k.LAST] + 1, m[m[m[n + k.PICKED] + k.HEAD] + k.Q_ARRIVES])
    return _wait(m, n, k.PORT, now, m[n + k.BUSY])
