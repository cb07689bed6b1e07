//===- CacheNumbers.cpp - numbers of a cache as vectors of f32 ----------===//

#include "passes/cpu/CacheNumbers.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qattn::CacheDtype;

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

/// e4m3 codes (i8) as f32: exponent and mantissa move into place and 2^120
/// makes up for the bias, for subnormal codes too.
static Value decodeE4M3(VectorBuilder &v, Value codes) {
  int64_t lanes = VectorBuilder::lanes(codes);
  Value words = v.extU(codes, v.i32());
  Value magnitude = v.andI(words, 0x7f);
  Value value = v.mulf(v.cast(v.shl(magnitude, 20), lanes, v.f32()),
                       v.splat(v.vec(lanes, v.f32()), 0x1p120));
  Value bits = v.cast(value, lanes, v.i32());
  Value isNaN =
      arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::eq, magnitude,
                            v.splat(v.vec(lanes, v.i32()), 0x7f));
  bits = v.select(isNaN, v.splat(v.vec(lanes, v.i32()), 0x7fc00000), bits);
  return v.cast(v.orI(bits, v.shl(v.andI(words, 0x80), 24)), lanes, v.f32());
}

Value headrace::cpu::loadNumbers(VectorBuilder &v, Value bytes, Value at,
                                 CacheDtype dtype, int64_t count) {
  int64_t width = numberBytes(dtype);
  Value raw = v.loadFirst(bytes, {at}, kAttentionLanes * width, count * width);
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
