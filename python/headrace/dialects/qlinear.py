"""Builders of the `qlinear` dialect: quantized linear algebra on weights in storage form.

    with ir.Context(), ir.Location.unknown():
        w_type = qlinear.PackedType.get(4096, 14336, ir.Attribute.parse("#qlinear.gguf<q4_k>"))
        w = qlinear.from_bytes(w_type, raw_bytes)
        y = qlinear.matvec(w, x, init)

The operation classes (`MatvecOp`, ...) come from the dialect's TableGen description. The functions
below leave out what follows from the operands: an operation that writes `init` returns a new value
where `init` is a tensor, and the operation itself, which has no result, where it is a memref.
"""

from collections.abc import Sequence

from .. import ir as _ir
from .._mlir_libs._headrace.qlinear import *
from ._qlinear_enum_gen import *
from ._qlinear_ops_gen import *
from ._qlinear_ops_gen import _Dialect as _Dialect

_Operand = _ir.Value | _ir.Operation | _ir.OpView


def _value(operand: _Operand) -> _ir.Value:
    return operand if isinstance(operand, _ir.Value) else operand.result


def _results(init: _Operand) -> Sequence[_ir.Type]:
    kind = _value(init).type
    return [kind] if isinstance(kind, _ir.RankedTensorType) else []


def _unwrap(op: _ir.OpView) -> _ir.Value | _ir.OpView:
    return op.results[0] if len(op.results) else op


def matvec(
    weight: _Operand,
    x: _Operand,
    init: _Operand,
    *,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> _ir.Value | _ir.OpView:
    """`dequantize(weight) * x` for weight MxK, x [K] and init [M] f32."""
    return _unwrap(MatvecOp(_results(init), weight, x, init, loc=loc, ip=ip))


def matmul(
    weight: _Operand,
    x: _Operand,
    init: _Operand,
    *,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> _ir.Value | _ir.OpView:
    """`x * dequantize(weight)^T` for weight MxK, x [N, K] and init [N, M] f32."""
    return _unwrap(MatmulOp(_results(init), weight, x, init, loc=loc, ip=ip))


def gated_matvec(
    activation: Activation | _ir.Attribute,
    gate: _Operand,
    up: _Operand,
    x: _Operand,
    init: _Operand,
    *,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> _ir.Value | _ir.OpView:
    """`activation(gate * x) * (up * x)` for gate and up MxK, x [K] and init [M] f32."""
    return _unwrap(GatedMatvecOp(_results(init), activation, gate, up, x, init, loc=loc, ip=ip))


def dequantize(
    packed: _Operand,
    init: _Operand,
    *,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> _ir.Value | _ir.OpView:
    """The values of a packed MxK matrix, written to init [M, K] f32."""
    return _unwrap(DequantizeOp(_results(init), packed, init, loc=loc, ip=ip))


def concat(
    inputs: Sequence[_Operand],
    *,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> _ir.Value:
    """The rows of packed matrices of one format and one number of columns, one after another."""
    kinds = [_packed_type(item) for item in inputs]
    rows = sum(kind.rows for kind in kinds)
    kind = PackedType.get(rows, kinds[0].cols, kinds[0].format, loc=loc)
    return ConcatOp(kind, inputs, loc=loc, ip=ip).result


def slice_rows(
    packed: _Operand,
    offset: int | _Operand,
    size: int,
    *,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> _ir.Value:
    """Rows [offset, offset + size) in whole blocks; offset is a number or an index value."""
    kind = _packed_type(packed)
    result = PackedType.get(size, kind.cols, kind.format, loc=loc)
    known = isinstance(offset, int)
    number = offset if known else _ir.ShapedType.get_dynamic_size()
    dynamic = None if known else offset
    op = SliceOp(result, packed, number, size, dynamic_offset=dynamic, loc=loc, ip=ip)
    return op.result


def repack(
    packed: _Operand,
    format: _ir.Attribute,
    *,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> _ir.Value:
    """The same values in `format`: another order of the same blocks."""
    kind = _packed_type(packed)
    result = PackedType.get(kind.rows, kind.cols, format, loc=loc)
    return RepackOp(result, packed, loc=loc, ip=ip).result


def _packed_type(operand: _Operand) -> PackedType:
    return PackedType(_value(operand).type)


def _f32(value: float | _ir.Attribute) -> _ir.Attribute:
    return value if isinstance(value, _ir.Attribute) else _ir.FloatAttr.get_f32(value)


def select_columns(
    x: _Operand,
    indices: _Operand,
    count: _Operand,
    *,
    threshold: float | _ir.Attribute,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> Sequence[_ir.Value] | _ir.OpView:
    """The k with |x[k]| > threshold: indices [K] i32 (zeros behind the last) and count [1] i32."""
    kinds = [*_results(indices), *_results(count)]
    op = SelectColumnsOp(kinds, x, indices, count, _f32(threshold), loc=loc, ip=ip)
    return list(op.results) if len(op.results) else op


def sparse_matvec(
    weight: _Operand,
    x: _Operand,
    indices: _Operand,
    count: _Operand,
    init: _Operand,
    *,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> _ir.Value | _ir.OpView:
    """`dequantize(weight) * x` of the first `count` columns in `indices`, init [M] f32."""
    op = SparseMatvecOp(_results(init), weight, x, indices, count, init, loc=loc, ip=ip)
    return _unwrap(op)


def assign_centroids(
    weight: _Operand,
    x: _Operand,
    init: _Operand,
    *,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> _ir.Value | _ir.OpView:
    """The nearest activation centroid of each piece of x [K] or [N, K], init [P] or [N, P] i32."""
    return _unwrap(AssignCentroidsOp(_results(init), weight, x, init, loc=loc, ip=ip))


def lut_matvec(
    weight: _Operand,
    assignment: _Operand,
    init: _Operand,
    *,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> _ir.Value | _ir.OpView:
    """The product by table lookup for assignments [P] or [N, P], init [M] or [N, M] f32."""
    return _unwrap(LutMatvecOp(_results(init), weight, assignment, init, loc=loc, ip=ip))


def rms_norm(
    x: _Operand,
    weight: _Operand,
    init: _Operand,
    *,
    eps: float | _ir.Attribute,
    add_unit: bool = False,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> _ir.Value | _ir.OpView:
    """`x / sqrt(mean(x^2) + eps) * weight` for rows of x [K] or [N, K]; or `* (1 + weight)`."""
    op = RmsNormOp(
        _results(init), x, weight, init, _f32(eps), add_unit=add_unit or None, loc=loc, ip=ip
    )
    return _unwrap(op)


def layer_norm(
    x: _Operand,
    weight: _Operand,
    bias: _Operand,
    init: _Operand,
    *,
    eps: float | _ir.Attribute,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> _ir.Value | _ir.OpView:
    """Rows of x [K] or [N, K] with mean 0 and deviation 1, `* weight + bias`."""
    return _unwrap(LayerNormOp(_results(init), x, weight, bias, init, _f32(eps), loc=loc, ip=ip))


def gated_activation(
    activation: Activation | _ir.Attribute,
    gate: _Operand,
    up: _Operand,
    init: _Operand,
    *,
    loc: _ir.Location | None = None,
    ip: _ir.InsertionPoint | None = None,
) -> _ir.Value | _ir.OpView:
    """`activation(gate) * up`, all of one shape."""
    return _unwrap(GatedActivationOp(_results(init), activation, gate, up, init, loc=loc, ip=ip))
