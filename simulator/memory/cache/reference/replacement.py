"""Replacement in the words of its papers: one object a set. Ways are numbers from 0."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..hierarchy import Policy

__all__ = ["Dice", "Replacement", "replacement"]


class Dice:
    """Marsaglia's xorshift generator of 32 bits, triple (13, 17, 5); shared by the sets of a cache."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def next(self) -> int:
        """What the next throw would show."""
        mask = 2**32 - 1
        x = self.state
        x = (x ^ x << 13) & mask
        x = x ^ x >> 17
        return (x ^ x << 5) & mask

    def throw(self) -> None:
        """Go on to the next number."""
        self.state = self.next()


class Replacement(ABC):
    """Who leaves a full set."""

    def __init__(self, ways: int) -> None:
        self.ways = ways

    @abstractmethod
    def used(self, way: int) -> None:
        """The line of a way was used."""

    def came(self, way: int) -> None:
        """A way has a new line."""
        self.used(way)

    @abstractmethod
    def victim(self) -> int:
        """The way whose line would leave now."""

    def left(self, way: int) -> None:
        """The line of a way was thrown out."""
        return


class LeastRecentlyUsed(Replacement):
    """The line whose last use is the longest ago."""

    def __init__(self, ways: int) -> None:
        super().__init__(ways)
        self.by_age = list(range(ways))

    def used(self, way: int) -> None:
        self.by_age.remove(way)
        self.by_age.append(way)

    def victim(self) -> int:
        return self.by_age[0]


class Tree(Replacement):
    """A binary tree over the ways: every node points to the half that was not used last."""

    def __init__(self, ways: int) -> None:
        super().__init__(ways)
        self.points_right: dict[tuple[int, int], bool] = {}

    def used(self, way: int) -> None:
        low, high = 0, self.ways
        while high - low > 1:
            middle = (low + high) // 2
            self.points_right[low, high] = way < middle
            low, high = (low, middle) if way < middle else (middle, high)

    def victim(self) -> int:
        low, high = 0, self.ways
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.points_right.get((low, high), False) else (low, middle)
        return low


class ReReference(Replacement):
    """SRRIP with hit priority and two bits: predicted intervals until the next use, 0 (near) to 3 (distant)."""

    def __init__(self, ways: int) -> None:
        super().__init__(ways)
        self.interval = [3] * ways

    def used(self, way: int) -> None:
        self.interval[way] = 0

    def came(self, way: int) -> None:
        self.interval[way] = 2

    def victim(self) -> int:
        for distance in (3, 2, 1, 0):
            if distance in self.interval:
                return self.interval.index(distance)
        raise AssertionError

    def left(self, way: int) -> None:
        while 3 not in self.interval:
            self.interval = [value + 1 for value in self.interval]


class Random(Replacement):
    """A way at random."""

    def __init__(self, ways: int, dice: Dice) -> None:
        super().__init__(ways)
        self.dice = dice

    def used(self, way: int) -> None:
        return

    def victim(self) -> int:
        return self.dice.next() % self.ways

    def left(self, way: int) -> None:
        self.dice.throw()


def replacement(policy: Policy, ways: int, dice: Dice) -> Replacement:
    """The policy of one set."""
    if policy == "random":
        return Random(ways, dice)
    if policy == "lru":
        return LeastRecentlyUsed(ways)
    return Tree(ways) if policy == "plru" else ReReference(ways)
