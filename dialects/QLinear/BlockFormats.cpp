//===- BlockFormats.cpp - gguf, q4nx, act_i8 ------------------------------===//

#include "dialects/QLinear/FormatDecoder.h"

using namespace mlir;
using namespace headrace::qlinear;

//===----------------------------------------------------------------------===//
// gguf: blocks of 256
//===----------------------------------------------------------------------===//

/// The 6-bit scale and minimum of group `group` (of 8) in 12 bytes from `at`.
static std::pair<Value, Value> sixBitPair(Decoder &d, Value at, Value group) {
  // Groups 4 to 7 have their low 4 bits in bytes 8 to 11 and their upper 2 bits
  // on top of the bytes of group - 4.
  Value low = d.less(group, 4);
  at = d.add(at, d.rem(group, 4));
  Value b0 = d.u8(at), b4 = d.u8(d.add(at, 4)), b8 = d.u8(d.add(at, 8));
  auto upper = [&](Value v) { return d.shl(d.shr(v, 6), 4); };
  Value scale = d.select(low, d.bits(b0, 63), d.orI(d.bits(b8, 15), upper(b0)));
  Value min = d.select(low, d.bits(b4, 63), d.orI(d.shr(b8, 4), upper(b4)));
  return {scale, min};
}

/// q4_k, and q5_k where `fifth` has the high bit of the code.
static Value decodeQ45K(Decoder &d, Value block, Value col, Value codes,
                        Value fifth) {
  Value group = d.div(col, 32);
  auto [scale, min] = sixBitPair(d, d.add(block, 4), group);
  Value at = d.add(codes, d.add(d.mul(d.div(group, 2), 32), d.rem(col, 32)));
  Value quant = d.nibble(d.u8(at), d.isOdd(group));
  if (fifth)
    quant = d.orI(quant, d.shl(fifth, 4));
  Value step = d.mulf(d.f16(block), d.toFloat(scale));
  Value offset = d.mulf(d.f16(d.add(block, 2)), d.toFloat(min));
  return d.subf(d.mulf(step, d.toFloat(quant)), offset);
}

static Value decodeQ5K(Decoder &d, Value block, Value col) {
  Value byte = d.u8(d.add(d.add(block, 16), d.rem(col, 32)));
  Value fifth = d.bits(d.shr(byte, d.toI32(d.div(col, 32))), 1);
  return decodeQ45K(d, block, col, d.add(block, 48), fifth);
}

/// The two bits of column `col` in 64 bytes from `at`: halves of 128 columns,
/// in each four quarters of 32 in the bit pairs of 32 bytes.
static Value twoBits(Decoder &d, Value at, Value col) {
  Value byte =
      d.u8(d.add(at, d.add(d.mul(d.div(col, 128), 32), d.rem(col, 32))));
  Value quarter = d.div(d.rem(col, 128), 32);
  return d.bits(d.shr(byte, d.toI32(d.mul(quarter, 2))), 3);
}

static Value decodeQ2K(Decoder &d, Value block, Value col) {
  Value both = d.u8(d.add(block, d.div(col, 16)));
  Value step = d.mulf(d.f16(d.add(block, 80)), d.toFloat(d.bits(both, 15)));
  Value offset = d.mulf(d.f16(d.add(block, 82)), d.toFloat(d.shr(both, 4)));
  Value quant = twoBits(d, d.add(block, 16), col);
  return d.subf(d.mulf(step, d.toFloat(quant)), offset);
}

static Value decodeQ3K(Decoder &d, Value block, Value col) {
  // High bits: bit g of byte i belongs to column 32 g + i.
  Value mask = d.u8(d.add(block, d.rem(col, 32)));
  Value high = d.bits(d.shr(mask, d.toI32(d.div(col, 32))), 1);
  Value quant = d.orI(twoBits(d, d.add(block, 32), col), d.shl(high, 2));
  // 16 scales: low nibbles in bytes 0 to 7, upper pairs in bytes 8 to 11.
  Value group = d.div(col, 16), scales = d.add(block, 96);
  Value eight = arith::CmpIOp::create(d.b, d.loc, arith::CmpIPredicate::uge,
                                      group, d.index(8));
  Value low = d.nibble(d.u8(d.add(scales, d.rem(group, 8))), eight);
  Value pairs = d.u8(d.add(d.add(scales, 8), d.rem(group, 4)));
  Value pair = d.bits(d.shr(pairs, d.toI32(d.mul(d.div(group, 4), 2))), 3);
  Value scale = d.sub(d.orI(low, d.shl(pair, 4)), 32);
  Value step = d.mulf(d.f16(d.add(block, 108)), d.toFloat(scale));
  return d.mulf(step, d.toFloat(d.sub(quant, 4)));
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

/// The values of iq4_nl's codes (GGUF specification).
static Value unevenStep(Decoder &d, Value quant) {
  static constexpr int8_t kTable[] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113};
  auto type = RankedTensorType::get({16}, d.b.getI8Type());
  Value table = arith::ConstantOp::create(
      d.b, d.loc, DenseElementsAttr::get(type, ArrayRef<int8_t>(kTable)));
  Value value = tensor::ExtractOp::create(d.b, d.loc, table,
                                          ValueRange{d.toIndex(quant)});
  return arith::ExtSIOp::create(d.b, d.loc, d.b.getI32Type(), value);
}

