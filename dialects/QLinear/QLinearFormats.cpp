//===- QLinearFormats.cpp - block shapes and decoding of the formats ------===//
//
// `decode` is the definition of a format in IR: plain reads of bytes and
// arithmetic, one element at a time. Targets use their own, faster decoding and
// are tested against this one.
//
//===----------------------------------------------------------------------===//

#include "dialects/QLinear/QLinear.h"

using namespace mlir;
using namespace headrace::qlinear;

namespace {

/// Builds index, integer and float arithmetic and typed reads from bytes.
struct Decoder {
  OpBuilder &b;
  Location loc;
  Value bytes;

  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(b, loc, value);
  }
  Value i32(int64_t value) {
    return arith::ConstantIntOp::create(b, loc, value, 32);
  }
  Value f32(double value) {
    return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value));
  }
  Value add(Value lhs, Value rhs) {
    return arith::AddIOp::create(b, loc, lhs, rhs);
  }
  Value add(Value lhs, int64_t rhs) { return add(lhs, index(rhs)); }
  Value mul(Value lhs, int64_t rhs) {
    return arith::MulIOp::create(b, loc, lhs, index(rhs));
  }
  Value div(Value lhs, int64_t rhs) {
    return arith::DivUIOp::create(b, loc, lhs, index(rhs));
  }
  Value rem(Value lhs, int64_t rhs) {
    return arith::RemUIOp::create(b, loc, lhs, index(rhs));
  }
  Value bits(Value value, int64_t mask) {
    return arith::AndIOp::create(b, loc, value, i32(mask));
  }
  Value shr(Value value, Value amount) {
    return arith::ShRUIOp::create(b, loc, value, amount);
  }
  Value shl(Value value, int64_t amount) {
    return arith::ShLIOp::create(b, loc, value, i32(amount));
  }
  Value orI(Value lhs, Value rhs) {
    return arith::OrIOp::create(b, loc, lhs, rhs);
  }
  Value sub(Value value, int64_t amount) {
    return arith::SubIOp::create(b, loc, value, i32(amount));
  }
  Value toI32(Value idx) {
    return arith::IndexCastOp::create(b, loc, b.getI32Type(), idx);
  }
  Value less(Value idx, int64_t bound) {
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, idx,
                                 index(bound));
  }
  Value select(Value cond, Value yes, Value no) {
    return arith::SelectOp::create(b, loc, cond, yes, no);
  }
  Value toFloat(Value signedInt) {
    return arith::SIToFPOp::create(b, loc, b.getF32Type(), signedInt);
  }
  Value mulf(Value lhs, Value rhs) {
    return arith::MulFOp::create(b, loc, lhs, rhs);
  }
  Value addf(Value lhs, Value rhs) {
    return arith::AddFOp::create(b, loc, lhs, rhs);
  }
  Value subf(Value lhs, Value rhs) {
    return arith::SubFOp::create(b, loc, lhs, rhs);
  }

  Value byte(Value at) {
    return tensor::ExtractOp::create(b, loc, bytes, ValueRange{at});
  }
  Value u8(Value at) {
    return arith::ExtUIOp::create(b, loc, b.getI32Type(), byte(at));
  }
  Value s8(Value at) {
    return arith::ExtSIOp::create(b, loc, b.getI32Type(), byte(at));
  }
  Value u16(Value at) { return orI(u8(at), shl(u8(add(at, 1)), 8)); }
  Value u32(Value at) { return orI(u16(at), shl(u16(add(at, 2)), 16)); }
  Value f16(Value at) {
    Value half = arith::TruncIOp::create(b, loc, b.getI16Type(), u16(at));
    half = arith::BitcastOp::create(b, loc, b.getF16Type(), half);
    return arith::ExtFOp::create(b, loc, b.getF32Type(), half);
  }
  /// bf16 is the upper half of an f32.
  Value bf16(Value at) {
    return arith::BitcastOp::create(b, loc, b.getF32Type(), shl(u16(at), 16));
  }
  Value f32At(Value at) {
    return arith::BitcastOp::create(b, loc, b.getF32Type(), u32(at));
  }
  /// The nibble of `packed`, high if `high` (i1) holds.
  Value nibble(Value packed, Value high) {
    return bits(shr(packed, select(high, i32(4), i32(0))), 15);
  }
  Value isOdd(Value idx) {
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, rem(idx, 2),
                                 index(1));
  }
};

} // namespace

