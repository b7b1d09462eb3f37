"""What every page must hold to, read with the standard library's parser; and a browser, where there is one."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

NASTY = "</script><script>window.hacked=1</script><img src=x onerror=\"window.hacked=1\">'\"&\u2028[b]x[/b]"
"""A name that tries everything."""
_VOID = {"meta", "link", "input", "br", "hr", "img"}
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


class Page(HTMLParser):
    """A page's elements, and every fault in its structure."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text_of_page = text
        self.open: list[str] = []
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.words: list[str] = []
        self.feed(text)
        self.close()
        if self.open:
            self.faults.append(f"not closed: {self.open}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.faults.append(f"<{tag}> has an attribute twice")
        found = {name: value or "" for name, value in attrs}
        self.elements.append((tag, found))
        if "id" in found:
            self.ids.append(found["id"])
        if tag in self.raw:
            self.raw[tag].append("")
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            self.faults.append(f"</{tag}> closes {self.open[-3:]}")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        inside = self.open[-1] if self.open else ""
        if inside in self.raw:
            self.raw[inside][-1] += data
        else:
            self.words.append(data)

    @property
    def shown(self) -> str:
        """The text that a reader sees before any script runs."""
        return " ".join(" ".join(self.words).split())

    @property
    def data(self) -> dict[str, Any]:
        """What the scripts read."""
        return json.loads(next(text for text in self.raw["script"] if text.startswith("{")))


def check_page(path: Path) -> Page:
    """Read a page; assert that it is well formed, complete in itself, and guarded."""
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert not page.faults
    assert text.startswith("<!doctype html>")
    assert len(page.ids) == len(set(page.ids))
    for tag, attributes in page.elements:
        for name in ("src", "href", "action", "data", "srcset", "poster"):
            assert attributes.get(name, "#").startswith("#"), f"<{tag} {name}> points outside"
        assert tag not in ("link", "iframe", "object", "embed", "img", "base")
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        for name in ("aria-labelledby", "for"):
            assert attributes.get(name, page.ids[0]) in page.ids
    addresses = set(re.findall(r"[a-z]+://[^\s\"'<>)]+", text)) - {"http://www.w3.org/2000/svg"}
    assert not addresses
    assert not re.search(r"@import|url\(|import\s*\(|fetch\(|XMLHttpRequest|WebSocket|sendBeacon|innerHTML|outerHTML"
                         r"|insertAdjacentHTML|document\.write|eval\(|new Function", text)  # fmt: skip
    policy = next(a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    kinds = [a.get("type", "") for tag, a in page.elements if tag == "script"]
    for kind, script in zip(kinds, page.raw["script"], strict=True):
        assert (kind == "application/json") or _digest(script) in policy
    assert all(_digest(style) in policy for style in page.raw["style"])
    return page


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def in_browser(path: Path, folder: Path, script: str = "", width: int = 1280) -> dict[str, Any]:
    """Open a page without a screen, run a script in it, and return what that and the page left behind.

    The script may `put(name, value)`; `errors` and `violations` (of the policy) are always there.
    """
    text = path.read_text(encoding="utf-8")
    found = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', text)
    assert found is not None
    watch = (
        "window.left = {errors: [], violations: []};"
        "addEventListener('error', (e) => left.errors.push(String(e.message)));"
        "for (const kind of ['error', 'warn']) console[kind] = (...w) => left.errors.push(kind + ': ' + w.join(' '));"
        "addEventListener('unhandledrejection', (e) => left.errors.push(String(e.reason)));"
        "addEventListener('securitypolicyviolation', (e) => left.violations.push(e.violatedDirective + ' ' + e.sourceFile));"
    )
    drive = (
        "const put = (name, value) => { left[name] = value; };"
        "const fire = (node, kind, more = {}) => node.dispatchEvent(new (kind.startsWith('key') ? KeyboardEvent : "
        "kind.startsWith('pointer') ? PointerEvent : kind === 'click' ? MouseEvent : Event)(kind, {bubbles: true, ...more}));"
        f"try {{ (() => {{ {script} }})(); }} catch (e) {{ left.errors.push('drive: ' + e.stack); }}"
        "const out = document.createElement('pre'); out.id = 'left'; "
        # By now everything that is drawn in a later frame is there.
        "setTimeout(() => { out.textContent = JSON.stringify({...left, "
        "ready: document.documentElement.dataset.ready ?? null, "
        "requests: performance.getEntriesByType('resource').map((entry) => entry.name), "
        "right: Math.max(...[...document.querySelectorAll('main *')].filter((n) => !n.closest('.scroll, .unseen'))"
        ".map((n) => n.getBoundingClientRect().right))}); "
        "document.body.append(out); }, 300);"
    )
    policy = found.group(1).replace("script-src ", f"script-src 'sha256-{_digest(watch)}' 'sha256-{_digest(drive)}' ")
    driven = text.replace(found.group(1), policy).replace("<title>", f"<script>{watch}</script><title>", 1)
    driven = driven.replace("</body>", f"<script>{drive}</script></body>")
    target = folder / "driven.html"
    target.write_text(driven, encoding="utf-8")
    done = subprocess.run(
        [BROWSER or "", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
         f"--user-data-dir={tempfile.mkdtemp(dir=folder)}", f"--window-size={width},1000", "--virtual-time-budget=8000",
         "--dump-dom", target.as_uri()],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    result = re.search(r'<pre id="left">(.*?)</pre>', done.stdout, re.S)
    assert result is not None, done.stderr[-2000:]
    return json.loads(html.unescape(result.group(1)))
