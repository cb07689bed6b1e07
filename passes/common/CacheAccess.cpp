//===- CacheAccess.cpp - reading and encoding of caches -------------------===//

#include "dialects/QLinear/FormatDecoder.h"
#include "passes/common/DecomposeQAttn.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include <limits>

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qattn;
using headrace::qlinear::Decoder;

//===----------------------------------------------------------------------===//
// Places
//===----------------------------------------------------------------------===//

static Value element(OpBuilder &b, Location loc, Value list, Value at) {
  if (isa<MemRefType>(list.getType()))
    return memref::LoadOp::create(b, loc, list, ValueRange{at});
  return tensor::ExtractOp::create(b, loc, list, ValueRange{at});
}

Value headrace::common::scalarIndex(OpBuilder &b, Location loc, Value one) {
  Value zero = arith::ConstantIndexOp::create(b, loc, 0);
  Value number = element(b, loc, one, zero);
  return arith::IndexCastOp::create(b, loc, b.getIndexType(), number);
}

int64_t headrace::common::tokensOf(Type cache, Value table) {
  CacheGeometry geometry = geometryOf(cache);
  switch (geometry.layout) {
  case CacheLayout::Contiguous:
    return geometry.slots;
  case CacheLayout::Ring:
    return std::numeric_limits<int64_t>::max();
  case CacheLayout::Paged:
    return cast<ShapedType>(table.getType()).getDimSize(0) * geometry.page;
  }
  llvm_unreachable("unknown layout");
}

