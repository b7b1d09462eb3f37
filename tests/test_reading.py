"""What others wrote is read as plain values of bounded size, or refused in one line."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from refusals import refusal

from cyclescape.errors import InputError, one_line
from cyclescape.reading import (
    MOST_YAML,
    arrays_in,
    members,
    parse_json,
    parse_toml,
    parse_yaml,
    read_bytes,
    read_text,
    read_yaml,
    table_lines,
)

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi")
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LAUGHS, "values, written out"),
        ("a: &r [*r]", "or in itself"),
        ("a: &r {x: *r}", "or in itself"),
        ("a: " + "[" * 80 + "]" * 80, "nested more than 64 deep"),
        ("[" * 5000, "nested too deeply"),
        ("a: [", "not YAML"),
        ("1: x", "the key 1 is not text"),
        ("null: x", "the key None is not text"),
        ("a: {on: 1}", "the key True is not text"),
        ("a: 2001-01-01", "is a date"),
        ("a: !!binary AAAA", "is a bytes"),
        ("a: !!set {x}", "is a set"),
        ("a: 2001-99-99", "not YAML"),
        ("a: !!bool x", "not YAML"),
        ("a: !!int ''", "not YAML"),
        ("a: 0x" + "f" * 5000, "a number of 20000 bits"),
        ("a: " + "1" * 5000, "not YAML"),
        ("a: !!python/name:os.system", "not YAML"),
        ('a: "\\ud800"', "is not text"),
        ("? [a]\n: 1", "not YAML"),
        ("a: 1\nb: {c: 1,\n  c: 2}", "line 3: not YAML: 'c' is there twice"),
    ],
)
def test_yaml_that_stands_for_more_than_plain_values(text: str, words: str) -> None:
    message = refusal(parse_yaml, text, "f.yaml")
    assert words in message
    assert message.startswith("f.yaml")


def test_plain_trees_come_as_they_are() -> None:
    tree = {"a": [1, 2.5, None, True, "é"], "b": {"c": -(2**63)}}
    assert parse_yaml("a: &a {c: 1, d: 2}\nb: {<<: *a, c: 3}\n", "f")["b"] == {"c": 3, "d": 2}
    assert parse_yaml("x: &x [1]\ny: *x\n", "f") == {"x": [1], "y": [1]}
    assert parse_json('{"a": [1, 2.5, null, true, "é"], "b": {"c": -9223372036854775808}}', "f") == tree
    assert parse_toml('a = [1]\n[b]\nc = "x"\n', "f") == {"a": [1], "b": {"c": "x"}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("9" * 5000, "not JSON"),
        ('"\\ud800"', "is not text"),
        ('{"a": ', "not JSON"),
        (str(10**30), "a number of 100 bits"),
        (b"\xff", "not JSON"),
        ("[" * 70 + "]" * 70, "nested more than 64 deep"),
    ],
)
def test_json_that_is_no_plain_tree(text: str | bytes, words: str) -> None:
    assert words in refusal(parse_json, text, "f.json")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = 2001-01-01", "is a date"),
        ("a = [" * 2000, "TOML"),
        ("a = " + "9" * 5000, "not TOML"),
        ("a = ", "not TOML"),
    ],
)
def test_toml_that_is_no_plain_tree(text: str, words: str) -> None:
    assert words in refusal(parse_toml, text, "f.toml")


def test_what_is_no_regular_file_is_never_opened(tmp_path: Path) -> None:
    """A pipe would wait for ever and a device never end."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name, words in {
        "pipe": "not a file",
        "loop": "symbolic links",
        "zero": "not a file",
        ".": "not a file",
        "absent": "No such file",
        "x" * 300: "too long",
        "a\0b": "no name of a file",
    }.items():
        assert words in refusal(read_bytes, tmp_path / name, 10), name


def test_size_and_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"x" * (MOST_YAML + 1))
    assert "larger than 512 KiB" in refusal(read_yaml, path)
    path.write_bytes(b"a\nb\xff")
    assert f"{path}:2: byte 0xff is not UTF-8 text" in refusal(read_text, path, 10)
    path.write_bytes(b"a\r\nb\rc")
    assert read_text(path, 10) == "a\nb\nc"


def npz(**arrays: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode()
    member = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("x.npy", member)
    return out.getvalue()


def test_arrays_come_back() -> None:
    arrays = {
        "a": np.arange(6.0).reshape(2, 3),
        "b": np.array(True),
        "c": np.arange(3, dtype=">i4"),
        "d": np.empty((0, 2), "f4"),
        "e": np.asfortranarray(np.arange(6).reshape(2, 3)),
    }
    found = arrays_in(npz(**arrays), "f", 1 << 20)
    assert found.keys() == arrays.keys()
    assert all(np.array_equal(found[name], array) for name, array in arrays.items())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a zip"),
        (npz(a=np.arange(9))[:-9], "not a zip"),
        (npz(a=np.array([print])), "numbers of the kind '|O'"),
        (npz(a=np.array(["x"])), "numbers of the kind"),
        (npz(a=np.zeros(2, [("x", "i4")])), "a.npy: damaged"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776,)}"), "for the shape"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"), "for the shape"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}", bytes(15)), "15 bytes for the shape (2,)"),
        (npy("__import__('os').system('true')"), "damaged"),
        (npy("(" * 3000), "damaged"),
        (npy("{'descr': '<f8'"), "damaged"),
    ],
)
def test_arrays_that_are_none(data: bytes, words: str) -> None:
    assert words in refusal(arrays_in, data, "f", 1 << 20)


def test_a_zip_that_unfolds_to_more_than_it_may_is_not_unpacked() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a", "b", "c"):
            archive.writestr(name, bytes(500_000))
    assert "1,500,000 bytes, unpacked" in refusal(members, out.getvalue(), "f", 1 << 20)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no line"),
        ("a,b\n", "no line below the header"),
        ("a\n1\n", "column 'b' is missing"),
        ("a,b,a\n1,2,3\n", "there twice"),
        ("a,b\n1\n", "f:2: 1 cells; accepted: 2"),
        ("# x\na,b\n\n1,2,3\n", "f:4: 3 cells"),
        ("a,b\n1," + "x" * 200_000, "field larger"),
    ],
)
def test_tables(text: str, words: str) -> None:
    assert words in refusal(table_lines, text, "f", ("a", "b"))


def test_lines_of_a_table_keep_their_numbers() -> None:
    assert table_lines("# said\n b ,a\n\n# more\n 1,x \n", "f", ("a",)) == [(5, {"b": "1", "a": "x"})]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\n  b", "a b"),
        ("a\x1b[31m", "a\\x1b[31m"),
        ("\ud800", "\\ud800"),
        ("a\x00b\u2028c\td", "a\\x00b c d"),
        ("é  x", "é  x"),
    ],
)
def test_a_message_is_one_line_that_a_terminal_shows_as_it_is(text: str, shown: str) -> None:
    assert one_line(text) == shown == str(InputError(text))


def test_a_long_message_keeps_both_ends() -> None:
    message = str(InputError(f"file.csv: {'x' * 100_000} (accepted: a number)"))
    assert len(message) < 2100
    assert message.startswith("file.csv: x")
    assert message.endswith("x (accepted: a number)")
