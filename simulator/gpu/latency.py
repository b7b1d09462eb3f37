"""How long a memory instruction holds its dependence counters when everything hits and nothing is in the way.

Fourteen additive numbers give every cell of the published table (MICRO 2025, table 2: Ampere). They are a
fit, not a mechanism: the authors have no explanation for LDC, for the width of LDS, or for the differences
between uniform and regular addresses.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AMPERE", "MemoryLatency", "MemoryTimes"]


@dataclass(frozen=True)
class MemoryTimes:
    """Distances in cycles from the issue: to the release of the sources, and to that of the result."""

    war: int
    raw: int


@dataclass(frozen=True)
class MemoryLatency:
    """The fourteen numbers, in cycles, and one row of its own."""

    load_war: int = 9
    store_war: int = 10
    """For one register of data."""
    global_address: int = 2
    """Computing a global address from a regular register."""
    further_group: int = 2
    """Reading a second group of registers: addresses beside store data, or LDGSTS' second address."""
    per_register: int = 2
    """Store data leave, and global loads return, at this rate."""
    global_return: int = 27
    """Plus `per_register` for each register."""
    shared_return: int = 21
    shared_per_register: int = 1
    shared_minimum: int = 23
    regular_return: int = 1
    """On a return when the address is in a regular register."""
    constant_war_immediate: int = 10
    constant_war_regular: int = 29
    constant_return: int = 26
    async_copy: int = 37
    """LDGSTS, plus `global_address`."""
    generic: MemoryTimes = MemoryTimes(10, 31)
    """LD, as read off figure 2; no row of table 2 has these numbers."""

    def times(self, space: str, *, store: bool, registers: int, regular: bool) -> MemoryTimes:
        """Return the times of an access of `registers` 32-bit registers a thread.

        `space` is global, local, shared, constant, generic or async (LDGSTS); `regular` says that the
        address comes from general registers, not from uniform ones or an immediate.
        """
        far = space in ("global", "local", "async")
        address = self.global_address if far and regular else 0
        late = self.regular_return if regular else 0
        if space == "generic" and not store:
            return self.generic
        if space == "constant":
            war = self.constant_war_regular if regular else self.constant_war_immediate
            return MemoryTimes(war, self.constant_return + (self.global_address + late if regular else 0))
        if space == "async":
            return MemoryTimes(self.load_war + address + self.further_group, self.async_copy + address)
        if store:
            group = self.further_group if regular else 0
            war = self.store_war + self.per_register * (registers - 1) + address + group
            return MemoryTimes(war, war)
        if space == "shared":
            returned = max(self.shared_return + self.shared_per_register * registers, self.shared_minimum)
            return MemoryTimes(self.load_war, returned + late)
        return MemoryTimes(self.load_war + address, self.global_return + self.per_register * registers + address + late)


AMPERE = MemoryLatency()
