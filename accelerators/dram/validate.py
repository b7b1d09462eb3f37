"""`cyclescape validate dram`: Ramulator 2.1 row by row, tight-gate probes, and its command traces."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...errors import InputError, explain
from ...reading import MOST_TABLE, natural, parse_json, read_bytes, read_text, table_lines
from ...simulator.memory.dram.checker import Place, TimingChecker
from ...simulator.memory.dram.core.state import Settings
from ...simulator.memory.dram.devices import Device, device, device_names, load_devices
from ...simulator.memory.dram.mapping import MAPPINGS
from ...simulator.memory.dram.probes import probe
from ...simulator.memory.dram.results import DramRun
from ...simulator.memory.dram.system import DramSystem
from ...simulator.validation import Check, Validation
from ...traces.address_generators import address_trace
from ...traces.addresses import AddressTrace

__all__ = ["check_command_traces", "check_drained", "check_probes", "check_runs", "reference_rows", "validate"]

_COUNTS = {
    "n_ACT": "ACT", "n_PRE": "PREpb", "n_PREab": "PREab", "n_RD": "RD", "n_RDA": "RDA", "n_WR": "WR", "n_WRA": "WRA",
    "n_REFab": "REFab", "n_REFpb": "REFpb",
}
_COUNTERS = {
    "reads_served": "reads", "writes_served": "writes", "reads_forwarded": "forwarded", "writes_coalesced": "coalesced",
    "row_hits": "hits", "row_misses": "misses", "row_conflicts": "conflicts", "read_row_hits": "read_hits",
    "read_row_misses": "read_misses", "read_row_conflicts": "read_conflicts", "read_latency_sum": "latency_sum",
}
_SETTINGS = (
    "device", "channels", "mapping", "scheduler", "row_policy", "refresh", "read_q", "write_q", "wr_low", "wr_high",
    "mem_ratio", "trace",
)
REFRESHES = ("AllBank", "PerBank", "NoRefresh")
_MOST_REQUESTS, _MOST_RATIO = 10**6, 10**4
_KNOWN_BREACHES = {
    "DDR4_2400R_2rank": {"data_bus": 36, "nCS": 209},
    "LPDDR5_6400": {"nRPab": 2},
}
"""What the checker finds in the reference's own traces. Two ranks: a write to the other rank may follow a read too
early (36 bursts overlap), and writes to two ranks keep no gap. LPDDR5: the table has nRP, not nRPab, from PREab to REFab."""


def _reference(name: str) -> bytes:
    return (resources.files(__package__) / "reference" / name).read_bytes()


class ReferenceRow(dict[str, str]):
    """The cells of a line by column, read as what they must be; raises `InputError` with line, column and value."""

    where: str

    def of(self, column: str, low: float, high: float, kind: Callable[[str], Any] = int) -> Any:
        """A number."""
        try:
            if low <= (value := kind(self.get(column, "")[:40])) <= high:
                return value
        except ValueError:
            pass
        what = "an integer" if kind is int else "a number"
        raise InputError(f"{self.where}: {column}={self.get(column)!r}; accepted: {what} from {low:g} to {high:g}")

    def one_of(self, column: str, *accepted: str) -> str:
        """A word."""
        if self[column] not in accepted:
            raise InputError(f"{self.where}: {column}={self[column]!r}; accepted: {', '.join(accepted)}")
        return self[column]


def reference_rows(text: str, where: str, needed: tuple[str, ...]) -> list[ReferenceRow]:
    """The lines of a table; raises `InputError` if a column that is needed is not there."""
    found = []
    for line, cells in table_lines(text, where, needed):
        row = ReferenceRow(cells)
        row.where = f"{where}:{line}"
        found.append(row)
    return found


def _device(name: str, extra: dict[str, Device]) -> Device:
    if name in extra:
        return extra[name]
    base = name.removesuffix("_2rank")
    chosen = extra[base] if base in extra else device(base)
    return chosen if base == name else chosen.with_ranks(2)


def _changed(chosen: Device, override: str, where: str) -> Device:
    """The device with a row's own timing numbers (JSON), if it has any."""
    if not override:
        return chosen
    changes = parse_json(override, f"{where}: timing_override")
    if not isinstance(changes, dict):
        raise InputError(f"{where}: timing_override={override!r}; accepted: a JSON object of timing parameters")
    values = chosen.model_dump()
    try:
        return Device.model_validate({**values, "timing": {**values["timing"], **changes}})
    except ValidationError as error:
        raise InputError(f"{where}: timing_override: {explain(error)}") from None


