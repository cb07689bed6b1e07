"""`headrace formats`."""

from __future__ import annotations

from headrace.cli.common import JsonOption, console, print_json

__all__ = ["command"]


def command(json: JsonOption = False) -> None:
    """List the storage formats of weights and activations."""
    from headrace import formats

    found = [formats.get(name) for name in formats.names()]
    rows = [
        {
            "name": form.name,
            "attribute": form.attribute,
            "block": list(form.block_shape),
            "bits_per_weight": form.bits_per_weight,
        }
        for form in found
    ]
    if json:
        print_json({"formats": rows})
        return
    from rich.table import Table

    table = Table("format", "block (rows x columns)", "bits per value", "attribute")
    for form in found:
        block = "x".join(map(str, form.block_shape))
        table.add_row(form.name, block, f"{form.bits_per_weight:g}", form.attribute)
    console().print(table)
