//===- Verification.h - what verifiers of qattn share -----------*- C++ -*-===//

#ifndef HEADRACE_DIALECTS_QATTN_VERIFICATION_H
#define HEADRACE_DIALECTS_QATTN_VERIFICATION_H

#include "dialects/QAttn/QAttn.h"
#include "dialects/QLinear/OpVerification.h"

namespace headrace::qattn {

using qlinear::expectOneWorld;
using qlinear::expectSize;
using qlinear::isCountable;
using qlinear::shaped;

/// `value`, called `what`, has the sizes `want`; `why` says where they come
/// from.
mlir::LogicalResult expectShape(mlir::Operation *op, llvm::StringRef what,
                                mlir::Value value, llvm::ArrayRef<int64_t> want,
                                const llvm::Twine &why);

/// All sizes of `value` are known and positive, and its bytes can be counted.
mlir::LogicalResult expectStatic(mlir::Operation *op, llvm::StringRef what,
                                 mlir::Value value);

/// One number, such as a position or a length.
mlir::LogicalResult expectOne(mlir::Operation *op, llvm::StringRef what,
                              mlir::Value value);

/// A paged cache comes with a table of pages, another one without.
mlir::LogicalResult expectTable(mlir::Operation *op, mlir::Type cache,
                                mlir::Value table);

/// `heads` of the queries are a multiple of those of the keys.
mlir::LogicalResult expectGroups(mlir::Operation *op, int64_t heads,
                                 int64_t keyHeads);

/// `scale` is finite.
mlir::LogicalResult expectFinite(mlir::Operation *op, llvm::StringRef what,
                                 const llvm::APFloat &value);

/// Window at least 1, softcap positive and finite.
mlir::LogicalResult
expectWindowAndCap(mlir::Operation *op, std::optional<uint64_t> window,
                   const std::optional<llvm::APFloat> &softcap);

/// Result and logarithms of a decode: [heads, dim] and [heads], or with
/// `splits` = S [S, heads, dim] and [S, heads].
mlir::LogicalResult expectDecodeOuts(mlir::Operation *op, mlir::Value init,
                                     mlir::Value lse, int64_t heads,
                                     int64_t dim,
                                     std::optional<uint64_t> splits);

} // namespace headrace::qattn

#endif // HEADRACE_DIALECTS_QATTN_VERIFICATION_H
