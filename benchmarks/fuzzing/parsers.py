"""Every parser, by name."""

from __future__ import annotations

from . import machines, results, words, workloads
from .case import Parser

PARSERS: dict[str, Parser] = {parser.name: parser for part in (workloads, machines, results, words) for parser in part.PARSERS}
