"""The order in which the nodes of an ONNX graph can be visited, and the cycles for which there is none."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping
from pathlib import Path

import onnx

from ...errors import InputError

__all__ = ["label", "ordered"]

MAX_NODES = 100_000


def label(proto: onnx.NodeProto) -> str:
    """Return what a message calls a node."""
    name = proto.name or next(iter(proto.output), "")
    return f"node {name[:80]!r} ({proto.op_type})"


def ordered(path: Path, graph: onnx.GraphProto, given: Collection[str]) -> list[onnx.NodeProto]:
    """Return the nodes that the outputs need, each after those it reads, else in the order of the file.

    `given` are the inputs and constants. Raises `InputError` for a cycle, or a tensor that nothing makes or two nodes make.
    """
    protos = list(graph.node)
    if len(protos) > MAX_NODES:
        raise InputError(f"{path}: {len(protos):,} nodes (accepted: at most {MAX_NODES:,})")
    maker: dict[str, int] = {}
    for index, proto in enumerate(protos):
        for output in filter(None, proto.output):
            if output in maker:
                first = label(protos[maker[output]])
                raise InputError(f"{path}: tensor {output!r} is made twice, by {first} and {label(proto)}")
            maker[output] = index
    needed = _needed(path, graph, maker)
    waiting: dict[int, int] = {}
    followers: dict[int, list[int]] = {index: [] for index in needed}
    for index in needed:
        before = set()
        for source in filter(None, protos[index].input):
            if source in maker:
                before.add(maker[source])
            elif source not in given:
                raise InputError(f"{path}: {label(protos[index])} reads {source!r}, which nothing makes")
        waiting[index] = len(before)
        for producer in before:
            followers[producer].append(index)
    ready = [index for index, count in waiting.items() if not count]
    heapq.heapify(ready)
    order = []
    while ready:
        index = heapq.heappop(ready)
        order.append(index)
        for follower in followers[index]:
            waiting[follower] -= 1
            if not waiting[follower]:
                heapq.heappush(ready, follower)
    if len(order) < len(needed):
        cycle = _cycle({index for index, count in waiting.items() if count}, protos, maker)
        shown = " -> ".join(label(protos[index]) for index in cycle[:4]) + (" -> ..." if len(cycle) > 4 else "")
        raise InputError(f"{path}: the graph has a cycle: {shown} (accepted: a graph without one)")
    return [protos[index] for index in order]


def _needed(path: Path, graph: onnx.GraphProto, maker: Mapping[str, int]) -> set[int]:
    """Return the nodes that some output of the graph rests on."""
    pending = [maker[output.name] for output in graph.output if output.name in maker]
    needed: set[int] = set()
    while pending:
        index = pending.pop()
        if index not in needed:
            needed.add(index)
            pending += [maker[source] for source in graph.node[index].input if source in maker]
    if not needed:
        raise InputError(f"{path}: no output of the graph is made by a node")
    return needed


def _cycle(left: set[int], protos: list[onnx.NodeProto], maker: Mapping[str, int]) -> list[int]:
    """Return nodes that wait for each other in a circle, the first again at the end."""
    path: list[int] = []
    seen: dict[int, int] = {}
    index = min(left)
    while index not in seen:
        seen[index] = len(path)
        path.append(index)
        index = next(maker[source] for source in protos[index].input if maker.get(source) in left)
    circle = path[seen[index]:][::-1]
    first = circle.index(min(circle))
    return [*circle[first:], *circle[:first], circle[first]]