/// The nibble of column `col` in 16 bytes from `at`: byte j holds columns j and
/// j + 16.
static Value halfSplitNibble(Decoder &d, Value at, Value col) {
  Value high = arith::CmpIOp::create(d.b, d.loc, arith::CmpIPredicate::uge, col,
                                     d.index(16));
  return d.nibble(d.u8(d.add(at, d.rem(col, 16))), high);
}

static Value decodeQ4K(Decoder &d, Value block, Value col) {
  // Groups of 32; scale and minimum are 6 bits each in 12 bytes from 4.
  Value group = d.div(col, 32), low = d.less(group, 4);
  // Groups 4 to 7 have their low 4 bits in bytes 8 to 11 and their upper 2 bits
  // on top of the bytes of group - 4.
  Value at = d.add(block, d.add(d.rem(group, 4), 4));
  Value b0 = d.u8(at), b4 = d.u8(d.add(at, 4)), b8 = d.u8(d.add(at, 8));
  auto upper = [&](Value v) { return d.shl(d.shr(v, d.i32(6)), 4); };
  Value scale = d.select(low, d.bits(b0, 63), d.orI(d.bits(b8, 15), upper(b0)));
  Value min =
      d.select(low, d.bits(b4, 63), d.orI(d.shr(b8, d.i32(4)), upper(b4)));
  Value quant =
      d.nibble(d.u8(d.add(d.add(d.mul(d.div(group, 2), 32), d.rem(col, 32)),
                          d.add(block, 16))),
               d.isOdd(group));
  Value step = d.mulf(d.f16(block), d.toFloat(scale));
  Value offset = d.mulf(d.f16(d.add(block, 2)), d.toFloat(min));
  return d.subf(d.mulf(step, d.toFloat(quant)), offset);
}

static Value decodeQ6K(Decoder &d, Value block, Value col) {
  // Halves of 128 columns; in each, quarter t of 32 columns.
  Value half = d.div(col, 128), within = d.rem(col, 128);
  Value quarter = d.div(within, 32), lane = d.rem(within, 32);
  Value lowAt =
      d.add(d.add(d.mul(half, 64), d.mul(d.rem(quarter, 2), 32)), lane);
  Value highNibble = arith::CmpIOp::create(
      d.b, d.loc, arith::CmpIPredicate::uge, quarter, d.index(2));
  Value low = d.nibble(d.u8(d.add(block, lowAt)), highNibble);
  Value highAt = d.add(d.add(d.mul(half, 32), lane), d.add(block, 128));
  Value high = d.bits(d.shr(d.u8(highAt), d.toI32(d.mul(quarter, 2))), 3);
  Value quant = d.sub(d.orI(low, d.shl(high, 4)), 32);
  Value scale = d.s8(d.add(d.add(block, 192), d.div(col, 16)));
  Value step = d.mulf(d.f16(d.add(block, 208)), d.toFloat(scale));
  return d.mulf(step, d.toFloat(quant));
}

//===----------------------------------------------------------------------===//
// gguf
//===----------------------------------------------------------------------===//

StringRef GgufFormatAttr::getFormatName() const {
  return stringifyGgufKind(getKind());
}
int64_t GgufFormatAttr::getBlockRows() const { return 1; }
int64_t GgufFormatAttr::getBlockCols() const {
  return getKind() == GgufKind::Q4_K || getKind() == GgufKind::Q6_K ? 256 : 32;
}
int64_t GgufFormatAttr::getBlockBytes() const {
  switch (getKind()) {
  case GgufKind::Q4_0:
    return 18;
  case GgufKind::Q5_0:
    return 22;
  case GgufKind::Q8_0:
    return 34;
  case GgufKind::Q4_K:
    return 144;
  case GgufKind::Q6_K:
    return 210;
  }
  llvm_unreachable("unknown gguf kind");
}
bool GgufFormatAttr::padsToBlock() const { return false; }
bool GgufFormatAttr::isActivationFormat() const { return false; }

