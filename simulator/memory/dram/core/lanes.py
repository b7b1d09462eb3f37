"""All rules from one command to one node at once, as instructions on vectors."""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from ..commands import GATES

__all__ = ["raise_clocks"]

_WORD = ir.IntType(64)
_LANES = ir.VectorType(_WORD, GATES)


@intrinsic
def _compiled(typing_context: Any, m: Any, ready: Any, rules: Any, t: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        memory, node, latencies, clock = arguments
        if isinstance(m, types.Array):  # else a pointer
            memory = make_array(m)(context, builder, memory).data
        node, latencies = (builder.bitcast(builder.gep(memory, [i]), _LANES.as_pointer()) for i in (node, latencies))
        now = ir.Constant(_LANES, ir.Undefined)
        for lane in range(GATES):
            now = builder.insert_element(now, clock, ir.Constant(ir.IntType(32), lane))
        then = builder.add(builder.load(latencies, align=8), now)
        old = builder.load(node, align=8)
        builder.store(builder.select(builder.icmp_signed(">", then, old), then, old), node, align=8)
        return context.get_dummy_value()

    return types.void(m, types.int64, types.int64, types.int64), build


def _plain(m: Any, ready: int, rules: int, t: int) -> None:
    for gate in range(GATES):
        m[ready + gate] = max(m[ready + gate], t + m[rules + gate])


raise_clocks = _plain if numba.config.DISABLE_JIT else _compiled
"""Raise the earliest clock of every gate of the node at `ready` to `t` plus its latency in the list at `rules`.

Compiled code cannot know that the two lists do not overlap, and would go through them gate by gate.
"""
