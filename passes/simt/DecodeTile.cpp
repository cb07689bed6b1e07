//===- DecodeTile.cpp - how lanes share out a decode ----------------------===//

#include "passes/simt/DecodeTile.h"

using namespace mlir;
using namespace headrace::simt;
using namespace headrace::qattn;

/// A lane loads at most 16 bytes at a time, and lanes next to each other at
/// least a sector of memory together.
static constexpr int64_t kLoadBytes = 16, kSectorBytes = 64;
/// Numbers of queries, and as many sums, that a lane keeps in registers: more
/// of both, and GPUs run fewer subgroups at a time.
static constexpr int64_t kLaneNumbers = 32;
/// Queries of a lane that share what is decoded; with more, more lanes share a
/// token, and sums over them cost more than is saved.
static constexpr int64_t kLaneHeads = 2;
/// Shared memory for the sums of a workgroup: half of what small devices have.
static constexpr int64_t kSharedBytes = 16384;
static constexpr int64_t kMostSubgroups = 8;

int64_t headrace::simt::numberBytes(CacheDtype dtype) {
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

DecodeTile headrace::simt::tileDecode(DecodeOp op, int64_t width) {
  KVCacheType cache = op.getCache().getType();
  int64_t bytes = numberBytes(cache.getDtype());
  int64_t dim = cache.getDim();
  int64_t shared =
      cast<ShapedType>(op.getQ().getType()).getDimSize(0) / cache.getHeads();
  DecodeTile tile;
  tile.chunk = std::min<int64_t>(kLoadBytes / bytes, dim & -dim);
  tile.laneHeads = std::min(shared, kLaneHeads);
  auto fits = [&](int64_t lanes) {
    tile.columnLanes = lanes;
    bool whole =
        lanes * tile.chunk * bytes >= kSectorBytes || lanes * tile.chunk >= dim;
    int64_t numbers = tile.laneChunks(dim) * tile.chunk * tile.laneHeads;
    return whole && numbers <= kLaneNumbers;
  };
  int64_t lanes = 1;
  while (!fits(lanes) && lanes < width)
    lanes *= 2;
  if (!fits(lanes))
    tile.laneHeads = 1;
  int64_t wanted = llvm::divideCeilSigned(shared, tile.laneHeads);
  tile.headLanes = std::min<int64_t>(llvm::PowerOf2Ceil(wanted), width / lanes);
  tile.tokenLanes = width / lanes / tile.headLanes;
  tile.tiles = llvm::divideCeilSigned(shared, tile.heads());
  tile.subgroups = kMostSubgroups;
  while (tile.subgroups > 1 &&
         tile.subgroups * tile.heads() * dim * 4 > kSharedBytes)
    tile.subgroups /= 2;
  return tile;
}

int64_t headrace::simt::decodeWorkgroups(DecodeOp op, int64_t width) {
  return op.getCache().getType().getHeads() * tileDecode(op, width).tiles;
}
