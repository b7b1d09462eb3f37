"""What each operator asks of one chip: passes of compute units, bytes, rows that can follow one another, collectives.

Products are split over the chips by columns where their input is whole, and by rows of the weights where it is split
already; then an all-reduce adds the parts up (Megatron's rule, arXiv 1909.08053). Attention is split by heads,
element-wise work goes where its input is. A normalisation needs whole rows, so that a split input is gathered first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from ...traces.operators import Attention, Conv, Elementwise, Embedding, Gemm, Normalization, Pool, Softmax
from ...traces.workload import Workload
from .design import DataflowDesign

__all__ = ["Edge", "Stage", "stages_of"]

@dataclass(frozen=True)
class Edge:
    """A tensor that a stage reads: who made it (-1: an input of the network, a cache), and how much of it."""

    source: int
    bytes: int
    groups: int = 0
    """0: a tile of the reader needs the same tile of it. Else it falls into that many parts (the sequences of a batch), and
    a tile needs its part complete."""
    ahead: Fraction = Fraction(0)
    """Share of the tensor by which a window reaches beyond the part that corresponds to the result."""


@dataclass(frozen=True)
class Stage:
    """One operator on one chip; all counts are of the whole operator."""

    kind: str
    rows: int
    """Parts of the result, in order, that can be made one after another."""
    columns: int
    """Parts of the weights that can be used one after another; 1 without weights."""
    product_passes: int
    """Cycles of one unit in matrix products."""
    vector_passes: int
    """Cycles of one unit in element-wise work."""
    weight_bytes: int
    edges: tuple[Edge, ...]
    out_bytes: int
    collective_bytes: int = 0
    """Bytes that a chip sends so that every chip has the whole result."""
    collective_steps: int = 0
    is_read: bool = True
    """Whether a later operator reads the result; otherwise it is a result of the network."""
    cached_bytes: int = 0
    """Keys and values of earlier tokens, which live in memory as weights do; they are among the edges."""
    macs: int = 0
    vector_ops: int = 0

    @property
    def passes(self) -> int:
        """Cycles of one unit."""
        return self.product_passes + self.vector_passes


def stages_of(design: DataflowDesign, workload: Workload) -> list[Stage]:
    """The stages of a workload on one chip of the design, in the order of the operators."""
    chips = design.sockets
    position = {op.name: i for i, op in enumerate(workload.operators)}
    readers = {name: [workload.operators[position[r]] for r in names] for name, names in workload.consumers.items()}
    split: list[bool] = []
    stages: list[Stage] = []
    for op in workload.operators:
        sources = [position[name] if name else -1 for name in op.inputs]
        from_split = any(s >= 0 and split[s] for s in sources)
        shared, made_split, steps = _shared(op, from_split, chips)
        if made_split and any(_needs_whole(reader) for reader in readers[op.name]):
            made_split, steps = False, max(steps, 1)
        split.append(made_split)
        in_bits, weight_bits, out_bits = (
            getattr(op.bits, side) or design.element_bits for side in ("input", "weight", "output")
        )
        part = chips if shared else 1
        whole_out = op.output_elements * out_bits // 8
        edges = tuple(
            Edge(source, _share(elements * in_bits // 8, part if _is_part(source, split, shared) else 1), groups, ahead)
            for source, elements, groups, ahead in _reads(op, sources, workload)
        )
        product, vector = _passes(op, design)
        ring = _share(whole_out * (chips - 1), chips)
        stages.append(Stage(
            op.kind, _rows(op), _columns(op), _share(product, part), _share(vector, part),
            _share(op.weight_elements * weight_bits // 8, part if shared == "weights" else 1), edges,
            _share(whole_out, part if made_split else 1), ring * steps, steps, bool(readers[op.name]),
            _share(_cached(op) * in_bits // 8, part), _share(op.macs, part), _share(op.vector_ops, part),
        ))  # fmt: skip
    return stages


def _share(count: int, parts: int) -> int:
    return -(-count // parts)


def _is_part(source: int, split: list[bool], shared: str) -> bool:
    """Whether a chip reads only its part of a source."""
    return shared in ("heads", "features") or (source >= 0 and split[source])


def _shared(op: object, from_split: bool, chips: int) -> tuple[str, bool, int]:
    """How an operator is shared out ("" if every chip does all of it), whether its result is split, steps of its collective."""
    if chips == 1:
        return "", False, 0
    if isinstance(op, Conv | Gemm) and op.weight_elements:
        grouped = isinstance(op, Conv) and op.groups % chips == 0
        return ("weights", False, 2) if from_split and not grouped else ("weights", True, 0)
    if isinstance(op, Attention | Gemm):
        return "heads", True, 0
    if isinstance(op, Elementwise | Pool) or not _needs_whole(op):
        return ("features", True, 0) if from_split else ("", False, 0)
    return "", False, 0


def _needs_whole(op: object) -> bool:
    return isinstance(op, Softmax | Embedding) or (isinstance(op, Normalization) and op.mode != "batch")


def _rows(op: object) -> int:
    if isinstance(op, Conv | Pool):
        return op.batch * op.out_h * op.out_w
    if isinstance(op, Gemm):
        return op.m
    if isinstance(op, Attention):
        return op.batch * op.q_len
    if isinstance(op, Embedding):
        return op.tokens
    if isinstance(op, Softmax) or (isinstance(op, Normalization) and op.mode != "group"):
        return op.rows
    return op.output_elements  # type: ignore[attr-defined]


def _columns(op: object) -> int:
    if isinstance(op, Conv):
        return op.out_channels
    return op.batch * op.n if isinstance(op, Gemm) and op.weights else 1


def _cached(op: object) -> int:
    if not isinstance(op, Attention):
        return 0
    values = 0 if op.shared_values else op.v_dim or op.head_dim
    return op.batch * (op.kv_heads or op.heads) * op.cached * (op.head_dim + values)


def _reads(op: object, sources: list[int], workload: Workload) -> Iterable[tuple[int, int, int, Fraction]]:
    """What an operator reads of each source, in elements; what is not made by an operator comes from memory.

    An operator may read a part of what its sources made; the sources then share the count by their sizes.
    """
    named = dict.fromkeys(s for s in sources if s >= 0)
    made = {s: workload.operators[s].output_elements for s in named}
    cached = _cached(op)
    total: int = op.input_elements - cached  # type: ignore[attr-defined]
    whole = max(1, sum(made.values()))
    if isinstance(op, Embedding):  # rows of the table, of which each is read when its turn comes
        yield -1, op.tokens * op.width, 0, Fraction(0)
        return
    for at, source in enumerate(named):
        elements = made[source] if whole <= total else made[source] * total // whole
        yield source, elements, _groups(op, at, len(named)), _ahead(op)
    rest = max(0, total - sum(made.values())) if -1 in sources or not named else 0
    if rest:
        yield -1, rest, 0, Fraction(0)
    if cached:
        yield -1, cached, op.batch, Fraction(0)  # type: ignore[attr-defined]


def _groups(op: object, at: int, sources: int) -> int:
    if isinstance(op, Attention):
        # Queries stream. Without a mask every query meets every key of its sequence, so that those must be complete.
        return 0 if op.causal or (at == 0 and sources > 1) else op.batch
    if isinstance(op, Gemm) and not op.weights:
        return 0 if at == 0 else op.batch
    return op.rows if isinstance(op, Normalization) and op.mode == "group" else 0


def _ahead(op: object) -> Fraction:
    """How far the last row of a window lies beyond the row that corresponds to the result, by all rows."""
    if isinstance(op, Conv):
        rows = op.dilation * (op.kernel_h - 1) - op.padding[0] - (op.stride_h - 1)
    elif isinstance(op, Pool):
        rows = op.kernel_h - op.in_h // op.out_h
    else:
        return Fraction(0)
    return Fraction(max(0, min(rows, op.in_h - 1)), op.in_h * op.batch)


def _passes(op: object, design: DataflowDesign) -> tuple[int, int]:
    """Passes of one unit for products and for element-wise work.

    In one pass a unit takes one row's `unit_depth` elements of the reduction to `lanes` columns (of any groups), or does up to
    `unit_depth` operations one after another on `lanes` elements.
    """
    lanes, depth = design.lanes, design.unit_depth
    product = sum(m * _share(groups * n, lanes) * _share(k, depth) for groups, m, n, k in op.gemms)  # type: ignore[attr-defined]
    elements: int = op.score_elements if isinstance(op, Attention) else op.output_elements  # type: ignore[attr-defined]
    operations: int = op.vector_ops  # type: ignore[attr-defined]
    return product, _share(elements, lanes) * _share(_share(operations, elements), depth) if operations else 0
