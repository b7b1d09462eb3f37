"""Mutators of bytes, of lines and fields, and of trees (JSON, YAML)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

import yaml

from . import hostile

_FIELD = re.compile(r"[^\s,;:=()\[\]{}|+/*<>#]+")
_NUMBER = re.compile(r"(?<![A-Za-z_])-?\d+(?:\.\d+)?(?:[eE]-?\d+)?|0x[0-9a-fA-F]+")


def in_bytes(rng: Random, data: bytes) -> bytes:
    """Flip, cut, insert, repeat or move bytes, up to four times."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, end = sorted((rng.randint(0, len(out)), rng.randint(0, len(out))))
        kind = rng.randrange(7)
        if kind == 0 and out:
            out[at % len(out)] ^= 1 << rng.randrange(8)
        elif kind == 1 and out:
            out[at % len(out)] = rng.choice((0, 0xFF, 0x80, 0x0A, rng.randrange(256)))
        elif kind == 2:
            del out[at:]
        elif kind == 3:
            del out[at : min(end, at + 64)]
        elif kind == 4:
            out[at:at] = rng.randbytes(rng.choice((1, 4, 64)))
        elif kind == 5:
            out[at:at] = out[at : min(end, at + 256)] * rng.choice((1, 3, 20))
        else:
            piece = out[at:end][:128]
            del out[at : at + len(piece)]
            place = rng.randint(0, len(out))
            out[place:place] = piece
    return bytes(out)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def in_lines(rng: Random, data: bytes) -> bytes:
    """Drop, repeat, swap, join or lengthen lines; replace or drop fields and numbers."""
    lines = data.decode("utf-8", "replace").split("\n")
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(lines))
        line = lines[at]
        kind = rng.randrange(12)
        if kind == 0 and len(lines) > 1:
            del lines[at]
        elif kind == 1:
            lines[at:at] = [line] * rng.choice((1, 1, 2, 300))
        elif kind == 2:
            other = rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        elif kind == 3:
            lines[at] = line[: rng.randint(0, len(line))]
        elif kind == 4:
            lines[at] = rng.choice((line * 2000, line + "," * 5000, " " * 100_000 + line))[:400_000]
        elif kind == 5:
            lines.insert(at, hostile.text(rng))
        elif kind in (6, 7, 8):
            lines[at] = _replaced(rng, line, _NUMBER, hostile.number)
        elif kind in (9, 10):
            lines[at] = _replaced(rng, line, _FIELD, hostile.text if rng.random() < 0.6 else hostile.number)
        else:
            fields = list(_FIELD.finditer(line))
            if len(fields) > 1:
                one, other_ = rng.sample(fields, 2)
                lines[at] = line[: one.start()] + other_[0] + line[one.end() :]
        if not lines:
            lines = [""]
    return _encoded("\n".join(lines))


def _replaced(rng: Random, line: str, pattern: re.Pattern[str], new: Callable[[Random], str]) -> str:
    found = list(pattern.finditer(line))
    if not found:
        return line + new(rng)
    one = rng.choice(found)
    return line[: one.start()] + new(rng) + line[one.end() :]


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to every node below the root."""
    found: list[tuple[Any, ...]] = []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, item in items:
        found += [(*path, key), *places(item, (*path, key))]
    return found


def in_tree(rng: Random, tree: Any) -> Any:
    """Replace, drop, rename, wrap, repeat or swap nodes of what JSON or YAML hold; the tree itself is changed."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        paths = places(tree)
        if not paths or rng.random() < 0.02:
            return hostile.value(rng)
        path = rng.choice(paths)
        parent = _at(tree, path[:-1])
        key, old = path[-1], _at(tree, path)
        kind = rng.randrange(10)
        if kind < 5:
            parent[key] = hostile.value(rng)
        elif kind == 5:
            del parent[key]
        elif kind == 6 and isinstance(parent, dict):
            parent[rng.choice((hostile.text(rng), str(key) + "x", str(key).upper()))] = parent.pop(key)
        elif kind == 7:
            parent[key] = rng.choice(([old], {"a": old}, str(old), {str(old)[:50]: old}))
        elif kind == 8 and isinstance(old, list):
            parent[key] = old * rng.choice((2, 50)) if len(old) < 200 else old[:1]
        elif kind == 8 and isinstance(old, int | float) and not isinstance(old, bool):
            near = min(max(old, -(2**64)), 2**64)  # a real number holds no larger one
            parent[key] = rng.choice((-old, old + 1, old * 2**20, near / 3, str(old), float(near)))
        else:
            other = rng.choice(paths)
            parent[key] = json.loads(json.dumps(_at(tree, other), default=str))
    return tree