Slot headrace::common::slotOf(OpBuilder &b, Location loc, Type cache,
                              Value table, Value token) {
  CacheGeometry geometry = geometryOf(cache);
  Decoder d{b, loc, {}};
  // Unsigned, so that a negative token is out of range too.
  Value valid = d.less(token, tokensOf(cache, table));
  Value safe = d.select(valid, token, d.index(0));
  if (geometry.layout == CacheLayout::Contiguous)
    return {safe, valid};
  if (geometry.layout == CacheLayout::Ring)
    return {d.rem(safe, geometry.slots), valid};
  Value entry = element(b, loc, table, d.div(safe, geometry.page));
  Value page = d.toIndex(entry);
  Value exists = d.less(page, geometry.slots / geometry.page);
  page = d.select(exists, page, d.index(0));
  Value both = arith::AndIOp::create(b, loc, valid, exists);
  return {d.add(d.mul(page, geometry.page), d.rem(safe, geometry.page)), both};
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

static int64_t byteWidth(CacheDtype dtype) {
  switch (dtype) {
  case CacheDtype::F32:
    return 4;
  case CacheDtype::BF16:
  case CacheDtype::F16:
    return 2;
  case CacheDtype::FP8E4M3:
  case CacheDtype::I8:
    return 1;
  }
  llvm_unreachable("unknown dtype");
}

/// The number of `dtype` at byte `at`, without a scale.
static Value readNumber(Decoder &d, Value at, CacheDtype dtype) {
  switch (dtype) {
  case CacheDtype::F32:
    return d.f32At(at);
  case CacheDtype::BF16:
    return d.bf16(at);
  case CacheDtype::F16:
    return d.f16(at);
  case CacheDtype::FP8E4M3:
    return d.e4m3(d.u8(at));
  case CacheDtype::I8:
    return d.toFloat(d.s8(at));
  }
  llvm_unreachable("unknown dtype");
}

Value headrace::common::decodeKV(OpBuilder &b, Location loc, Value bytes,
                                 KVCacheType cache, KVPart part, Value slot,
                                 Value head, Value dim) {
  Decoder d{b, loc, bytes};
  int64_t values = part == KVPart::Value ? 1 : 0;
  int64_t width = byteWidth(cache.getDtype());
  Value number = d.add(d.mul(head, cache.getDim()), dim);
  number = d.add(number, values * cache.getHeads() * cache.getDim());
  Value at = d.add(d.mul(slot, cache.getSlotBytes()), d.mul(number, width));
  Value value = readNumber(d, at, cache.getDtype());
  if (!cache.hasScales())
    return value;
  Value scale = d.add(d.mul(slot, 2 * cache.getHeads()), head);
  scale = d.add(scale, values * cache.getHeads());
  return d.mulf(value,
                d.f32At(d.add(d.mul(scale, 4), cache.getScalesOffset())));
}

Value headrace::common::storedContent(OpBuilder &b, Location loc, Value bytes,
                                      MlaCacheType cache, Value slot,
                                      Value dim) {
  Decoder d{b, loc, bytes};
  Value at = d.add(d.mul(slot, cache.getSlotBytes()),
                   d.mul(dim, byteWidth(cache.getDtype())));
  return readNumber(d, at, cache.getDtype());
}

Value headrace::common::storedRope(OpBuilder &b, Location loc, Value bytes,
                                   MlaCacheType cache, Value slot, Value dim) {
  Decoder d{b, loc, bytes};
  bool scaled = cache.hasScales();
  CacheDtype dtype = scaled ? CacheDtype::BF16 : cache.getDtype();
  int64_t offset =
      cache.getContent() * byteWidth(cache.getDtype()) + (scaled ? 4 : 0);
  Value at =
      d.add(d.mul(slot, cache.getSlotBytes()), d.mul(dim, byteWidth(dtype)));
  return readNumber(d, d.add(at, offset), dtype);
}

Value headrace::common::mlaScale(OpBuilder &b, Location loc, Value bytes,
                                 MlaCacheType cache, Value slot) {
  Decoder d{b, loc, bytes};
  if (!cache.hasScales())
    return d.f32(1.0);
  return d.f32At(d.add(d.mul(slot, cache.getSlotBytes()), cache.getContent()));
}

static Value timesScale(OpBuilder &b, Location loc, Value stored, Value bytes,
                        MlaCacheType cache, Value slot) {
  if (!cache.hasScales())
    return stored;
  return arith::MulFOp::create(b, loc, stored,
                               mlaScale(b, loc, bytes, cache, slot));
}

Value headrace::common::decodeContent(OpBuilder &b, Location loc, Value bytes,
                                      MlaCacheType cache, Value slot,
                                      Value dim) {
  Value stored = storedContent(b, loc, bytes, cache, slot, dim);
  return timesScale(b, loc, stored, bytes, cache, slot);
}

Value headrace::common::decodeRope(OpBuilder &b, Location loc, Value bytes,
                                   MlaCacheType cache, Value slot, Value dim) {
  Value stored = storedRope(b, loc, bytes, cache, slot, dim);
  return timesScale(b, loc, stored, bytes, cache, slot);
}

//===----------------------------------------------------------------------===//
// Encoding
//===----------------------------------------------------------------------===//

static Value bitsOf(OpBuilder &b, Location loc, Value value) {
  return arith::BitcastOp::create(b, loc, b.getI32Type(), value);
}

static Value isNaN(OpBuilder &b, Location loc, Value value) {
  return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, value, value);
}

/// Rounding by integer arithmetic on the bits; below the least normal number
/// (2^-6) by adding 2^23, whose last bit is worth one.
static Value encodeE4M3(OpBuilder &b, Location loc, Value value) {
  Decoder d{b, loc, {}};
  Value bits = bitsOf(b, loc, value);
  Value sign = d.bits(d.shr(bits, 24), 0x80);
  Value magnitude = d.bits(bits, 0x7fffffff);
  Value odd = d.bits(d.shr(magnitude, 20), 1);
  Value rounded =
      d.shr(d.addI(arith::AddIOp::create(b, loc, magnitude, odd), 0x7ffff), 20);
  Value normal = arith::MinSIOp::create(b, loc, d.sub(rounded, (127 - 7) << 3),
                                        d.i32(0x7e));
  Value small = d.bits(bitsOf(b, loc,
                              d.addf(d.mulf(d.asFloat(magnitude), d.f32(512.0)),
                                     d.f32(8388608.0))),
                       15);
  Value isSmall = d.lessI(magnitude, (127 - 6) << 23);
  Value code = d.select(isSmall, small, normal);
  code = d.select(isNaN(b, loc, value), d.i32(0x7f), code);
  return d.orI(code, sign);
}

