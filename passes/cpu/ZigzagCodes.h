//===- ZigzagCodes.h - integers of four columns -----------------*- C++ -*-===//
//
// How slices of four columns are read as integers. A slice of 256 rows has two
// parts of 128; a part has codes of two kinds, 64 of each. A weight is its code
// less the zero point, times the scale of its group, less the group's minimum.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_ZIGZAGCODES_H
#define HEADRACE_PASSES_CPU_ZIGZAGCODES_H

#include "dialects/QLinear/QLinear.h"
#include "passes/cpu/VectorBuilder.h"

#include <memory>

namespace headrace::cpu {

/// Columns that are read together: the products of an instruction.
constexpr int64_t kColumnsTogether = 4;
/// Groups whose scales are computed together.
constexpr int64_t kGroupsTogether = 4;
constexpr int64_t kPartRows = 128;
constexpr int64_t kPartsOfSlice = 2;

/// Reads slices of one format.
class ColumnCodes {
public:
  virtual ~ColumnCodes() = default;
  /// Null if there is none for `format`.
  static std::unique_ptr<ColumnCodes>
  create(qlinear::QuantFormatAttrInterface format);

  /// Bytes of a slice.
  virtual int64_t bytes() const = 0;
  /// Rows that share a scale: 32 or 16.
  virtual int64_t groupRows() const { return 32; }
  /// The rows of a part are of one kind and the other in runs of so many.
  virtual int64_t kindRows() const = 0;
  virtual int64_t zero() const { return 0; }
  virtual bool hasMinima() const { return false; }

  /// The codes of a kind in `part` (index) of four columns whose slices start
  /// at `at`, unsigned i8 x 64 each.
  virtual llvm::SmallVector<mlir::Value>
  codes(VectorBuilder &v, mlir::Value bytes, llvm::ArrayRef<mlir::Value> at,
        mlir::Value part, int64_t kind) const = 0;
  /// Whether kinds are the low and the high nibbles of the same bytes; then
  /// `codes` gives these.
  virtual bool areNibbles() const { return false; }

  /// The scales of four columns times their factors `x` (f32 x 4), without the
  /// integers of `scaled`; f32, in so many lanes of which the first
  /// `scaleLanes()` belong to scales.
  virtual mlir::Value products(VectorBuilder &v, mlir::Value bytes,
                               llvm::ArrayRef<mlir::Value> at,
                               mlir::Value x) const = 0;
  virtual int64_t productLanes() const = 0;
  virtual int64_t scaleLanes() const = 0;
  /// What such a product is multiplied with at most.
  virtual double largestInteger() const { return 1; }

  /// Of four groups that follow each other and four columns, in the lanes
  /// [column][group] of f32 x 16: `integer * product` is what codes are
  /// multiplied with; `minimum * minimumProduct` is taken off, if there are
  /// minima (of 32 rows).
  struct Groups {
    mlir::Value integer, product;
    mlir::Value minimum, minimumProduct;
  };
  /// All groups of the slices, by `products`.
  virtual llvm::SmallVector<Groups> scaled(VectorBuilder &v, mlir::Value bytes,
                                           llvm::ArrayRef<mlir::Value> at,
                                           mlir::Value products) const = 0;

  /// Which 16 rows of a part are the codes of `kind` in bytes 16 * run ... of
  /// `codes`, and the reverse.
  int64_t rowsAt(int64_t kind, int64_t run) const;
  std::pair<mlir::Value, mlir::Value> kindAndRun(VectorBuilder &v,
                                                 mlir::Value rows) const;
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_ZIGZAGCODES_H
