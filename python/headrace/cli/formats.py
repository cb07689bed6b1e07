"""`headrace formats`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.cli.common import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from headrace.formats import Format

__all__ = ["command"]


def command(json: JsonOption = False) -> None:
    """List the storage formats of weights and activations.

    Families with parameters (intB:GROUP, codebook, zigzag, rows) have more members than the usual
    ones that are listed.
    """
    from headrace import formats

    # Stable, so that within a family the order is that of its module.
    found = sorted((formats.get(name) for name in formats.names()), key=family)
    if json:
        print_json({"formats": [row(form) for form in found]})
        return
    print_table(
        ("format", "block", "bits per value", "checked by", "attribute", "what it is"),
        [
            (
                form.name,
                "x".join(map(str, form.block_shape)),
                f"{form.bits_per_weight:g}",
                form.checked_by,
                form.attribute,
                form.summary,
            )
            for form in found
        ],
    )


def family(form: Format) -> str:
    """The family of a format: its attribute without parameters, `gguf`."""
    return form.attribute.removeprefix("#qlinear.").partition("<")[0]


def row(form: Format) -> dict[str, Any]:
    """A format as `headrace formats --json` prints it; bytes and shapes are of one block."""
    return {
        "name": form.name,
        "family": family(form),
        "attribute": form.attribute,
        "summary": form.summary,
        "holds": "activations" if form.holds_activations else "weights",
        "block": list(form.block_shape),
        "block_bytes": form.block_bytes,
        "row_extra_bytes": form.row_extra,
        "bits_per_weight": form.bits_per_weight,
        "pads": form.pads,
        "k_multiple_of": form.k_multiple,
        "checked_by": form.checked_by,
    }
