"""Single operations, written down: `matvec:m=4096,k=14336,format=q4_k,activations=i8`.

An `OpSpec` is that line as an object; `build()` turns it into a module with one function `@main`
whose arguments are the activations, then the weights. Shapes of `main` (M rows, K columns, N
tokens; T is f32, or bf16 with `activations="bf16"`):

    matvec        x [K] T, w MxK                -> y [M] f32
    matmul        x [N, K] T, w MxK             -> y [N, M] f32, y = x w^T
    gated_matvec  x [K] T, gate MxK, up MxK     -> y [M] f32, y = act(gate x) * (up x)
    dequantize    w MxK                         -> y [M, K] f32
    quantize      x [N, K] f32 ([K] if N is 1)  -> y NxK in an activation format

Attention is in `headrace.ops_attention`: `decode` and `prefill`; `select_columns` and
`sparse_matvec` are in `headrace.ops_sparse`. `parse` reads all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from headrace import formats
from headrace.errors import UsageError, one_of, unknown
from headrace.ops_attention import AttentionSpec, DecodeSpec, PrefillSpec
from headrace.ops_sparse import SelectSpec, SparseSpec
from headrace.ops_text import check_positive, function, packed, read_items, read_number, tensor

if TYPE_CHECKING:
    from headrace import ir

__all__ = [
    "ACTIVATIONS",
    "GATES",
    "OPS",
    "AttentionSpec",
    "DecodeSpec",
    "OpSpec",
    "Operation",
    "PrefillSpec",
    "SelectSpec",
    "SparseSpec",
    "decode",
    "dequantize",
    "gated_matvec",
    "matmul",
    "matvec",
    "parse",
    "prefill",
    "quantize",
    "select_columns",
    "sparse_matvec",
]

ACTIVATIONS = ("f32", "bf16", "i8")
GATES = ("silu", "gelu_tanh")

# parameters of each operation, in the order they are written: name -> default, None if required
OPS: Mapping[str, Mapping[str, Any]] = {
    "matvec": {"m": None, "k": None, "format": None, "activations": "f32"},
    "matmul": {"m": None, "k": None, "n": None, "format": None, "activations": "f32"},
    "gated_matvec": {
        "m": None,
        "k": None,
        "format": None,
        "act": "silu",
        "activations": "f32",
    },
    "dequantize": {"m": None, "k": None, "format": None},
    "quantize": {"k": None, "n": 1, "format": "act_i8"},
}


@dataclass(frozen=True)
class OpSpec:
    """One operation with its sizes, weight format and activation type.

    A field that the operation does not have keeps its default. Raises `UsageError` for anything
    that cannot be built, naming what is allowed.
    """

    op: str
    m: int = 0
    k: int = 0
    n: int = 1
    format: str = ""
    activations: str = "f32"
    act: str = "silu"

    def __post_init__(self) -> None:
        if self.op not in OPS:
            raise unknown("operation", self.op, OPS)
        parameters = OPS[self.op]
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "op":
                continue
            if field.name not in parameters:
                if value != field.default:
                    raise UsageError(
                        f"{self.op}: has no parameter '{field.name}'; "
                        f"allowed: {', '.join(parameters)}"
                    )
            elif field.name in ("m", "k", "n"):
                check_positive(self.op, field.name, value)
        self._check_format()
        if self.activations not in ACTIVATIONS:
            raise unknown("activation type", self.activations, ACTIVATIONS)
        if self.act not in GATES:
            raise unknown("gate function", self.act, GATES)

    def _check_format(self) -> None:
        form = formats.get(self.format)
        if form.holds_activations != (self.op == "quantize"):
            allowed = [
                name
                for name in formats.names()
                if formats.get(name).holds_activations == (self.op == "quantize")
            ]
            raise UsageError(
                f"{self.op}: format '{self.format}' does not hold "
                f"{'activations' if self.op == 'quantize' else 'weights'}; "
                f"allowed: {', '.join(allowed)}"
            )
        for name in [self.format, *(["act_i8"] if self.activations == "i8" else [])]:
            multiple = formats.get(name).k_multiple
            if self.k % multiple:
                below = self.k - self.k % multiple
                near = one_of(str(k) for k in (below, below + multiple) if k > 0)
                raise UsageError(
                    f"{self.op}: expected k to be a multiple of {multiple}, the block of {name}, "
                    f"but got k={self.k}; nearest allowed: {near}"
                )

    @classmethod
    def parse(cls, text: str, activations: str = "f32") -> OpSpec:
        """Read the written form, `op:name=value,...`; the inverse of `str`.

        activations: of a product where the text says nothing of them.
        """
        op = text.strip().partition(":")[0]
        if op not in OPS:
            raise unknown("operation", op, OPS)
        parameters = dict(OPS[op])
        if "activations" in parameters:
            parameters["activations"] = activations
        examples = {n: _EXAMPLE[n] if v is None else None for n, v in parameters.items()}
        values: dict[str, Any] = {
            name: read_number(op, name, value, int) if name in ("m", "k", "n") else value
            for name, value in read_items(op, text, examples).items()
        }
        return cls(op, **{**{k: v for k, v in parameters.items() if v is not None}, **values})

    def __str__(self) -> str:
        parameters = OPS[self.op]
        items = [
            f"{name}={getattr(self, name)}"
            for name, default in parameters.items()
            if getattr(self, name) != default
        ]
        return f"{self.op}:{','.join(items)}"

    def with_sizes(self, **sizes: int) -> OpSpec:
        """The same operation with other sizes (m, k, n)."""
        changed: dict[str, Any] = dict(sizes)
        return replace(self, **changed)

    @property
    def weights(self) -> tuple[str, ...]:
        """Names of the weight arguments."""
        return {"gated_matvec": ("gate", "up"), "quantize": ()}.get(self.op, ("w",))

    @property
    def x_shape(self) -> tuple[int, ...] | None:
        """Shape of the activations argument, or None where there is none."""
        if self.op == "dequantize":
            return None
        if self.op == "matmul" or (self.op == "quantize" and self.n > 1):
            return (self.n, self.k)
        return (self.k,)

    @property
    def x_dtype(self) -> str:
        """Element type of the activations argument."""
        return "bf16" if self.activations == "bf16" else "f32"

    def text(self) -> str:
        """The module as MLIR text."""
        return _TEXT[self.op](self)

    def build(self, context: ir.Context | None = None) -> ir.Module:
        """The module, in `context` or a new one. Needs the compiler's native library."""
        from headrace import ir

        context = context if context is not None else ir.Context()
        return ir.Module.parse(self.text(), context)


