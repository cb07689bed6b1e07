//===- DecomposeQuantize.h - the meaning of qlinear.quantize ----*- C++ -*-===//

#ifndef HEADRACE_PASSES_COMMON_DECOMPOSEQUANTIZE_H
#define HEADRACE_PASSES_COMMON_DECOMPOSEQUANTIZE_H

#include "mlir/Transforms/DialectConversion.h"

namespace headrace::common {

/// `qlinear.quantize` to linalg, for pass decompose-qlinear.
void populateDecomposeQuantizePatterns(mlir::RewritePatternSet &patterns,
                                       const mlir::TypeConverter &types);

} // namespace headrace::common

#endif // HEADRACE_PASSES_COMMON_DECOMPOSEQUANTIZE_H
