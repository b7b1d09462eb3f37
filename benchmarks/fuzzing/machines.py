"""Parsers of what describes machines: designs, DRAM devices and their tables, measurements, reference tables."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from .case import Parser
from .packed import in_table
from .plain import in_bytes, in_lines, in_yaml
from .whole import Files
from .workloads import _GASM, texts

_LINES = (in_lines, in_lines, in_lines, in_bytes)
_YAML = (in_yaml, in_yaml, in_yaml, in_lines, in_bytes)
_TABLE = (in_table, in_lines, in_lines, in_bytes)
_TINY = {
    "memory-hierarchy": "stream:n=50",
    "dram-controller": "random:n=50",
    "dataflow": "mlp",
    "streaming": "attention:seq_len=4,heads=1",
    "systolic": "mlp",
    "row-stationary": "mlp",
    "gpu-core": "vector-add:ctas=1,warps=1",
}


def _workload(machine: str) -> Any:
    from cyclescape.traces.catalog import load
    from cyclescape.traces.operators import Conv
    from cyclescape.traces.workload import Workload

    if _TINY[machine] != "mlp":
        return load(_TINY[machine])
    conv = Conv(name="a", inputs=("",), in_h=6, in_w=6, in_channels=3, out_channels=4, kernel_h=3, kernel_w=3)
    return Workload(name="tiny", operators=(conv,))


def _design_seeds(_: Path) -> Sequence[Files]:
    import yaml

    import cyclescape as cs

    found: list[Files] = []
    for name in _TINY:
        machine = cs.accelerator(name)
        preset = next(iter(machine.design.presets))
        for values in ({"preset": preset}, {}):
            parameters = machine.design.make({}, **values).model_dump()
            document = {"accelerator": name, **values, "parameters": parameters}
            found.append({f"{name}.yaml": yaml.safe_dump(document, sort_keys=False).encode()})
    return found


def _toml_seeds(_: Path) -> Sequence[Files]:
    text = 'accelerator = "{0}"\n[parameters]\n{1}\n'
    return [
        {"systolic.toml": text.format("systolic", 'rows = 8\ncols = 4\ndataflow = "os"').encode()},
        {"dram-controller.toml": text.format("dram-controller", 'page_policy = "Closed"\nrequest_buffer_size = 4').encode()},
    ]


def _design(path: Path) -> object:
    """Make the design, and run it on next to nothing (but for the GPU core, whose engine takes a minute to compile)."""
    import cyclescape as cs

    machine = cs.accelerator(path.stem)
    design = cs.design(path.stem, file=path)
    if path.stem == "gpu-core":
        return str(design), design.digest
    report = machine.run([design], _workload(path.stem))[0]
    return str(design), design.digest, report.to_dict()


def _shipped(package: str, folder: str) -> Sequence[Files]:
    found = sorted(
        (file for file in (resources.files(package) / folder).iterdir() if file.name.endswith(".yaml")), key=lambda f: f.name
    )
    return [{file.name: file.read_bytes()} for file in found]


def _devices(path: Path) -> object:
    """Read devices, and let each serve some requests."""
    from cyclescape.simulator.memory.dram.devices import load_devices
    from cyclescape.simulator.memory.dram.system import DramSystem
    from cyclescape.traces.catalog import load

    found = []
    for device in load_devices(path)[:2]:
        run = DramSystem(device).run(load("random:n=30"))
        found.append(
            (
                device.channel_bytes,
                device.peak_bytes_per_tick,
                run.last_accept_cycle,
                device.with_ranks(device.organisation.ranks),
            )
        )
    return found


def _mapping(path: Path) -> object:
    import numpy as np

    from cyclescape.simulator.memory.dram.devices import device
    from cyclescape.simulator.memory.dram.mapping import load_mapping

    mapping = load_mapping(path, device("DDR4_2400R"))
    return mapping.decode(np.arange(0, 1 << 40, 1 << 34, dtype=np.int64))


_MAPPING = """column: [6, 7, 8, 9, 10, 11, 12]
group: [[13, 17], 14]
bank: [15, 16]
row: [17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32]
"""
_CURRENTS = """source: a data sheet
devices: [DDR4_2400R]
dq: 8
rho: 0.5
rails:
  vdd: {voltage: 1.2, idd0: 48, idd2n: 34, idd3n: 43, idd4r: 135, idd4w: 123, idd5b: 250, idd6: 30, idd2p: 25, idd3p: 37}
  vpp: {voltage: 2.5, idd0: 4.05, idd6: 2.6}
