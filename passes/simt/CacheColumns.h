//===- CacheColumns.h - a lane's numbers of a cache -------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_SIMT_CACHECOLUMNS_H
#define HEADRACE_PASSES_SIMT_CACHECOLUMNS_H

#include "passes/simt/CacheNumbers.h"
#include "passes/simt/DecodeTile.h"

namespace headrace::simt {

/// Reads the columns of a lane from keys and values of a head, as f32 vectors
/// of at most four.
class CacheColumns {
public:
  using Value = mlir::Value;

  CacheColumns(SimtBuilder &v, qattn::KVCacheType cache, Value bytes,
               const DecodeTile &tile, Value head, Value columnLane);

  /// Vectors of a lane, and columns of each.
  int64_t vectors() const { return chunks * chunkVectors; }
  int64_t width() const { return std::min<int64_t>(tile.chunk, 4); }

  /// The first column of vector `number`.
  Value column(int64_t number);
  /// Whether those columns exist (i1), null where they do for all lanes.
  Value exists(int64_t number);

  /// The numbers of a slot without their scale. Zeros for columns that do not
  /// exist, and where `valid` (i1, may be null) does not hold.
  llvm::SmallVector<Value> load(common::KVPart part, Value slot, Value valid);
  /// The scale of keys or values of a slot.
  Value loadScale(common::KVPart part, Value slot);

private:
  int64_t rowUnits() const;
  int64_t chunkUnits() const;
  /// How many chunks there are from number `chunk` of the lanes on.
  int64_t chunksFrom(int64_t chunk) const;
  /// A lane's chunk, the last one where that does not exist.
  Value chunkAt(int64_t chunk);
  Value chunkExists(int64_t chunk);
  llvm::SmallVector<Value> decode(Value loaded);

  SimtBuilder &v;
  qattn::KVCacheType cache;
  CacheNumbers numbers;
  DecodeTile tile;
  Value head, columnLane;
  int64_t chunks, chunkVectors; // of a lane, and of a chunk
  int64_t unitBytes; // of what is loaded: words of 32 bits, or numbers
  Value units;       // the cache as such
  // Where a lane's keys are in a slot: of all chunks that exist the first, and
  // of the last chunk.
  Value firstPlace, lastPlace;
};

} // namespace headrace::simt

#endif // HEADRACE_PASSES_SIMT_CACHECOLUMNS_H
