//===- CostAssumptions.h - options of passes that count ---------*- C++ -*-===//

#ifndef HEADRACE_PASSES_COMMON_COSTASSUMPTIONS_H
#define HEADRACE_PASSES_COMMON_COSTASSUMPTIONS_H

#include "dialects/Interfaces/CostInterface.h"

namespace headrace::common {

/// Checks the options of a pass; `op` is where it runs.
mlir::LogicalResult verifyAssumptions(mlir::Operation *op, llvm::StringRef pass,
                                      const CostAssumptions &assumptions);

/// `assumptions` with the density that `op` says (`headrace.density`), if any.
mlir::FailureOr<CostAssumptions>
assumptionsFor(mlir::Operation *op, const CostAssumptions &assumptions);

} // namespace headrace::common

#endif // HEADRACE_PASSES_COMMON_COSTASSUMPTIONS_H
