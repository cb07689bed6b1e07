//===- CacheNumbers.cpp - numbers of a cache as vectors of f32 ----------===//

#include "passes/cpu/CacheNumbers.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qattn;
using headrace::common::KVPart;

int64_t headrace::cpu::numberBytes(CacheDtype dtype) {
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

Value headrace::cpu::bytesOfCache(Operation *op, Value cache) {
  auto view = cache.getDefiningOp<CacheFromBytesOp>();
  if (view && isa<MemRefType>(view.getBytes().getType()))
    return view.getBytes();
  op->emitOpError("expected a cache from qattn.cache_from_bytes of a memref; "
                  "run cpu-form-kernels first");
  return {};
}

/// e4m3 codes (i8) as f32, through f16, whose bias is eight more: exponent and
/// mantissa move into place. Multiplying f32 instead would take a hundred times
/// as long where a code is subnormal, and zero where such numbers are flushed.
static Value decodeE4M3(VectorBuilder &v, Value codes) {
  int64_t lanes = VectorBuilder::lanes(codes);
  Value bits = v.andI(v.shl(v.extS(codes, v.i16()), 7), ~0x4000);
  // One more than the largest code carries into the exponent: all ones are NaN.
  Value one = v.splat(v.vec(lanes, v.i16()), 0x80);
  bits = v.orI(bits, v.andI(v.add(bits, one), 0x4000));
  return v.mulf(v.extF(v.cast(bits, lanes, v.b.getF16Type())),
                v.splat(v.vec(lanes, v.f32()), 0x1p8));
}

Value headrace::cpu::loadNumbers(VectorBuilder &v, Value bytes, ValueRange at,
                                 CacheDtype dtype, int64_t count) {
  int64_t width = numberBytes(dtype);
  Value raw = v.loadFirst(bytes, at, kAttentionLanes * width, count * width);
  switch (dtype) {
  case CacheDtype::F32:
    return v.cast(raw, kAttentionLanes, v.f32());
  case CacheDtype::BF16:
    return v.extF(v.cast(raw, kAttentionLanes, v.b.getBF16Type()));
  case CacheDtype::F16:
    return v.extF(v.cast(raw, kAttentionLanes, v.b.getF16Type()));
  case CacheDtype::FP8E4M3:
    return decodeE4M3(v, raw);
  case CacheDtype::I8:
    return v.toFloat(v.extS(raw, v.i32()));
  }
  llvm_unreachable("unknown dtype");
}

static int64_t numberOf(KVPart part) { return part == KVPart::Key ? 0 : 1; }

Value headrace::cpu::numbersAt(VectorBuilder &v, KVCacheType cache, KVPart part,
                               Value slot, Value head) {
  int64_t row = cache.getDim() * numberBytes(cache.getDtype());
  Value at = v.add(v.mul(slot, cache.getSlotBytes()), v.mul(head, row));
  return v.add(at, numberOf(part) * cache.getHeads() * row);
}

Value headrace::cpu::scaleAt(VectorBuilder &v, KVCacheType cache, KVPart part,
                             Value slot, Value head) {
  int64_t heads = cache.getHeads();
  Value place = v.add(v.mul(slot, 2 * heads), head);
  place = v.add(place, numberOf(part) * heads);
  return v.add(v.mul(place, 4), cache.getScalesOffset());
}

static Value slotAt(VectorBuilder &v, MlaCacheType cache, Value slot) {
  return v.mul(slot, cache.getSlotBytes());
}

LatentPart headrace::cpu::contentAt(VectorBuilder &v, MlaCacheType cache,
                                    Value slot) {
  return {slotAt(v, cache, slot), cache.getDtype(), cache.getContent()};
}

Value headrace::cpu::latentScaleAt(VectorBuilder &v, MlaCacheType cache,
                                   Value slot) {
  int64_t content = cache.getContent() * numberBytes(cache.getDtype());
  return v.add(slotAt(v, cache, slot), content);
}

LatentPart headrace::cpu::ropeAt(VectorBuilder &v, MlaCacheType cache,
                                 Value slot) {
  // Behind the content and its scale, of which it is divided by.
  Value behind = latentScaleAt(v, cache, slot);
  if (cache.hasScales())
    return {v.add(behind, 4), CacheDtype::BF16, cache.getRope()};
  return {behind, cache.getDtype(), cache.getRope()};
}

//===----------------------------------------------------------------------===//
// Encoding
//===----------------------------------------------------------------------===//

static Value isNaN(VectorBuilder &v, Value values) {
  return arith::CmpFOp::create(v.b, v.loc, arith::CmpFPredicate::UNO, values,
                               values);
}

static Value constantWords(VectorBuilder &v, int64_t value) {
  return v.splat(v.vec(kAttentionLanes, v.i32()), static_cast<double>(value));
}

static Value bitsOf(VectorBuilder &v, Value values) {
  return v.cast(values, kAttentionLanes, v.i32());
}

/// Rounding by integer arithmetic on the bits; below the least normal number
/// (2^-6) by adding 2^23, whose last bit is worth one.
static Value encodeE4M3(VectorBuilder &v, Value values) {
  auto floats = v.vec(kAttentionLanes, v.f32());
  Value bits = bitsOf(v, values);
  Value magnitude = v.andI(bits, 0x7fffffff);
  Value odd = v.andI(v.shr(magnitude, 20), 1);
  Value rounded =
      v.shr(v.add(v.add(magnitude, odd), constantWords(v, 0x7ffff)), 20);
  Value normal = arith::MinSIOp::create(
      v.b, v.loc, v.sub(rounded, constantWords(v, (127 - 7) << 3)),
      constantWords(v, 0x7e));
  Value scaled = v.mulf(v.cast(magnitude, kAttentionLanes, v.f32()),
                        v.splat(floats, 512.0));
  Value small =
      v.andI(bitsOf(v, v.addf(scaled, v.splat(floats, 8388608.0))), 15);
  Value isSmall =
      arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::slt, magnitude,
                            constantWords(v, (127 - 6) << 23));
  Value code = v.select(isSmall, small, normal);
  code = v.select(isNaN(v, values), constantWords(v, 0x7f), code);
  return v.orI(code, v.andI(v.shr(bits, 24), 0x80));
}

