//===- PrefillRows.h - what a workgroup of a prefill computes ---*- C++ -*-===//
//
// The queries that share a head of keys are its rows: token by token, and for
// each token its heads. A workgroup has several parts of up to 64 rows, whose
// lanes go through a block of keys together.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_PREFILLROWS_H
#define HEADRACE_PASSES_CPU_PREFILLROWS_H

#include "dialects/QAttn/QAttn.h"
#include "passes/cpu/VectorBuilder.h"

#include <optional>
#include <utility>

namespace headrace::cpu {

/// Lanes of the f32 vectors of a prefill.
inline constexpr int64_t kPrefillLanes = 16;

struct PrefillRows {
  explicit PrefillRows(qattn::PrefillOp op);

  int64_t partRows() const { return vectors * kPrefillLanes; }
  int64_t groupRows() const { return parts * partRows(); }
  /// Workgroups of a head of keys.
  int64_t blocks() const { return llvm::divideCeil(count, groupRows()); }

  int64_t heads;    // of keys
  int64_t shared;   // heads of queries of each
  int64_t count;    // rows of a head of keys
  int64_t keys;     // tokens
  int64_t dim;      // columns of queries and keys
  int64_t valueDim; // columns of values and results
  int64_t vectors;  // of a part
  int64_t parts;    // of a workgroup
};

/// The keys that rows of one head of keys see: from `first` to before `last`,
/// which both grow with the row.
class SeenKeys {
public:
  SeenKeys(VectorBuilder &v, qattn::PrefillOp op);

  /// Whether every row sees every key.
  bool isAll() const { return !causal && !window; }
  std::pair<mlir::Value, mlir::Value> operator()(mlir::Value row) const;

private:
  mlir::Value clamp(mlir::Value key) const;

  VectorBuilder &v;
  PrefillRows rows;
  bool causal;
  std::optional<int64_t> window;
  mlir::Value offset; // index
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_PREFILLROWS_H