def _trace(text: str, where: str) -> AddressTrace:
    arguments = parse_json(text, f"{where}: trace")
    if not isinstance(arguments, dict) or not {"pattern", "n"} <= arguments.keys():
        raise InputError(f"{where}: trace={text!r}; accepted: JSON of generator arguments with pattern and n")
    for name, value in arguments.items():
        most = _MOST_REQUESTS if name == "n" else 2**40
        if name not in ("pattern", "writes") and not (type(value) is int and 0 <= value <= most):
            raise InputError(f"{where}: trace: {name}={value!r}; accepted: an integer from 0 to {most}")
        if name in ("pattern", "writes", "name") and not isinstance(value, str):
            raise InputError(f"{where}: trace: {name}={value!r}; accepted: text")
    try:
        return address_trace(**arguments)
    except InputError as error:
        raise InputError(f"{where}: trace: {error}") from None


def _settings(row: ReferenceRow) -> Settings:
    _, closed, cap = row["row_policy"].partition("ClosedCAP=")
    refresh = {"HBM34PerBankRefresh": "PerBank"}.get(row["refresh"], row["refresh"])
    if refresh not in REFRESHES or (closed and natural(cap, 0, 10**6) is None):
        raise InputError(
            f"{row.where}: refresh={row['refresh']!r}, row_policy={row['row_policy']!r}; accepted: {', '.join(REFRESHES)}, and "
            "Open or ClosedCAP=N"
        )
    return Settings(
        row.of("read_q", 1, 4096), row.of("write_q", 1, 4096), row.of("wr_low", 0, 1, float), row.of("wr_high", 0, 1, float),
        row["scheduler"] == "FRFCFSRowHit", int(cap or 0), refresh,
    )


def check_runs(rows: list[ReferenceRow], where: str, extra: dict[str, Device] | None = None) -> Iterator[Check]:
    """Every column of every row, exactly; mean queue lengths to the printed digits."""
    for row in rows:
        name = row.get("case_id") or f"line {row.where.rpartition(':')[2]}"
        chosen = _changed(_device(row["device"], extra or {}), row.get("timing_override", ""), f"{where}, {name}")
        channels = row.of("channels", 1, 64)
        system = DramSystem(chosen, channels, row.one_of("mapping", *MAPPINGS), "ramulator-2.1", settings=_settings(row))
        every, slow = row.of("mem_ratio", 1, _MOST_RATIO), row.of("fe_ratio", 1, _MOST_RATIO) if row.get("fe_ratio") else 1
        run = system.run(_trace(row["trace"], f"{where}, {name}"), drain=False, every=every, slow=slow)
        got: dict[str, int] = {"cycles": run.last_accept_cycle}
        got |= {column: run.counters[counter] for column, counter in _COUNTERS.items()}
        got |= {column: run.counts[command] for column, command in _COUNTS.items()}
        for column, value in got.items():
            if column in row:
                yield Check.equal(name, column, row.of(column, 0, 2**62), value)
        for way in ("read", "write"):
            if f"{way}_q_avg" in row:
                mean = run.counters[f"{way}_queue_area"] / run.cycles / system.channels
                yield Check.close(name, f"{way}_q_avg", row.of(f"{way}_q_avg", 0, 2**62, float), mean, absolute=5.1e-4)


def check_drained(rows: list[ReferenceRow], extra: dict[str, Device] | None = None) -> Iterator[Check]:
    """Runs to the last completion: clocks and the percentiles of read latency."""
    for number, row in enumerate(rows):
        run = DramSystem(_device(row["device"], extra or {}), convention="ramulator-2.1").run(
            _trace(row["trace"], f"row {number}"), every=row.of("inject_every", 1, _MOST_RATIO)
        )
        name = f"drained {number}"
        if not run.read_latency.size:
            raise InputError(f"{row.where}: trace={row['trace']!r}: nothing is read; accepted: a trace with reads")
        got: dict[str, int] = {
            "last_accept_cycle": run.last_accept_cycle, "drained_cycle": run.cycles, "lat_min": int(run.read_latency[0]),
            "lat_max": int(run.read_latency[-1]), **{f"lat_p{p}": run.percentile(p / 100) for p in (50, 90, 99)},
        }
        for column, value in got.items():
            yield Check.equal(name, column, row.of(column, 0, 2**62), value)
        mean = float(run.read_latency.mean())
        yield Check.close(name, "avg_read_latency", row.of("avg_read_latency", 0, 2**62, float), mean, absolute=5.1e-5)


