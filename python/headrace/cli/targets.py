"""`headrace targets`."""

from __future__ import annotations

from typing import Any

from headrace.cli.common import JsonOption, console, print_json, print_table

__all__ = ["command"]


def command(json: JsonOption = False) -> None:
    """List the targets and what each claims to compile."""
    from headrace.targets import find, installed

    found = [find(name) for name in installed()]
    if json:
        print_json({"targets": [target.to_json() for target in found]})
        return
    screen = console()
    for target in found:
        screen.print(f"[bold]{target.name}[/]  {target.summary}")
        if target.options:
            screen.print(f"  options: {', '.join(f'{target.name}:{o}' for o in target.options)}")
        head = ("operation", "format", "activations", "constraints", "proof")
        print_table(head, _merged(target.to_json()["cells"]))


def _merged(cells: list[dict[str, Any]]) -> list[tuple[str, str, str, str, str]]:
    """One row for all activation types of an operation and format."""
    rows: dict[tuple[str, str, str, str], list[str]] = {}
    for cell in cells:
        limits = ", ".join(f"{name} {value}" for name, value in cell["constraints"].items())
        key = (cell["op"], cell["format"], limits, cell["proof"])
        rows.setdefault(key, []).append(cell.get("activations", "-"))
    return [(op, form, " ".join(a), limits, proof) for (op, form, limits, proof), a in rows.items()]
