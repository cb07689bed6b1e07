//===- CacheColumns.cpp - a lane's numbers of a cache ---------------------===//

#include "passes/simt/CacheColumns.h"

using namespace mlir;
using namespace headrace::simt;
using namespace headrace::qattn;
using headrace::common::KVPart;

/// bf16 is read as integers: not every device has the type.
static Type storageType(SimtBuilder &v, CacheDtype dtype) {
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

bool CacheColumns::supports(CacheDtype dtype) {
  return dtype != CacheDtype::FP8E4M3;
}

CacheColumns::CacheColumns(SimtBuilder &v, KVCacheType cache, Value bytes,
                           const DecodeTile &tile, Value head, Value columnLane)
    : v(v), cache(cache), bytes(bytes), tile(tile), head(head),
      columnLane(columnLane), chunks(tile.laneChunks(cache.getDim())),
      chunkVectors(std::max<int64_t>(tile.chunk / 4, 1)) {
  bool words = tile.chunk > 4;
  unitBytes = words ? 4 : numberBytes(cache.getDtype());
  Type unit = words ? v.i32() : storageType(v, cache.getDtype());
  units = unit.isInteger(8) ? bytes
                            : v.named(v.viewAs(bytes, unit), "cache_numbers");
  auto place = [&](int64_t chunk) {
    return v.add(v.mul(head, rowUnits()), v.mul(chunkAt(chunk), chunkUnits()));
  };
  firstPlace = v.named(place(0), "first_column");
  if (chunksFrom(chunks - 1) < tile.columnLanes)
    lastPlace = v.named(place(chunks - 1), "last_column");
  if (!cache.hasScales())
    return;
  // Behind an odd number of slots.
  if (cache.getScalesOffset() % 4 != 0)
    halves = v.named(v.viewAs(bytes, v.i16()), "cache_halves");
  else
    scales = v.named(v.viewAs(bytes, v.f32()), "cache_scales");
}

int64_t CacheColumns::rowUnits() const {
  return cache.getDim() * numberBytes(cache.getDtype()) / unitBytes;
}

int64_t CacheColumns::chunkUnits() const {
  return tile.chunk * numberBytes(cache.getDtype()) / unitBytes;
}

int64_t CacheColumns::chunksFrom(int64_t chunk) const {
  return cache.getDim() / tile.chunk - chunk * tile.columnLanes;
}

Value CacheColumns::chunkAt(int64_t chunk) {
  Value own = columnLane;
  if (chunksFrom(chunk) < tile.columnLanes)
    own = v.min(own, v.index(chunksFrom(chunk) - 1));
  return v.add(own, chunk * tile.columnLanes);
}

Value CacheColumns::chunkExists(int64_t chunk) {
  if (chunksFrom(chunk) >= tile.columnLanes)
    return {};
  return arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::ult,
                               columnLane, v.index(chunksFrom(chunk)));
}

Value CacheColumns::column(int64_t number) {
  Value first = v.mul(chunkAt(number / chunkVectors), tile.chunk);
  return v.add(first, number % chunkVectors * 4);
}

Value CacheColumns::exists(int64_t number) {
  return chunkExists(number / chunkVectors);
}

SmallVector<Value> CacheColumns::load(KVPart part, Value slot, Value valid) {
  bool isKey = part == KVPart::Key;
  Value first = v.mul(slot, cache.getSlotBytes() / unitBytes);
  if (!isKey)
    first = v.add(first, cache.getHeads() * rowUnits());
  Value lane = v.add(first, firstPlace);
  v.named(lane, isKey ? "key_at" : "value_at");
  SmallVector<Value> numbers;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    Value there = chunkExists(chunk);
    Value at = there ? v.add(first, lastPlace)
                     : v.add(lane, chunk * tile.columnLanes * chunkUnits());
    Value loaded = v.loadAligned(units, at, chunkUnits());
    if (valid)
      there = there ? v.andI(there, valid) : valid;
    if (there)
      loaded = v.select(there, loaded,
                        v.splat(cast<VectorType>(loaded.getType()), 0));
    for (Value number : decode(loaded))
      numbers.push_back(v.named(number, isKey ? "key" : "value"));
  }
  return numbers;
}

SmallVector<Value> CacheColumns::decode(Value loaded) {
  if (tile.chunk <= 4)
    return {decodeFour(loaded)};
  Type number = storageType(v, cache.getDtype());
  int64_t words = 4 * numberBytes(cache.getDtype()) / 4;
  SmallVector<Value> numbers;
  for (int64_t word = 0; word < SimtBuilder::lanes(loaded); word += words) {
    SmallVector<int64_t> mask;
    for (int64_t i = 0; i < words; ++i)
      mask.push_back(word + i);
    numbers.push_back(decodeFour(v.cast(v.shuffle(loaded, mask), 4, number)));
  }
  return numbers;
}

/// Numbers as they are stored, four or fewer.
Value CacheColumns::decodeFour(Value raw) {
  switch (cache.getDtype()) {
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

Value CacheColumns::loadScale(KVPart part, Value slot) {
  int64_t heads = cache.getHeads();
  Value at = v.add(v.mul(slot, 2 * heads), head);
  if (part == KVPart::Value)
    at = v.add(at, heads);
  if (scales)
    return v.loadOne(scales, v.add(at, cache.getScalesOffset() / 4));
  Value half = v.add(v.mul(at, 2), cache.getScalesOffset() / 2);
  auto loaded = [&](int64_t number) -> Value {
    return arith::ExtUIOp::create(v.b, v.loc, v.i32(),
                                  v.loadOne(halves, v.add(half, number)));
  };
  Value bits = v.orI(loaded(0), v.shl(loaded(1), 16));
  return arith::BitcastOp::create(v.b, v.loc, v.f32(), bits);
}
