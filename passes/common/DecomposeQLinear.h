//===- DecomposeQLinear.h - parts of pass decompose-qlinear -----*- C++ -*-===//
//
// The pass is one; its patterns are in a file for each kind of operation.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_COMMON_DECOMPOSEQLINEAR_H
#define HEADRACE_PASSES_COMMON_DECOMPOSEQLINEAR_H

#include "dialects/QLinear/QLinear.h"

#include "mlir/Transforms/DialectConversion.h"

namespace headrace::common {

/// The f32 matrix that `bytes` stores as `packed`.
mlir::Value decodeAll(mlir::OpBuilder &b, mlir::Location loc, mlir::Value bytes,
                      qlinear::PackedType packed);

/// `x`, of f32 or another float type, as f32.
mlir::Value toFloat32(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x);

/// dequantize(bytes) * x.
mlir::Value decomposedMatvec(mlir::OpBuilder &b, mlir::Location loc,
                             mlir::Value bytes, qlinear::PackedType packed,
                             mlir::Value x);

/// The function of a gated product, on scalars.
mlir::Value activate(mlir::OpBuilder &b, mlir::Location loc,
                     qlinear::Activation kind, mlir::Value v);

void populateDecomposeQuantizePatterns(mlir::RewritePatternSet &patterns,
                                       const mlir::TypeConverter &types);
/// Concat and repack.
void populateDecomposeLayoutPatterns(mlir::RewritePatternSet &patterns,
                                     const mlir::TypeConverter &types);
/// Norms and gated activations.
void populateDecomposeRowPatterns(mlir::RewritePatternSet &patterns,
                                  const mlir::TypeConverter &types);
/// Selected columns.
void populateDecomposeSparsePatterns(mlir::RewritePatternSet &patterns,
                                     const mlir::TypeConverter &types);
/// Table lookup.
void populateDecomposeTablePatterns(mlir::RewritePatternSet &patterns,
                                    const mlir::TypeConverter &types);

} // namespace headrace::common

#endif // HEADRACE_PASSES_COMMON_DECOMPOSEQLINEAR_H
