"""from_bytes, to_bytes, slice, concat and repack: what moves bytes, and what bytes mean then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace import formats, reference
from headrace.check.operations.case import EXACT, Case, Run, Want
from headrace.check.operations.text import main, packed, tensor
from headrace.check.storage import near
from headrace.references import linear

__all__ = ["cases"]

# In strips, of which 640 columns are two pieces and a half.
_INTEGERS = (
    "int4:g32",
    "int4:g32:fz:bf16",
    "int4:g32:zp",
    "int4:g64",
    "int4:g64:zp",
    "int4:g128",
    "int4:g128:zp",
    "int8:g32",
    "int8:g32:zp",
    "int8:g64",
    "int8:g64:zp",
    "int8:g128",
    "int8:g128:zp",
)

Generator = np.random.Generator
U8 = npt.NDArray[np.uint8]


def cases(draw: Generator) -> Iterator[Case]:
    """In formats with blocks of one row and of many, with and without a header."""
    few = int(draw.integers(1, 4))
    yield _from_bytes("q5_0", few, 64)
    yield _to_bytes("q4nx", 32 + few, 256)
    yield _slice("q4nx", 96 + few, 288, 32, 64, dynamic=False)
    yield _slice("q4nx", 64 + few, 288, 64, few, dynamic=False)
    yield _slice("q8_0", few + 7, 96, few, 5, dynamic=True)
    yield _slice("nvfp4", 9, 32 * few, 4, 1, dynamic=False)
    yield _concat("q6_k", [few, 1, few + 2], 256)
    yield _concat("q4nx", [32, 64, few], 320)
    yield _repack("q4_k", "q4_k:rows8", 8 + few, 512)
    yield _repack("q8_0:rows4", "q8_0", 3 + few, 96)
    yield _repack("q4_k", "q4_k:strips16", 15 + few, 512)
    yield _repack("q5_1:strips16", "q5_1:rows8", 17 + few, 96)
    # Pieces of 256 or 64 columns; rows and columns that end within one.
    for inner in ("q4_k", "q5_k", "q6_k", "q2_k", "q3_k"):
        yield _strips(inner, inner, 32 + few, 512)
    for inner in ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "iq4_nl"):
        yield _strips(inner, inner, 16 * few, 96)
    yield _strips("bf16", "bf16", 47 + few, 96)
    for inner in _INTEGERS:
        yield _strips(inner, inner, 32 + few, 640)
    yield _strips("q8_0:rows8", "q8_0", 16 + few, 160)
    yield _strips("q4_k:rows4", "q4_k", 15 + few, 256)
    yield _repack("int4:g32:strips16", "int4:g32", 15 + few, 96)


def _stored(draw: Generator, name: str, rows: int, cols: int) -> U8:
    return near(formats.get(name), rows, cols, draw, 0.01)


def _bytes(name: str, rows: int, cols: int) -> str:
    return tensor("i8", formats.get(name).storage_bytes(rows, cols))


def _values(kind: str, rows: int, cols: int, value: str) -> tuple[str, list[str]]:
    """Lines that dequantize and return, as it is what bytes mean that counts."""
    y = tensor("f32", rows, cols)
    body = [
        f"%e = tensor.empty() : {y}",
        f"%y = qlinear.dequantize ins({value} : {kind}) outs(%e : {y}) -> {y}",
        f"return %y : {y}",
    ]
    return y, body


def _case(op: str, what: str, shape: str, module: str, runs: Any, name: str) -> Case:
    who = reference.decoder(name)
    return Case(f"qlinear.{op}", what, shape, module, runs, name, f"values by {who}")


def _wanted(name: str, data: U8, rows: int, cols: int) -> Want:
    return Want(linear.weights(name, data, rows, cols).astype(np.float32), EXACT)


def _from_bytes(name: str, rows: int, cols: int) -> Case:
    kind, raw = packed(name, rows, cols), _bytes(name, rows, cols)
    y, body = _values(kind, rows, cols, "%w")
    module = main(
        [raw], [y], "\n".join([f"%w = qlinear.from_bytes %arg0 : {raw} to {kind}", *body])
    )

    def runs(draw: Generator) -> Iterator[Run]:
        data = _stored(draw, name, rows, cols)
        yield Run("any codes", [data], [_wanted(name, data, rows, cols)])

    return _case("from_bytes", name, f"{rows}x{cols}", module, runs, name)


def _to_bytes(name: str, rows: int, cols: int) -> Case:
    kind, raw = packed(name, rows, cols), _bytes(name, rows, cols)
    body = f"%b = qlinear.to_bytes %arg0 : {kind} to {raw}\nreturn %b : {raw}"

    def runs(draw: Generator) -> Iterator[Run]:
        data = _stored(draw, name, rows, cols)
        yield Run("any codes", [data], [Want(data.view(np.int8), EXACT)])

    return _case("to_bytes", name, f"{rows}x{cols}", main([kind], [raw], body), runs, name)


def _slice(name: str, rows: int, cols: int, offset: int, size: int, *, dynamic: bool) -> Case:
    whole, part = packed(name, rows, cols), packed(name, size, cols)
    number = tensor("i32", 1)
    y, body = _values(part, size, cols, "%s")
    at = "%at" if dynamic else str(offset)
    found = [
        "%zero = arith.constant 0 : index",
        f"%i = tensor.extract %arg1[%zero] : {number}",
        "%at = arith.index_cast %i : i32 to index",
    ]
    cut = f"%s = qlinear.slice %arg0 rows [{at}, {size}] : {whole} to {part}"
    lines = [*(found if dynamic else []), cut, *body]
    module = main([whole, *([number] if dynamic else [])], [y], "\n".join(lines))

    def runs(draw: Generator) -> Iterator[Run]:
        for start in (offset, 0, rows - size) if dynamic else (offset,):
            data = _stored(draw, name, rows, cols)
            values = linear.weights(name, data, rows, cols)[start : start + size]
            inputs: list[npt.NDArray[Any]] = [data]
            if dynamic:
                inputs.append(np.array([start], np.int32))
            yield Run(f"from {start}", inputs, [Want(values.astype(np.float32), EXACT)])

    what = f"{name} from {'an argument' if dynamic else offset}"
    return _case("slice", what, f"{rows}x{cols}", module, runs, name)


def _concat(name: str, parts: Sequence[int], cols: int) -> Case:
    kinds = [packed(name, rows, cols) for rows in parts]
    whole = packed(name, sum(parts), cols)
    y, body = _values(whole, sum(parts), cols, "%w")
    values = ", ".join(f"%arg{index}" for index in range(len(parts)))
    joined = f"%w = qlinear.concat {values} : {', '.join(kinds)} to {whole}"
    module = main(kinds, [y], "\n".join([joined, *body]))

    def runs(draw: Generator) -> Iterator[Run]:
        data = [_stored(draw, name, rows, cols) for rows in parts]
        found = [linear.weights(name, d, rows, cols) for d, rows in zip(data, parts, strict=True)]
        yield Run("any codes", data, [Want(np.concatenate(found).astype(np.float32), EXACT)])

    return _case("concat", name, f"{sum(parts)}x{cols}", module, runs, name)


def _strips(source: str, inner: str, rows: int, cols: int) -> Case:
    """The bytes of strips, padding among them, as `formats.convert` moves them."""
    name = f"{inner}:strips16"
    before, after = packed(source, rows, cols), packed(name, rows, cols)
    raw = _bytes(name, rows, cols)
    body = f"""%s = qlinear.repack %arg0 : {before} to {after}
      %b = qlinear.to_bytes %s : {after} to {raw}
      return %b : {raw}"""

    def runs(draw: Generator) -> Iterator[Run]:
        data = _stored(draw, source, rows, cols)
        moved = formats.convert(data, rows, cols, source, name).data
        yield Run("any codes", [data], [Want(moved.view(np.int8), EXACT)])

    what = f"{source} to strips16"
    module = main([before], [raw], body)
    return Case("qlinear.repack", what, f"{rows}x{cols}", module, runs, name, "bytes by NumPy")


def _repack(source: str, name: str, rows: int, cols: int) -> Case:
    """The bytes of the result, whose values somebody else decodes, and what we decode."""
    before, after = packed(source, rows, cols), packed(name, rows, cols)
    y, body = _values(after, rows, cols, "%w")
    moved = f"%w = qlinear.repack %arg0 : {before} to {after}"
    module = main([before], [y], "\n".join([moved, *body]))

    def runs(draw: Generator) -> Iterator[Run]:
        data = _stored(draw, source, rows, cols)
        yield Run("any codes", [data], [_wanted(source, data, rows, cols)])

    who = f"values by {reference.decoder(source)}"
    what = f"{source} to {name}"
    return Case("qlinear.repack", what, f"{rows}x{cols}", module, runs, name, who)
