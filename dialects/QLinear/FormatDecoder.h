//===- FormatDecoder.h - arithmetic of decoding in IR -----------*- C++ -*-===//
//
// `decode` is the definition of a format in IR: plain reads of bytes and
// arithmetic, one element at a time. Targets use their own, faster decoding and
// are tested against this one.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_DIALECTS_QLINEAR_FORMATDECODER_H
#define HEADRACE_DIALECTS_QLINEAR_FORMATDECODER_H

#include "dialects/QLinear/QLinear.h"

#include <functional>

namespace headrace::qlinear {

/// Builds index, integer and float arithmetic and typed reads from bytes.
struct Decoder {
  using Value = mlir::Value;
  mlir::OpBuilder &b;
  mlir::Location loc;
  Value bytes;
  /// Where a byte is, if not at its index.
  std::function<Value(Value)> place = {};

  Value index(int64_t value) {
    return mlir::arith::ConstantIndexOp::create(b, loc, value);
  }
  Value i32(int64_t value) {
    return mlir::arith::ConstantIntOp::create(b, loc, value, 32);
  }
  Value f32(double value) {
    return mlir::arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value));
  }

  // Indices.
  Value add(Value lhs, Value rhs) {
    return mlir::arith::AddIOp::create(b, loc, lhs, rhs);
  }
  Value add(Value lhs, int64_t rhs) { return add(lhs, index(rhs)); }
  Value mul(Value lhs, int64_t rhs) {
    return mlir::arith::MulIOp::create(b, loc, lhs, index(rhs));
  }
  Value div(Value lhs, int64_t rhs) {
    return mlir::arith::DivUIOp::create(b, loc, lhs, index(rhs));
  }
  Value rem(Value lhs, int64_t rhs) {
    return mlir::arith::RemUIOp::create(b, loc, lhs, index(rhs));
  }
  Value toI32(Value idx) {
    return mlir::arith::IndexCastOp::create(b, loc, b.getI32Type(), idx);
  }
  Value toIndex(Value word) {
    return mlir::arith::IndexCastOp::create(b, loc, b.getIndexType(), word);
  }
  Value less(Value idx, int64_t bound) {
    return mlir::arith::CmpIOp::create(b, loc, mlir::arith::CmpIPredicate::ult,
                                       idx, index(bound));
  }
  Value isOdd(Value idx) {
    return mlir::arith::CmpIOp::create(b, loc, mlir::arith::CmpIPredicate::eq,
                                       rem(idx, 2), index(1));
  }

  // i32.
  Value bits(Value value, int64_t mask) {
    return mlir::arith::AndIOp::create(b, loc, value, i32(mask));
  }
  Value shr(Value value, Value amount) {
    return mlir::arith::ShRUIOp::create(b, loc, value, amount);
  }
  Value shr(Value value, int64_t amount) { return shr(value, i32(amount)); }
  Value shl(Value value, int64_t amount) {
    return mlir::arith::ShLIOp::create(b, loc, value, i32(amount));
  }
  Value orI(Value lhs, Value rhs) {
    return mlir::arith::OrIOp::create(b, loc, lhs, rhs);
  }
  Value addI(Value value, int64_t amount) {
    return mlir::arith::AddIOp::create(b, loc, value, i32(amount));
  }
  Value sub(Value value, Value amount) {
    return mlir::arith::SubIOp::create(b, loc, value, amount);
  }
  Value sub(Value value, int64_t amount) { return sub(value, i32(amount)); }
  Value equals(Value value, int64_t other) {
    return mlir::arith::CmpIOp::create(b, loc, mlir::arith::CmpIPredicate::eq,
                                       value, i32(other));
  }
  Value lessI(Value value, int64_t bound) {
    return mlir::arith::CmpIOp::create(b, loc, mlir::arith::CmpIPredicate::ult,
                                       value, i32(bound));
  }
  Value select(Value cond, Value yes, Value no) {
    return mlir::arith::SelectOp::create(b, loc, cond, yes, no);
  }

  // f32.
  Value toFloat(Value signedInt) {
    return mlir::arith::SIToFPOp::create(b, loc, b.getF32Type(), signedInt);
  }
  Value asFloat(Value word) {
    return mlir::arith::BitcastOp::create(b, loc, b.getF32Type(), word);
  }
  Value mulf(Value lhs, Value rhs) {
    return mlir::arith::MulFOp::create(b, loc, lhs, rhs);
  }
  Value addf(Value lhs, Value rhs) {
    return mlir::arith::AddFOp::create(b, loc, lhs, rhs);
  }
  Value subf(Value lhs, Value rhs) {
    return mlir::arith::SubFOp::create(b, loc, lhs, rhs);
  }

  // Reads at a byte index.
  Value byte(Value at) {
    if (place)
      at = place(at);
    return mlir::tensor::ExtractOp::create(b, loc, bytes, mlir::ValueRange{at});
  }
  Value u8(Value at) {
    return mlir::arith::ExtUIOp::create(b, loc, b.getI32Type(), byte(at));
  }
  Value s8(Value at) {
    return mlir::arith::ExtSIOp::create(b, loc, b.getI32Type(), byte(at));
  }
  Value u16(Value at) { return orI(u8(at), shl(u8(add(at, 1)), 8)); }
  Value u32(Value at) { return orI(u16(at), shl(u16(add(at, 2)), 16)); }
  Value f16(Value at) { return halfToFloat(u16(at)); }
  /// bf16 is the upper half of an f32.
  Value bf16(Value at) { return asFloat(shl(u16(at), 16)); }
  Value f32At(Value at) { return asFloat(u32(at)); }

  /// The low 16 bits of `word` as an IEEE half.
  Value halfToFloat(Value word) {
    Value half = mlir::arith::TruncIOp::create(b, loc, b.getI16Type(), word);
    half = mlir::arith::BitcastOp::create(b, loc, b.getF16Type(), half);
    return mlir::arith::ExtFOp::create(b, loc, b.getF32Type(), half);
  }
  /// The nibble of `packed`, high if `high` (i1) holds.
  Value nibble(Value packed, Value high) {
    return bits(shr(packed, select(high, i32(4), i32(0))), 15);
  }
  /// The nibble of column `col` in 16 bytes from `at`: byte j holds columns j
  /// and j + 16.
  Value halfSplitNibble(Value at, Value col) {
    Value high = mlir::arith::CmpIOp::create(
        b, loc, mlir::arith::CmpIPredicate::uge, col, index(16));
    return nibble(u8(add(at, rem(col, 16))), high);
  }
  /// Number `i` of codes of `width` bits (2, 4 or 8) from `at`, the first in
  /// the lowest bits.
  Value code(Value at, Value i, int64_t width) {
    int64_t perByte = 8 / width;
    Value word = u8(add(at, div(i, perByte)));
    if (perByte == 1)
      return word;
    Value amount = toI32(mul(rem(i, perByte), width));
    return bits(shr(word, amount), (1 << width) - 1);
  }

  // Small floats; `word` has the code in its low bits.
  Value e4m3(Value word);
  Value e5m2(Value word) { return halfToFloat(shl(word, 8)); }
  Value e2m1(Value word);
  Value e8m0(Value word);

private:
  /// Sign and magnitude of a float of 1 + `exponent` + `mantissa` bits, without
  /// NaNs or infinities.
  Value smallFloat(Value word, int64_t exponent, int64_t mantissa);
};

/// Column `col` of the block of GGUF at byte index `block`.
mlir::Value decodeGgufBlock(Decoder &d, GgufKind kind, mlir::Value block,
                            mlir::Value col);

/// Column `col` of a piece of a strip (see StripLayout.h), whose groups are
/// blocks: codes, scale, zero point.
mlir::Value decodeAffineInStrip(Decoder &d, AffineFormatAttr format,
                                mlir::Value col);

} // namespace headrace::qlinear

#endif // HEADRACE_DIALECTS_QLINEAR_FORMATDECODER_H
