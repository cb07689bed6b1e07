//===- TileLoops.h - loops around tiles of rows and tokens ------*- C++ -*-===//
//
// What products of many tokens have in common. 32 rows by some columns are
// decoded once into a tile with lanes along the rows, which all tokens share, a
// few at a time: each activation that is spread over a register serves 32 rows,
// each line of the tile all tokens of theirs, and nothing is added up across
// lanes.
//
// Columns pass by in the outer loop. The activations of a tile's columns are
// copied side by side when the first rows of the workgroup meet them, and stay
// in the second cache for its other rows, as the sums do.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_TILELOOPS_H
#define HEADRACE_PASSES_CPU_TILELOOPS_H

#include "passes/cpu/WeightTile.h"
#include "passes/cpu/Workgroup.h"

namespace headrace::cpu {

class TileLoops {
public:
  virtual ~TileLoops() = default;

  /// `init[token, row] = sum_k x[token, k] * weight[row, k]` for the rows of
  /// `range`, all tokens.
  void emit(RowRange range);

protected:
  using Value = mlir::Value;

  /// `cols`: columns of a tile; `most`: tokens that registers have room for.
  TileLoops(VectorBuilder &v, qlinear::PackedType weight, Value init,
            int64_t tokens, int64_t cols, int64_t most);

  /// Allocates memory for the columns of a tile of weights and of all tokens.
  virtual void allocate() = 0;
  /// Decodes `cols` columns from column `columns` times those of a tile.
  virtual void fill(Value row, Value columns, int64_t cols) = 0;
  /// Copies the same columns of token `source` to place `at`.
  virtual void copyToken(Value source, Value at, Value columns,
                         int64_t cols) = 0;
  /// Asks for what the tokens from `token` need for the next columns, a part
  /// with each of `rowTiles` row tiles.
  virtual void prefetchNext(Value columns, Value token, Value rowTile,
                            int64_t rowTiles) {}
  /// Adds `cols` columns (index) of the tokens from place `token` to their
  /// sums: f32 x 16, [token][strip].
  virtual llvm::SmallVector<Value> multiply(Value token, Value cols,
                                            mlir::ValueRange sums) = 0;

  Value buffer(llvm::ArrayRef<int64_t> shape, mlir::Type element);
  void loop(Value from, Value to, int64_t step,
            llvm::function_ref<void(Value)> body);

  VectorBuilder &v;
  qlinear::PackedType weight;
  /// Those that are multiplied at once, and those whose sums are kept.
  int64_t tileTokens, blockTokens;

private:
  void when(Value condition, llvm::function_ref<void()> body,
            llvm::function_ref<void()> otherwise = {});
  void withColumns(Value columns, llvm::function_ref<void(int64_t)> body);
  void multiplyBlock(RowRange range, int64_t rowTiles, Value first,
                     Value count);
  void multiplyTile(Value rowTile, Value token, Value cols);
  llvm::SmallVector<Value> sumAt(Value rowTile, Value token, int64_t strip);
  void storeSum(Value rowTile, Value token, int64_t strip, Value outToken,
                Value row);

  Value init;
  int64_t tokens, cols;
  Value sums; // [rows / 32][token][strip][row]
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_TILELOOPS_H
