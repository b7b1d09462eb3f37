"""Names of places in the kernel's state, which is one vector of int64.

A record is an offset into the vector `m`, and a field is a constant added to it: `m[n + k.LAST]` is when the
node at offset `n` last took a request. Links between records are offsets, too. So every function of the
kernel takes one array, and a snapshot is a copy. -1 stands for "none".
"""

from __future__ import annotations

FAR = 2**62
"""Later than any time; also "not known yet"."""

# Kinds of request, as one level sees them.
READ, WRITE, PREFETCH, WRITEBACK, VICTIM = range(5)
KINDS = ("read", "write", "prefetch", "writeback", "victim")
# What a request finds: the line; the line under way; nothing.
HIT, MERGE, MISS = range(3)
OUTCOMES = ("hit", "merge", "miss")
# How a request is carried out: use the line, fetch it, pass the read on without keeping the line, take a whole
# line in, pass a write on, access a scratchpad.
USE, FETCH, PASS_READ, PLACE, PASS_ON, SCRATCHPAD = range(6)
# What a node does next.
NOTHING, REQUEST, RECALL, CHOOSE = range(4)

LRU, PLRU, SRRIP, RANDOM = range(4)
POLICIES = ("lru", "plru", "srrip", "random")
NO_PREFETCH, NEXT_LINE, STREAM, STRIDE = range(4)
PREFETCHERS = ("none", "next-line", "stream", "stride")
NEITHER, INCLUSIVE, EXCLUSIVE = range(3)
INCLUSIONS = ("none", "inclusive", "exclusive")

# The head of the vector. Nodes are NODE_SIZE apart, the memory last; scratchpads are PAD_SIZE apart.
WINDOW, FIRST_NODE, MEMORY, FIRST_PAD, ANSWERS = range(5)
HEAD_SIZE = 5

# A node: a cache or the memory. First what does not change: the level's description ...
(
    SETS, MASK, WAYS, POLICY, WRITE_BACK, ALLOCATE, INCLUSION, HIT_CYCLES, INTERVAL, BANKS, MSHRS, TARGETS, DEPTH,
    PREFETCH_KIND, DEGREE, ENTRIES, ZONE_LINES, LEVEL, TOP, BELOW_EXCLUSIVE, SERVES_LINE, SERVES_WORD,
) = range(22)
# ... the nodes around it (a range above) and its lists: by slot, by set, by bank, by record. WAITS and STALLS are
# cycles by cause for the plan and in all, COUNTS is by kind and outcome, EVENTS as EVENTS below.
(
    BELOW, ABOVE, ABOVE_END, TAGS, FILLS, AGES, FLAGS, OWNERS, TREES, BANK_FREE, MSHR, TARGET, QUEUE, QUEUE_END, RECALLS,
    RECALL_ROOM, ENTRY, WAITS, STALLS, CAUSES_N, COUNTS, EVENTS,
) = range(22, 44)
# Then its state. WHEN is the time of its next action (FAR if it has none, -1 if that must be worked out anew), LAST
# that of the latest request taken, BUSY until when the memory transfers. PICKED is the node whose queue is served
# next, TURN the one served last. CLOCK and DRAW are the replacement policy's. HEAD and TAIL are the first message of
# the queue down and the place for the next, HELD how many it holds; RECALL_HEAD and RECALL_TAIL count the recalls taken
# and received; RECALLED is the time of the latest. FREE_TARGET starts a list. NEXT, START, END are rows of the trace;
# RETIRED is the access that retires next, RETIRED_TIME and RETIRED_FROM when the one before did, and who served it.
# WAITED: WAITS is not 0.
(
    WHEN, LAST, BUSY, PICKED, TURN, CLOCK, DRAW, HEAD, TAIL, HELD, RECALL_HEAD, RECALL_TAIL, RECALLED, FREE_TARGET, NEXT,
    START, END, RETIRED, RETIRED_TIME, RETIRED_FROM, WAITED,
) = range(44, 65)
# Last its plan: what it does at WHEN, for which request (WHO waits for an answer: an access or an MSHR; ORIGIN: the
# access behind it), how, with which slot, MSHR and bank, and what the request finds.
DOES, KIND, LINE, WHO, ORIGIN, MODE, SLOT, HANDLE, BANK, FOUND = range(65, 75)
NODE_SIZE = 75

# A scratchpad: its times, its number of banks, and for each master the time from which each bank is free.
PAD_HIT, PAD_INTERVAL, PAD_BANKS, PAD_FREE = range(4)
PAD_SIZE = 4
# An MSHR: time of the fill (FAR while unknown), slot that it fills, requests for the line so far, first of those
# that wait for a time, the level that serves it, its cache.
UNTIL, FILLS_SLOT, COUNT, FIRST, SERVER, OWNER = range(6)
MSHR_SIZE = 6
# A request that waits for an MSHR: who, since when, the next one.
T_WHO, T_SINCE, T_NEXT = range(3)
TARGET_SIZE = 3
# A place in a queue: a message, and from when on the place is free after it.
Q_LINE, Q_KIND, Q_ARRIVES, Q_WHO, Q_ORIGIN, Q_FREE = range(6)
QUEUE_SIZE = 6
# A recall: the line and when it arrives.
R_LINE, R_ARRIVES = range(2)
RECALL_SIZE = 2
# A stream or zone that a prefetcher follows.
E_LINE, E_STEP, E_AHEAD, E_USED = range(4)
ENTRY_SIZE = 4

# Flags of a slot.
DIRTY, PREFETCHED = 1, 2

# EVENTS of a cache.
(
    EVICTED, WRITEBACKS, VICTIMS, DIRTIED, INVALIDATED, MOVED_UP, MOVED_UP_DIRTY, ISSUED, DROPPED, USEFUL, LATE, USELESS,
    PASSED,
) = range(13)
EVENT_NAMES = (
    "evictions", "writebacks", "clean_victims", "dirtied", "invalidated", "moved_up", "moved_up_dirty",
    "prefetches_issued", "prefetches_dropped", "prefetches_useful", "prefetches_late", "prefetches_useless",
    "passed_on",
)
# Why a node did not take a request in a cycle. WAIT + i is the master's window, full of accesses of which the oldest
# was served by level i (the memory comes after the last level, then the scratchpads).
IDLE, PORT, NO_MSHR, NO_TARGET, NO_VICTIM, NO_ROOM, RECALLING, WAIT = range(8)
CAUSE_NAMES = ("idle", "port", "mshr", "target", "victim", "queue", "recall")

# An access, a record of the trace `a`. A_PLACE is the line number, or for a scratchpad (A_PAD >= 0) the master's bank.
# A_FOUND has two bits a level: 0 if never asked, else one more than the outcome; A_SERVED is the level that had the data.
A_ARRIVAL, A_PLACE, A_PAD, A_WRITE, A_ISSUED, A_DONE, A_FOUND, A_SERVED = range(8)
TRACE_SIZE = 8
