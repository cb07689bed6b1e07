//===- BlockFetch.cpp - the next block of a cache, fetched ahead ----------===//

#include "passes/cpu/BlockFetch.h"

#include "passes/cpu/CacheNumbers.h"

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qattn;
using headrace::common::KVPart;

static constexpr int64_t kLineBytes = 64, kPageBytes = 4096;

BlockFetch::BlockFetch(VectorBuilder &v, KVCacheType cache, Value bytes,
                       int64_t block, int64_t columns, bool inOrder)
    : v(v), bytes(bytes), slotBytes(cache.getSlotBytes()), block(block),
      heads(cache.getHeads()),
      share(block * columns * numberBytes(cache.getDtype())), inOrder(inOrder) {
}

void BlockFetch::start(TokenRange tokens, Value slot, Value end) {
  Value more = arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::ult,
                                     v.add(tokens.first, block), end);
  // As though what follows in memory were next, which is wrong only where a
  // page or ring ends. Behind the last block nothing is fetched.
  ahead = v.select(more, v.index(block * slotBytes), v.index(0));
  nextBlock = v.add(v.mul(slot, slotBytes), ahead);
}

void BlockFetch::next(KVPart part, Value head, Value offset,
                      ArrayRef<Value> read, int64_t size) {
  if (!inOrder) {
    for (Value at : read)
      v.prefetch(bytes, v.add(at, ahead), 2);
    return;
  }
  Value at = v.add(nextBlock, v.mul(head, share));
  at = v.add(v.add(at, part == KVPart::Key ? 0 : heads * share), offset);
  for (int64_t line = 0; line < size; line += kLineBytes)
    v.prefetch(bytes, v.add(at, line), 2);
  // What hardware fetches ahead by itself ends with a page: a line of the next
  // one lets it begin there in time.
  v.prefetch(bytes, v.add(at, kPageBytes), 2);
}

void BlockFetch::soon(Value at, int64_t tokens) {
  v.prefetch(bytes, v.add(at, tokens * slotBytes));
}
