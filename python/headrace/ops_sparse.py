"""Products that skip columns, written down: `sparse_matvec:m=4096,k=14336,format=q4_k,density=0.5`.

Like `headrace.ops.OpSpec`, objects for the line; T is f32, or bf16 with `activations="bf16"`:

    select_columns  x [K] T         -> indices [K] i32, count [1] i32
    sparse_matvec   x [K] T, w MxK  -> y [M] f32: w x over the columns with |x| > threshold

`sparse_matvec` selects and multiplies in one program. Its weight is in bands whose columns are each
in one piece (`q4_k:zigzag1024`); where `format` names no band, the target has one for the rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from headrace import formats
from headrace.errors import UsageError, unknown
from headrace.formats import zigzag
from headrace.ops_text import check_positive, packed, read_items, read_number, tensor

if TYPE_CHECKING:
    from headrace import ir

__all__ = ["SelectSpec", "SparseSpec", "default_band"]

ACTIVATIONS = ("f32", "bf16")
DENSITY = 0.5
# Magnitudes are compared as f32.
_LARGEST = 3.4e38
_ORDER = ("m", "k", "format", "activations", "density", "threshold")
_EXAMPLE = {"m": "4096", "k": "14336", "format": "q4_k"}

_Spec = TypeVar("_Spec", bound="SelectSpec")


def default_band(rows: int) -> int:
    """Rows of a band of a weight of that many rows: 1024, whose pieces share few sectors of memory
    with their neighbours, unless that pads more than a sixteenth; then 256."""
    return 1024 if -rows % 1024 <= rows // 16 else 256


@dataclass(frozen=True, kw_only=True)
class SelectSpec:
    """Which columns have large activations.

    k: columns.
    activations: f32 or bf16.
    density: share of the columns that is expected to be selected; 0.5 if neither it nor a threshold
        is given. The threshold is then the one of normal activations with variance 1.
    threshold: what the magnitude of an activation must be above.

    Raises `UsageError` for anything that cannot be built, naming what is allowed.
    """

    op: ClassVar[str] = "select_columns"

    k: int
    activations: str = "f32"
    density: float | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        check_positive(self.op, "k", self.k)
        if self.activations not in ACTIVATIONS:
            raise unknown(f"activation type of {self.op}", self.activations, ACTIVATIONS)
        if self.density is not None and self.threshold is not None:
            raise UsageError(
                f"{self.op}: expected a density or a threshold, but got "
                f"density={self.density} and threshold={self.threshold}"
            )
        if self.density is not None and not _is_number(self.density, above=0, most=1):
            raise UsageError(
                f"{self.op}: expected density to be above 0 and at most 1, but got {self.density!r}"
            )
        if self.threshold is not None and not (
            self.threshold == 0 or _is_number(self.threshold, above=0, most=_LARGEST)
        ):
            raise UsageError(
                f"{self.op}: expected threshold to be an f32 of at least 0, "
                f"but got {self.threshold!r}"
            )

    @classmethod
    def parse(cls: type[_Spec], text: str) -> _Spec:
        """Read the written form; the inverse of `str`."""
        parameters = {
            field.name: _EXAMPLE[field.name] if field.default is MISSING else None
            for field in fields(cls)
        }
        kinds: dict[str, Any] = {"m": int, "k": int, "density": float, "threshold": float}
        found: dict[str, Any] = {
            name: read_number(cls.op, name, value, kinds[name]) if name in kinds else value
            for name, value in read_items(cls.op, text, parameters).items()
        }
        return cls(**found)

    def __str__(self) -> str:
        found = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }
        return f"{self.op}:{','.join(f'{name}={found[name]}' for name in _ORDER if name in found)}"

    @property
    def limit(self) -> float:
        """The threshold, given or that of the density."""
        if self.threshold is not None:
            return self.threshold
        density = DENSITY if self.density is None else self.density
        return NormalDist().inv_cdf(1 - density / 2) if density < 1 else 0.0

    @property
    def expected_density(self) -> float:
        """The density, given or that of the threshold with normal activations."""
        if self.threshold is not None:
            return math.erfc(self.threshold / math.sqrt(2))
        return DENSITY if self.density is None else self.density

    @property
    def weights(self) -> tuple[str, ...]:
        """Names of the weight arguments."""
        return ()

    def _selection(self) -> list[str]:
        """Lines that make %indices and %count of %x."""
        x, indices = tensor((self.k,), self.activations), tensor((self.k,), "i32")
        one = tensor((1,), "i32")
        return [
            f"%i = tensor.empty() : {indices}",
            f"%n = tensor.empty() : {one}",
            f"%indices, %count = qlinear.select_columns threshold = {self.limit:.9e} "
            f"ins(%x : {x}) outs(%i, %n : {indices}, {one}) -> {indices}, {one}",
        ]

    def text(self) -> str:
        """The module as MLIR text."""
        x, indices = tensor((self.k,), self.activations), tensor((self.k,), "i32")
        one = tensor((1,), "i32")
        lines = [
            f'func.func @main(%x: {x} {{headrace.name = "x"}}) -> '
            f'({indices} {{headrace.name = "indices"}}, {one} {{headrace.name = "count"}}) {{',
            *(f"  {line}" for line in self._selection()),
            f"  return %indices, %count : {indices}, {one}",
            "}",
        ]
        return "\n".join([*lines, ""])

    def build(self, context: ir.Context | None = None) -> ir.Module:
        """The module, in `context` or a new one. Needs the compiler's native library."""
        from headrace import ir

        return ir.Module.parse(self.text(), context if context is not None else ir.Context())

    def laid_out(self: _Spec, band: Callable[[int], int] = default_band) -> _Spec:
        """The same with its weights in bands; `band` has the rows of one for a number of rows."""
        del band
        return self