/// By integers: conversion instructions take subnormal numbers for zeros.
static Value encodeBF16(VectorBuilder &v, Value values) {
  Value bits = bitsOf(v, values);
  Value odd = v.andI(v.shr(bits, 16), 1);
  Value rounded = v.shr(v.add(v.add(bits, odd), constantWords(v, 0x7fff)), 16);
  return v.select(isNaN(v, values), constantWords(v, 0x7fc0), rounded);
}

/// The nearest integer from -127 to 127; 0 for NaN. Adding 1.5 * 2^23, whose
/// last bit is worth one, rounds.
static Value encodeI8(VectorBuilder &v, Value values) {
  auto floats = v.vec(kAttentionLanes, v.f32());
  values = v.select(isNaN(v, values), v.splat(floats, 0), values);
  values = arith::MinNumFOp::create(v.b, v.loc, values, v.splat(floats, 127));
  values = arith::MaxNumFOp::create(v.b, v.loc, values, v.splat(floats, -127));
  return bitsOf(v, v.addf(values, v.splat(floats, 12582912.0)));
}

void headrace::cpu::storeNumbers(VectorBuilder &v, Value values, Value bytes,
                                 ValueRange at, CacheDtype dtype,
                                 int64_t count) {
  auto narrow = [&](Value words, Type type) -> Value {
    return arith::TruncIOp::create(v.b, v.loc, v.vec(kAttentionLanes, type),
                                   words);
  };
  Value numbers;
  switch (dtype) {
  case CacheDtype::F32:
    numbers = values;
    break;
  case CacheDtype::BF16:
    numbers = narrow(encodeBF16(v, values), v.i16());
    break;
  case CacheDtype::F16:
    numbers = arith::TruncFOp::create(
        v.b, v.loc, v.vec(kAttentionLanes, v.b.getF16Type()), values);
    break;
  case CacheDtype::FP8E4M3:
    numbers = narrow(encodeE4M3(v, values), v.i8());
    break;
  case CacheDtype::I8:
    numbers = narrow(encodeI8(v, values), v.i8());
    break;
  }
  int64_t width = numberBytes(dtype);
  v.storeFirst(v.cast(numbers, kAttentionLanes * width, v.i8()), bytes, at,
               count * width);
}

Value headrace::cpu::roundToBF16(VectorBuilder &v, Value values) {
  return v.cast(v.shl(encodeBF16(v, values), 16), kAttentionLanes, v.f32());
}

Value headrace::cpu::roundToE4M3(VectorBuilder &v, Value values) {
  auto floats = v.vec(kAttentionLanes, v.f32());
  // Three bits of mantissa stay, or below 2^-6 steps of 2^-9, which is what the
  // last bit of 2^14 is worth.
  Value bits = bitsOf(v, values);
  Value odd = v.andI(v.shr(bits, 20), 1);
  Value normal =
      v.andI(v.add(v.add(bits, odd), constantWords(v, 0x7ffff)), ~0xfffff);
  Value step = v.splat(floats, 0x1p14);
  Value small = v.subf(v.addf(values, step), step);
  return v.select(v.lessF(values, v.splat(floats, 0x1p-6)), small,
                  v.cast(normal, kAttentionLanes, v.f32()));
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

void headrace::cpu::forEachVector(
    int64_t count, llvm::function_ref<void(int64_t, int64_t)> body) {
  for (int64_t col = 0; col < count; col += kAttentionLanes)
    body(col, std::min(kAttentionLanes, count - col));
}

void headrace::cpu::loopVectors(VectorBuilder &v, int64_t count,
                                llvm::function_ref<void(Value, int64_t)> body) {
  int64_t whole = count / kAttentionLanes * kAttentionLanes;
  v.loop(v.index(0), v.index(whole), kAttentionLanes, {},
         [&](Value col, ValueRange) -> SmallVector<Value> {
           body(col, kAttentionLanes);
           return {};
         });
  if (whole < count)
    body(v.index(whole), count - whole);
}

Value headrace::cpu::largestMagnitude(VectorBuilder &v, Value memref,
                                      ArrayRef<Value> row, int64_t count) {
  Value largest = v.splat(v.vec(kAttentionLanes, v.f32()), 0);
  forEachVector(count, [&](int64_t col, int64_t lanes) {
    SmallVector<Value> at(row);
    at.push_back(v.index(col));
    Value magnitude = math::AbsFOp::create(
        v.b, v.loc, v.loadFirst(memref, at, kAttentionLanes, lanes));
    // Keeps a NaN.
    largest = arith::MaximumFOp::create(v.b, v.loc, largest, magnitude);
  });
  return vector::ReductionOp::create(v.b, v.loc,
                                     vector::CombiningKind::MAXIMUMF, largest);
}