_EXAMPLE = {"m": "4096", "k": "14336", "n": "16", "format": "q4_k"}


def _x_operand(spec: OpSpec) -> tuple[list[str], str, str]:
    """Lines that make the activation operand, its value and its type."""
    assert spec.x_shape is not None
    x_type = tensor(spec.x_shape, spec.x_dtype)
    if spec.activations != "i8":
        return [], "%x", x_type
    rows = spec.n if spec.op == "matmul" else 1
    quantized = packed(rows, spec.k, "act_i8")
    return [f"%q = qlinear.quantize %x : {x_type} to {quantized}"], "%q", quantized


def _product_text(spec: OpSpec) -> str:
    assert spec.x_shape is not None
    weight = packed(spec.m, spec.k, spec.format)
    y_type = tensor((spec.n, spec.m) if spec.op == "matmul" else (spec.m,), "f32")
    lines, x, x_kind = _x_operand(spec)
    names = spec.weights
    mnemonic = f"gated_matvec {spec.act}" if spec.op == "gated_matvec" else spec.op
    values = ", ".join([*(f"%{name}" for name in names), x])
    kinds = ", ".join([*(weight for _ in names), x_kind])
    body = [
        *lines,
        f"%empty = tensor.empty() : {y_type}",
        f"%y = qlinear.{mnemonic} ins({values} : {kinds}) outs(%empty : {y_type}) -> {y_type}",
        f"return %y : {y_type}",
    ]
    x_type = tensor(spec.x_shape, spec.x_dtype)
    return function([("x", x_type), *((name, weight) for name in names)], y_type, body)


def _dequantize_text(spec: OpSpec) -> str:
    weight = packed(spec.m, spec.k, spec.format)
    y_type = tensor((spec.m, spec.k), "f32")
    body = [
        f"%empty = tensor.empty() : {y_type}",
        f"%y = qlinear.dequantize ins(%w : {weight}) outs(%empty : {y_type}) -> {y_type}",
        f"return %y : {y_type}",
    ]
    return function([("w", weight)], y_type, body)


def _quantize_text(spec: OpSpec) -> str:
    assert spec.x_shape is not None
    x_type = tensor(spec.x_shape, "f32")
    result = packed(spec.n, spec.k, spec.format)
    body = [f"%y = qlinear.quantize %x : {x_type} to {result}", f"return %y : {result}"]
    return function([("x", x_type)], result, body)


