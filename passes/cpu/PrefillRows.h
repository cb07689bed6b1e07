//===- PrefillRows.h - what a workgroup of a prefill computes ---*- C++ -*-===//
//
// The queries that share a head of keys are its rows: token by token, and for
// each token its heads. Workgroups have blocks of rows of one head of keys.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_PREFILLROWS_H
#define HEADRACE_PASSES_CPU_PREFILLROWS_H

#include "dialects/QAttn/QAttn.h"
#include "passes/cpu/VectorBuilder.h"

#include <optional>
#include <utility>

namespace headrace::cpu {

struct PrefillRows {
  explicit PrefillRows(qattn::PrefillOp op);

  /// Rows of a block: vectors of 16 lanes, a lane for each row.
  int64_t vectors() const { return std::min<int64_t>(4, (count + 15) / 16); }
  int64_t lanes() const { return vectors() * 16; }
  int64_t blocks() const { return llvm::divideCeil(count, lanes()); }

  int64_t groups; // heads of keys
  int64_t shared; // heads of queries of each
  int64_t count;  // rows of a head of keys
};

/// The keys that rows of one head of keys see: from `first` to before `last`,
/// which both grow with the row.
class SeenKeys {
public:
  SeenKeys(VectorBuilder &v, qattn::PrefillOp op);

  /// Whether every row sees every key.
  bool isAll() const { return !causal && !window; }
  bool hasWindow() const { return window.has_value(); }
  std::pair<mlir::Value, mlir::Value> operator()(mlir::Value row) const;

private:
  mlir::Value clamp(mlir::Value key) const;

  VectorBuilder &v;
  int64_t shared, keys;
  bool causal;
  std::optional<int64_t> window;
  mlir::Value offset; // index
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_PREFILLROWS_H