def _at(tree: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        tree = tree[step]
    return tree


def as_json(tree: Any) -> bytes:
    """The text of a tree; NaN and lone surrogates stay."""
    return json.dumps(tree, ensure_ascii=True).encode()


def in_json(rng: Random, data: bytes) -> bytes:
    """Change the tree of a JSON document; what is none any more is changed as lines."""
    if rng.random() < 0.05:
        return rng.choice(_JSON)
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return in_lines(rng, data)
    return as_json(in_tree(rng, tree))


def in_yaml(rng: Random, data: bytes) -> bytes:
    """Change the tree of a YAML document, or its form."""
    if rng.random() < 0.25:
        return _yaml_trick(rng, data)
    try:
        return yaml.safe_dump(in_tree(rng, yaml.safe_load(data)), sort_keys=False, allow_unicode=True).encode(
            "utf-8", "surrogatepass"
        )
    except (ValueError, RecursionError, yaml.YAMLError):  # what the writer cannot write
        return in_lines(rng, data)


_LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi")
)
_JSON = (
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"9" * 10_000,
    b"NaN",
    b'"\\ud800"',
    b"{}",
    b"[]",
    b"null",
    b'""',
    b"\xef\xbb\xbf{}",
    b"1e999",
)


def _yaml_trick(rng: Random, data: bytes) -> bytes:
    text = data.decode("utf-8", "replace")
    fields = re.findall(r"^(\s*)([\w.-]+):[ \t]*(\S.*)$", text, re.M)
    indent, key, old = rng.choice(fields) if fields else ("", "a", "b")
    line = f"{indent}{key}: {old}"

    def instead(new: str) -> str:
        return text.replace(line, f"{indent}{key}: {new}", 1)

    return _encoded(
        rng.choice(
            (
                lambda: _LAUGHS + instead("*i"),
                lambda: instead("&r [*r]"),
                lambda: instead("&r {x: *r}"),
                lambda: text + text,
                lambda: instead("2001-01-01"),
                lambda: instead("2001-99-99"),
                lambda: instead("2001-01-01T00:00:00Z"),
                lambda: instead("!!binary AAAA"),
                lambda: instead("!!set {a, b}"),
                lambda: instead("!!omap [a: 1]"),
                lambda: instead("!!float x"),
                lambda: instead("!!int x"),
                lambda: instead("!!python/name:os.system"),
                lambda: instead("1:30:00"),
                lambda: instead(".inf"),
                lambda: instead(".nan"),
                lambda: instead("0x" + "f" * 5000),
                lambda: instead("1" * 5000),
                lambda: instead("on"),
                lambda: instead("|\n  x\n  y"),
                lambda: instead("[" * 3000),
                lambda: instead("{a: " * 900),
                lambda: instead("&x 1\n<<: *x"),
                lambda: f"<<: {{{key}: 1}}\n{text}",
                lambda: f"{text}\n---\n{text}",
                lambda: f"? [a]\n: 1\n{text}",
                lambda: f"? {{a: 1}}\n: 1\n{text}",
                lambda: f"%YAML 9.9\n---\n{text}",
                lambda: f"null: 1\n{text}",
                lambda: f"1.5: 1\n{text}",
                lambda: text.replace("  ", "\t"),
                lambda: instead("[" + "x, " * 30_000 + "]"),
                lambda: "- " * 2000,
                lambda: text + "\n...\nx",
            )
        )()
    )
