//===- Tiling.h - how rows are shared out on a GPU --------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_SIMT_TILING_H
#define HEADRACE_PASSES_SIMT_TILING_H

#include "dialects/QLinear/QLinear.h"

namespace headrace::simt {

/// Rows of a subgroup and subgroups of a workgroup.
struct Tiling {
  int64_t rows, subgroups;
  int64_t workgroupRows() const { return rows * subgroups; }
};

/// How a product with `weights` matrices like `weight` is shared out; none if
/// there is no kernel for its format.
std::optional<Tiling> tileProduct(qlinear::PackedType weight, int64_t weights);

} // namespace headrace::simt

#endif // HEADRACE_PASSES_SIMT_TILING_H
