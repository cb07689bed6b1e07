//===- LookupKernel.h - products by table lookup ----------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_LOOKUPKERNEL_H
#define HEADRACE_PASSES_CPU_LOOKUPKERNEL_H

#include "dialects/QLinear/QLinear.h"
#include "passes/cpu/Workgroup.h"

namespace headrace::cpu {

/// How bytes are looked up: `intrinsic` looks up in 16 entries, which each 16
/// bytes of a vector have to hold; empty: by extracting one lane at a time.
struct Shuffle {
  llvm::StringRef intrinsic;
  int64_t bytes;    // of a vector
  int64_t mostSums; // vectors that stay in registers
};

/// Builds the product of some rows by the tables in `bytes`.
void emitLookup(VectorBuilder &v, qlinear::LutMatvecOp op, mlir::Value bytes,
                const Shuffle &how, const RowRange &rows);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_LOOKUPKERNEL_H
