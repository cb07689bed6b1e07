//===- DecomposeMla.h - the latents that a decode reads ---------*- C++ -*-===//

#ifndef HEADRACE_PASSES_COMMON_DECOMPOSEMLA_H
#define HEADRACE_PASSES_COMMON_DECOMPOSEMLA_H

#include "dialects/QAttn/QAttn.h"
#include "passes/common/AttentionBuilders.h"

namespace headrace::common {

/// The tokens of a cache of latents that a query sees, each part for itself.
struct LatentTokens {
  qattn::MlaCacheType cache;
  mlir::Value bytes, table;
  SeenTokens seen;

  LatentTokens(mlir::OpBuilder &b, mlir::Location loc,
               qattn::MlaCacheType cache, mlir::Value bytes, mlir::Value table,
               mlir::Value length, int64_t parts);

  /// `read` of tokens `start`, `start` + 1, ... of each part and of each of
  /// `columns` numbers: f32 [parts, tokens, columns]. Tokens that are not seen
  /// are read from some slot.
  using Read = llvm::function_ref<mlir::Value(
      mlir::OpBuilder &, mlir::Location, mlir::Value bytes, qattn::MlaCacheType,
      mlir::Value slot, mlir::Value column)>;
  mlir::Value values(mlir::OpBuilder &b, mlir::Location loc, mlir::Value start,
                     int64_t tokens, int64_t columns, Read read) const;

  /// The scales of these tokens, f32 [parts, tokens].
  mlir::Value scales(mlir::OpBuilder &b, mlir::Location loc, mlir::Value start,
                     int64_t tokens) const;

  /// Whether they are seen, i1 [parts, tokens].
  mlir::Value mask(mlir::OpBuilder &b, mlir::Location loc, mlir::Value start,
                   int64_t tokens) const;
};

/// (d0, ...) of a domain of `count` -> the dimensions `targets`.
inline mlir::AffineMap dimensionsOf(mlir::OpBuilder &b, unsigned count,
                                    llvm::ArrayRef<unsigned> targets) {
  return mlir::AffineMap::getMultiDimMapWithTargets(count, targets,
                                                    b.getContext());
}

/// Result and logarithms of each part as the operation has them: without
/// `splits` there is one part, whose dimension goes.
llvm::SmallVector<mlir::Value>
decodeResults(mlir::OpBuilder &b, mlir::Location loc, qattn::MlaDecodeOp op,
              mlir::Value result, mlir::Value lse);

} // namespace headrace::common

#endif // HEADRACE_PASSES_COMMON_DECOMPOSEMLA_H
