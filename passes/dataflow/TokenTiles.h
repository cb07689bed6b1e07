//===- TokenTiles.h - tokens times a matrix, cut for an array ---*- C++ -*-===//

#ifndef HEADRACE_PASSES_DATAFLOW_TOKENTILES_H
#define HEADRACE_PASSES_DATAFLOW_TOKENTILES_H

#include "passes/dataflow/CoreCalls.h"

namespace headrace::dataflow {

/// Of what a core multiplies in one call: rows of weights, and columns.
constexpr int64_t kTileRows = 2 * kBlockRows, kTileColumns = 64;
/// Tokens of a core are a multiple of this.
constexpr int64_t kTokenUnit = 16;
/// More tokens than this do not make a core faster: weights then cost little.
constexpr int64_t kMostTokens = 64;

/// How tokens and rows of weights are shared out. Rows of the array have
/// different tokens, its columns different rows of weights.
struct TokenTiles {
  /// Tokens that a core has at a time.
  int64_t tokens;
  /// Cores of a column, and how often all of them get new tokens.
  int64_t cores, tokenRounds;
  /// Columns, and how often each gets new rows of weights for those tokens.
  int64_t columns, rowRounds;

  int64_t paddedTokens() const { return tokenRounds * cores * tokens; }
  int64_t paddedRows() const { return columns * rowRounds * kTileRows; }
};

/// The tiles that leave least to padding, with at most `mostTokens` in a core.
TokenTiles makeTokenTiles(int64_t tokens, int64_t rows, int64_t mostTokens,
                          int64_t arrayColumns, int64_t arrayRows);

} // namespace headrace::dataflow

#endif // HEADRACE_PASSES_DATAFLOW_TOKENTILES_H
