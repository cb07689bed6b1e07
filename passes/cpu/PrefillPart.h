//===- PrefillPart.h - rows of a prefill and a block of keys ----*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_PREFILLPART_H
#define HEADRACE_PASSES_CPU_PREFILLPART_H

#include "passes/cpu/PrefillForm.h"

namespace headrace::cpu {

/// Sums that stay in registers: as many vectors of rows times as many keys (or
/// columns of values) as are computed at a time.
struct PrefillTile {
  int64_t vectors, width;
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
  PrefillPart(VectorBuilder &v, qattn::PrefillOp op, const PrefillForm &form,
              PrefillTile tile, const PrefillBuffers &buffers)
      : v(v), op(op), rows(op), form(form), tile(tile), buffers(buffers) {}

  /// Adds the keys of the block whose first key is token `first`.
  void add(mlir::Value part, mlir::Value first, const PrefillKeys &keys);

private:
  using Value = mlir::Value;

  Value splat(double value) {
    return v.splat(v.vec(kPrefillLanes, v.f32()), value);
  }
  Value everywhere(Value memref, mlir::ValueRange at) {
    return v.broadcast(mlir::memref::LoadOp::create(v.b, v.loc, memref, at),
                       kPrefillLanes);
  }
  Value words(Value count);
  Value loadRows(Value buffer, llvm::ArrayRef<Value> at, Value row, int64_t n);
  void storeRows(Value rows, Value buffer, llvm::ArrayRef<Value> at, Value row,
                 int64_t n);
  Value seenBy(Value key, Value row, int64_t n);
  llvm::SmallVector<Value> masked(llvm::ArrayRef<Value> scores,
                                  llvm::ArrayRef<Value> keys, Value key,
                                  Value row);
  Value baseOf(Value most);
  Value capped(Value score);
  llvm::SmallVector<Value> dots(llvm::ArrayRef<Value> keys, Value row);
  void score(Value row);
  llvm::SmallVector<Value> addColumn(llvm::ArrayRef<Value> keys, Value row,
                                     Value col, mlir::ValueRange dots);
  void leaveOut(Value from, Value row);
  void weigh(Value row);
  void roundWeights(Value row, mlir::ValueRange largest);
  Value wordOf(llvm::ArrayRef<Value> weights, Value inverse);
  void addValues(Value row, Value col, int64_t width);
  llvm::SmallVector<Value> addKeys(Value lower, Value upper, bool isMasked,
                                   Value row, Value col, int64_t width,
                                   mlir::ValueRange sums);

  VectorBuilder &v;
  qattn::PrefillOp op;
  PrefillRows rows;
  PrefillForm form;
  PrefillTile tile;
  PrefillBuffers buffers;
  // What is being added.
  Value part, first;
  PrefillKeys keys;
  Value firstKey, endKey; // whole words of keys
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_PREFILLPART_H
