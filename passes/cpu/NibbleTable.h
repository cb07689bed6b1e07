//===- NibbleTable.h - tables of 16 numbers ---------------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_NIBBLETABLE_H
#define HEADRACE_PASSES_CPU_NIBBLETABLE_H

#include "passes/cpu/ProductKernel.h"

namespace headrace::cpu {

/// The values of iq4_nl's codes (GGUF specification).
constexpr int8_t kUnevenTable[] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                   1,    13,   25,  38,  53,  69,  89,  113};

/// `table[q]` lane by lane; `q` is i8 x 16 or i8 x 64 with values below 16. A
/// CPU that has the products of `kind` has a shuffle of bytes too.
mlir::Value lookUpNibbles(VectorBuilder &v, DotKind kind, mlir::Value q,
                          llvm::ArrayRef<int8_t> table);

/// `table[q]` as f32 for the low four bits of `q` (i32 x 16), by AVX-512's
/// permutation of 16 numbers.
mlir::Value lookUpFloats(VectorBuilder &v, mlir::Value q,
                         llvm::ArrayRef<int8_t> table);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_NIBBLETABLE_H
