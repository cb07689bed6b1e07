//===- RoundedAttention.h - attention in bf16 or 8 bits ---------*- C++ -*-===//

#ifndef HEADRACE_PASSES_COMMON_ROUNDEDATTENTION_H
#define HEADRACE_PASSES_COMMON_ROUNDEDATTENTION_H

#include "passes/common/AttentionBuilders.h"

namespace headrace::common {

/// `attend` with the operands of both products in `precision`, as `prefill`
/// defines it: q is [X, G, R, D], keys and values are [T, G, D] and [T, G, E].
Attention attendRounded(mlir::OpBuilder &b, mlir::Location loc,
                        qattn::Precision precision, mlir::Value q,
                        mlir::Value keys, mlir::Value values, mlir::Value mask,
                        const AttentionOptions &options);

} // namespace headrace::common

#endif // HEADRACE_PASSES_COMMON_ROUNDEDATTENTION_H
