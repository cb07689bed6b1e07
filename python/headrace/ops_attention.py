"""Attention, written down: `decode:heads=32,kv_heads=8,dim=128,slots=4096,cache=f16`.

Like `headrace.ops.OpSpec`, an object for the line; `build()` turns it into a module with one
function `@main`. H heads of queries share G heads of keys and values (`kv_heads`), D values
(`dim`) each; results are f32:

    decode   q [H, D] f32, cache, length [1] i32 (, table [P] i32)         -> y [H, D]
    prefill  q [N, H, D] f32, k, v [T, G, D] f32 (, offset [1] i32)        -> y [N, H, D]

`decode` is `qattn.decode`: one query, the last of the `length` tokens that it may see in the cache.
The cache is its bytes, of the type that `cache_type` says; `qattn.append_kv` writes them, and so
does `headrace.references.caches`. A paged cache has a table: the page that has each P tokens.

`prefill` is `qattn.prefill`: N queries over T tokens. Query i is token i, or `offset` + i where
there are other numbers of queries than of tokens.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from headrace.errors import UsageError, unknown
from headrace.ops_text import check_positive, function, read_items, read_number, tensor

if TYPE_CHECKING:
    from headrace import ir

__all__ = ["CACHES", "LAYOUTS", "MASKS", "PRECISIONS", "AttentionSpec", "DecodeSpec", "PrefillSpec"]

CACHES = ("f32", "bf16", "f16", "fp8_e4m3", "i8")
LAYOUTS = ("contiguous", "ring", "paged")
MASKS = ("causal", "bidirectional")
PRECISIONS = ("f32", "bf16", "i8")

_ONE = "tensor<1xi32>"
_EXAMPLE = {"heads": 32, "kv_heads": 8, "dim": 128, "slots": 4096, "n": 512, "tokens": 512}
# Scores and caps are f32.
_LARGEST, _LEAST = 3.4e38, 1.2e-38

_Spec = TypeVar("_Spec", bound="AttentionSpec")


@dataclass(frozen=True, kw_only=True)
class AttentionSpec:
    """What both operations have.

    heads, kv_heads: of queries, and of keys and values, which `heads / kv_heads` share each.
    dim: values of a head.
    window: tokens that a query sees at most, itself included; all if None.
    softcap: c puts each scaled score s through c tanh(s / c).
    scale: of scores; 1 / sqrt(dim) if None.

    Raises `UsageError` for anything that cannot be built, naming what is allowed.
    """

    op: ClassVar[str]
    choices: ClassVar[dict[str, tuple[str, ...]]]

    heads: int
    kv_heads: int
    dim: int
    window: int | None = None
    softcap: float | None = None
    scale: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in self.choices:
                if value not in self.choices[field.name]:
                    raise unknown(f"{field.name} of {self.op}", value, self.choices[field.name])
            elif value is None and field.default is None:
                continue
            elif field.name in ("softcap", "scale"):
                self._check_float(field.name, value)
            else:
                check_positive(self.op, field.name, value)
        if self.heads % self.kv_heads:
            raise UsageError(
                f"{self.op}: expected heads to be a multiple of kv_heads={self.kv_heads}, "
                f"but got heads={self.heads}"
            )

    def _check_float(self, name: str, value: Any) -> None:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not _LEAST < value < _LARGEST:
            raise UsageError(f"{self.op}: expected {name} to be a positive f32, but got {value!r}")

    @classmethod
    def parse(cls: type[_Spec], text: str) -> _Spec:
        """Read the written form; the inverse of `str`."""
        parameters = {
            field.name: str(_EXAMPLE[field.name]) if field.default is MISSING else None
            for field in fields(cls)
        }
        found: dict[str, Any] = {}
        for name, value in read_items(cls.op, text, parameters).items():
            if name in cls.choices:
                found[name] = value
            else:
                kind: Any = float if name in ("softcap", "scale") else int
                found[name] = read_number(cls.op, name, value, kind)
        return cls(**found)

    def __str__(self) -> str:
        required_first = sorted(fields(self), key=lambda field: field.default is not MISSING)
        values = [(field, getattr(self, field.name)) for field in required_first]
        items = [f"{field.name}={value}" for field, value in values if value != field.default]
        return f"{self.op}:{','.join(items)}"

    @property
    def factor(self) -> float:
        """The scale of scores."""
        return self.dim**-0.5 if self.scale is None else self.scale

    @property
    def _attributes(self) -> list[str]:
        items = [f"scale = {self.factor:.9e} : f32"]
        if self.window is not None:
            items.append(f"window = {self.window} : i64")
        if self.softcap is not None:
            items.append(f"softcap = {self.softcap:.9e} : f32")
        return items

    def text(self) -> str:
        """The module as MLIR text."""
        raise NotImplementedError

    def build(self, context: ir.Context | None = None) -> ir.Module:
        """The module, in `context` or a new one. Needs the compiler's native library."""
        from headrace import ir

        return ir.Module.parse(self.text(), context if context is not None else ir.Context())


