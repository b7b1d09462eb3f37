"""The sensitivity studies of MICRO 2025 (DOI 10.1145/3725843.3756041), on kernels of our own.

What a register-file cache, read ports, scoreboards and a stream buffer do to a GPU core, beside what the paper and the data of
its authors (upc-arco/modern-gpu-simulator-micro-2025) say of 128 benchmarks on an RTX A6000.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from .macs_vs_latency import rank_correlation
from .measure import Machine
from .measure import run as simulate
from .outcome import Finding, Outcome, Part

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...simulator.report import Report

__all__ = ["run"]

SETUP = (
    "One SM of an RTX A6000 (the defaults of gpu-core), CUDA kernels of this package as nvcc compiled them, control and reuse "
    "bits included; for sm_86 unless said. Speeds are relative to the default design: a register-file cache, one read port a "
    "bank, control bits, a stream buffer of eight lines. Published: MICRO 2025, an RTX A6000 and 128 benchmarks, and for "
    "single benchmarks the data of its authors. ports pct: share of issue slots lost to read ports."
)
ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_120")
SGEMM, SGEMM_ALONE, MAX_FLOPS, CHAIN = (
    "sgemm-blocked:n=256,k=128", "sgemm-blocked:n=128,k=256", "max-flops:n=16,threads=512", "fma-loads:n=256")
KERNELS = (
    "vector-add:n=65536", "sgemm-tiled:n=64", SGEMM, "hgemm-tensor:n=64", "reduction:n=65536", "softmax:n=64",
    "transpose:n=128", "stencil:n=128", "convolution:n=128", "histogram:n=32768", "bfs:n=1024", "ffma-chain:n=8",
    MAX_FLOPS, CHAIN, "insertion-sort:n=2048", "async-copy:n=16,blocks=4", "numbers:n=1024",
)
DEPTHS = (1, 2, 4, 8, 16)

Row = dict[str, Any]


def run() -> Outcome:
    """Simulate the three studies."""
    _report.cache_clear()
    parts = (_register_file(), _dependence(), _prefetch())
    return Outcome("gpu-shapes", SETUP, parts, partial(_draw, parts))


@cache
def _report(kernel: str, arch: str = "sm_86", **parameters: Any) -> Report:
    if arch == "sm_75":
        parameters = {**parameters, "guard_cycles": 12}
    return simulate(Machine.of(kernel, "gpu-core", **parameters), _workload(kernel, arch))


@cache
def _workload(kernel: str, arch: str) -> Any:
    from ...api import workload

    return workload(f"cuda-{kernel},arch={arch}")


def _speed(kernel: str, arch: str = "sm_86", **parameters: Any) -> float:
    return round(float(_report(kernel, arch).metrics["cycles"] / _report(kernel, arch, **parameters).metrics["cycles"]), 3)


def _name(kernel: str) -> str:
    return kernel.partition(":")[0]


# -- register file -----------------------------------------------------------------------------------------------

PUBLISHED_REGISTERS = (
    # Table 6; speeds and the share of static instructions with a reuse bit.
    {"kernel": "Cutlass SGEMM, CUDA 12.8, published", "reuse_pct": 37.91, "no_cache": 0.69, "no_cache_2_ports": 1.02},
    {"kernel": "Cutlass SGEMM, CUDA 11.4, published", "reuse_pct": 35.92, "no_cache": 0.78, "no_cache_2_ports": 1.10},
    {"kernel": "MaxFlops, CUDA 12.8, published", "reuse_pct": 1.32, "no_cache": 1.0, "no_cache_2_ports": 1.45},
    {"kernel": "mean of 128, published", "no_cache": 0.974, "no_cache_2_ports": 1.006},
)


def _ports_pct(report: Report) -> float:
    """Share of issue slots in which nothing issues because an instruction waits for read ports."""
    slots = report.layers.filter(like="_slots").to_numpy().sum()
    return 100 * float(report.layers["register_ports_slots"].sum() / slots)


def _registers_row(kernel: str, arch: str) -> Row:
    instructions = _workload(kernel, arch).kernels[0].instructions
    reuse = sum(any(op.reuse for op in item.operands) for item in instructions)
    return {
        "kernel": f"{_name(kernel)}, {arch}", "kcycles": _report(kernel, arch).metrics["cycles"] / 1e3,
        "reuse_pct": 100 * reuse / len(instructions), "ports_pct": _ports_pct(_report(kernel, arch)),
        "no_cache_ports_pct": _ports_pct(_report(kernel, arch, register_cache=False)),
        "no_cache": _speed(kernel, arch, register_cache=False),
        "no_cache_2_ports": _speed(kernel, arch, register_cache=False, read_ports=2),
    }


def _register_file() -> Part:
    sgemm = [_registers_row(SGEMM, arch) for arch in ARCHITECTURES]
    loops = [_registers_row(kernel, "sm_86") for kernel in (MAX_FLOPS, CHAIN)]
    mean: Row = {"kernel": f"mean of {len(KERNELS)}, sm_86"} | dict.fromkeys(
        ("kcycles", "reuse_pct", "ports_pct", "no_cache_ports_pct"), "")
    mean |= {"no_cache": statistics.fmean(_speed(kernel, register_cache=False) for kernel in KERNELS),
             "no_cache_2_ports": statistics.fmean(_speed(kernel, register_cache=False, read_ports=2) for kernel in KERNELS)}
    published = [dict.fromkeys(sgemm[0], "") | row for row in PUBLISHED_REGISTERS]
    losses = {row["kernel"].split()[-1]: 100 * (1 - row["no_cache"]) for row in sgemm}
    shown = ", ".join(f"{arch} {loss:.1f} %" for arch, loss in losses.items())
    order = rank_correlation([row["no_cache"] for row in sgemm], [row["ports_pct"] for row in sgemm])
    ampere = next(row for row in sgemm if row["kernel"].endswith("sm_86"))
    return Part("the register file: speed without its cache, with one and two read ports", [*sgemm, *loops, mean, *published], (
        Finding("without the register-file cache the register-blocked SGEMM for sm_86 loses 25 to 35 %",
                25 <= losses["sm_86"] <= 35, f"{losses['sm_86']:.1f} %; published 31 % (CUDA 12.8) and 22 % (CUDA 11.4)"),
        Finding("and so does the code for every architecture", all(25 <= loss <= 35 for loss in losses.values()), shown),
        Finding("code that loses more to read ports with the cache loses less without it", order > 0.8,
                f"rank correlation {order:.2f} over the architectures"),
        Finding("a second read port helps the loops of FFMA and not the SGEMM",
                min(row["no_cache_2_ports"] for row in loops) > 1.3 and ampere["no_cache_2_ports"] < 1.1,
                ", ".join(f"{_name(row['kernel'])} {row['no_cache_2_ports']:.2f}x" for row in (*loops, ampere))
                + "; published 1.45x and 1.02x to 1.10x"),
        Finding("without the cache the mean loses little", mean["no_cache"] > 0.95,
                f"{100 * (1 - mean['no_cache']):.1f} %; published 2.6 %"),
    ))


# -- dependence --------------------------------------------------------------------------------------------------

COUNTERPARTS = {
    # A benchmark that computes the same; its speed with 1, 3 and 63 consumers, of the authors' data.
    CHAIN: ("MaxFlops", 0.749, 0.749, 0.749), SGEMM: ("Cutlass, 2560 x 1024", 0.736, 0.923, 0.986),
    SGEMM_ALONE: ("Cutlass, 2560 x 16", 0.618, 0.926, 0.964), "sgemm-tiled:n=64": ("parboil sgemm", 0.924, 0.981, 0.983),
    "stencil:n=128": ("parboil stencil", 0.907, 0.926, 0.926),
    "convolution:n=128": ("polybench 2DConvolution", 0.985, 0.996, 1.001),
    "bfs:n=1024": ("rodinia-3.1 bfs", 0.979, 0.982, 0.982),
}
MEAN = ("mean of 128", 0.949, 0.980, 0.984)
CONSUMERS = (1, 3, 63)


def _scoreboard(kernel: str, consumers: int, **parameters: Any) -> float:
    return _speed(kernel, dependence="scoreboard", scoreboard_consumers=consumers, **parameters)


def _dependence_row(kernel: str) -> Row:
    benchmark, *speeds = COUNTERPARTS.get(kernel, ("", "", "", ""))
    row: Row = {"kernel": kernel} | {f"readers_{n}": _scoreboard(kernel, n) for n in CONSUMERS}
    row["bypass_63"] = _scoreboard(kernel, 63, scoreboard_release_cycles=0)
    return row | {"counterpart": benchmark, "published": _triple(*speeds) if speeds[0] else ""}


def _dependence() -> Part:
    rows = [_dependence_row(kernel) for kernel in (*COUNTERPARTS, *(k for k in KERNELS if k not in COUNTERPARTS))]
    ours = [*(f"readers_{n}" for n in CONSUMERS), "bypass_63"]
    mean: Row = {"kernel": f"mean of {len(KERNELS)}"}
    for key in ours:
        mean[key] = round(statistics.fmean(row[key] for row in rows if row["kernel"] in KERNELS), 3)
    mean |= {"counterpart": MEAN[0], "published": _triple(*MEAN[1:])}
    by_kernel = {row["kernel"]: row for row in rows}
    chain, alone = by_kernel[CHAIN], by_kernel[SGEMM_ALONE]
    return Part("dependence: speed with scoreboards that count 1, 3 or 63 readers, against control bits", [*rows, mean], (
        Finding("scoreboards are slower than control bits in the mean", all(mean[f"readers_{n}"] < 1 for n in CONSUMERS),
                _both(mean)),
        Finding("one reader is the slowest, and three are nearly as good as 63",
                mean["readers_1"] < mean["readers_3"] and abs(mean["readers_3"] - mean["readers_63"]) < 0.01, _both(mean)),
        Finding("a loop of FFMA that need each other loses 25 %, however many readers are counted",
                all(abs(chain[f"readers_{n}"] - 0.75) < 0.02 for n in CONSUMERS), _both(chain)),
        Finding("the SGEMM loses a third with one reader, since neighbours read one register, and a few % with more",
                alone["readers_1"] < 0.7 and alone["readers_3"] > 0.9, _both(alone)),
        Finding("most of the loss is the time from the bypass of a result to its write-back",
                1 - mean["bypass_63"] < 0.3 * (1 - mean["readers_63"]),
                f"{mean['bypass_63']:.3f} if a scoreboard knew of the bypass; the rest is waiting for readers"),
    ))


def _triple(*speeds: float) -> str:
    return " / ".join(f"{speed:.3f}" for speed in speeds)


def _both(row: Row) -> str:
    return f"{_triple(*(row[f'readers_{n}'] for n in CONSUMERS))}; published {row['published']}"


# -- prefetch ----------------------------------------------------------------------------------------------------

BRIEF = 20
"""Thousands of cycles."""
PUBLISHED_PREFETCH = {
    # Table 5, and medians of the authors' data.
    "mean of 128, published": (1.08, 1.19, 1.29, 1.37, 1.40), "median of 128, published": (1.049, 1.103, 1.136, 1.157, 1.146),
}


def _prefetch() -> Part:
    rows: list[Row] = []
    for kernel in KERNELS:
        code = len(_workload(kernel, "sm_86").kernels[0].instructions) * 16 / 1024
        off = _report(kernel, prefetch_depth=0).metrics["cycles"]
        rows.append({"kernel": kernel, "code_kib": code, "kcycles": off / 1e3} | {
            f"lines_{n}": round(off / _report(kernel, prefetch_depth=n).metrics["cycles"], 3) for n in DEPTHS})
    short, long = ([row["lines_8"] for row in rows if (row["kcycles"] < BRIEF) is brief] for brief in (True, False))
    summary: dict[str, tuple[float, ...]] = {
        f"{name} of {len(KERNELS)}": tuple(round(of([row[f"lines_{n}"] for row in rows]), 3) for n in DEPTHS)
        for name, of in (("mean", statistics.fmean), ("median", statistics.median))
    } | PUBLISHED_PREFETCH
    rows += [{"kernel": name, "code_kib": "", "kcycles": ""} | {f"lines_{n}": x for n, x in zip(DEPTHS, values)}
             for name, values in summary.items()]
    mean = next(iter(summary.values()))
    first, second = PUBLISHED_PREFETCH.values()
    return Part("prefetch: speed with a stream buffer of 1 to 16 lines, against none", rows, (
        Finding("the published order: more lines are faster, and 16 add nothing to eight",
                1 < mean[0] < mean[1] < mean[2] < mean[3] and mean[4] < 1.03 * mean[3], ", ".join(f"{x:.2f}x" for x in mean)),
        Finding(f"how much it is depends on how long a kernel runs: fewer than {BRIEF} kcycles or more",
                statistics.fmean(short) > 1.2 > statistics.fmean(long),
                f"with eight lines {statistics.fmean(short):.2f}x for {len(short)} kernels, {statistics.fmean(long):.2f}x for "
                f"{len(long)}; published {first[3]}x in the mean, {second[3]}x in the median, up to 5.2x"),
    ))


# -- figure ------------------------------------------------------------------------------------------------------


def _draw(parts: Sequence[Part]) -> Figure:
    from .drawing import COLORS, finish, new_figure

    figure, (registers, dependence, prefetch) = new_figure("Shapes of a GPU core: simulated (full) and published (hollow)",
                                                           (1, 3), (14, 4.6))
    rows = [row for row in parts[0].rows if row["kcycles"] or "Cutlass" in row["kernel"] or "MaxFlops" in row["kernel"]]
    for i, (column, label) in enumerate((("no_cache", "no cache"), ("no_cache_2_ports", "no cache, two read ports"))):
        for j, row in enumerate(rows):
            filled = "published" not in row["kernel"]
            registers.barh(j + 0.38 * (i - 0.5), row[column], 0.36, color=COLORS[i] if filled else "none", edgecolor=COLORS[i],
                           label=label if j == 0 else None)
    registers.set_yticks(range(len(rows)), [row["kernel"].removesuffix(", published") for row in rows])
    registers.invert_yaxis()
    registers.axvline(1, color="#777777", linewidth=0.8, zorder=0)
    finish(registers, "register file", "speed", "")
    chosen = [row for row in parts[1].rows if row["counterpart"]]
    for i, n in enumerate(CONSUMERS):
        at = [j + 0.27 * (i - 1) for j in range(len(chosen))]
        published = [float(row["published"].split(" / ")[i]) for row in chosen]
        dependence.plot([row[f"readers_{n}"] for row in chosen], at, "o", color=COLORS[i], label=f"readers counted: {n}")
        dependence.plot(published, at, "o", color=COLORS[i], fillstyle="none", markersize=9)
    dependence.set_yticks(range(len(chosen)), [f"{_name(row['kernel'])}\n({row['counterpart']})" for row in chosen])
    dependence.invert_yaxis()
    dependence.axvline(1, color="#777777", linewidth=0.8, zorder=0)
    finish(dependence, "scoreboards against control bits", "speed", "")
    for i, row in enumerate(parts[2].rows[-4:]):
        hollow = "published" in row["kernel"]
        prefetch.plot(range(6), [1, *(row[f"lines_{n}"] for n in DEPTHS)], marker="o", color=COLORS[i % 2], label=row["kernel"],
                      fillstyle="none" if hollow else "full", linestyle="--" if hollow else "-")
    prefetch.set_xticks(range(6), ["off", *map(str, DEPTHS)])
    finish(prefetch, "stream buffer", "lines", "speed")
    registers.legend(fontsize=7.5, frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.3)
    for axes in (dependence, prefetch):
        axes.legend(fontsize=7.5, frameon=False, loc="best")
    return figure
