"""The application that every command adds itself to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from ..errors import CyclescapeError, Interrupted

__all__ = ["Halted", "app", "resumable"]

app = typer.Typer(
    name="cyclescape",
    help="Simulate accelerators cycle by cycle and explore their design spaces.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Halted(CyclescapeError):
    """Ctrl-C in the middle of something that is kept; the message says how to go on."""


@contextmanager
def resumable() -> Iterator[None]:
    """Let Ctrl-C end a search or sweep with what is kept and how to go on (typer itself would say nothing)."""
    try:
        yield
    except Interrupted as stop:
        raise Halted(str(stop)) from None


@app.callback(invoke_without_command=True)
def _version(
    ctx: typer.Context, version: bool = typer.Option(False, "--version", help="Print the version and exit.")
) -> None:
    if version:
        from ..simulator.report import version as installed

        print(installed())
        raise typer.Exit
