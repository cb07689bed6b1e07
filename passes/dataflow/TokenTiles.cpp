//===- TokenTiles.cpp - tokens times a matrix, cut for an array -----------===//

#include "passes/dataflow/TokenTiles.h"

#include "llvm/Support/MathExtras.h"

using namespace headrace::dataflow;
using llvm::divideCeil;

TokenTiles headrace::dataflow::makeTokenTiles(int64_t tokens, int64_t rows,
                                              int64_t mostTokens,
                                              int64_t arrayColumns,
                                              int64_t arrayRows) {
  TokenTiles tiles;
  // As few rounds as possible, then as few tokens, cores and columns as do it
  // in as many rounds.
  tiles.tokenRounds = divideCeil(tokens, arrayRows * mostTokens);
  tiles.tokens = llvm::alignTo(
      divideCeil(tokens, arrayRows * tiles.tokenRounds), kTokenUnit);
  tiles.cores = divideCeil(tokens, tiles.tokens * tiles.tokenRounds);
  int64_t blocks = divideCeil(rows, kTileRows);
  tiles.rowRounds = divideCeil(blocks, arrayColumns);
  tiles.columns = divideCeil(blocks, tiles.rowRounds);
  return tiles;
}
