//===- PrefillPart.h - rows of a prefill and a block of keys ----*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_PREFILLPART_H
#define HEADRACE_PASSES_CPU_PREFILLPART_H

#include "passes/cpu/PrefillRows.h"

namespace headrace::cpu {

/// Sums that stay in registers: as many vectors of rows times as many keys (or
/// columns of values) as are computed at a time.
struct PrefillTile {
  int64_t vectors, width;
};

/// Scratch memory of a workgroup.
struct PrefillBuffers {
  mlir::Value queries;   // [part][column][row], with the scale
  mlir::Value sums;      // [part][column][row]
  mlir::Value largest;   // [part][row], the largest score so far
  mlir::Value total;     // [part][row], sum of weights
  mlir::Value firstSeen; // [part][row], i32, null where all is seen
  mlir::Value countSeen; // [part][row], i32, keys from there on
  mlir::Value keys;      // [key of the block][column]
  mlir::Value values;    // [key of the block][column]
  mlir::Value scores;    // [key of the block][row], then weights
  mlir::Value keep;      // [row], what earlier sums are multiplied with
};

/// Keys of a block, of which rows of a part see [begin, end), and all of its
/// rows [allBegin, allEnd).
struct PrefillKeys {
  mlir::Value begin, allBegin, allEnd, end;
};

/// Adds the share of keys of a block to the sums of a part. Scores are
/// logarithms to the base 2.
class PrefillPart {
public:
  PrefillPart(VectorBuilder &v, qattn::PrefillOp op, PrefillTile tile,
              const PrefillBuffers &buffers)
      : v(v), op(op), rows(op), tile(tile), buffers(buffers) {}

  /// Adds the keys of the block whose first key is token `first`.
  void add(mlir::Value part, mlir::Value first, const PrefillKeys &keys);

private:
  using Value = mlir::Value;

  Value loadRows(Value buffer, llvm::ArrayRef<Value> at, Value row, int64_t n);
  void storeRows(Value rows, Value buffer, llvm::ArrayRef<Value> at, Value row,
                 int64_t n);
  Value seenBy(Value key, Value row, int64_t n);
  llvm::SmallVector<Value> masked(llvm::ArrayRef<Value> scores,
                                  llvm::ArrayRef<Value> keys, Value key,
                                  Value row);
  Value baseOf(Value most);
  Value capped(Value score);
  void score(Value row);
  llvm::SmallVector<Value> addColumn(llvm::ArrayRef<Value> keys, Value row,
                                     Value col, mlir::ValueRange dots);
  void weigh(Value row);
  void addValues(Value row, Value col, int64_t width);
  llvm::SmallVector<Value> addKeys(Value lower, Value upper, bool isMasked,
                                   Value row, Value col, int64_t width,
                                   mlir::ValueRange sums);

  VectorBuilder &v;
  qattn::PrefillOp op;
  PrefillRows rows;
  PrefillTile tile;
  PrefillBuffers buffers;
  // What is being added.
  Value part, first;
  PrefillKeys keys;
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_PREFILLPART_H
