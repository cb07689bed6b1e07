//===- DecodeTile.h - how lanes share out a decode --------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_SIMT_DECODETILE_H
#define HEADRACE_PASSES_SIMT_DECODETILE_H

#include "dialects/QAttn/QAttn.h"

namespace headrace::simt {

/// The lanes of a subgroup are tokens times heads times columns: lane i has
/// columns i mod `columnLanes`. What it loads of a key or value serves
/// `laneHeads` queries, and lanes with other heads load the same bytes.
struct DecodeTile {
  int64_t chunk;       // columns that a lane loads together
  int64_t columnLanes; // lanes that share a head of a token
  int64_t laneHeads;   // queries of a lane
  int64_t headLanes;   // lanes that have other queries of the same token
  int64_t tokenLanes;  // tokens of a subgroup
  int64_t tiles;       // workgroups that share the queries of a head of keys
  int64_t subgroups;   // of a workgroup

  /// Queries of a workgroup.
  int64_t heads() const { return headLanes * laneHeads; }
  /// Chunks of a lane; some lanes may have one less.
  int64_t laneChunks(int64_t dim) const {
    return llvm::divideCeilSigned(dim / chunk, columnLanes);
  }
};

/// Bytes of a number of a cache.
int64_t numberBytes(qattn::CacheDtype dtype);

/// The tile of `op` for subgroups of `width` lanes.
DecodeTile tileDecode(qattn::DecodeOp op, int64_t width);

/// Workgroups of `op`, of each part of the tokens.
int64_t decodeWorkgroups(qattn::DecodeOp op, int64_t width);

} // namespace headrace::simt

#endif // HEADRACE_PASSES_SIMT_DECODETILE_H