def check_probes(devices: list[Device], steps: int = 600) -> Iterator[Check]:
    """Every gate of the compiled scheduler against the independent checker: legal at t, refused at t - 1."""
    for chosen in devices:
        found = probe(chosen, steps=steps)
        name = f"{found.device}, {chosen.organisation.ranks} ranks"
        note = found.wrong[0] if found.wrong else f"{found.gates} gates, {found.broader} of them wider than they must be"
        yield Check.equal(name, "tight_gates_wrong", 0, len(found.wrong), note)


def check_command_traces() -> Iterator[Check]:
    """What the checker finds in the reference's own command traces."""
    for entry in json.loads(_reference("command_traces.json")):
        chosen = _device(entry["device"], {})
        text = gzip.decompress(_reference(entry["file"])).decode()
        names = {"ACT1": "ACT", "CAS_RD": "CAS", "CAS_WR": "CAS"}
        lines = [
            (int(r["clock"]), names.get(r["command"], r["command"]),
             Place(int(r["rank"]), int(r["sid"]), max(0, int(r["group"])), max(0, int(r["bank"]))), int(r["row"]))
            for r in reference_rows(text, entry["file"], ("clock", "command", "rank", "sid", "group", "bank", "row"))
        ]
        found = TimingChecker(chosen).check(lines)
        expected = _KNOWN_BREACHES.get(entry["device"], {})
        for rule in sorted({*found, *expected, "any"} if not (found or expected) else {*found, *expected}):
            yield Check.equal(entry["file"], f"breaches_{rule}", expected.get(rule, 0), found.get(rule, 0))


def confirm_commands(run: DramRun) -> int:
    """Breaches in the command trace of a run; the trace must have been kept."""
    frame = run.command_frame()
    found = 0
    for _, lines in frame.groupby("channel"):
        checker = TimingChecker(run.device)
        places = [Place(*at) for at in lines[["rank", "sid", "group", "bank"]].to_numpy().tolist()]
        rows = zip(lines["clock"].tolist(), lines["command"].tolist(), places, lines["row"].tolist())
        found += sum(checker.check(rows).values())
    return found


def _text(table: Path) -> str:
    if table.suffix != ".gz":
        return read_text(table, MOST_TABLE)
    data = read_bytes(table, MOST_TABLE)
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            text = file.read(MOST_TABLE + 1)
        if len(text) <= MOST_TABLE:
            return text.decode()
        raise InputError(f"{table}: is larger than {MOST_TABLE >> 20} MiB, unpacked")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{table}: cannot be read: {error}") from None


def validate(table: Path | None = None, timings: Path | None = None) -> Validation:
    """Rerun everything; with a table only its rows, with the devices of `timings` beside the shipped ones.

    A table has the columns of `reference/ramulator2.csv.gz` (result columns that it lacks are not checked) or of
    `reference/ramulator2_drained.csv`.
    """
    extra = {d.name: d for d in load_devices(timings)} if timings else {}
    if table is not None:
        text = _text(table)
        drained_form = "inject_every" in text.partition("\n")[0]
        rows = reference_rows(text, str(table), ("device", "trace", "inject_every") if drained_form else _SETTINGS)
        compared = check_drained(rows, extra) if drained_form else check_runs(rows, str(table), extra)
        checks = [*compared, *check_probes(list(extra.values()))]
        return Validation("dram against Ramulator 2.1", str(table), tuple(checks))
    rows = reference_rows(gzip.decompress(_reference("ramulator2.csv.gz")).decode(), "ramulator2.csv.gz", _SETTINGS)
    drained = reference_rows(_reference("ramulator2_drained.csv").decode(), "ramulator2_drained.csv", ("device", "trace"))
    probed = [device(name) for name in device_names()]
    probed += [d.with_ranks(2) for d in probed if not d.is_hbm and d.standard != "GDDR6"]
    checks = [
        *check_runs(rows, "ramulator2.csv.gz"), *check_drained(drained), *check_probes([*probed, *extra.values()]),
        *check_command_traces(),
    ]
    notes = (
        "convention ramulator-2.1; the default convention differs where docs/models/dram.md says",
        "the checker of the probes shares neither code nor table with the scheduler",
        "untried against the reference: staggered refresh, per-bank refresh on GDDR6",
    )
    source = "908 runs, 30 drained runs, 6 command traces (commit c5b1c3a)"
    return Validation("dram against Ramulator 2.1", source, tuple(checks), (), notes)
