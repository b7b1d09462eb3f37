"""Request streams by name and by file suffix: what `cyclescape.workload` finds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from . import address_formats as formats
from .address_generators import address_trace
from .addresses import AddressTrace
from .catalog import file_format, workload

_KIND = "address trace"
Requests = Annotated[int, Field(ge=1, le=10**7, description="Requests.")]
Seed = Annotated[int, Field(ge=0, le=2**63, description="Seed of splitmix64.")]
Line = Annotated[int, Field(ge=1, le=2**20, description="Bytes between neighbouring requests.")]
Footprint = Annotated[int, Field(ge=1, le=2**50, description="Bytes within which the requests stay.")]
Every = Annotated[int, Field(ge=0, le=10**9, description="Clocks from one arrival to the next; 0: as fast as they are taken.")]
Writes = Annotated[str, Field(description="none, all, every3, or rand:N with N of 1000 requests writing.")]


@workload("stream", "Requests to one line after the other", kind=_KIND)
def stream(
    name: str, *, n: Requests = 10_000, writes: Writes = "none", line: Line = 64, every: Every = 0, seed: Seed = 1
) -> AddressTrace:
    """One sequential stream."""
    return address_trace("stream", n, writes=writes, line=line, every=every, seed=seed, name=name)


@workload("random", "Requests to random lines", kind=_KIND)
def random(
    name: str, *, n: Requests = 10_000, writes: Writes = "none", line: Line = 64, footprint: Footprint = 1 << 30,
    every: Every = 0, seed: Seed = 1,
) -> AddressTrace:
    """Uniform random lines."""
    return address_trace("random", n, writes=writes, line=line, footprint=footprint, every=every, seed=seed, name=name)


@workload("strided", "Requests a fixed step apart", kind=_KIND)
def strided(
    name: str, *, n: Requests = 10_000, writes: Writes = "none", line: Line = 64, stride: Line = 4096, every: Every = 0,
    seed: Seed = 1,
) -> AddressTrace:
    """Steps of a fixed number of bytes."""
    return address_trace("stride", n, writes=writes, line=line, stride=stride, every=every, seed=seed, name=name)


@workload("cloud-1", "Eight tenants, short runs, mostly in their working sets, one write in four", kind=_KIND)
def cloud_1(name: str, *, n: Requests = 10_000, line: Line = 64, every: Every = 8, seed: Seed = 1) -> AddressTrace:
    """A mix with locality."""
    return address_trace("cloud", n, writes="rand:250", line=line, every=every, seed=seed, name=name, tenants=8, run=8, hot=80)


@workload("cloud-2", "Thirty-two tenants, single lines, little locality, one write in three", kind=_KIND)
def cloud_2(name: str, *, n: Requests = 10_000, line: Line = 64, every: Every = 8, seed: Seed = 1) -> AddressTrace:
    """A mix with little locality."""
    return address_trace("cloud", n, writes="rand:333", line=line, every=every, seed=seed, name=name, tenants=32, run=2, hot=30)


@file_format(".trace", "Requests as text: LD/ST or R/W, with or without cycles", kind=_KIND)
def text(name: str, path: Path) -> AddressTrace:
    """LD/ST text."""
    return formats.read_text(name, path)


@file_format(".stl", "DRAMSys trace player file", kind=_KIND, source="github.com/tukl-msd/DRAMSys")
def stl(name: str, path: Path) -> AddressTrace:
    """DRAMSys `.stl`."""
    return formats.read_stl(name, path)


@file_format(".requests.csv", "Requests as a table: address, operation, cycle", kind=_KIND)
def table(name: str, path: Path) -> AddressTrace:
    """CSV."""
    return formats.read_csv(name, path)


@file_format(".npz", "Requests as numpy arrays address, is_write, arrival", kind=_KIND)
def arrays(name: str, path: Path) -> AddressTrace:
    """Numpy arrays."""
    return formats.read_npz(name, path)
