"""What the site needs beyond MkDocs: pages from files outside of docs/, and a navigation of what is there.

Notebooks, CONTRIBUTING.md and CHANGELOG.md become pages, and links to them lead there. A link to any other file of the
repository becomes its name as code, since a site has no sources to lead to.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
_PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "README.md": "index.md"}
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """Drop pages that are not there from the navigation."""
    config.nav = _there(config.nav, Path(config.docs_dir))
    return config


def _there(nav: Any, docs: Path) -> Any:
    if isinstance(nav, list):
        return [kept for item in nav if (kept := _there(item, docs))]
    if isinstance(nav, dict):
        return {title: kept for title, item in nav.items() if (kept := _there(item, docs))}
    made = nav.startswith("notebooks/") or nav in _PAGES.values()
    return nav if made or (docs / nav).exists() else None


def on_files(files: Any, config: Any) -> Any:
    """Add what is made of files outside of docs/."""
    for name, page in _PAGES.items():
        if page != "index.md":
            text = _relinked((ROOT / name).read_text("utf-8"), "", page)
            files.append(File.generated(config, page, content=text))
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        page = f"notebooks/{notebook.stem}.md"
        files.append(File.generated(config, page, content=_relinked(_markdown(notebook), "notebooks", page)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Lead links that leave docs/ to the pages made of their files."""
    source = page.file.src_uri
    if page.file.generated_by:
        return markdown
    return _relinked(markdown, posixpath.join("docs", posixpath.dirname(source)), source)


def _relinked(text: str, folder: str, page: str) -> str:
    """Rewrite links of a text that stands in `folder` of the repository and becomes `page` of the site."""

    def link(found: re.Match[str]) -> str:
        image, words, target, anchor = found.group(1), found.group(2), found.group(3), found.group(4) or ""
        path = posixpath.normpath(posixpath.join(folder, target))
        if path in _PAGES:
            place = _PAGES[path]
        elif path.startswith("notebooks/") and path.endswith(".ipynb"):
            place = path.removesuffix(".ipynb") + ".md"
        elif path.startswith("docs/") and (ROOT / path).is_file():
            place = path.removeprefix("docs/")
        elif (ROOT / path).exists():
            return f"{words} (`{path}`)"
        else:
            return found.group(0)  # MkDocs says that it leads nowhere
        return f"{image}[{words}]({posixpath.relpath(place, posixpath.dirname(page) or '.')}{anchor})"

    return _LINK.sub(link, text)


def _markdown(notebook: Path) -> str:
    """A notebook's text and code; it is stored without outputs."""
    parts = [f"*A notebook: `jupyter lab notebooks/{notebook.name}` runs it.*"]
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    for cell in cells:
        source = "".join(cell["source"]).rstrip()
        if cell["cell_type"] == "markdown":
            parts.append(source)
        elif source:
            parts.append(f"```python\n{source}\n```")
    return "\n\n".join([parts[1], parts[0], *parts[2:]]) + "\n"
