"""Mutators of packed forms: ONNX (protobuf), npy and npz, zips of JSON and arrays, SQLite, Parquet."""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import zipfile
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

from . import hostile, plain

Mutator = Callable[[Random, bytes], bytes]


def in_onnx(rng: Random, data: bytes) -> bytes:
    """Change fields of messages, and repeat, drop and swap them."""
    import onnx

    model = onnx.ModelProto.FromString(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        messages = _messages(model)
        message = rng.choice(messages)
        set_fields = message.ListFields()
        if not set_fields or rng.random() < 0.1:
            descriptor = rng.choice(list(message.DESCRIPTOR.fields))
        else:
            descriptor = rng.choice(set_fields)[0]
        _field(rng, message, descriptor)
    return bytes(model.SerializeToString())


def _messages(message: Any) -> list[Any]:
    found = [message]
    for descriptor, value in message.ListFields():
        if descriptor.message_type is not None:
            inner = value if hasattr(value, "add") or hasattr(value, "append") else [value]
            for item in inner:
                found += _messages(item)
    return found


def _field(rng: Random, message: Any, descriptor: Any) -> None:
    value = getattr(message, descriptor.name)
    repeated = hasattr(value, "append") or hasattr(value, "add")
    if descriptor.message_type is not None:
        if not repeated:
            message.ClearField(descriptor.name)
        elif len(value):
            kind, at = rng.randrange(3), rng.randrange(len(value))
            if kind == 0:
                del value[at]
            elif kind == 1:
                for _ in range(rng.choice((1, 1, 100))):
                    value.add().CopyFrom(value[at])
            else:
                other = rng.randrange(len(value))
                kept = type(value[at]).FromString(value[at].SerializeToString())
                value[at].CopyFrom(value[other])
                value[other].CopyFrom(kept)
        return
    for _ in range(8):
        new = _scalar(rng, descriptor)
        try:
            if not repeated:
                setattr(message, descriptor.name, new)
            elif len(value) and rng.random() < 0.8:
                value[rng.randrange(len(value))] = new
            else:
                value.extend([new] * rng.choice((1, 1, 70)))
            return
        except (ValueError, TypeError):  # out of the field's range: another one
            continue


def _scalar(rng: Random, descriptor: Any) -> Any:
    if descriptor.cpp_type in (descriptor.CPPTYPE_FLOAT, descriptor.CPPTYPE_DOUBLE):
        return rng.choice((0.0, -1.0, float("nan"), float("inf"), 1e30))
    if descriptor.cpp_type == descriptor.CPPTYPE_STRING:
        chosen = hostile.text(rng)
        return chosen.encode("utf-8", "surrogatepass") if descriptor.type == descriptor.TYPE_BYTES else chosen
    return rng.choice((0, 1, 2, 3, 7, -1, -3, 10, 64, 2**31 - 1, -(2**31), 2**40, 2**62, 2**63 - 1, -(2**63)))


def npy(dtype: str, shape: tuple[int, ...], data: bytes, version: int = 1) -> bytes:
    """An `.npy` file whose header says what it likes."""
    header = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    size = len(header).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes((version, 0)) + size + header + data


_DTYPES = (
    "'|O'",
    "'<f4'",
    "'<f8'",
    "'<i8'",
    "'>i8'",
    "'|b1'",
    "'<U9'",
    "'<c16'",
    "'<M8[s]'",
    "[('a', '<i8')]",
    "'|V8'",
    "'<f2'",
    "'x'",
    "7",
    "'<i8:'",
    "'" + "<" * 3000 + "'",
)
_SHAPES = ((), (0,), (1,), (3,), (2**40,), (2**31, 2**31), (-1,), (1, 1), (3, 0), (1,) * 33, (2**63,), (65, 2), ("a",), (1.5,))


def in_npy(rng: Random, data: bytes) -> bytes:
    """Change the header, or the numbers."""
    import numpy as np

    if rng.random() < 0.5:
        return npy(rng.choice(_DTYPES), rng.choice(_SHAPES), data[128:], rng.choice((1, 1, 2, 3, 9)))
    array = np.array(np.load(io.BytesIO(data), allow_pickle=False))
    flat = array.reshape(-1)
    if flat.size and array.dtype.kind in "fiu":
        listed = (0, -1, 1, 2**31, 2**62, -(2**62)) if array.dtype.kind in "iu" else (np.nan, np.inf, -np.inf, -1.0, 1e300)
        with np.errstate(all="ignore"):
            flat[rng.randrange(flat.size)] = np.array(rng.choice(listed)).astype(array.dtype)
    with np.errstate(all="ignore"):
        array = rng.choice(
            (
                lambda: flat,
                lambda: array,
                lambda: array,
                lambda: array[..., None],
                lambda: flat[:0].reshape(0, *array.shape[1:]),
                lambda: array.T,
                lambda: array.astype("f4"),
                lambda: array.astype("i8"),
                lambda: array.astype("U5"),
            )
        )()
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


@cache
def _zeros() -> bytes:
    """Half a gigabyte, packed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive, archive.open("zeros.npy", "w") as part:
        part.write(npy("'|u1'", (512 << 20,), b""))
        for _ in range(512):
            part.write(bytes(1 << 20))
    return out.getvalue()


def in_zip(members: dict[str, Mutator], repaired: Callable[[dict[str, bytes]], None] | None = None) -> Mutator:
    """Mutate one member by the ending of its name, or the list of members; `repaired` makes digests right again."""

    def mutate(rng: Random, data: bytes) -> bytes:
        if rng.random() < 0.01:
            return _zeros()
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        name = rng.choice(list(parts))
        kind = rng.randrange(10)
        if kind == 0:
            del parts[name]
        elif kind == 1:
            parts[rng.choice((hostile.text(rng) or "x", "../../outside", "/tmp/outside", f"{name}.x"))] = parts[name]
        elif kind == 2:
            parts[name] = parts[rng.choice(list(parts))]
        else:
            mutators = [mutator for ending, mutator in members.items() if name.endswith(ending)] or [plain.in_bytes]
            parts[name] = rng.choice((mutators[0], mutators[0], mutators[0], plain.in_bytes))(rng, parts[name])
        if repaired is not None and rng.random() < 0.9:
            repaired(parts)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
            for member, content in parts.items():
                # No name in a zip is longer.
                named = member.encode("utf-8", "replace")[:65535].decode("utf-8", "ignore").replace("\0", "")
                archive.writestr(zipfile.ZipInfo(named or "x"), content)
        return out.getvalue()

    return mutate


def digests_right(parts: dict[str, bytes]) -> None:
    """Write the digests of a surrogate's parts and of its head into the head, as who means harm would."""
    from cyclescape.agents.surrogate.file import head_digest

    try:
        head = json.loads(parts["surrogate.json"])
        head["parts"] = {name: hashlib.sha256(data).hexdigest() for name, data in parts.items() if name != "surrogate.json"}
        head["digest"] = head_digest(head)
        parts["surrogate.json"] = json.dumps(head).encode()
    except (KeyError, TypeError, ValueError, RecursionError):
        return


def in_array_of_json(rng: Random, data: bytes) -> bytes:
    """An `.npy` of the bytes of a JSON document: change the document."""
    import numpy as np

    array = np.load(io.BytesIO(data), allow_pickle=False)
    if array.dtype != np.uint8 or array.ndim != 1 or not array.tobytes().startswith(b"{"):
        return in_npy(rng, data)
    out = io.BytesIO()
    np.save(out, np.frombuffer(plain.in_json(rng, array.tobytes()), np.uint8))
    return out.getvalue()


def in_sqlite(rng: Random, data: bytes) -> bytes:
    """Change cells (their JSON, their type), rows, tables and pragmas of a database."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    try:
        db.deserialize(data)
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for _ in range(rng.choice((1, 1, 2, 3))):
            _change_table(rng, db, rng.choice(tables))
        return bytes(db.serialize())
    except sqlite3.Error:
        return plain.in_bytes(rng, data)
    finally:
        db.close()


def _change_table(rng: Random, db: sqlite3.Connection, table: str) -> None:
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    rows = [row[0] for row in db.execute(f"SELECT rowid FROM {table}")]
    kind = rng.randrange(20)
    if kind == 0:
        db.execute(f"PRAGMA user_version={rng.choice((0, 1, 2, 3, 99, -1, 2**31 - 1))}")
    elif kind == 1:
        db.execute(f"PRAGMA application_id={rng.choice((0, 1))}")
    elif kind == 2:
        db.execute(rng.choice((f"DROP TABLE {table}", f"ALTER TABLE {table} ADD COLUMN more", f"DELETE FROM {table}")))
    elif kind == 3:
        db.execute(f"ALTER TABLE {table} RENAME COLUMN {rng.choice(columns)} TO other")
    elif rows:
        column, row = rng.choice(columns), rng.choice(rows)
        old = db.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (row,)).fetchone()[0]
        everywhere = rng.random() < 0.2
        where = "" if everywhere else f" WHERE rowid = {int(row)}"
        db.execute(f"UPDATE OR IGNORE {table} SET {column} = ?{where}", (_cell(rng, old),))


def _cell(rng: Random, old: Any) -> Any:
    if isinstance(old, str) and old[:1] in "{[" and old and rng.random() < 0.8:
        return plain.in_json(rng, old.encode()).decode("utf-8", "replace")
    return rng.choice(
        (
            None,
            0,
            -1,
            2**63 - 1,
            1e300,
            float("nan"),
            float("inf"),
            b"\xff\xfe",
            b"",
            "x",
            hostile.number(rng),
            hostile.text(rng).encode("utf-8", "replace").decode(),
            f"{old}x",
            str(old)[:5],
        )
    )


def in_parquet(rng: Random, data: bytes) -> bytes:
    """Change cells, columns and types of a table."""
    import pandas as pd

    frame = _changed(rng, pd.read_parquet(io.BytesIO(data)))
    out = io.BytesIO()
    try:
        frame.to_parquet(out, index=rng.random() < 0.1)
    except Exception:  # what pyarrow cannot write
        return plain.in_bytes(rng, data)
    return out.getvalue()


def in_table(rng: Random, data: bytes) -> bytes:
    """The same of a CSV file, with lines of comment above it; what is none is changed as lines."""
    import pandas as pd

    lines = data.splitlines(keepends=True)
    above = next((at for at, line in enumerate(lines) if not line.startswith(b"#")), 0)
    try:
        frame = pd.read_csv(io.BytesIO(b"".join(lines[above:])), dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError):
        return plain.in_lines(rng, data)
    text = _changed(rng, frame).to_csv(index=False, lineterminator="\n")
    return b"".join(lines[:above]) + text.encode("utf-8", "replace")


def _changed(rng: Random, frame: Any) -> Any:
    for _ in range(rng.choice((1, 1, 2))):
        column = rng.choice(list(frame.columns))
        kind = rng.randrange(10)
        if kind == 0 and len(frame.columns) > 1:
            frame = frame.drop(columns=column)
        elif kind == 1:
            frame = frame.rename(columns={column: rng.choice(("other", "", "a,b", "<script>"))})
        elif kind == 2:
            frame = frame.drop(index=frame.index[rng.randrange(len(frame)) :])
        elif kind == 3:
            frame[column] = rng.choice((1, 1.5, None, "x", True))
        elif len(frame):
            values = list(frame[column].astype(object))
            at = rng.randrange(len(values))
            old = values[at] if column != "record" else str(values[at])
            values[at] = _cell(rng, old) if column != "record" else plain.in_json(rng, old.encode()).decode("utf-8", "replace")
            frame[column] = (
                [value if isinstance(value, str) or value is None else str(value) for value in values]
                if any(isinstance(value, str | bytes) for value in values)
                else values
            )
        if not len(frame):
            break
    return frame
