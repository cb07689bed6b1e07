//===- AttentionMask.h - which keys a mask lets each query see --*- C++ -*-===//

#ifndef HEADRACE_PASSES_COMMON_ATTENTIONMASK_H
#define HEADRACE_PASSES_COMMON_ATTENTIONMASK_H

#include "dialects/QAttn/QAttn.h"
#include "passes/common/ElementFunction.h"

namespace headrace::common {

/// A mask in the terms of `qattn.prefill`.
struct VisibleKeys {
  qattn::Mask mask = qattn::Mask::Bidirectional;
  /// The first query's number among the keys.
  int64_t offset = 0;
  std::optional<int64_t> window;

  bool operator==(const VisibleKeys &other) const {
    return mask == other.mask && offset == other.offset &&
           window == other.window;
  }
};

/// What `mask`, an element at coordinates (head, query, key) of a tracer, says:
/// an i1 that holds where a key is seen, or not (`inverted`), or a float that
/// is added to scores, 0 or at most -1e8. It is evaluated for every query and
/// key. None if that cannot be done, if it depends on the head, if a query sees
/// nothing, or if the keys seen are not those of causal or window attention.
std::optional<VisibleKeys> visibleKeys(const ElementTracer &tracer,
                                       const Element &mask, bool inverted);

/// Attention without caches: q [L, H, D], k [T, G, D], v [T, G, E].
struct PlainAttention {
  mlir::Value q, k, v;
  VisibleKeys visible;
  double scale = 1;
  std::optional<double> softcap = {};
};

/// [L, H, E].
mlir::Value createPrefill(mlir::OpBuilder &b, mlir::Location loc,
                          const PlainAttention &attention);

} // namespace headrace::common

#endif // HEADRACE_PASSES_COMMON_ATTENTIONMASK_H