Value GgufFormatAttr::decode(OpBuilder &builder, Location loc, Value bytes,
                             int64_t rows, int64_t cols, Value row,
                             Value col) const {
  Decoder d{builder, loc, bytes};
  int64_t blockCols = getBlockCols();
  Value blockIndex = d.add(d.mul(row, cols / blockCols), d.div(col, blockCols));
  Value block = d.mul(blockIndex, getBlockBytes());
  Value within = d.rem(col, blockCols);
  switch (getKind()) {
  case GgufKind::Q4_0: {
    Value quant = d.sub(halfSplitNibble(d, d.add(block, 2), within), 8);
    return d.mulf(d.f16(block), d.toFloat(quant));
  }
  case GgufKind::Q5_0: {
    Value low = halfSplitNibble(d, d.add(block, 6), within);
    Value fifth = d.bits(d.shr(d.u32(d.add(block, 2)), d.toI32(within)), 1);
    Value quant = d.sub(d.orI(low, d.shl(fifth, 4)), 16);
    return d.mulf(d.f16(block), d.toFloat(quant));
  }
  case GgufKind::Q8_0: {
    Value quant = d.s8(d.add(d.add(block, 2), within));
    return d.mulf(d.f16(block), d.toFloat(quant));
  }
  case GgufKind::Q4_K:
    return decodeQ4K(d, block, within);
  case GgufKind::Q6_K:
    return decodeQ6K(d, block, within);
  }
  llvm_unreachable("unknown gguf kind");
}

//===----------------------------------------------------------------------===//
// q4nx
//===----------------------------------------------------------------------===//

StringRef Q4NXFormatAttr::getFormatName() const { return "q4nx"; }
int64_t Q4NXFormatAttr::getBlockRows() const { return 32; }
int64_t Q4NXFormatAttr::getBlockCols() const { return 256; }
int64_t Q4NXFormatAttr::getBlockBytes() const { return 5120; }
bool Q4NXFormatAttr::padsToBlock() const { return true; }
bool Q4NXFormatAttr::isActivationFormat() const { return false; }

Value Q4NXFormatAttr::decode(OpBuilder &builder, Location loc, Value bytes,
                             int64_t rows, int64_t cols, Value row,
                             Value col) const {
  Decoder d{builder, loc, bytes};
  Value blockIndex = d.add(d.mul(d.div(row, 32), cols / 256), d.div(col, 256));
  Value block = d.mul(blockIndex, 5120);
  Value r = d.rem(row, 32), c = d.rem(col, 256);
  Value parameter = d.add(block, d.mul(d.add(d.mul(d.div(c, 32), 32), r), 2));
  Value scale = d.bf16(parameter), min = d.bf16(d.add(parameter, 512));
  Value quantAt = d.add(d.add(d.mul(d.div(r, 16), 2048), d.mul(c, 8)),
                        d.div(d.rem(r, 16), 2));
  Value quant = d.nibble(d.u8(d.add(d.add(block, 1024), quantAt)), d.isOdd(r));
  return d.addf(d.mulf(scale, d.toFloat(quant)), min);
}

//===----------------------------------------------------------------------===//
// act_i8
//===----------------------------------------------------------------------===//

StringRef ActI8FormatAttr::getFormatName() const { return "act_i8"; }
int64_t ActI8FormatAttr::getBlockRows() const { return 1; }
int64_t ActI8FormatAttr::getBlockCols() const { return 32; }
int64_t ActI8FormatAttr::getBlockBytes() const { return 32 + 4 + 4; }
bool ActI8FormatAttr::padsToBlock() const { return false; }
bool ActI8FormatAttr::isActivationFormat() const { return true; }

Value ActI8FormatAttr::decode(OpBuilder &builder, Location loc, Value bytes,
                              int64_t rows, int64_t cols, Value row,
                              Value col) const {
  Decoder d{builder, loc, bytes};
  Value start = d.mul(row, cols / 32 * getBlockBytes());
  Value quant = d.s8(d.add(start, col));
  Value scale = d.f32At(d.add(d.add(start, d.mul(d.div(col, 32), 4)), cols));
  return d.mulf(scale, d.toFloat(quant));
}
