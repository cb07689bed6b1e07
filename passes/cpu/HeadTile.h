//===- HeadTile.h - heads that decode attention computes together -*- C++
//-*-===//

#ifndef HEADRACE_PASSES_CPU_HEADTILE_H
#define HEADRACE_PASSES_CPU_HEADTILE_H

#include "passes/cpu/BlockFetch.h"
#include "passes/cpu/CacheNumbers.h"

namespace headrace::cpu {

/// Heads of queries that share the keys and values of `group` and what is
/// loaded of them: `heads` from `head` on.
struct HeadTile {
  mlir::Value group, head;
  int64_t heads;
};

/// A block of tokens of a cache, while it is attended to.
struct BlockCache {
  qattn::KVCacheType type;
  mlir::Value bytes;
  mlir::Value slots; // [token], where the tokens of the block are
  BlockFetch &ahead;

  int64_t tokens() const {
    return mlir::cast<mlir::MemRefType>(slots.getType()).getDimSize(0);
  }
  int64_t numberBytes() const { return cpu::numberBytes(type.getDtype()); }

  /// The first byte of the keys or values of a token.
  mlir::Value at(VectorBuilder &v, common::KVPart part, mlir::Value token,
                 mlir::Value group) const {
    return numbersAt(v, type, part, loadScalar(v, slots, token), group);
  }
};

/// Scores, then weights, of the tokens of a block. Those of a tile are
/// together: of each token its heads, which are lanes; or `apart`, of each head
/// its tokens.
struct Scores {
  mlir::Value memref; // f32 [heads * tokens]
  int64_t tokens;
  bool apart;

  mlir::Value at(VectorBuilder &v, const HeadTile &tile, int64_t i,
                 mlir::Value token) const {
    if (apart)
      return v.add(v.mul(v.add(tile.head, i), tokens), token);
    mlir::Value first = v.mul(tile.head, tokens);
    return v.add(v.add(first, v.mul(token, tile.heads)), i);
  }
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_HEADTILE_H
