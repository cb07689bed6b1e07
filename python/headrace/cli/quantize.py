"""`headrace quantize`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.cli.common import JsonOption, console, print_json, print_table, progress_bar
from headrace.errors import UsageError

if TYPE_CHECKING:
    from headrace.quantize.report import QuantizeReport

__all__ = ["command"]


def command(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            help="A safetensors or GGUF file, or a folder with config.json and safetensors.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="OUT", help="A .gguf, .q4nx or .safetensors file."),
    ],
    weights: Annotated[
        str,
        typer.Option(
            "--weights", "-w", metavar="FORMAT", help="Of linear layers and embeddings: q4_k, q8_0."
        ),
    ],
    fallback: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT",
            help="Where columns do not fill blocks; 'error' refuses. [default: q8_0; .q4nx: bf16]",
        ),
    ] = None,
    tensor: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN=FORMAT", help="Another format, by name. The first decides."),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Tensors that stay as they are stored."),
    ] = None,
    requantize: Annotated[
        bool, typer.Option("--requantize", help="Also quantize what is quantized already.")
    ] = False,
    importance: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="How much each column matters: llama.cpp's imatrix or safetensors."
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", "-j", help="[default: all CPUs]", min=1)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the error of each tensor (.png, .svg, .pdf)."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Quantize a model's weights into a GGUF, q4nx or safetensors file.

    Matrices of linear layers and embeddings are quantized. Vectors, norms, tables of positions
    and token types, and routers stay in float. The report says what each tensor became, why, and
    how far its values are from those of IN.
    """
    from headrace.quantize import quantize_model
    from headrace.quantize.report import check_plot_path

    if plot is not None:
        check_plot_path(plot)
    with progress_bar("quantizing weights") as progress:
        report = quantize_model(
            source,
            output,
            weights,
            fallback=fallback,
            tensors=_patterns(tensor or []),
            keep=keep or [],
            requantize=requantize,
            importance=importance,
            threads=threads,
            force=force,
            progress=progress,
        )
    if json:
        print_json(report.to_json())
    else:
        _print(report)
    if plot is not None:
        report.plot(plot)


def _patterns(given: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        pattern, equals, form = text.rpartition("=")
        if not equals or not pattern or not form:
            raise UsageError(f"quantize: --tensor: expected PATTERN=FORMAT, but got '{text}'")
        found.setdefault(pattern, form)
    return found


def _print(report: QuantizeReport) -> None:
    screen = console()
    head = ("tensor", "shape", "from", "to", "bits", "error", "largest", "bytes", "")
    rows = [
        (
            row.name,
            "x".join(map(str, row.shape)),
            row.source_format,
            row.format,
            f"{row.bits_per_weight:.2f}",
            f"{row.relative_rmse:.3%}",
            f"{row.max_error:.2g}",
            f"{row.nbytes:,}",
            row.reason,
        )
        for row in report.tensors
        if row.changed or row in report.fallen_back
    ]
    if rows:
        print_table(head, rows)
    shown = {row[0] for row in rows}
    others = [row for row in report.tensors if row.name not in shown]
    groups = Counter((row.action, row.format, row.reason) for row in others)
    for (action, form, reason), count in groups.items():
        size = sum(
            r.nbytes for r in others if (r.action, r.format, r.reason) == (action, form, reason)
        )
        why = f": {reason}" if reason else ""
        screen.print(f"{count} {action} as {form}{why}, {size:,} bytes", markup=False)
    if report.fallen_back:
        kinds = ", ".join(sorted({row.format for row in report.fallen_back}))
        screen.print(
            f"{len(report.fallen_back)} of {len(report.tensors)} tensors are {kinds}, not "
            f"{report.weights}: their shapes do not fill its blocks",
            markup=False,
        )
    for note in report.notes:
        screen.print(f"note: {note}", markup=False)
    screen.print(
        f"{report.output}: {report.nbytes:,} bytes of {report.source_bytes:,}, "
        f"{report.bits_per_weight:.2f} bits a weight, error {report.relative_rmse:.3%} of the "
        f"quantized weights, {report.seconds:.1f} s",
        markup=False,
    )
