//===- SmallFloatFormats.cpp - bf16, f16, fp8, mx, nvfp4 ------------------===//

#include "dialects/QLinear/FormatDecoder.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace headrace::qlinear;

//===----------------------------------------------------------------------===//
// Codes
//===----------------------------------------------------------------------===//

Value Decoder::smallFloat(Value word, int64_t exponent, int64_t mantissa) {
  int64_t width = exponent + mantissa;
  int64_t bias = (1 << (exponent - 1)) - 1;
  Value magnitude = bits(word, (1 << width) - 1);
  // Normal numbers: the exponent is moved to the bias of f32.
  Value normal =
      addI(shl(magnitude, 23 - mantissa), (int64_t(127) - bias) << 23);
  Value least = f32(std::ldexp(1.0, static_cast<int>(1 - bias - mantissa)));
  Value subnormal = mulf(toFloat(magnitude), least);
  Value unsignedValue = select(lessI(magnitude, int64_t(1) << mantissa),
                               subnormal, asFloat(normal));
  Value value = arith::BitcastOp::create(b, loc, b.getI32Type(), unsignedValue);
  Value sign = shl(bits(shr(word, width), 1), 31);
  return asFloat(orI(value, sign));
}

Value Decoder::e4m3(Value word) {
  Value nan = asFloat(i32(0x7fc00000));
  return select(equals(bits(word, 0x7f), 0x7f), nan, smallFloat(word, 4, 3));
}

Value Decoder::e2m1(Value word) { return smallFloat(word, 2, 1); }

Value Decoder::e8m0(Value word) {
  // 2^-127 is subnormal in f32.
  Value value = select(equals(word, 0), i32(0x00400000), shl(word, 23));
  return asFloat(select(equals(word, 255), i32(0x7fc00000), value));
}

//===----------------------------------------------------------------------===//
// plain
//===----------------------------------------------------------------------===//

StringRef PlainFormatAttr::getFormatName() const {
  return stringifyPlainKind(getKind());
}
int64_t PlainFormatAttr::getBlockRows() const { return 1; }
int64_t PlainFormatAttr::getBlockCols() const { return 1; }
int64_t PlainFormatAttr::getBlockBytes() const { return 2; }

Value PlainFormatAttr::decode(OpBuilder &builder, Location loc, Value bytes,
                              int64_t rows, int64_t cols, Value row,
                              Value col) const {
  Decoder d{builder, loc, bytes};
  Value at = d.mul(d.add(d.mul(row, cols), col), 2);
  return getKind() == PlainKind::BF16 ? d.bf16(at) : d.f16(at);
}

//===----------------------------------------------------------------------===//
// fp8
//===----------------------------------------------------------------------===//

static constexpr int64_t kTile = 128;

StringRef Fp8FormatAttr::getFormatName() const {
  return internName(getContext(), "fp8_" + stringifyFp8Kind(getKind()) + ":" +
                                      stringifyScaleGranularity(getScale()));
}
int64_t Fp8FormatAttr::getBlockRows() const { return 1; }
int64_t Fp8FormatAttr::getBlockCols() const { return 1; }
int64_t Fp8FormatAttr::getBlockBytes() const { return 1; }
int64_t Fp8FormatAttr::getBlockRowBytes(int64_t cols) const {
  return getScale() == ScaleGranularity::PerToken ? cols + 4 : cols;
}
int64_t Fp8FormatAttr::getHeaderBytes(int64_t rows, int64_t cols) const {
  switch (getScale()) {
  case ScaleGranularity::PerTensor:
    return 4;
  case ScaleGranularity::PerToken:
    return 0;
  case ScaleGranularity::PerBlock:
    return 4 * llvm::divideCeil(rows, kTile) * llvm::divideCeil(cols, kTile);
  }
  llvm_unreachable("unknown granularity");
}

Value Fp8FormatAttr::decode(OpBuilder &builder, Location loc, Value bytes,
                            int64_t rows, int64_t cols, Value row,
                            Value col) const {
  Decoder d{builder, loc, bytes};
  Value start =
      d.add(d.mul(row, getBlockRowBytes(cols)), getHeaderBytes(rows, cols));
  Value scaleAt;
  switch (getScale()) {
  case ScaleGranularity::PerTensor:
    scaleAt = d.index(0);
    break;
  case ScaleGranularity::PerToken:
    scaleAt = d.add(start, cols);
    break;
  case ScaleGranularity::PerBlock: {
    int64_t tiles = llvm::divideCeil(cols, kTile);
    scaleAt =
        d.mul(d.add(d.mul(d.div(row, kTile), tiles), d.div(col, kTile)), 4);
    break;
  }
  }
  Value word = d.u8(d.add(start, col));
  Value code = getKind() == Fp8Kind::E4M3 ? d.e4m3(word) : d.e5m2(word);
  return d.mulf(d.f32At(scaleAt), code);
}

//===----------------------------------------------------------------------===//
// mx
//===----------------------------------------------------------------------===//

StringRef MxFormatAttr::getFormatName() const {
  return internName(getContext(), "mx" + stringifyMxKind(getKind()));
}
int64_t MxFormatAttr::getBlockRows() const { return 1; }
int64_t MxFormatAttr::getBlockCols() const { return 32; }
int64_t MxFormatAttr::getBlockBytes() const {
  return getKind() == MxKind::Fp4 ? 17 : 33;
}

Value MxFormatAttr::decode(OpBuilder &builder, Location loc, Value bytes,
                           int64_t rows, int64_t cols, Value row,
                           Value col) const {
  Decoder d{builder, loc, bytes};
  Value blockIndex = d.add(d.mul(row, cols / 32), d.div(col, 32));
  Value block = d.mul(blockIndex, getBlockBytes());
  Value within = d.rem(col, 32), codes = d.add(block, 1);
  Value scale = d.e8m0(d.u8(block));
  switch (getKind()) {
  case MxKind::Fp4:
    return d.mulf(scale, d.e2m1(d.halfSplitNibble(codes, within)));
  case MxKind::Fp8E4M3:
    return d.mulf(scale, d.e4m3(d.u8(d.add(codes, within))));
  case MxKind::Fp8E5M2:
    return d.mulf(scale, d.e5m2(d.u8(d.add(codes, within))));
  }
  llvm_unreachable("unknown mx kind");
}

//===----------------------------------------------------------------------===//
// nvfp4
//===----------------------------------------------------------------------===//

StringRef Nvfp4FormatAttr::getFormatName() const { return "nvfp4"; }
int64_t Nvfp4FormatAttr::getBlockRows() const { return 1; }
int64_t Nvfp4FormatAttr::getBlockCols() const { return 16; }
int64_t Nvfp4FormatAttr::getBlockBytes() const { return 9; }
int64_t Nvfp4FormatAttr::getHeaderBytes(int64_t, int64_t) const { return 4; }

Value Nvfp4FormatAttr::decode(OpBuilder &builder, Location loc, Value bytes,
                              int64_t rows, int64_t cols, Value row,
                              Value col) const {
  Decoder d{builder, loc, bytes};
  Value start = d.add(d.mul(row, getBlockRowBytes(cols)), 4);
  Value scale = d.e4m3(d.u8(d.add(d.add(start, cols / 2), d.div(col, 16))));
  Value code = d.e2m1(d.code(start, col, 4));
  return d.mulf(d.mulf(d.f32At(d.index(0)), scale), code);
}