_TEXT = {
    "matvec": _product_text,
    "matmul": _product_text,
    "gated_matvec": _product_text,
    "dequantize": _dequantize_text,
    "quantize": _quantize_text,
}


def matvec(m: int, k: int, *, format: str, activations: str = "f32") -> OpSpec:
    """y [m] = w x, with w (m, k) packed in `format` and x [k]."""
    return OpSpec("matvec", m=m, k=k, format=format, activations=activations)


def matmul(m: int, k: int, n: int, *, format: str, activations: str = "f32") -> OpSpec:
    """y [n, m] = x w^T, with w (m, k) packed in `format` and x [n, k]."""
    return OpSpec("matmul", m=m, k=k, n=n, format=format, activations=activations)


def gated_matvec(
    m: int, k: int, *, format: str, activations: str = "f32", act: str = "silu"
) -> OpSpec:
    """y [m] = act(gate x) * (up x), with gate and up (m, k) packed in `format` and x [k]."""
    return OpSpec("gated_matvec", m=m, k=k, format=format, activations=activations, act=act)


def dequantize(m: int, k: int, *, format: str) -> OpSpec:
    """y [m, k] f32: the values of w (m, k) packed in `format`."""
    return OpSpec("dequantize", m=m, k=k, format=format)


def quantize(k: int, n: int = 1, *, format: str = "act_i8") -> OpSpec:
    """y: x [n, k] (or [k]) f32 in the activation format `format`."""
    return OpSpec("quantize", k=k, n=n, format=format)


def decode(
    heads: int,
    kv_heads: int,
    dim: int,
    slots: int,
    *,
    cache: str = "f16",
    layout: str = "contiguous",
    page: int | None = None,
    window: int | None = None,
    softcap: float | None = None,
    scale: float | None = None,
    splits: int | None = None,
) -> DecodeSpec:
    """y [heads, dim]: attention of q [heads, dim] to the first `length` [1] tokens of a cache for
    `slots` tokens of `kv_heads` heads; see `DecodeSpec`."""
    return DecodeSpec(
        heads=heads,
        kv_heads=kv_heads,
        dim=dim,
        slots=slots,
        cache=cache,
        layout=layout,
        page=page,
        window=window,
        softcap=softcap,
        scale=scale,
        splits=splits,
    )


def prefill(
    heads: int,
    kv_heads: int,
    dim: int,
    n: int,
    *,
    tokens: int | None = None,
    mask: str = "causal",
    precision: str = "f32",
    window: int | None = None,
    softcap: float | None = None,
    scale: float | None = None,
) -> PrefillSpec:
    """y [n, heads, dim]: attention of q [n, heads, dim] to k and v [tokens, kv_heads, dim], as many
    tokens as queries unless `tokens` says otherwise; see `PrefillSpec`."""
    return PrefillSpec(
        heads=heads,
        kv_heads=kv_heads,
        dim=dim,
        n=n,
        tokens=tokens,
        mask=mask,
        precision=precision,
        window=window,
        softcap=softcap,
        scale=scale,
    )


def select_columns(
    k: int,
    *,
    activations: str = "f32",
    density: float | None = None,
    threshold: float | None = None,
) -> SelectSpec:
    """indices [k], count [1]: the columns with |x| > threshold of x [k]; see `SelectSpec`."""
    return SelectSpec(k=k, activations=activations, density=density, threshold=threshold)


def sparse_matvec(
    m: int,
    k: int,
    *,
    format: str,
    activations: str = "f32",
    density: float | None = None,
    threshold: float | None = None,
) -> SparseSpec:
    """y [m] = w x over the columns with |x| > threshold, with w (m, k) in bands of `format`; see
    `SparseSpec`."""
    return SparseSpec(
        m=m, k=k, format=format, activations=activations, density=density, threshold=threshold
    )


# A single operation, whichever.
Operation = OpSpec | AttentionSpec | SelectSpec
_OTHERS = {spec.op: spec for spec in (DecodeSpec, PrefillSpec, SelectSpec, SparseSpec)}


def parse(text: str, activations: str = "f32") -> Operation:
    """Read the written form of any operation; see `OpSpec.parse` for `activations`."""
    op = text.strip().partition(":")[0]
    if op in _OTHERS:
        return _OTHERS[op].parse(text)
    if op not in OPS:
        raise unknown("operation", op, [*OPS, *_OTHERS])
    return OpSpec.parse(text, activations)
