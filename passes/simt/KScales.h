//===- KScales.h - the six-bit numbers of q4_k ------------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_SIMT_KSCALES_H
#define HEADRACE_PASSES_SIMT_KSCALES_H

#include "passes/simt/SimtBuilder.h"

namespace headrace::simt {

/// The scales and minimums of the two groups in a chunk of 32 bytes of codes.
class KScales {
public:
  void open(SimtBuilder &v, mlir::Value chunk);
  /// f32 x 2 each, the second one times 2^8. header: the 16 bytes before the
  /// codes, i32 x 4.
  mlir::Value scales(SimtBuilder &v, mlir::Value header) const;
  mlir::Value minimums(SimtBuilder &v, mlir::Value header) const;

private:
  mlir::Value numbers(SimtBuilder &v, mlir::Value own, mlir::Value other) const;

  mlir::Value shifts[3], ownMask, otherMask;
};

} // namespace headrace::simt

#endif // HEADRACE_PASSES_SIMT_KSCALES_H
