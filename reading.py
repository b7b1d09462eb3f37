"""Reading what others wrote: regular files of bounded size, as bytes, text, trees or arrays; one line for anything else.

A tree (YAML, JSON) is made of plain values only: tables whose keys are text, lists, text, numbers of at most 64 bits, true,
false and nothing, not nested without end and, written out, not larger than any table of values that one would write. So
whoever checks it need not fear what a short hostile file can stand for. Arrays are numbers, never objects.
"""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from math import prod
from typing import IO, TYPE_CHECKING, Any

from .errors import InputError, said

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "MOST_TABLE", "MOST_YAML", "arrays_in", "lines_in", "members", "natural", "open_regular", "parse_json", "parse_toml",
    "parse_yaml", "read_bytes", "read_table", "read_text", "read_yaml", "table_lines",
]  # fmt: skip

MOST_YAML = 512 << 10
"""Bytes of a YAML file; its parser takes some 10 s of CPU time for a megabyte."""
MOST_TABLE = 16 << 20
"""Bytes of a table of reference numbers or of measurements."""
Line = tuple[int, dict[str, str]]
_LONG_NUMBER = re.compile(r"[0-9a-fA-F]{1000}|\d{1000}")
_DEEPEST = 64
_MOST_NODES = 1_000_000
_MOST_BITS = 64


@contextmanager
def open_regular(path: str | os.PathLike[str], accepted: str = "") -> Iterator[IO[bytes]]:
    """Open a regular file, or a link to one; raises `InputError` for anything else and for what cannot be read.

    A pipe would never end, or never begin, and neither would a device.
    """
    hint = f" (accepted: {accepted})" if accepted else ""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise InputError(f"{path}: not a file{hint}")
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}{hint}") from None
    except ValueError as error:
        if isinstance(error, InputError) or "null byte" not in str(error):
            raise
        raise InputError(f"{path!r}: no name of a file{hint}") from None


def read_bytes(path: str | os.PathLike[str], most_bytes: int, accepted: str = "") -> bytes:
    """Return the content of a regular file; raises `InputError`, also where it is larger."""
    with open_regular(path, accepted) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(most_bytes + 1) if size <= most_bytes else b""
    if max(size, len(data)) > most_bytes:
        most = f"{most_bytes >> 20} MiB" if most_bytes >= 1 << 20 else f"{most_bytes >> 10} KiB"
        raise InputError(f"{path}: is larger than {most}: {size} bytes{f' (accepted: {accepted})' if accepted else ''}")
    return data


def read_text(path: str | os.PathLike[str], most_bytes: int, accepted: str = "", encoding: str = "utf-8") -> str:
    """Return the text of a regular file, lines ending in newlines; raises `InputError`, with the line of a wrong byte."""
    data = read_bytes(path, most_bytes, accepted)
    return _decoded(data, str(path), 1, encoding).replace("\r\n", "\n").replace("\r", "\n")