StringRef GgufFormatAttr::getFormatName() const {
  return stringifyGgufKind(getKind());
}
int64_t GgufFormatAttr::getBlockRows() const { return 1; }
int64_t GgufFormatAttr::getBlockCols() const {
  switch (getKind()) {
  case GgufKind::Q2_K:
  case GgufKind::Q3_K:
  case GgufKind::Q4_K:
  case GgufKind::Q5_K:
  case GgufKind::Q6_K:
    return 256;
  default:
    return 32;
  }
}
int64_t GgufFormatAttr::getBlockBytes() const {
  switch (getKind()) {
  case GgufKind::Q4_0:
  case GgufKind::IQ4_NL:
    return 18;
  case GgufKind::Q4_1:
    return 20;
  case GgufKind::Q5_0:
    return 22;
  case GgufKind::Q5_1:
    return 24;
  case GgufKind::Q8_0:
    return 34;
  case GgufKind::Q2_K:
    return 84;
  case GgufKind::Q3_K:
    return 110;
  case GgufKind::Q4_K:
    return 144;
  case GgufKind::Q5_K:
    return 176;
  case GgufKind::Q6_K:
    return 210;
  }
  llvm_unreachable("unknown gguf kind");
}

Value GgufFormatAttr::decode(OpBuilder &builder, Location loc, Value bytes,
                             int64_t rows, int64_t cols, Value row,
                             Value col) const {
  Decoder d{builder, loc, bytes};
  int64_t blockCols = getBlockCols();
  Value blockIndex = d.add(d.mul(row, cols / blockCols), d.div(col, blockCols));
  Value block = d.mul(blockIndex, getBlockBytes());
  return decodeGgufBlock(d, getKind(), block, d.rem(col, blockCols));
}

Value headrace::qlinear::decodeGgufBlock(Decoder &d, GgufKind kind, Value block,
                                         Value within) {
  auto scaled = [&](Value quant) {
    return d.mulf(d.f16(block), d.toFloat(quant));
  };
  auto scaledPlusMin = [&](Value quant) {
    return d.addf(scaled(quant), d.f16(d.add(block, 2)));
  };
  auto nibble = [&](int64_t offset) {
    return d.halfSplitNibble(d.add(block, offset), within);
  };
  auto fiveBits = [&](int64_t highAt) {
    Value low = nibble(highAt + 4);
    Value high = d.u32(d.add(block, highAt));
    Value fifth = d.bits(d.shr(high, d.toI32(within)), 1);
    return d.orI(low, d.shl(fifth, 4));
  };
  switch (kind) {
  case GgufKind::Q4_0:
    return scaled(d.sub(nibble(2), 8));
  case GgufKind::Q4_1:
    return scaledPlusMin(nibble(4));
  case GgufKind::Q5_0:
    return scaled(d.sub(fiveBits(2), 16));
  case GgufKind::Q5_1:
    return scaledPlusMin(fiveBits(4));
  case GgufKind::Q8_0:
    return scaled(d.s8(d.add(d.add(block, 2), within)));
  case GgufKind::Q2_K:
    return decodeQ2K(d, block, within);
  case GgufKind::Q3_K:
    return decodeQ3K(d, block, within);
  case GgufKind::Q4_K:
    return decodeQ45K(d, block, within, d.add(block, 16), {});
  case GgufKind::Q5_K:
    return decodeQ5K(d, block, within);
  case GgufKind::Q6_K:
    return decodeQ6K(d, block, within);
  case GgufKind::IQ4_NL:
    return scaled(unevenStep(d, nibble(2)));
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
