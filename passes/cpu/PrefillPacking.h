//===- PrefillPacking.h - operands of a prefill in a form -------*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_PREFILLPACKING_H
#define HEADRACE_PASSES_CPU_PREFILLPACKING_H

#include "passes/cpu/PrefillForm.h"

#include <utility>

namespace headrace::cpu {

/// Writes queries, keys and values into the buffers of a workgroup, rounded
/// where there is a precision.
class PrefillPacking {
public:
  PrefillPacking(VectorBuilder &v, qattn::PrefillOp op, const PrefillForm &form,
                 const PrefillBuffers &buffers)
      : v(v), op(op), rows(op), form(form), buffers(buffers) {}

  /// 16 rows, whose tokens and heads are `places`, to lanes.
  void packQueries(mlir::Value part, mlir::Value lane,
                   llvm::ArrayRef<std::pair<mlir::Value, mlir::Value>> places);
  /// `count` keys and values of a head from token `first` on.
  void packBlock(mlir::Value head, mlir::Value first, mlir::Value count);

private:
  using Value = mlir::Value;

  Value splat(double value);
  Value bits(Value floats);
  Value magnitude(Value floats);
  void forEach(Value upper, llvm::function_ref<void(Value)> body);
  void forEachChunk(int64_t size,
                    llvm::function_ref<void(Value, int64_t)> body);
  void roundQueries(Value part, Value lane, double factor);
  Value largest(Value from, Value token, Value head, int64_t size);
  std::pair<Value, Value> scalesOf(Value largest);
  void measure(Value head, Value token, Value key);
  Value rounded(Value numbers, Value inverse);
  Value wordOf(llvm::ArrayRef<Value> numbers, llvm::ArrayRef<Value> inverses);
  void packKey(Value head, Value token, Value key);
  void packValues(Value head, Value first, Value count);

  VectorBuilder &v;
  qattn::PrefillOp op;
  PrefillRows rows;
  PrefillForm form;
  const PrefillBuffers &buffers;
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_PREFILLPACKING_H
