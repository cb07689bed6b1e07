"""What quantizing a model did: each tensor's format, size and error, as a table, JSON or a plot."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from headrace.errors import ToolMissingError, UsageError
from headrace.quantize.plan import FALLBACK

__all__ = ["QuantizeReport", "TensorReport", "check_plot_path"]

_PICTURES = (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class TensorReport:
    """One tensor of the output.

    name, source_name:     in the output and in the input
    source_format, format: as `headrace.files` names them
    action:  "quantized"; "requantized" (from values that were quantized before); "converted"
             (between plain types); "copied" (the same bytes, or the same values as float32)
    reason:  why it is not in the format that was asked for; "" if it is
    nbytes:  in the output
    rmse, relative_rmse, max_error: of its values against those of the input (dequantized, where
             that is quantized), as in `QuantizedMatrix`; 0 for exact ones
    importance: whether columns were weighed by an importance
    """

    name: str
    source_name: str
    shape: tuple[int, ...]
    source_format: str
    format: str
    action: str
    reason: str
    nbytes: int
    rmse: float = 0.0
    relative_rmse: float = 0.0
    max_error: float = 0.0
    importance: bool = False

    @property
    def weights(self) -> int:
        """How many values it has."""
        return math.prod(self.shape)

    @property
    def bits_per_weight(self) -> float:
        """Bits in the output for each value: scales, padding and headers included."""
        return self.nbytes * 8 / max(self.weights, 1)

    @property
    def changed(self) -> bool:
        """Whether it is quantized now, by this."""
        return self.action in ("quantized", "requantized")


@dataclass(frozen=True)
class QuantizeReport:
    """What `quantize_model` did.

    container:    "gguf", "q4nx" or "safetensors"
    weights, fallback: formats that were asked for
    architecture: `general.architecture` of a GGUF file, else None
    runnable:     whether llama.cpp is expected to run the GGUF file; None for other containers
    notes:        what the reader should know: what was left out, why it will not run
    tensors:      in the order of the input
    """

    source: Path
    output: Path
    container: str
    weights: str
    fallback: str
    architecture: str | None
    runnable: bool | None
    notes: tuple[str, ...]
    tensors: tuple[TensorReport, ...] = field(repr=False)
    source_bytes: int = 0
    seconds: float = 0.0

    @property
    def quantized(self) -> list[TensorReport]:
        """The tensors that were quantized."""
        return [tensor for tensor in self.tensors if tensor.changed]

    @property
    def fallen_back(self) -> list[TensorReport]:
        """The tensors that could not have the format that was asked for."""
        return [tensor for tensor in self.tensors if tensor.reason.startswith(FALLBACK)]

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors in the output."""
        return sum(tensor.nbytes for tensor in self.tensors)

    @property
    def bits_per_weight(self) -> float:
        """Stored bits for each value of the model."""
        return self.nbytes * 8 / max(sum(tensor.weights for tensor in self.tensors), 1)

    @property
    def relative_rmse(self) -> float:
        """Root mean squared error of all quantized values over their root mean square."""

        def total(size: Callable[[TensorReport], float]) -> float:
            return math.fsum(size(tensor) ** 2 * tensor.weights for tensor in self.quantized)

        values = total(lambda t: t.rmse / t.relative_rmse if t.relative_rmse else 0.0)
        return math.sqrt(total(lambda t: t.rmse) / values) if values else 0.0

    def to_json(self) -> dict[str, Any]:
        """The same for machines: paths as text, sizes in bytes."""
        rows = []
        for tensor in self.tensors:
            row = asdict(tensor)
            row["shape"] = list(tensor.shape)
            row["bits_per_weight"] = tensor.bits_per_weight
            rows.append(row)
        return {
            "source": str(self.source),
            "output": str(self.output),
            "container": self.container,
            "weights": self.weights,
            "fallback": self.fallback,
            "architecture": self.architecture,
            "runnable": self.runnable,
            "notes": list(self.notes),
            "tensors": rows,
            "totals": {
                "tensors": len(rows),
                "quantized": len(self.quantized),
                "fallen_back": len(self.fallen_back),
                "source_bytes": self.source_bytes,
                "bytes": self.nbytes,
                "bits_per_weight": self.bits_per_weight,
                "relative_rmse": self.relative_rmse,
                "seconds": self.seconds,
            },
        }

    def plot(self, path: str | Path) -> None:
        """Draws the relative error of each quantized tensor, a color for a format.

        path: a .png, .svg or .pdf file. UsageError if nothing was quantized; ToolMissingError
        without matplotlib.
        """
        target = check_plot_path(path)
        rows = self.quantized
        if not rows:
            raise UsageError(f"{target}: nothing was quantized; expected a tensor to plot")
        try:
            import matplotlib
        except ImportError:
            raise ToolMissingError(
                "quantize: a plot needs matplotlib; `pip install matplotlib`"
            ) from None
        matplotlib.use("Agg")
        from matplotlib import pyplot

        names = list(dict.fromkeys(row.format for row in rows))
        figure, axes = pyplot.subplots(figsize=(10, max(3.0, 0.2 * len(rows) + 1.5)))
        for index, name in enumerate(names):
            places = [place for place, row in enumerate(rows) if row.format == name]
            errors = [rows[place].relative_rmse * 100 for place in places]
            axes.barh(places, errors, color=f"C{index % 10}", label=name)
        axes.set_yticks(range(len(rows)), [row.name for row in rows], fontsize=6)
        axes.invert_yaxis()
        axes.margins(y=0.01)
        axes.set_xlabel("error, % of the root mean square of the weights")
        axes.set_title(f"{self.output.name}: {self.bits_per_weight:.2f} bits a weight")
        axes.legend(title="format", fontsize="small")
        figure.tight_layout()
        try:
            figure.savefig(target, dpi=120)
        except OSError as error:
            raise UsageError(f"{target}: cannot write: {error.strerror or error}") from error
        finally:
            pyplot.close(figure)


def check_plot_path(path: str | Path) -> Path:
    """The path of a picture; UsageError, before any work, if it cannot be one."""
    target = Path(path)
    if target.suffix.lower() not in _PICTURES:
        raise UsageError(
            f"{target}: expected a picture, but got '{target.suffix}'; allowed: "
            f"{', '.join(_PICTURES)}"
        )
    if not target.absolute().parent.is_dir():
        raise UsageError(f"{target}: expected its folder to exist")
    return target
