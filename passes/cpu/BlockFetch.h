//===- BlockFetch.h - the next block of a cache, fetched ahead --*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_BLOCKFETCH_H
#define HEADRACE_PASSES_CPU_BLOCKFETCH_H

#include "dialects/QAttn/QAttn.h"
#include "passes/common/DecomposeQAttn.h"
#include "passes/cpu/AttentionBlocks.h"

namespace headrace::cpu {

/// Fetches a block into the second cache while the one before is computed, as
/// many bytes at a time as are read of that one: hardware drops some of what is
/// fetched in bursts.
class BlockFetch {
public:
  using Value = mlir::Value;

  /// With `inOrder` all of a block is read, the keys of a head after the other
  /// and then the values, and fetched in the order of addresses; else only what
  /// a head has. `columns` of a head
  /// are read of each of `block` tokens.
  BlockFetch(VectorBuilder &v, qattn::KVCacheType cache, Value bytes,
             int64_t block, int64_t columns, bool inOrder);

  /// Begins a block of `tokens`, the first of which is in `slot`; there is
  /// another one before `end`, or this is the last one.
  void start(TokenRange tokens, Value slot, Value end);

  /// Fetches `size` bytes, `offset` bytes into what the keys or values of a
  /// head take, or what the next block has for the bytes at `read`.
  void next(common::KVPart part, Value head, Value offset,
            llvm::ArrayRef<Value> read, int64_t size);

  /// Fetches the line at `at` of a token that is `tokens` later into the first
  /// cache.
  void soon(Value at, int64_t tokens);

private:
  VectorBuilder &v;
  Value bytes;
  int64_t slotBytes, block, heads, share;
  bool inOrder;
  Value ahead;     // bytes to the next block
  Value nextBlock; // where that begins
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_BLOCKFETCH_H
