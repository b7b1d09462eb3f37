"""Memories as nodes: a port with a bandwidth and a latency, and a scratchpad that is filled and read by blocks.

They are built of ordinary nodes and FIFOs, so that every engine runs them and every tool sees through them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..network import Fifo, Network, NetworkError, Node, Schedule

__all__ = ["memory_port", "scratchpad"]


def memory_port(
    network: Network,
    name: str,
    requests: int,
    *,
    bytes_per_request: int,
    bytes_per_cycle: float,
    latency: int | Sequence[int],
) -> Node:
    """Add a port to a memory: input "request", output "data", answers in order.

    It takes a request every ceil(bytes_per_request / bytes_per_cycle) cycles. `latency` is cycles from a request to
    its data, one for all or one for each (as measured by a memory model). The slots of the FIFO behind "data"
    are the requests under way: a depth of latency / interval + 1 keeps the port busy.
    """
    if bytes_per_request < 1 or bytes_per_cycle <= 0:
        raise NetworkError(
            f"network {network.name!r}: memory port {name}: bytes_per_request={bytes_per_request} and "
            f"bytes_per_cycle={bytes_per_cycle} must be positive"
        )
    interval = max(1, int(np.ceil(bytes_per_request / bytes_per_cycle)))
    if isinstance(latency, int):
        return network.node(name, requests, ["request"], ["data"], interval=interval, latency=latency)
    if len(latency) != requests:
        raise NetworkError(f"network {network.name!r}: memory port {name}: {len(latency)} latencies for {requests} requests")
    schedule = Schedule.of([1] * requests, [1] * requests, interval, latency)
    return network.node(name, requests, ["request"], ["data"], schedule=schedule)


def scratchpad(
    network: Network,
    name: str,
    blocks: int,
    *,
    block_tokens: int,
    capacity_blocks: int = 2,
    reads_per_block: int | None = None,
    read_latency: int = 1,
    release_latency: int = 1,
) -> tuple[Fifo, Fifo]:
    """Add a scratchpad of `capacity_blocks` blocks: tokens go in at "NAME write.in" and come out at "NAME read.out".

    A block can be read once it is written whole, `reads_per_block` tokens of it (default: each once), one a
    cycle; its room is free `release_latency` cycles after its last read. Two blocks make a double buffer.
    Returns the FIFOs of written blocks and of free room.
    """
    reads = block_tokens if reads_per_block is None else reads_per_block
    writer, reader = f"{name} write", f"{name} read"
    if min(blocks, block_tokens, capacity_blocks, reads) < 1:
        raise NetworkError(
            f"network {network.name!r}: scratchpad {name}: blocks={blocks}, block_tokens={block_tokens}, "
            f"capacity_blocks={capacity_blocks} and reads_per_block={reads} must be at least 1"
        )
    network.node(writer, blocks * block_tokens, {"in": 1, "room": block_tokens}, {"block": block_tokens})
    network.node(reader, blocks * reads, {"block": reads}, {"out": 1, "room": reads}, latency=read_latency)
    written = network.connect(f"{writer}.block", f"{reader}.block", capacity_blocks, name=f"{name} written")
    room = network.connect(
        f"{reader}.room", f"{writer}.room", capacity_blocks, name=f"{name} room",
        send_latency=release_latency, initial=capacity_blocks,
    )  # fmt: skip
    return written, room