def lines_in(path: str | os.PathLike[str], most_bytes: int, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    """Yield number and text of the lines of a file that may be larger than memory; raises `InputError`."""
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > most_bytes:
            raise InputError(f"{path}: is larger than {most_bytes >> 20} MiB")
        for number, line in enumerate(file, 1):
            yield number, _decoded(line, str(path), number, encoding)


def natural(text: str, least: int = 0, most: int = 2**63 - 1) -> int | None:
    """Return the number that a text of decimal digits is; None for any other text, or a number beyond these limits."""
    # `isdigit` alone has superscripts, which `int` refuses, and `int` refuses thousands of digits.
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        return None
    return number if least <= (number := int(text)) <= most else None


def _decoded(data: bytes, where: str, first: int, encoding: str) -> str:
    """The text, without numbers that nothing can hold: Python itself refuses to convert so many digits."""
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = first + data[: error.start].count(b"\n")
        what = encoding.upper().removesuffix("-SIG")
        raise InputError(f"{where}:{line}: byte {data[error.start]:#04x} is not {what} text") from None
    if long := _LONG_NUMBER.search(text):
        line = first + text.count("\n", 0, long.start())
        raise InputError(f"{where}:{line}: {long[0][:20]}...: a number of more than 1000 digits")
    return text


def read_yaml(path: str | os.PathLike[str], accepted: str = "") -> Any:
    """Return the tree of a YAML file; raises `InputError`."""
    return parse_yaml(read_text(path, MOST_YAML, accepted), str(path))


def parse_yaml(text: str, where: str) -> Any:
    """Return the tree that YAML stands for; raises `InputError` that begins with `where`."""
    import yaml

    try:
        loader = _loader()(text)
        tree = loader.get_single_data()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        context, problem = getattr(error, "context", None), getattr(error, "problem", None)
        cause = f"{context}: {problem}" if context and problem else problem or error
        raise InputError(f"{where}{line}: not YAML: {cause}") from None
    except RecursionError:
        raise InputError(f"{where}: not YAML that can be read: nested too deeply") from None
    except Exception as error:  # what wrong text behind a tag (`!!bool x`) makes of the parser is not to be foreseen
        raise InputError(f"{where}: not YAML: {said(error)}") from None
    return _checked(tree, where)


@cache
def _loader() -> Any:
    """YAML's safe loader, for which a key that is there twice is an error: the second would silently replace the first."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen: set[Any] = set()
            for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
                if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                    if (key.tag, key.value) in seen:
                        raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is there twice", key.start_mark)
                    seen.add((key.tag, key.value))
            return super().construct_mapping(node, deep=deep)

    return Loader


def parse_toml(text: str, where: str) -> Any:
    """Return the tree that TOML stands for; raises `InputError` that begins with `where`."""
    import tomllib

    return _plain("TOML", tomllib.loads, text, where)


def parse_json(text: str | bytes, where: str) -> Any:
    """Return the tree that JSON stands for; raises `InputError` that begins with `where`."""
    return _plain("JSON", json.loads, text, where)


def _plain(kind: str, parse: Callable[[Any], Any], text: str | bytes, where: str) -> Any:
    try:
        tree = parse(text)
    except RecursionError:
        raise InputError(f"{where}: not {kind} that can be read: nested too deeply") from None
    except ValueError as error:
        raise InputError(f"{where}: not {kind}: {error}") from None
    return _checked(tree, where)


def _checked(tree: Any, where: str) -> Any:
    sizes: dict[int, int] = {}
    if _size(tree, where, sizes, 0) > _MOST_NODES:
        raise InputError(f"{where}: more than {_MOST_NODES:,} values, written out")
    return tree


def _size(node: Any, where: str, sizes: dict[int, int], depth: int) -> int:
    """Nodes of a tree, written out; `sizes` knows those of tables and lists, which aliases make part of several others."""
    if isinstance(node, dict | list):
        if id(node) not in sizes:
            if depth > _DEEPEST:
                raise InputError(f"{where}: nested more than {_DEEPEST} deep, or in itself")
            if isinstance(node, dict) and (odd := [key for key in node if not isinstance(key, str)]):
                raise InputError(f"{where}: the key {odd[0]!r} is not text")
            items = [*node, *node.values()] if isinstance(node, dict) else node
            sizes[id(node)] = 1 + sum(_size(item, where, sizes, depth + 1) for item in items)
        return sizes[id(node)]
    if isinstance(node, str):
        if not node.isascii() and any("\ud800" <= character <= "\udfff" for character in node):
            raise InputError(f"{where}: {node!r} is not text")
    elif isinstance(node, int) and node.bit_length() > _MOST_BITS:
        raise InputError(f"{where}: a number of {node.bit_length()} bits (accepted: at most {_MOST_BITS})")
    elif not isinstance(node, int | float | None):
        raise InputError(f"{where}: {node!r} is a {type(node).__name__} (accepted: text, numbers, true, false, null)")
    return 1


def members(data: bytes, where: str, most_bytes: int) -> dict[str, bytes]:
    """Return the files of a zip by name; raises `InputError` for what is none, is damaged, or unfolds to more bytes."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            listed = archive.infolist()
            if (size := sum(info.file_size for info in listed)) > most_bytes:
                raise InputError(f"{where}: {size:,} bytes, unpacked (accepted: at most {most_bytes >> 20} MiB)")
            found = {info.filename: archive.read(info) for info in listed}
    except InputError:
        raise
    except Exception as error:  # zipfile raises half a dozen types for damaged files
        raise InputError(f"{where}: not a zip, or a damaged one: {said(error)}") from None
    if len(found) < len(listed):
        raise InputError(f"{where}: holds two files of one name")
    return found


def arrays_in(data: bytes, where: str, most_bytes: int) -> dict[str, np.ndarray]:
    """Return the arrays of an `.npz` by name; raises `InputError`. Nothing is unpickled, and no header is believed."""
    found = {}
    for name, content in members(data, where, most_bytes).items():
        if not name.endswith(".npy"):
            raise InputError(f"{where}: {name}: not an array")
        found[name.removesuffix(".npy")] = _array(content, f"{where}: {name}")
    return found


def _array(data: bytes, where: str) -> np.ndarray:
    """An array of numbers as `np.save` writes it: the header is a Python literal, which is checked before numpy sees it."""
    import numpy as np

    try:
        if data[:6] != b"\x93NUMPY" or data[6:8] not in (b"\x01\x00", b"\x02\x00"):
            raise ValueError("no array of numpy")
        wide = 2 * data[6]
        begin = 8 + wide
        end = begin + int.from_bytes(data[8:begin], "little")
        if end > begin + 4096:
            raise ValueError("the header is too long")
        text = data[begin:end].decode("ascii").strip()
        if "\\" in text:  # Python warns of escapes that it does not know
            raise ValueError("the header has a backslash")
        head = ast.literal_eval(text)
        dtype, shape = np.dtype(str(head["descr"])), tuple(int(n) for n in head["shape"])
        order = "F" if head["fortran_order"] is True else "C"
        if dtype.kind not in "biuf" or head["descr"] != dtype.str:
            raise ValueError(f"numbers of the kind {head['descr']!r}")
        if len(shape) > 16 or min(shape, default=0) < 0 or prod(shape) * dtype.itemsize != len(data) - end:
            raise ValueError(f"{len(data) - end} bytes for the shape {shape} of {dtype}")
        array = np.frombuffer(data, dtype, prod(shape), end).reshape(shape, order=order)  # type: ignore[call-overload]
        return np.array(array, dtype.newbyteorder("="))
    except Exception as error:  # a hostile header makes whatever it likes of `literal_eval` and numpy
        raise InputError(f"{where}: damaged, or no array of numbers: {said(error)}") from None


def read_table(path: str | os.PathLike[str], needed: Sequence[str], accepted: str = "", encoding: str = "utf-8") -> list[Line]:
    """Return the lines of a CSV file below its header; see `table_lines`."""
    return table_lines(read_text(path, MOST_TABLE, accepted, encoding), str(path), needed)


def table_lines(text: str, where: str, needed: Sequence[str]) -> list[Line]:
    """Return number and cells by column of every line below the header, without blank lines and those that begin with "#".

    Raises `InputError` for a column that is missing or there twice, and for a line of more or fewer cells.
    """
    lines = ["\n" if line.startswith("#") else line for line in io.StringIO(text)]
    reader = csv.reader(lines)
    header: list[str] = []
    found = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = [cell.strip() for cell in cells]
                if missing := [name for name in needed if header.count(name) != 1]:
                    how = "missing" if missing[0] not in header else "there twice"
                    at = f"{where}:{reader.line_num}"
                    raise InputError(f"{at}: column {missing[0]!r} is {how}; accepted: {', '.join(needed)}")
                continue
            if len(cells) != len(header):
                raise InputError(f"{where}:{reader.line_num}: {len(cells)} cells; accepted: {len(header)}, one a column")
            found.append((reader.line_num, dict(zip(header, (cell.strip() for cell in cells)))))
    except csv.Error as error:
        raise InputError(f"{where}:{reader.line_num}: not a line of a CSV file: {error}") from None
    if not found:
        below = " below the header" if header else ""
        raise InputError(f"{where}: no line{below}; accepted: {', '.join(needed)}, and lines below")
    return found
