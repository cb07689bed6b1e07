//===- CacheNumbers.cpp - numbers, scales and slots of a cache ------------===//

#include "passes/simt/CacheNumbers.h"

#include "passes/simt/DecodeTile.h"

using namespace mlir;
using namespace headrace::simt;
using namespace headrace::qattn;
using headrace::common::KVPart;
using headrace::common::Slot;

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

bool CacheNumbers::supports(CacheDtype dtype) {
  return dtype != CacheDtype::FP8E4M3;
}

Value CacheNumbers::bytesOf(Operation *op, TypedValue<KVCacheType> cache) {
  auto view = cache.getDefiningOp<CacheFromBytesOp>();
  if (!view || !isa<MemRefType>(view.getBytes().getType())) {
    op->emitOpError("expected a cache from qattn.cache_from_bytes of a memref; "
                    "run simt-form-kernels first");
    return {};
  }
  CacheDtype dtype = cache.getType().getDtype();
  if (!supports(dtype)) {
    op->emitOpError() << "has no GPU kernel for a cache of "
                      << stringifyCacheDtype(dtype)
                      << "; allowed: f32, bf16, f16, i8";
    return {};
  }
  return view.getBytes();
}

Type CacheNumbers::storedType(SimtBuilder &v, CacheDtype dtype) {
  switch (dtype) {
  case CacheDtype::F32:
    return v.f32();
  case CacheDtype::BF16:
    return v.i16();
  case CacheDtype::F16:
    return v.b.getF16Type();
  case CacheDtype::I8:
    return v.i8();
  case CacheDtype::FP8E4M3:
    break;
  }
  llvm_unreachable("a dtype without code");
}

Value CacheNumbers::decode(SimtBuilder &v, Value raw, CacheDtype dtype) {
  switch (dtype) {
  case CacheDtype::F32:
    return raw;
  case CacheDtype::BF16:
    return v.cast(v.shl(v.extU(raw, v.i32()), 16), SimtBuilder::lanes(raw),
                  v.f32());
  case CacheDtype::F16:
    return v.extF(raw);
  case CacheDtype::I8:
    return v.toFloat(raw);
  case CacheDtype::FP8E4M3:
    break;
  }
  llvm_unreachable("a dtype without code");
}

CacheNumbers::CacheNumbers(SimtBuilder &v, KVCacheType cache, Value bytes)
    : v(v), cache(cache), bytes(bytes) {
  if (!cache.hasScales())
    return;
  // Behind an odd number of slots they may lie between words.
  bool aligned = cache.getScalesOffset() % 4 == 0;
  scales = v.viewAs(bytes, aligned ? v.f32() : v.i16());
  v.named(scales, aligned ? "cache_scales" : "cache_halves");
}

Value CacheNumbers::numbersAs(Type element) {
  if (element.isInteger(8))
    return bytes;
  return v.named(v.viewAs(bytes, element), "cache_numbers");
}

Value CacheNumbers::place(KVPart part, Value slot, Value head) {
  int64_t dim = cache.getDim(), heads = cache.getHeads();
  Value first = v.add(v.mul(slot, 2 * heads * dim), v.mul(head, dim));
  return part == KVPart::Key ? first : v.add(first, heads * dim);
}

Value CacheNumbers::load(Value place) {
  CacheDtype dtype = cache.getDtype();
  Value raw = v.loadOne(numbersAs(storedType(v, dtype)), place);
  return v.extract(decode(v, v.broadcast(raw, 1), dtype), 0);
}

void CacheNumbers::store(Value number, Value place) {
  CacheDtype dtype = cache.getDtype();
  auto bits = static_cast<unsigned>(8 * numberBytes(dtype));
  Type element = v.b.getIntegerType(bits);
  Value code = headrace::common::encode(v.b, v.loc, number, dtype);
  if (bits < 32)
    code = arith::TruncIOp::create(v.b, v.loc, element, code);
  memref::StoreOp::create(v.b, v.loc, code, numbersAs(element), place);
}

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

Value CacheNumbers::scalePlace(KVPart part, Value slot, Value head) {
  int64_t heads = cache.getHeads();
  Value at = v.add(v.mul(slot, 2 * heads), head);
  return part == KVPart::Key ? at : v.add(at, heads);
}

