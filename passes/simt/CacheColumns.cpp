//===- CacheColumns.cpp - a lane's numbers of a cache ---------------------===//

#include "passes/simt/CacheColumns.h"

using namespace mlir;
using namespace headrace::simt;
using namespace headrace::qattn;
using headrace::common::KVPart;

CacheColumns::CacheColumns(SimtBuilder &v, KVCacheType cache, Value bytes,
                           const DecodeTile &tile, Value head, Value columnLane)
    : v(v), cache(cache), numbers(v, cache, bytes), tile(tile), head(head),
      columnLane(columnLane), chunks(tile.laneChunks(cache.getDim())),
      chunkVectors(std::max<int64_t>(tile.chunk / 4, 1)) {
  bool words = tile.chunk > 4;
  unitBytes = words ? 4 : numberBytes(cache.getDtype());
  Type unit = words ? v.i32() : CacheNumbers::storedType(v, cache.getDtype());
  units = unit.isInteger(8) ? bytes
                            : v.named(v.viewAs(bytes, unit), "cache_numbers");
  auto place = [&](int64_t chunk) {
    return v.add(v.mul(head, rowUnits()), v.mul(chunkAt(chunk), chunkUnits()));
  };
  firstPlace = v.named(place(0), "first_column");
  if (chunksFrom(chunks - 1) < tile.columnLanes)
    lastPlace = v.named(place(chunks - 1), "last_column");
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
  SmallVector<Value> decoded;
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
      decoded.push_back(v.named(number, isKey ? "key" : "value"));
  }
  return decoded;
}

SmallVector<Value> CacheColumns::decode(Value loaded) {
  if (tile.chunk <= 4)
    return {CacheNumbers::decode(v, loaded, cache.getDtype())};
  Type number = CacheNumbers::storedType(v, cache.getDtype());
  int64_t words = 4 * numberBytes(cache.getDtype()) / 4;
  SmallVector<Value> decoded;
  for (int64_t word = 0; word < SimtBuilder::lanes(loaded); word += words) {
    SmallVector<int64_t> mask;
    for (int64_t i = 0; i < words; ++i)
      mask.push_back(word + i);
    decoded.push_back(CacheNumbers::decode(
        v, v.cast(v.shuffle(loaded, mask), 4, number), cache.getDtype()));
  }
  return decoded;
}

Value CacheColumns::loadScale(KVPart part, Value slot) {
  return numbers.loadScale(part, slot, head);
}
