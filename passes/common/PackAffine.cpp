//===- PackAffine.cpp - affine weights from their parts -------------------===//

#include "passes/common/PackAffine.h"
#include "passes/common/LinalgBuilders.h"

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qlinear;

namespace {

struct Packer {
  OpBuilder &b;
  Location loc;

  Value byte(int64_t value) {
    return arith::ConstantOp::create(
        b, loc, b.getIntegerAttr(b.getI8Type(), static_cast<int8_t>(value)));
  }

  Value bytes(ArrayRef<int64_t> shape) {
    return empty(b, loc, shape, b.getI8Type());
  }

  /// Each byte of `tensor` with some bits flipped.
  Value flipped(Value tensor, uint8_t bits) {
    if (bits == 0)
      return tensor;
    Value mask = byte(bits);
    auto shape = cast<RankedTensorType>(tensor.getType()).getShape();
    return elementwise(
        b, loc, tensor, bytes(shape),
        [&](OpBuilder &n, Location at, ValueRange args) -> Value {
          return arith::XOrIOp::create(n, at, args[0], mask);
        });
  }

  /// The codes of each byte in the opposite order.
  Value reversed(Value tensor, int64_t bits) {
    auto shape = cast<RankedTensorType>(tensor.getType()).getShape();
    auto body = [&](OpBuilder &n, Location at, ValueRange args) -> Value {
      Value whole = byte(0);
      for (int64_t low = 0; low < 8; low += bits) {
        Value code = arith::ShRUIOp::create(n, at, args[0], byte(low));
        code = arith::AndIOp::create(n, at, code, byte((1 << bits) - 1));
        code = arith::ShLIOp::create(n, at, code, byte(8 - bits - low));
        whole = arith::OrIOp::create(n, at, whole, code);
      }
      return whole;
    };
    return elementwise(b, loc, tensor, bytes(shape), body);
  }

  /// The bytes of floats [rows, groups], little endian: [rows, groups * size].
  Value bytesOfFloats(Value floats) {
    auto type = cast<RankedTensorType>(floats.getType());
    int64_t width = type.getElementTypeBitWidth(), size = width / 8;
    int64_t rows = type.getDimSize(0), groups = type.getDimSize(1);
    Type word = b.getIntegerType(width);
    AffineMap all = b.getMultiDimIdentityMap(3);
    auto body = [&](OpBuilder &n, Location at, ValueRange args) -> Value {
      Value bits = arith::BitcastOp::create(n, at, word, args[0]);
      Value by = linalg::IndexOp::create(n, at, 2);
      by = arith::IndexCastOp::create(n, at, word, by);
      Value eight = arith::ConstantOp::create(n, at, n.getIntegerAttr(word, 8));
      by = arith::MulIOp::create(n, at, by, eight);
      bits = arith::ShRUIOp::create(n, at, bits, by);
      return arith::TruncIOp::create(n, at, n.getI8Type(), bits);
    };
    Value split = generic(b, loc, floats, bytes({rows, groups, size}),
                          {all.dropResult(2), all},
                          {kParallel, kParallel, kParallel}, body);
    return reshaped(b, loc, split, {rows, groups * size});
  }

  Value filled(Value scalar, ArrayRef<int64_t> shape) {
    Value init = empty(b, loc, shape, scalar.getType());
    return linalg::FillOp::create(b, loc, scalar, init).getResult(0);
  }
};

} // namespace

Value headrace::common::packAffine(OpBuilder &b, Location loc,
                                   const AffineParts &parts, int64_t rows,
                                   int64_t cols) {
  Packer packer{b, loc};
  AffineFormatAttr format = parts.format;
  SmallVector<int64_t> table = {rows, parts.groups};
  SmallVector<Value> pieces;

  Value codes =
      arranged(b, loc, parts.codes, {rows, cols * parts.code.bits / 8});
  if (parts.code.reversed)
    codes = packer.reversed(codes, parts.code.bits);
  pieces.push_back(packer.flipped(codes, parts.code.flip));

  Value scales = parts.scales
                     ? arranged(b, loc, *parts.scales, table)
                     : packer.filled(constant(b, loc, parts.scale), table);
  pieces.push_back(packer.bytesOfFloats(scales));

  if (format.getZeroPoint() == ZeroPointKind::Float)
    pieces.push_back(
        packer.bytesOfFloats(arranged(b, loc, *parts.zeros, table)));
  else if (format.getZeroPoint() == ZeroPointKind::Integer && parts.zeros)
    pieces.push_back(
        packer.flipped(arranged(b, loc, *parts.zeros, table), parts.flipZero));
  else if (format.getZeroPoint() == ZeroPointKind::Integer)
    pieces.push_back(packer.filled(packer.byte(parts.code.zero), table));

  auto type = PackedType::get(rows, cols, format);
  int64_t rowBytes = format.getBlockRowBytes(cols), offset = 0;
  Value whole = packer.bytes({rows, rowBytes});
  SmallVector<OpFoldResult> ones(2, b.getIndexAttr(1));
  for (Value piece : pieces) {
    int64_t width = cast<RankedTensorType>(piece.getType()).getDimSize(1);
    SmallVector<OpFoldResult> offsets = {b.getIndexAttr(0),
                                         b.getIndexAttr(offset)};
    SmallVector<OpFoldResult> sizes = {b.getIndexAttr(rows),
                                       b.getIndexAttr(width)};
    whole = tensor::InsertSliceOp::create(b, loc, piece, whole, offsets, sizes,
                                          ones);
    offset += width;
  }
  Value flat = reshaped(b, loc, whole, {rows * rowBytes});
  return FromBytesOp::create(b, loc, type, flat);
}
