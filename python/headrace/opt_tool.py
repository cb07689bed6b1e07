"""The `headrace-opt` executable that belongs to this installation."""

import os
import sys
from pathlib import Path

from headrace.errors import ToolMissingError

__all__ = ["main", "path"]


def path() -> Path:
    """Where headrace-opt lies: inside the package, in a wheel and in a build tree alike.

    Raises `ToolMissingError` if the package was built without it.
    """
    tool = Path(__file__).parent / "bin" / "headrace-opt"
    if not tool.exists():
        raise ToolMissingError(
            f"headrace-opt is not at {tool}; expected a wheel, or a source tree after `make build`"
        )
    return tool


def main() -> None:
    """Become headrace-opt, with this process's arguments."""
    try:
        tool = path()
    except ToolMissingError as error:
        sys.exit(f"headrace-opt: {error}")
    os.execv(tool, [str(tool), *sys.argv[1:]])


if __name__ == "__main__":
    main()
