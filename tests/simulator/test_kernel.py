"""The SimPy kernel: what a channel promises, cycle by cycle."""

import pytest

from cyclescape.simulator.kernel import Clock, Component, DeadlockError, Simulation


class Sender(Component):
    def __init__(self, sim, channel, items, clock=Clock()):  # noqa: B008
        super().__init__(sim, "sender", clock)
        self.channel, self.items, self.times = channel, items, []

    def run(self):
        for item in self.items:
            yield from self.channel.put(item, by=self)
            self.times.append(self.sim.now)


class Receiver(Component):
    def __init__(self, sim, channel, pauses):
        super().__init__(sim, "receiver")
        self.channel, self.pauses, self.times, self.items = channel, pauses, [], []

    def run(self):
        for pause in self.pauses:
            self.items.append((yield from self.channel.get(self)))
            self.times.append(self.sim.now)
            yield from self.wait(pause)


def test_latencies_and_back_pressure():
    """Depth 2: the third item needs the slot of the first, free three cycles after it was taken at 5."""
    sim = Simulation()
    channel = sim.channel("c", 2, send_latency=5, response_latency=3)
    sender, receiver = Sender(sim, channel, "abc"), Receiver(sim, channel, [1, 1, 1])
    sim.run()
    assert sender.times == [0, 0, 8]
    assert receiver.times == [5, 6, 13]
    assert receiver.items == ["a", "b", "c"]


def test_an_item_with_a_longer_latency_does_not_fall_back_behind_a_later_one():
    sim = Simulation()
    channel = sim.channel("c", None)

    class Two(Component):
        def run(self):
            yield from channel.put("slow", latency=10)
            yield from channel.put("fast")

    Two(sim, "two")
    receiver = Receiver(sim, channel, [0, 0])
    sim.run()
    assert receiver.items == ["slow", "fast"]
    assert receiver.times == [10, 10]


def test_preloaded_items_take_slots_and_are_visible_at_once():
    sim = Simulation()
    channel = sim.channel("c", 1)
    channel.preload(["first"])
    sender, receiver = Sender(sim, channel, ["second"]), Receiver(sim, channel, [0, 0])
    sim.run()
    assert receiver.items == ["first", "second"]
    assert (sender.times, receiver.times) == ([1], [0, 2])


def test_a_deadlock_says_who_waits_for_what():
    sim = Simulation()
    channel = sim.channel("c", 1)
    Sender(sim, channel, "ab")
    with pytest.raises(DeadlockError, match=r"deadlock at 0: sender waits for space in c$") as caught:
        sim.run()
    assert [c.name for c in caught.value.stuck] == ["sender"]
    assert caught.value.stuck[0].waiting_on == ("space", channel)


def test_a_watcher_sees_every_item():
    seen = []
    sim = Simulation(lambda *what: seen.append(what))
    channel = sim.channel("c")
    Sender(sim, channel, "a")
    Receiver(sim, channel, [0])
    sim.run()
    assert seen == [(0, "c", "put", "a"), (1, "c", "get", "a")]


def test_waiting_starts_at_a_clock_edge():
    sim, clock = Simulation(), Clock(10)

    class Late(Component):
        def run(self):
            yield self.sim.env.timeout(3)
            yield from self.wait(2)
            assert self.sim.now == 30

    Late(sim, "late", clock)
    assert sim.run() == 30
    assert Clock.mhz(700).period == 1429


@pytest.mark.parametrize("field", ["depth", "send_latency", "response_latency"])
def test_zero_is_refused(field):
    with pytest.raises(ValueError, match=f"channel c: {field}=0 must be at least 1"):
        Simulation().channel("c", **{field: 0})
