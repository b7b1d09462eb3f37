"""Networks of nodes and FIFOs: engines that agree in every firing, and tools that size, bound and explain.

    net = Network("pair")
    net.node("make", 100, outputs=["out"])
    net.node("use", 100, ["in"], interval=2)
    net.connect("make", "use", depth=4)
    simulate(net).cycles

Names are loaded when first used: the compiled engines need numba.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bound import Bound as Bound
    from .bound import throughput_bound as throughput_bound
    from .chrome_trace import timeline as timeline
    from .compiled import cycles_of as cycles_of
    from .deadlock import Deadlock as Deadlock
    from .deadlock import certain_deadlock as certain_deadlock
    from .deadlock import explain as explain
    from .depths import DepthStudy as DepthStudy
    from .depths import minimal_depths as minimal_depths
    from .drawing import draw as draw
    from .drawing import to_dot as to_dot
    from .engine import ENGINES as ENGINES
    from .engine import choose_engine as choose_engine
    from .engine import simulate as simulate
    from .fills import Gauge as Gauge
    from .fills import gauges as gauges
    from .hosted import Region as Region
    from .hosted import run_hosted as run_hosted
    from .memories import memory_port as memory_port
    from .memories import scratchpad as scratchpad
    from .offchip import dram_port as dram_port
    from .random_networks import random_network as random_network
    from .rules import Filter as Filter
    from .rules import RepeatBy as RepeatBy
    from .rules import Select as Select
    from .rules import Switch as Switch
    from .run import Blocked as Blocked
    from .run import Run as Run
    from .simpy_engine import Ports as Ports
    from .values import compute as compute

_HOME = {
    "bound": ("Bound", "throughput_bound"),
    "compiled": ("cycles_of",),
    "deadlock": ("Deadlock", "certain_deadlock", "explain"),
    "depths": ("DepthStudy", "minimal_depths"),
    "drawing": ("draw", "to_dot"),
    "engine": ("ENGINES", "choose_engine", "simulate"),
    "fills": ("Gauge", "gauges"),
    "hosted": ("Region", "run_hosted"),
    "memories": ("memory_port", "scratchpad"),
    "offchip": ("dram_port",),
    "random_networks": ("random_network",),
    "rules": ("Filter", "RepeatBy", "Select", "Switch"),
    "run": ("Blocked", "Run"),
    "simpy_engine": ("Ports",),
    "chrome_trace": ("timeline",),
    "values": ("compute",),
}
__all__ = sorted(name for names in _HOME.values() for name in names)

_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
