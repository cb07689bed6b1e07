//===- SharedSoftmax.h - one softmax from those of subgroups ----*- C++ -*-===//

#ifndef HEADRACE_PASSES_SIMT_SHAREDSOFTMAX_H
#define HEADRACE_PASSES_SIMT_SHAREDSOFTMAX_H

#include "passes/simt/CacheColumns.h"
#include "passes/simt/LaneSoftmax.h"

namespace headrace::simt {

/// What the subgroups of a workgroup have of some queries, in shared memory.
/// Subgroups store, a barrier follows, and threads merge.
class SharedSoftmax {
public:
  using Value = mlir::Value;

  SharedSoftmax(SimtBuilder &v, const DecodeTile &tile, int64_t dim);

  /// Stores the columns of a lane of query `head`.
  void store(const LaneSoftmax &softmax, Value subgroup, Value head,
             Value columnLane, CacheColumns &columns);

  /// A query of all subgroups, in their order.
  struct Merged {
    Value base, total; // of weights
    Value nothing;     // i1: whether no token was seen
    Value mean;        // of one column, zero where nothing was seen
  };
  Merged merge(Value head, Value column);
  /// The logarithm of the sum of exponentials.
  Value logarithm(const Merged &merged);

private:
  SimtBuilder &v;
  int64_t subgroups;
  Value bases, totals; // [subgroup][query]
  Value sums;          // [subgroup][query][column]
};

} // namespace headrace::simt

#endif // HEADRACE_PASSES_SIMT_SHAREDSOFTMAX_H
