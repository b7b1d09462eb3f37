"""Pages as one file: styles, scripts and data inside, nothing from outside, and everything shown is escaped.

A content security policy names the page's own scripts by their digests, so that nothing else can run in it
even if some text were to slip through unescaped.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ..simulator.report import version

__all__ = ["page"]

_FOLDER = Path(__file__).parent / "templates"
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def page(
    template: str, *, title: str, data: Mapping[str, Any], scripts: Sequence[str], images: bool = False, **context: Any
) -> str:
    """Fill a template; `data` is what its scripts (files beside it) read, JSON without NaN.

    With `images` it may show pictures that are written into it as `data:` addresses.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["narrow"] = lambda text: str(text).replace(" ", "\u202f")
    script = "".join(("(() => {\n", *(_asset(name) for name in scripts), "})();\n"))
    inline = {"style": _style(), "theme": _asset("theme.js"), "script": script}
    return environment.get_template(template).render(
        title=title,
        version=version(),
        policy=_policy(inline["style"], [inline["theme"], inline["script"]], images),
        data=Markup(json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False).translate(_ESCAPES)),
        **{name: Markup(text) for name, text in inline.items()},
        **context,
    )


def _policy(style: str, scripts: Sequence[str], images: bool) -> str:
    """The page's content security policy."""
    allowed = " ".join(_digest(text) for text in scripts)
    shown = "img-src data:; " if images else ""
    return f"default-src 'none'; {shown}style-src {_digest(style)}; script-src {allowed}; base-uri 'none'; form-action 'none'"


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _style() -> str:
    """The style sheet, with the dark values where the system or the reader asks for them."""
    dark = _asset("dark.css")
    return (
        f"{_asset('style.css')}\n[data-theme=dark] {{\n{dark}}}\n"
        f"@media (prefers-color-scheme: dark) {{ :root:not([data-theme=light]) {{\n{dark}}} }}\n"
    )


@cache
def _asset(name: str) -> str:
    """A file of the templates folder, which is ours and holds no `</script`."""
    return (_FOLDER / name).read_text(encoding="utf-8")
