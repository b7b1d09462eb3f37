"""Random operator graphs and designs as hypothesis strategies."""

from hypothesis import strategies as st

from cyclescape.accelerators.dataflow.design import DataflowDesign
from cyclescape.traces.graph import Graph, Tensor
from cyclescape.traces.workload import Workload


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    """Images through windows and skips, or tokens through products, normalisation and attention."""
    g, count = Graph(), draw(st.integers(1, 7))
    if draw(st.booleans()):
        x = g.input(draw(st.integers(1, 2)), draw(st.sampled_from([4, 7, 12])), 6, draw(st.sampled_from([3, 8])))
        seen = [x]
        for i in range(count):
            kind = draw(st.sampled_from(["conv", "wide", "pool", "add", "squeeze"]))
            same = [t for t in seen if t.shape == x.shape and t.sources != ("",)]
            if kind == "conv":
                x = g.conv(f"c{i}", x, draw(st.sampled_from([4, 8])), draw(st.sampled_from([1, 3])), activation="relu")
            elif kind == "wide":
                x = g.depthwise(f"d{i}", x, 5)
            elif kind == "pool" and min(x.shape[1:3]) >= 2:
                x = g.pool(f"p{i}", x, "max", 2)
            elif kind == "squeeze":
                x = g.multiply(f"s{i}", x, g.global_pool(f"g{i}", x))
            elif same:
                x = g.add(f"a{i}", x, draw(st.sampled_from(same)))
            else:
                x = g.conv(f"c{i}", x, 8, 3)
            seen.append(x)
    else:
        x = g.input(draw(st.integers(1, 2)), draw(st.sampled_from([1, 6, 16])), 16)
        for i in range(count):
            x = _token_operator(draw, g, i, x)
    return g.workload("random")


def _token_operator(draw: st.DrawFn, g: Graph, i: int, x: Tensor) -> Tensor:
    kind = draw(st.sampled_from(["linear", "mlp", "norm", "attention", "rows"]))
    if kind == "linear":
        return g.linear(f"l{i}", x, 16)
    if kind == "mlp":
        return g.add(f"add{i}", g.linear(f"down{i}", g.linear(f"up{i}", x, 48, activation="gelu"), 16), x)
    if kind == "norm":
        return g.norm(f"n{i}", x, draw(st.sampled_from(["layer", "group", "batch"])))
    if kind == "attention":
        q, k, v = (g.linear(f"{name}{i}", x, 16) for name in "qkv")
        cached = draw(st.sampled_from([0, 9]))
        return g.add(f"o{i}", g.attention(f"att{i}", q, k, v, heads=4, cached=cached, causal=draw(st.booleans())), x)
    return x.rows(1) if x.shape[1] > 1 and x.sources != ("",) else g.softmax(f"s{i}", x)


@st.composite
def designs(draw: st.DrawFn) -> DataflowDesign:
    """Small machines, so that tensors do not always fit and units are scarce."""
    return DataflowDesign.make({
        "sockets": draw(st.sampled_from([1, 2, 4])), "compute_units": draw(st.sampled_from([3, 16])),
        "lanes": draw(st.sampled_from([2, 8])), "unit_depth": draw(st.sampled_from([1, 4])),
        "memory_units": draw(st.sampled_from([4, 16])), "memory_unit_kib": draw(st.sampled_from([1, 16])),
        "hbm_gib": draw(st.sampled_from([0, 1e-6, 1])), "hbm_gbytes_per_s": draw(st.sampled_from([1.7, 40.0])),
        "ddr_gbytes_per_s": 0.9, "link_gbytes_per_s": draw(st.sampled_from([0.7, 20.0])),
        "hbm_latency_ns": draw(st.sampled_from([0, 30])), "link_latency_ns": draw(st.sampled_from([0, 50])),
        "launch_ns": draw(st.sampled_from([0, 100])), "region_operators": draw(st.sampled_from([1, 3, 64])),
        "tiles": draw(st.sampled_from([1, 2, 5, 8])), "buffer_tiles": draw(st.sampled_from([1, 2, 3])),
        "factors": draw(st.sampled_from(["balanced", "equal"])), "hop_cycles": draw(st.sampled_from([1, 7])),
    })  # fmt: skip
