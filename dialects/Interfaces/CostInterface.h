//===- CostInterface.h - what an operation moves and computes ---*- C++ -*-===//

#ifndef HEADRACE_DIALECTS_INTERFACES_COSTINTERFACE_H
#define HEADRACE_DIALECTS_INTERFACES_COSTINTERFACE_H

#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/TypeRange.h"

namespace headrace {

/// What the cost of an operation depends on beside its types.
struct CostAssumptions {
  /// Every cache is full.
  static constexpr int64_t kFull = -1;

  /// Share of the columns that a sparse product selects, from 0 to 1.
  double density = 1.0;
  /// Tokens in caches.
  int64_t length = kFull;
  /// Bytes that memory delivers together.
  int64_t sector = 64;
};

/// Expectations, so they need not be whole numbers.
struct Cost {
  double readBytes = 0;
  double writtenBytes = 0;
  /// Additions, multiplications, comparisons: a multiply-add is two.
  double operations = 0;
  /// Exponentials, logarithms, sines, roots, ....
  double transcendentals = 0;

  double movedBytes() const { return readBytes + writtenBytes; }

  Cost &operator+=(const Cost &other) {
    readBytes += other.readBytes;
    writtenBytes += other.writtenBytes;
    operations += other.operations;
    transcendentals += other.transcendentals;
    return *this;
  }
};

inline Cost operator+(Cost left, const Cost &right) { return left += right; }

/// Bytes of tensors and memrefs of static shape together.
double shapedBytes(mlir::TypeRange types);

} // namespace headrace

#include "dialects/Interfaces/CostInterface.h.inc"

#endif // HEADRACE_DIALECTS_INTERFACES_COSTINTERFACE_H