"""


def _currents(path: Path) -> object:
    """A design that names the table, run, so that energy is counted."""
    import cyclescape as cs

    machine = cs.accelerator("dram-controller")
    design = cs.design("dram-controller", currents=str(path))
    return machine.run([design], _workload("dram-controller"))[0].to_dict()


def _cut(package: str, name: str, lines: int) -> tuple[str, str]:
    text = (resources.files(package) / name).read_text(encoding="utf-8")
    return Path(name).name, "\n".join(text.splitlines()[:lines]) + "\n"


def _scalesim(path: Path) -> object:
    from cyclescape.accelerators.systolic.scalesim.table import read_table

    return [(row.layer.m, row.layer.n, row.layer.k) for row in read_table(path)]


def _streaming(path: Path) -> object:
    from cyclescape.accelerators.streaming.validation import read_table

    return [row.name for row in read_table(path)]


def _row_stationary(path: Path) -> object:
    from cyclescape.accelerators.row_stationary.validation import read_table

    return [row.name for row in read_table(path)]


def _published(path: Path) -> object:
    from cyclescape.traces.published import figures

    return [(figure.expected, figure.value) for figure in figures(path)]


_DRAM = (
    "device,channels,mapping,scheduler,row_policy,refresh,read_q,write_q,wr_low,wr_high,mem_ratio,trace,cycles,n_ACT,timing_override\n"
    'DDR4_2400R,1,RoBaRaCoCh,FRFCFS,Open,AllBank,32,32,0.2,0.8,1,"{""pattern"": ""random"", ""n"": 20}",100,10,\n'
    "HBM2_2000,2,MOP4CLXOR,FRFCFSRowHit,ClosedCAP=4,PerBank,16,16,0.2,0.8,2,"
    '"{""pattern"": ""stream"", ""n"": 20, ""writes"": ""all""}",50,4,'
    '"{""nCL"": 20}"\n'
)
_DRAINED = (
    "device,trace,inject_every,last_accept_cycle,drained_cycle,reads,avg_read_latency,lat_min,lat_p50,lat_p90,lat_p99,lat_max\n"
    'DDR4_2400R,"{""pattern"": ""random"", ""n"": 20}",4,300,300,20,50.0,37,40,50,60,70\n'
)


def _dram_table(path: Path) -> object:
    from cyclescape.accelerators.dram.validate import validate

    return validate(path).to_dict()


_MEASURED = """case,what,cycles
listing-1-even-even,elapsed,7
listing-1-even-even,end,
pointer-chase,l2,200
empty-kernel,blocks=1,2359
"""
_CYCLES = """benchmark,profiler,clock_mhz,params,cycles,time_us
simtune/emptykernel,ncu,1755,block=1 thread=32,2300,1.3
simtune/emptykernel,ncu,1755,block=8 thread=64,2400,1.4
rodinia/b+tree,ncu,345,block=128 size=1000,20000,12
"""


def _measurements(path: Path) -> object:
    """A file of measurements, alone and with what is beside it."""
    from cyclescape.accelerators.gpu.fit.measurements import read

    alone = read(path) if path.suffix == ".csv" else []
    return [*alone, *read(path.parent)]


def _hardware(path: Path) -> object:
    from cyclescape.accelerators.gpu.hardware import compare

    return compare(path.parent).to_dict()


PARSERS = (
    Parser("design-yaml", _design_seeds, _design, _YAML, weight=0.5),
    Parser("design-toml", _toml_seeds, _design, _LINES, weight=0.5),
    Parser("dram-device", lambda _: _shipped("cyclescape.simulator.memory.dram", "devices"), _devices, _YAML, weight=0.5),
    Parser("dram-mapping", texts(("map.yaml", _MAPPING)), _mapping, _YAML),
    Parser("dram-currents", texts(("currents.yaml", _CURRENTS)), _currents, _YAML, weight=0.5),
    Parser("dram-table", texts(("runs.csv", _DRAM), ("drained.csv", _DRAINED)), _dram_table, _TABLE, weight=0.3),
    Parser(
        "scalesim-table",
        lambda _: [dict([_bytes(_cut("cyclescape.accelerators.systolic", "reference/scalesim.csv", 9))])],
        _scalesim,
        _TABLE,
    ),
    Parser(
        "streaming-table",
        lambda _: _tables("cyclescape.accelerators.streaming"),
        _streaming,
        _LINES,
    ),
    Parser(
        "row-stationary-table",
        lambda _: _tables("cyclescape.accelerators.row_stationary"),
        _row_stationary,
        _LINES,
    ),
    Parser("published-table", lambda _: [dict([_bytes(_cut("cyclescape.traces", "published.csv", 20))])], _published, _TABLE),
    Parser(
        "gpu-measurements",
        lambda _: [{"a.csv": _MEASURED.encode()}, {"a.csv": _MEASURED.encode(), "own.gasm": _GASM.encode()}],
        _measurements,
        _TABLE,
        weight=0.5,
    ),
    Parser("gpu-hardware", texts(("h100_kernel_cycles.csv", _CYCLES)), _hardware, _TABLE, weight=0.3),
)


def _bytes(item: tuple[str, str]) -> tuple[str, bytes]:
    return item[0], item[1].encode()


def _tables(package: str) -> list[dict[str, bytes]]:
    names = sorted(file.name for file in (resources.files(package) / "reference").iterdir() if file.name.endswith(".csv"))
    return [dict([_bytes(_cut(package, f"reference/{name}", 12))]) for name in names]
