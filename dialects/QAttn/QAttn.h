//===- QAttn.h - the qattn dialect ------------------------------*- C++ -*-===//

#ifndef HEADRACE_DIALECTS_QATTN_H
#define HEADRACE_DIALECTS_QATTN_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/QAttn/QAttnEnums.h.inc"

#include "dialects/QAttn/QAttnDialect.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/QAttn/QAttnTypes.h.inc"

namespace headrace::qattn {
/// Tokens of one step of SnapMLA's recurrence.
inline constexpr int64_t kRecurrencePage = 64;

/// Tokens of keys whose weights have one scale in a prefill in 8 bits.
inline constexpr int64_t kPrefillBlock = 128;
/// In a prefill in 8 bits, numbers of a head of a token whose largest magnitude
/// is less are 0, and so are weights whose largest in a block is less: their
/// inverses would not be f32.
inline constexpr double kLeastMagnitude = 0x1p-100;
inline constexpr double kLeastWeight = 0x1p-118;

/// Where a cache keeps token t, whatever it keeps of it.
struct CacheGeometry {
  int64_t slots;
  CacheLayout layout;
  /// Tokens of a page, 0 where there are no pages.
  int64_t page;
  int64_t storageBytes;
};
/// Of a `!qattn.kv_cache` or `!qattn.mla_cache`.
CacheGeometry geometryOf(mlir::Type cache);
} // namespace headrace::qattn

#define GET_ATTRDEF_CLASSES
#include "dialects/QAttn/QAttnAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialects/QAttn/QAttnOps.h.inc"

#endif // HEADRACE_DIALECTS_QATTN_H