Value CacheNumbers::loadScale(KVPart part, Value slot, Value head) {
  Value at = scalePlace(part, slot, head);
  int64_t offset = cache.getScalesOffset();
  if (offset % 4 == 0)
    return v.loadOne(scales, v.add(at, offset / 4));
  Value half = v.add(v.mul(at, 2), offset / 2);
  auto loaded = [&](int64_t number) -> Value {
    return arith::ExtUIOp::create(v.b, v.loc, v.i32(),
                                  v.loadOne(scales, v.add(half, number)));
  };
  Value bits = v.orI(loaded(0), v.shl(loaded(1), 16));
  return arith::BitcastOp::create(v.b, v.loc, v.f32(), bits);
}

void CacheNumbers::storeScale(Value scale, KVPart part, Value slot,
                              Value head) {
  Value at = scalePlace(part, slot, head);
  int64_t offset = cache.getScalesOffset();
  if (offset % 4 == 0) {
    memref::StoreOp::create(v.b, v.loc, scale, scales, v.add(at, offset / 4));
    return;
  }
  Value half = v.add(v.mul(at, 2), offset / 2);
  Value bits = arith::BitcastOp::create(v.b, v.loc, v.i32(), scale);
  for (int64_t number : {0, 1}) {
    Value part =
        arith::TruncIOp::create(v.b, v.loc, v.i16(), v.shr(bits, 16 * number));
    memref::StoreOp::create(v.b, v.loc, part, scales, v.add(half, number));
  }
}

//===----------------------------------------------------------------------===//
// Slots
//===----------------------------------------------------------------------===//

/// In 32 bits that wrap around, and compared without a sign: a token before the
/// first one is behind the last.
Slot headrace::simt::slotFrom(SimtBuilder &v, KVCacheType cache, Value table,
                              Value start, Value number) {
  auto less = [&](Value lhs, int64_t rhs) -> Value {
    return arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::ult, lhs,
                                 v.constI32(rhs));
  };
  auto divide = [&](Value lhs, int64_t rhs) -> Value {
    return arith::DivUIOp::create(v.b, v.loc, lhs, v.constI32(rhs));
  };
  auto remainder = [&](Value lhs, int64_t rhs) -> Value {
    return arith::RemUIOp::create(v.b, v.loc, lhs, v.constI32(rhs));
  };
  auto toIndex = [&](Value value) -> Value {
    return arith::IndexCastUIOp::create(v.b, v.loc, v.b.getIndexType(), value);
  };
  Value token =
      v.add(start, arith::IndexCastUIOp::create(v.b, v.loc, v.i32(), number));
  Value zero = v.constI32(0);
  int64_t slots = cache.getSlots();
  switch (cache.getLayout()) {
  case CacheLayout::Contiguous: {
    Value valid = less(token, slots);
    return {toIndex(v.select(valid, token, zero)), valid};
  }
  case CacheLayout::Ring: {
    // Beyond 2^31 - 1 there are tokens if the first one is not before 0.
    Value isNegative = arith::CmpIOp::create(
        v.b, v.loc, arith::CmpIPredicate::slt, v.andI(start, token), zero);
    Value one = arith::ConstantOp::create(v.b, v.loc, v.b.getBoolAttr(true));
    Value valid = arith::XOrIOp::create(v.b, v.loc, isNegative, one);
    return {toIndex(remainder(v.select(valid, token, zero), slots)), valid};
  }
  case CacheLayout::Paged: {
    int64_t page = cache.getPage();
    int64_t entries = cast<MemRefType>(table.getType()).getDimSize(0);
    Value listed = less(token, entries * page);
    Value safe = v.select(listed, token, zero);
    Value entry = v.loadOne(table, toIndex(divide(safe, page)));
    Value exists = less(entry, slots / page);
    Value first = v.mul(v.select(exists, entry, zero), v.constI32(page));
    return {toIndex(v.add(first, remainder(safe, page))),
            v.andI(listed, exists)};
  }
  }
  llvm_unreachable("unknown layout");
}
