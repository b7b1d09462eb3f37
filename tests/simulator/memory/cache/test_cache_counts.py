"""One level without time: a list of lines per set that anybody can follow, stack distances, and the timed kernel."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cyclescape.simulator.memory.cache.functional import count
from cyclescape.simulator.memory.cache.hierarchy import FixedMemory, Hierarchy, Level
from cyclescape.simulator.memory.cache.reuse import reuse_profile
from cyclescape.simulator.memory.cache.run import simulate
from cyclescape.traces.addresses import AddressTrace

LINE = 64
TRACES = st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=150)


class Oracle:
    """A set as a list of ways; what leaves is worked out from the whole history of uses."""

    def __init__(self, ways: int, policy: str) -> None:
        self.lines: list[int | None] = [None] * ways
        self.uses: list[int] = []  # ways in order of use
        self.value = [0] * ways  # SRRIP
        self.policy = policy

    def use(self, line: int, draw: list[int]) -> bool:
        """Whether it hits; `draw` is the generator's state, in a list."""
        hit = line in self.lines
        if hit:
            way = self.lines.index(line)
            self.value[way] = 0
        else:
            way = self.lines.index(None) if None in self.lines else self.leaves(draw)
            self.lines[way] = line
            self.value[way] = 2
        self.uses.append(way)
        return hit

    def leaves(self, draw: list[int]) -> int:
        ways = range(len(self.lines))
        if self.policy == "lru":
            return min(ways, key=lambda way: max(i for i, used in enumerate(self.uses) if used == way))
        if self.policy == "plru":
            low, high = 0, len(self.lines)
            while high - low > 1:
                middle = (low + high) // 2
                latest = next(way for way in reversed(self.uses) if low <= way < high)
                low, high = (middle, high) if latest < middle else (low, middle)
            return low
        if self.policy == "srrip":
            while 3 not in self.value:
                self.value = [value + 1 for value in self.value]
            return self.value.index(3)
        x = draw[0]
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        draw[0] = x
        return x % len(self.lines)


@pytest.mark.parametrize("policy", ["lru", "plru", "srrip", "random"])
@given(accesses=TRACES, ways=st.sampled_from([1, 2, 4, 8]), sets=st.sampled_from([1, 2, 3]), seed=st.integers(1, 99))
def test_hits_and_misses_equal_a_list_of_lines(policy, accesses, ways, sets, seed):
    level = Level(ways * sets * LINE, ways, policy, seed=seed)
    oracle, draw = [Oracle(ways, policy) for _ in range(sets)], [seed]
    hits = sum(oracle[line % sets].use(line, draw) for line, _ in accesses)
    trace = AddressTrace.of("drawn", [LINE * line for line, _ in accesses], [write for _, write in accesses])
    counts = count(level, trace)
    assert (counts.hits, counts.misses) == (hits, len(accesses) - hits)
    timed = simulate(Hierarchy((level,), FixedMemory(7, 16)), trace).levels[0]
    assert (timed.misses, timed.events["evictions"], timed.events["writebacks"], timed.dirty_lines) == (
        counts.misses, counts.evictions, counts.writebacks, counts.dirty_lines
    )


@given(accesses=TRACES, sets=st.sampled_from([1, 2, 4]))
def test_lru_misses_equal_stack_distances(accesses, sets):
    """One pass knows every size; and a larger one never misses more."""
    trace = AddressTrace.of("drawn", [LINE * line for line, _ in accesses])
    profile = reuse_profile(trace, LINE, sets)
    misses = [profile.misses(ways) for ways in (1, 2, 3, 8)]
    assert misses == [count(Level(ways * sets * LINE, ways), trace).misses for ways in (1, 2, 3, 8)]
    assert misses == sorted(misses, reverse=True)
    assert profile.accesses == len(accesses)