@dataclass(frozen=True, kw_only=True)
class DecodeSpec(AttentionSpec):
    """One query over a cache.

    slots: tokens for which the cache has room.
    cache: how it keeps a number; with fp8_e4m3 and i8, a head of a token has a scale.
    layout: contiguous, ring (the last `slots` tokens), or paged with `page` tokens a page.
    splits: parts of the tokens that threads take, whose results are merged; one if None.
    """

    op: ClassVar[str] = "decode"
    choices: ClassVar[dict[str, tuple[str, ...]]] = {"cache": CACHES, "layout": LAYOUTS}

    slots: int
    cache: str = "f16"
    layout: str = "contiguous"
    page: int | None = None
    splits: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.layout == "paged") != (self.page is not None):
            raise UsageError(
                f"decode: expected page with layout=paged and only there, but got "
                f"layout={self.layout}, page={self.page}"
            )
        if self.page is not None and self.slots % self.page:
            raise UsageError(
                f"decode: expected slots to be a multiple of page={self.page}, "
                f"but got slots={self.slots}"
            )

    @property
    def cache_type(self) -> str:
        """The type of the cache, in MLIR."""
        scale = ", scale = per_token" if self.cache in ("fp8_e4m3", "i8") else ""
        pages = f"<{self.page}>" if self.page else ""
        layout = "" if self.layout == "contiguous" else f", layout = {self.layout}{pages}"
        shape = f"{self.slots}x{self.kv_heads}x{self.dim}"
        return f"!qattn.kv_cache<{shape}, {self.cache}{scale}{layout}>"

    def text(self) -> str:
        """The module as MLIR text."""
        q = tensor([self.heads, self.dim], "f32")
        arguments = [("q", q), ("cache", self.cache_type), ("length", _ONE)]
        operands = "%q, %cache, %length"
        if self.page is not None:
            arguments.append(("table", tensor([self.slots // self.page], "i32")))
            operands += " table %table"
        kinds = ", ".join(kind for _, kind in arguments)
        attributes = self._attributes
        if self.splits is not None:
            attributes.append(f"splits = {self.splits} : i64")

        def outs(name: str, *parts: int) -> tuple[list[str], str, str]:
            types = (
                tensor([*parts, self.heads, self.dim], "f32"),
                tensor([*parts, self.heads], "f32"),
            )
            lines = [f"%{name}{i} = tensor.empty() : {kind}" for i, kind in enumerate(types)]
            kinds = ", ".join(types)
            return lines, f"outs(%{name}0, %{name}1 : {kinds})", kinds

        def decode(name: str, into: str, kinds_of: str) -> str:
            return (
                f"%{name}:2 = qattn.decode ins({operands} : {kinds}) {into} "
                f"{{{', '.join(attributes)}}} -> {kinds_of}"
            )

        lines, into, results = outs("e")
        if self.splits is None:
            body = [*lines, decode("y", into, results)]
        else:
            made, parts, part_types = outs("p", self.splits)
            merge = f"%y:2 = qattn.merge_partials ins(%part#0, %part#1 : {part_types})"
            body = [
                *made,
                decode("part", parts, part_types),
                *lines,
                f"{merge} {into} -> {results}",
            ]
        return function(arguments, q, [*body, f"return %y#0 : {q}"])


@dataclass(frozen=True, kw_only=True)
class PrefillSpec(AttentionSpec):
    """Queries of many tokens over keys and values.

    n: queries.
    tokens: keys and values; as many as queries if None.
    mask: causal, or bidirectional where tokens see later ones too.
    precision: of the operands of both products; bf16 is within 3.4e-3 of exact attention on
        normal random numbers (relative L2), i8 within 1.3e-2.
    """

    op: ClassVar[str] = "prefill"
    choices: ClassVar[dict[str, tuple[str, ...]]] = {"mask": MASKS, "precision": PRECISIONS}

    n: int
    tokens: int | None = None
    mask: str = "causal"
    precision: str = "f32"

    @property
    def keys(self) -> int:
        """How many tokens have keys."""
        return self.n if self.tokens is None else self.tokens

    @property
    def has_offset(self) -> bool:
        """Whether an argument says which token the first query is."""
        return self.keys != self.n

    def text(self) -> str:
        """The module as MLIR text."""
        q = tensor([self.n, self.heads, self.dim], "f32")
        k = tensor([self.keys, self.kv_heads, self.dim], "f32")
        arguments = [("q", q), ("k", k), ("v", k)]
        operands = "%q, %k, %v"
        if self.has_offset:
            arguments.append(("offset", _ONE))
            operands += " offset %offset"
        kinds = ", ".join(kind for _, kind in arguments)
        precision = "" if self.precision == "f32" else f" precision = {self.precision}"
        body = [
            f"%e = tensor.empty() : {q}",
            f"%y = qattn.prefill {self.mask}{precision} ins({operands} : {kinds}) "
            f"outs(%e : {q}) {{{', '.join(self._attributes)}}} -> {q}",
            f"return %y : {q}",
        ]
        return function(arguments, q, body)
