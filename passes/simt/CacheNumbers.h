//===- CacheNumbers.h - numbers, scales and slots of a cache ----*- C++ -*-===//

#ifndef HEADRACE_PASSES_SIMT_CACHENUMBERS_H
#define HEADRACE_PASSES_SIMT_CACHENUMBERS_H

#include "passes/common/DecomposeQAttn.h"
#include "passes/simt/SimtBuilder.h"

namespace headrace::simt {

/// The bytes of a cache in a kernel, as the numbers and scales that it has.
class CacheNumbers {
public:
  using Value = mlir::Value;

  /// Whether there is code for a dtype.
  static bool supports(qattn::CacheDtype dtype);
  /// The bytes that the cache of `op` is a view of; null and an error if it is
  /// none, or has a dtype without code.
  static Value bytesOf(mlir::Operation *op,
                       mlir::TypedValue<qattn::KVCacheType> cache);
  /// How numbers are loaded; bf16 as integers, as not every device has the
  /// type.
  static mlir::Type storedType(SimtBuilder &v, qattn::CacheDtype dtype);
  /// Numbers as they are stored, four or fewer, as f32.
  static Value decode(SimtBuilder &v, Value raw, qattn::CacheDtype dtype);

  CacheNumbers(SimtBuilder &v, qattn::KVCacheType cache, Value bytes);

  /// Which number of the cache is the first of a head in a slot.
  Value place(common::KVPart part, Value slot, Value head);
  Value load(Value place);
  void store(Value number, Value place);
  Value loadScale(common::KVPart part, Value slot, Value head);
  void storeScale(Value scale, common::KVPart part, Value slot, Value head);

private:
  Value numbersAs(mlir::Type element);
  /// Which scale of the cache is that of a head in a slot.
  Value scalePlace(common::KVPart part, Value slot, Value head);

  SimtBuilder &v;
  qattn::KVCacheType cache;
  Value bytes;
  Value scales; // f32, or halves of 16 bits where they are not aligned
};

/// Where a cache keeps token `start` (i32) + `number`, which may be any; in a
/// ring whether or not a later token took its place.
common::Slot slotFrom(SimtBuilder &v, qattn::KVCacheType cache,
                      mlir::Value table, mlir::Value start, mlir::Value number);

} // namespace headrace::simt

#endif // HEADRACE_PASSES_SIMT_CACHENUMBERS_H
