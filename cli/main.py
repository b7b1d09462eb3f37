"""Running a command, and what happens when one fails.

Every command takes --json: stdout then carries one JSON document and nothing else. Progress and warnings go
to stderr. What is the user's to mend is one line on stderr and exit code 2.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any, NoReturn

import typer

from ..errors import CyclescapeError
from . import (  # each adds its commands
    checks,  # noqa: F401
    compare,  # noqa: F401
    dataset,  # noqa: F401
    experiment,  # noqa: F401
    explore,  # noqa: F401
    fit,  # noqa: F401
    listing,  # noqa: F401
    policy,  # noqa: F401
    run,  # noqa: F401
    surrogate,  # noqa: F401
    sweeps,  # noqa: F401
)
from .app import Halted, app

__all__ = ["main"]

CommandError: type[Exception] = typer.BadParameter.__mro__[2]
"""Base of typer's own errors (an unknown command, a missing argument), which it does not export."""


def main() -> None:
    """Run the command line; never ends in a traceback for what a user can mend."""
    warnings.showwarning = _warn
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except Halted as halted:
        _stop(str(halted), 130)
    except CyclescapeError as error:
        _stop(str(error), 2)
    except CommandError as error:
        _stop(error.format_message().replace(": Value error, ", ": "), 2)  # type: ignore[attr-defined]
    except (KeyboardInterrupt, typer.Abort):
        _stop("interrupted", 130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _stop(f"{where}{error.strerror or error}", 2)


def _stop(message: str, code: int) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"warning: {message}", file=sys.stderr)
