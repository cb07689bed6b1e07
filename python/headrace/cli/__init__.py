"""The `headrace` command. One file per command; each is thin over the Python API."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    0: done. 1: the request failed, or a check found an error. 2: the request cannot be meant
    (unknown names, wrong options).
    """
    from headrace.cli.app import app
    from headrace.errors import HeadraceError, UsageError

    try:
        result = app(args=None if arguments is None else list(arguments), standalone_mode=True)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except HeadraceError as error:
        print(f"headrace: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    return result if isinstance(result, int) else 0
