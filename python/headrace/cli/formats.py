"""`headrace formats`."""

from __future__ import annotations

from headrace.cli.common import JsonOption, print_json, print_table

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
    print_table(
        ("format", "block", "bits per value", "attribute"),
        [
            (
                form.name,
                "x".join(map(str, form.block_shape)),
                f"{form.bits_per_weight:g}",
                form.attribute,
            )
            for form in found
        ],
    )