/// By integers: conversion instructions take subnormal numbers for zeros.
static Value encodeBF16(OpBuilder &b, Location loc, Value value) {
  Decoder d{b, loc, {}};
  Value bits = bitsOf(b, loc, value);
  Value odd = d.bits(d.shr(bits, 16), 1);
  Value rounded =
      d.shr(d.addI(arith::AddIOp::create(b, loc, bits, odd), 0x7fff), 16);
  return d.select(isNaN(b, loc, value), d.i32(0x7fc0), rounded);
}

/// The nearest integer from -127 to 127; 0 for NaN.
static Value encodeI8(OpBuilder &b, Location loc, Value value) {
  Decoder d{b, loc, {}};
  value = d.select(isNaN(b, loc, value), d.f32(0.0), value);
  value = arith::MinNumFOp::create(b, loc, value, d.f32(127.0));
  value = arith::MaxNumFOp::create(b, loc, value, d.f32(-127.0));
  // 1.5 * 2^23, whose last bit is worth one.
  Value shifted = bitsOf(b, loc, d.addf(value, d.f32(12582912.0)));
  return d.bits(shifted, 0xff);
}

Value headrace::common::encode(OpBuilder &b, Location loc, Value value,
                               CacheDtype dtype) {
  switch (dtype) {
  case CacheDtype::F32:
    return bitsOf(b, loc, value);
  case CacheDtype::BF16:
    return encodeBF16(b, loc, value);
  case CacheDtype::F16: {
    Value small = arith::TruncFOp::create(b, loc, b.getF16Type(), value);
    Value bits = arith::BitcastOp::create(b, loc, b.getI16Type(), small);
    return arith::ExtUIOp::create(b, loc, b.getI32Type(), bits);
  }
  case CacheDtype::FP8E4M3:
    return encodeE4M3(b, loc, value);
  case CacheDtype::I8:
    return encodeI8(b, loc, value);
  }
  llvm_unreachable("unknown dtype");
}

Value headrace::common::decodeE4M3(OpBuilder &b, Location loc, Value code) {
  Decoder d{b, loc, {}};
  return d.e4m3(d.bits(code, 0xff));
}

Value headrace::common::roundToBF16(OpBuilder &b, Location loc, Value value) {
  Decoder d{b, loc, {}};
  return d.asFloat(d.shl(encode(b, loc, value, CacheDtype::BF16), 16));
}

Value headrace::common::scaleOf(OpBuilder &b, Location loc, Value largest,
                                double limit) {
  Decoder d{b, loc, {}};
  Value scale = arith::DivFOp::create(b, loc, largest, d.f32(limit));
  Value none = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, scale,
                                     d.f32(0.0));
  scale = d.select(none, d.f32(1.0), scale);
  Value finite =
      arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, largest,
                            d.f32(std::numeric_limits<double>::infinity()));
  return d.select(finite, scale,
                  d.f32(std::numeric_limits<double>::quiet_NaN()));
}

Value headrace::common::latentScale(OpBuilder &b, Location loc, Value content,
                                    Value rope) {
  Decoder d{b, loc, {}};
  Value scale = scaleOf(b, loc, content, /*limit=*/448.0);
  // The rotated part stays below 2^56, so that products add up in f32.
  Value least = d.mulf(rope, d.f32(0x1p-56));
  scale = arith::MaximumFOp::create(b, loc, scale, least);
  Value finite =
      arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, scale,
                            d.f32(std::numeric_limits<double>::infinity()));
  return d.select(finite, scale,
                  d.f32(std::numeric_limits<double>::quiet_NaN()));
}
