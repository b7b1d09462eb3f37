"""Random layers and designs that exercise every branch of the tiler with few folds."""

from __future__ import annotations

from hypothesis import strategies as st

from cyclescape.accelerators.systolic.design import SystolicDesign
from cyclescape.errors import DesignError
from cyclescape.traces.operators import Attention, Conv, Elementwise, Gemm, Pool
from cyclescape.traces.workload import Workload

_SPARSITY = st.sampled_from([None, None, None, (1, 2), (2, 4), (1, 4), (3, 4), (4, 4), (5, 8)])


@st.composite
def _operator(draw):
    kind = draw(st.sampled_from(["conv", "gemm", "attention", "pool"]))
    small, size = st.integers(1, 4), st.integers(1, 48)
    if kind == "conv":
        groups, kernel, pad = draw(st.sampled_from([1, 1, 2, 4])), draw(small), draw(st.integers(0, 2))
        return Conv(
            name="a", batch=draw(st.integers(1, 3)), in_h=draw(st.integers(4, 12)), in_w=draw(st.integers(4, 12)),
            in_channels=groups * draw(st.integers(1, 10)), out_channels=groups * draw(st.integers(1, 14)),
            kernel_h=kernel, kernel_w=draw(small), stride_h=draw(st.integers(1, 5)), stride_w=draw(small),
            padding=(pad, pad, pad, pad), groups=groups, weight_sparsity=draw(_SPARSITY),
        )
    if kind == "gemm":
        weights = draw(st.booleans())
        return Gemm(name="a", batch=draw(st.sampled_from([1, 1, 3, 9])), m=draw(size), n=draw(size), k=draw(size),
                    weights=weights, weight_sparsity=draw(_SPARSITY) if weights else None)
    if kind == "attention":
        return Attention(name="a", heads=4, kv_heads=draw(st.sampled_from([1, 2, 4])), q_len=draw(st.integers(1, 24)),
                         kv_len=draw(st.integers(1, 24)), head_dim=draw(st.integers(1, 12)))
    return Pool(name="a", in_h=8, in_w=8, channels=draw(size), kernel_h=2, kernel_w=2, out_h=4, out_w=4)


@st.composite
def workloads(draw):
    """An operator, an activation fused into it or not, and an addition that reads its result."""
    op = draw(_operator())
    ops = [op]
    if draw(st.booleans()):
        ops.append(Elementwise(name="act", inputs=("a",), function="relu", elements=op.output_elements))
    last = ops[-1].name
    sources = (last, last) if draw(st.booleans()) else (last, "")
    ops.append(Elementwise(name="add", inputs=sources, operands=2, elements=op.output_elements))
    return Workload(name="random", operators=tuple(ops))


def options():
    """How folds follow each other: plain, as SCALE-Sim has it, or with any of the options."""
    any_of_them = st.fixed_dictionaries({
        "skip_idle": st.booleans(), "overlap_drain": st.booleans(), "overlap_preload": st.booleans(),
        "mac_stages": st.sampled_from([1, 1, 2, 5]), "sparse_block": st.sampled_from([1, 1, 4, 8]),
        **{f"{name}_bits": st.sampled_from([None, None, 4, 16]) for name in ("ifmap", "filter", "ofmap")},
        "arrays": st.sampled_from([1, 1, 2, 4]), "partition": st.sampled_from(["channel", "row"]),
        "groups_per_fold": st.sampled_from([1, 2, 4, 8]),
    })
    return st.one_of(st.just({}), any_of_them)


@st.composite
def designs(draw, memory=("port",)):
    """A valid design with small scratchpads, so that tiles are cut in every way."""
    while True:
        values = {
            "rows": draw(st.sampled_from([1, 2, 3, 4, 5, 8])), "cols": draw(st.sampled_from([1, 2, 3, 4, 7, 8])),
            "dataflow": draw(st.sampled_from(["os", "ws", "is"])),
            **{f"{name}_sram_kib": draw(st.sampled_from([1, 2, 4])) for name in ("ifmap", "filter", "ofmap")},
            "activation_sram_kib": draw(st.sampled_from([0, 0, 1, 8])),
            "bandwidth_bytes_per_cycle": draw(st.sampled_from([1, 2, 5, 16, 64])),
            "memory_latency_cycles": draw(st.sampled_from([1, 2, 7, 50, 300])),
            "element_bits": draw(st.sampled_from([8, 16, 32])), "vector_lanes": draw(st.sampled_from([1, 8])),
            "memory": draw(st.sampled_from(memory)),
            **draw(options()),
        }
        try:
            return SystolicDesign.make(values)
        except DesignError:
            continue

