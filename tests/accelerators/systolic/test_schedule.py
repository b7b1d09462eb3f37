"""What stays on chip and what is fused: never more than fits, nothing lost, and more of either is never slower."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from systolic_cases import designs, graphs

import cyclescape as cs
from cyclescape.accelerators.systolic import engines
from cyclescape.accelerators.systolic.design import FUSIONS, SystolicDesign
from cyclescape.accelerators.systolic.lowering import lower
from cyclescape.accelerators.systolic.program import RESULT
from cyclescape.accelerators.systolic.schedule import place
from cyclescape.simulator.energy import technology
from cyclescape.simulator.registry import accelerator
from cyclescape.traces.graph import Graph, Tensor
from cyclescape.traces.operators import Attention, Conv, Elementwise, Gemm, TensorBits
from cyclescape.traces.workload import Workload

SYSTOLIC = accelerator("systolic")


def changed(design, **values):
    return type(design).make({**design.model_dump(), **values})


def walk(design, workload):
    """Follow a run through the graph: tensors come, wait and go, and every byte is accounted for.

    Nothing here knows how the schedule was found. Of it are taken the order of the jobs, which uses it claims to be
    served on chip, and the engines' result rows.
    """
    jobs = lower(workload)
    rows = [dict(zip(RESULT, row.tolist())) for row in engines.compiled([design], jobs)[0]]
    capacity, claims = design.activation_sram_kib * 8192, place(jobs, design.widths[2]).room_at
    runs, read_by, final = [], [], {}
    # Of each job (operator, which of its jobs, the jobs that made its inputs) and its operands; each output's last job.
    for j, i in enumerate(jobs.operator):
        op = workload.operators[i]
        part = j - jobs.operator.tolist().index(i)
        sources = [final[name] for name in op.inputs if name]
        operands = {"ifmap": sources}
        if isinstance(op, Attention):  # queries, keys and values, or all in one; the scores, and their softmax
            query, key, value = ([t] for t in sources) if len(sources) == 3 else [sources] * 3
            operands = [{"ifmap": query, "filter": key}, {}, {"ifmap": [j - 1], "filter": value}][part]
            sources = list(dict.fromkeys(t for made in operands.values() for t in made)) if operands else [j - 1]
        runs.append((op, part, sources))
        read_by.append(operands)
        final[op.name] = j

    def bits(j):
        op, part, _ = runs[j]
        inner = isinstance(op, Attention) and part < 2
        return (op.score_elements if inner else op.output_elements) * (op.bits.output or design.widths[2])

    near = {(t, j) for (t, j), room in claims.items() if room <= capacity}
    last_use = {t: max(j for u, j in near if u == t) for t, _ in near}
    held, stored, peak = {}, set(), 0
    head = 0
    while head < len(rows):
        fused = rows[head]["fused"]
        group = range(head, head + fused + 1)
        assert all(rows[j]["fused"] == -1 and rows[j]["cycles"] == 0 for j in group[1:])
        outside = {t for j in group for t in runs[j][2] if t not in group}
        for j in group:
            op, part, sources = runs[j]
            row = rows[j]
            on_chip = [t for t in dict.fromkeys(sources) if (t, j) in near and t in outside]
            assert all(t in held for t in on_chip), f"{op.name} reads what is not there"
            if j > head:
                assert set(on_chip) == set(sources) - set(group), f"{op.name} is fused without its operands"
            elif isinstance(op, (Conv, Gemm)) or (isinstance(op, Attention) and part != 1):
                for operand, made in read_by[j].items():
                    assert (row[f"{operand}_read_bits"] == 0) == bool(row[f"{operand}_on_chip"])
                    if row[f"{operand}_on_chip"]:
                        assert made
                        assert set(on_chip) >= set(made)
                        assert "" not in op.inputs or (isinstance(op, Attention) and operand == "ifmap")
                    else:
                        assert stored.issuperset(made), f"{op.name} loads what nobody stored"
            else:
                elements = op.score_elements if isinstance(op, Attention) else op.input_elements + op.weight_elements
                assert row["ifmap_read_bits"] == (elements - row["near_elements"]) * design.widths[0]
                whole = sum(bits(t) // (runs[t][0].bits.output or design.widths[2]) for t in on_chip)
                assert row["near_elements"] <= max(whole * sources.count(on_chip[0]) if on_chip else 0, whole)
                assert stored.issuperset(set(sources) - set(on_chip)), f"{op.name} loads what nobody stored"
        # The output needs room as long as the group runs; an element-wise one may lie where an operand did.
        output, row = group[-1], rows[group[-1]]
        full = dict(held)
        if row["ofmap_waits"]:
            full[output] = bits(output)
            if all(isinstance(runs[j][0], Elementwise) for j in group):
                dying = [t for t in outside if t in held and last_use[t] in group and bits(t) == bits(output)]
                for t in dying[-1:]:
                    del full[t]
        peak = max(peak, sum(full.values()))
        assert sum(full.values()) <= capacity
        users = [j for j, (_, _, sources) in enumerate(runs) if output in sources]
        missed = not users or any((output, j) not in near for j in users)
        written = rows[head]["ofmap_write_bits"]
        assert written in ((0, bits(output)) if not missed else (bits(output),))
        assert (written == 0) == bool(row["ofmap_on_chip"])
        if written:
            stored.add(output)
        if row["ofmap_waits"]:
            held[output] = bits(output)
        held = {t: size for t, size in held.items() if last_use.get(t, -1) > output}
        head += fused + 1
    assert not held
    return peak


@pytest.mark.parametrize("name", [
    "resnet50", "densenet121", "googlenet", "squeezenet", "shufflenet-v2", "mobilenet-v3", "bert-base:seq_len=64",
    "llama2-7b:phase=decode", "deepseek-v3",
])
@pytest.mark.parametrize("kib", [64, 512, 4096])
def test_real_networks_fill_the_buffer_but_no_more(name, kib):
    workload = cs.workload(name)
    peaks = [walk(SystolicDesign(activation_sram_kib=kib, fusion=fusion), workload) for fusion in FUSIONS]
    if name == "resnet50":
        assert min(peaks) > 0.7 * min(kib, 2048) * 8192


@settings(max_examples=150)
@given(graphs(), designs(memory=("port", "ideal")), st.sampled_from([0, 1, 1, 2, 3, 8]))
def test_the_buffer_is_never_overfull_and_nothing_is_lost(workload, design, kib):
    walk(changed(design, activation_sram_kib=kib), workload)


@settings(max_examples=150)
@given(graphs(), designs(memory=("port", "port", "ideal")), st.sampled_from([0, 1, 1, 2, 8]))
def test_more_fusion_is_never_slower(workload, design, kib):
    ladder = [changed(design, fusion=fusion, activation_sram_kib=kib) for fusion in FUSIONS]
    cycles = [report.metrics["cycles"] for report in SYSTOLIC.run(ladder, workload)]
    assert cycles == sorted(cycles, reverse=True)


@settings(max_examples=150)
@given(graphs(), designs(memory=("port", "port", "ideal")), st.lists(st.integers(0, 9), min_size=2, max_size=4))
def test_a_larger_buffer_keeps_more_and_is_never_slower(workload, design, sizes):
    ladder = [changed(design, activation_sram_kib=kib) for kib in sorted(sizes)]
    cycles = [report.metrics["cycles"] for report in SYSTOLIC.run(ladder, workload)]
    assert cycles == sorted(cycles, reverse=True)


@settings(max_examples=60)
@given(graphs(), designs(memory=("port", "port", "ideal")), st.sampled_from([0, 1, 2, 8]))
def test_engines_agree_on_graphs(workload, design, kib):
    design = changed(design, activation_sram_kib=kib)
    jobs = lower(workload)
    fast, slow = engines.compiled([design], jobs)[0], engines.reference([design], jobs)[0]
    for j in range(len(jobs.use)):
        assert dict(zip(RESULT, fast[j].tolist())) == dict(zip(RESULT, slow[j].tolist()))
        assert engines.compiled_folds(design, jobs, j, fast[j]) == engines.run_job(design, jobs, j, fast[j]).folds


def run(graph, **parameters):
    """Simulate on a machine whose vector unit keeps pace with anything."""
    design = SystolicDesign.make({"rows": 8, "cols": 8, "vector_lanes": 1024, **parameters})
    return SYSTOLIC.run([design], graph.workload("w"))[0].layers.set_index("name")


def residual_block():
    g = Graph()
    x = g.conv("a", Graph.input(1, 8, 8, 16), 16, 1)
    y = g.conv("c", g.conv("b", x, 16, 1), 16, 1)
    g.pool("pool", g.activate("relu", g.add("add", y, x), "relu"), "max", 2)
    return g


def test_a_shortcut_waits_on_chip_past_other_operators():
    layers = run(residual_block(), activation_sram_kib=3)  # 1 KiB each: a, b and c at once
    assert layers["ofmap_write_bytes"].tolist() == [0, 0, 0, 0, 0, 256]
    assert layers["ifmap_read_bytes"].tolist() == [1024, 0, 0, 0, 0, 0]
    assert layers.loc["a", "note"].endswith("output stays for b, add")
    assert "a on chip" in layers.loc["b", "note"]
    assert "c, a on chip" in layers.loc["add", "note"]


def test_what_goes_off_chip_says_why():
    layers = run(residual_block(), activation_sram_kib=2)
    assert layers["ofmap_write_bytes"].tolist() == [1024, 0, 0, 0, 0, 256]  # the addition takes the place of c
    assert layers.loc["a", "note"].endswith(
        "output stays for b; output to memory for add: with what is kept beside it a buffer of 3 KiB would do")
    assert layers.loc["add", "ifmap_read_bytes"] == 1024
    none = run(residual_block(), activation_sram_kib=0)
    assert none.loc["b", "note"].endswith("output to memory for c: its 1 KiB exceed the buffer")


def test_additions_and_poolings_are_done_as_the_product_drains():
    plain, added, pooled = (
        run(residual_block(), activation_sram_kib=3, fusion=fusion) for fusion in ("elementwise", "residual", "pooling")
    )
    assert (plain["cycles"] > 0).tolist() == [True, True, True, True, False, True]
    assert (added["cycles"] > 0).tolist() == [True, True, True, False, False, True]
    assert pooled["cycles"].tolist() == added["cycles"].tolist()  # not the pooling: its result is stored
    assert added.loc["add", "note"] == "fused into c; a on chip"
    assert added.loc["relu", "note"].startswith("fused into c; output stays for pool")
    assert added.loc["c", "cycles"] == plain.loc["c", "cycles"]
    g = residual_block()
    g.add_operator(Gemm, "fc", (Tensor((1, 256), ("pool",)),), (1, 4), m=1, n=4, k=256)
    read = run(g, activation_sram_kib=4, fusion="pooling")
    assert (read["cycles"] > 0).tolist() == [True, True, True, False, False, False, True]
    assert read.loc["pool", "note"] == "fused into c; output stays for fc"


def test_energy_of_a_fused_pooling_by_hand():
    """Each of 4 x 256 operations reads and writes one 8-bit element of the activation buffer."""
    tech = technology("horowitz-45nm")
    g = residual_block()
    g.add_operator(Gemm, "fc", (Tensor((1, 256), ("pool",)),), (1, 4), m=1, n=4, k=256)
    layers = run(g, activation_sram_kib=4, fusion="pooling")
    per_bit = tech.sram_read_pj_per_bit(4 * 1024)
    assert layers.loc["pool", "energy_j"] == pytest.approx(1024e-12 * (2 * 8 * per_bit + tech.vector_op_pj))


def test_a_slow_vector_unit_holds_the_product_up():
    """The array needs 4 folds of 64 + 16 + 8 - 2 cycles for 64 x 16 x 16; 1024 additions on 2 lanes need 512."""
    fast, slow, apart = (
        run(residual_block(), activation_sram_kib=3, fusion=fusion, vector_lanes=lanes, bandwidth_bytes_per_cycle=2**20)
        for fusion, lanes in (("residual", 3), ("residual", 2), ("elementwise", 2))
    )
    array = slow.loc["c", "compute_cycles"] + slow.loc["c", "fill_drain_cycles"]
    assert array == 4 * 86
    assert fast.loc["add", "cycles"] == slow.loc["add", "cycles"] == 0
    assert fast.loc["c", "vector_cycles"] == 0
    assert slow.loc["c", "cycles"] == 1024 // 2
    assert 0 < slow.loc["c", "vector_cycles"] <= 512 - array
    assert apart.loc["add", "vector_cycles"] == 2048 // 2  # with the activation that is fused into it


def test_an_operand_is_on_chip_only_as_a_whole():
    g = Graph()
    x = Graph.input(1, 8, 8, 16)
    near, far = g.conv("near", x, 16, 1), g.conv("far", x, 64, 1)
    g.conv("reader", g.concat(near, far), 8, 1)
    layers = run(g, activation_sram_kib=4)
    assert layers["ofmap_write_bytes"].tolist() == [1024, 4096, 512]
    assert layers.loc["reader", "ifmap_read_bytes"] == 5 * 1024
    assert "output to memory for reader: with what is kept beside it a buffer of 5 KiB would do" in layers.loc["near", "note"]
    assert run(g, activation_sram_kib=5)["ofmap_write_bytes"].tolist() == [0, 0, 512]


def test_keys_and_values_of_a_cache_are_stored_and_loaded():
    workload = cs.workload("llama2-7b:phase=decode")
    layers = SYSTOLIC.run([SystolicDesign(activation_sram_kib=4096)], workload)[0].layers.set_index("name")
    keys, values = layers.filter(regex=r"\.k$", axis=0), layers.filter(regex=r"\.v$", axis=0)
    assert (keys["ofmap_write_bytes"] == 4096).all()
    assert (values["ofmap_write_bytes"] == 4096).all()
    assert values["note"].str.endswith("attention: read together with what is in memory").all()
    assert (layers.filter(regex=r"\.q$", axis=0)["ofmap_write_bytes"] == 0).all()


def test_wider_results_are_not_fused_and_narrower_ones_leave_as_such():
    def pair(bits):
        gemm = Gemm(name="a", m=16, n=16, k=16, bits=TensorBits(output=16))
        quantise = Elementwise(name="q", inputs=("a",), function="round", elements=256, bits=TensorBits(output=bits))
        return SYSTOLIC.run([SystolicDesign(rows=8, cols=8)], Workload(name="w", operators=(gemm, quantise)))[0].layers

    assert pair(8)["ofmap_write_bytes"].tolist() == [256, 0]
    assert pair(16)["ofmap_write_bytes"].tolist() == [512, 0]
    assert pair(32)["ofmap_write_bytes"].tolist()[1] == 1024


def test_equal_passes_may_find_different_operands_on_chip():
    big, small = Gemm(name="big", m=64, n=16, k=8), Gemm(name="small", m=1, n=16, k=8)
    scale = {"function": "multiply", "operands": 2, "elements": 1024, "reads": 1024 + 16}
    one = Elementwise(name="one", inputs=("big", ""), **scale)
    other = Elementwise(name="other", inputs=("", "small"), **scale)
    design = SystolicDesign(rows=8, cols=8, activation_sram_kib=1)
    layers = SYSTOLIC.run([design], Workload(name="w", operators=(big, one, small, other)))[0].layers
    assert layers["ifmap_read_bytes"].tolist() == [512, 16, 8, 1024]