@dataclass(frozen=True, kw_only=True)
class SparseSpec(SelectSpec):
    """The product with the columns whose activations are large, their selection included.

    m: rows.
    format: of blocks, such as q4_k, or already in bands, such as q4_k:zigzag1024.
    """

    op: ClassVar[str] = "sparse_matvec"

    m: int
    format: str

    def __post_init__(self) -> None:
        check_positive(self.op, "m", self.m)
        super().__post_init__()
        form = formats.get(self.format)
        if form.holds_activations:
            raise UsageError(
                f"{self.op}: format '{self.format}' does not hold weights; allowed: for example "
                "q4_k, q8_0:zigzag1024"
            )
        self.laid_out().form.padded_shape(self.m, self.k)

    @property
    def form(self) -> formats.Format:
        """The weight's format."""
        return formats.get(self.format)

    @property
    def weights(self) -> tuple[str, ...]:
        """Names of the weight arguments."""
        return ("w",)

    def laid_out(self, band: Callable[[int], int] = default_band) -> SparseSpec:
        """The same with its weight in bands; `band` has the rows of one for a number of rows."""
        if zigzag.split(self.format) is not None:
            return self
        return replace(self, format=zigzag.make(self.form, band(self.m)).name)

    def text(self) -> str:
        """The module as MLIR text; a weight that has no bands yet is put in the default ones."""
        weight = packed(self.m, self.k, self.laid_out().format)
        x, y = tensor((self.k,), self.activations), tensor((self.m,), "f32")
        kinds = f"{weight}, {x}, {tensor((self.k,), 'i32')}, {tensor((1,), 'i32')}"
        lines = [
            f'func.func @main(%x: {x} {{headrace.name = "x"}}, '
            f'%w: {weight} {{headrace.name = "w"}}) -> ({y} {{headrace.name = "y"}}) {{',
            *(f"  {line}" for line in self._selection()),
            f"  %empty = tensor.empty() : {y}",
            f"  %y = qlinear.sparse_matvec ins(%w, %x, %indices, %count : {kinds}) "
            f"outs(%empty : {y}) {{headrace.density = {self.expected_density:.9e} : f64}} -> {y}",
            f"  return %y : {y}",
            "}",
        ]
        return "\n".join([*lines, ""])


def _is_number(value: object, *, above: float, most: float) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and above < value <= most  # type: ignore[operator]
