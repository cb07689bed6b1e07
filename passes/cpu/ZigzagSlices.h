//===- ZigzagSlices.h - slices of columns as vectors ------------*- C++ -*-===//
//
// The columns of a zigzag weight are read in slices of 256 rows. Lanes run
// along the rows. A weight is `scale * number`, or `scale * number + offset`.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_ZIGZAGSLICES_H
#define HEADRACE_PASSES_CPU_ZIGZAGSLICES_H

#include "dialects/QLinear/QLinear.h"
#include "passes/cpu/VectorBuilder.h"

#include <memory>

namespace headrace::cpu {

constexpr int64_t kSliceRows = 256;
/// Lanes of a vector of numbers, and of one of coefficients.
constexpr int64_t kSliceLanes = 16;

/// How nibbles become f32.
enum class NibbleKind {
  Portable, // masks, shifts and conversions
  Avx512,   // a table in a register: vpermps
};

/// Decodes slices of one format.
class SliceDecoder {
public:
  virtual ~SliceDecoder() = default;
  /// Null if there is none for `format`.
  static std::unique_ptr<SliceDecoder>
  create(qlinear::QuantFormatAttrInterface format, NibbleKind nibbles);

  /// Bytes of a slice.
  virtual int64_t bytes() const = 0;
  /// Rows that share a scale: 32 or 16.
  virtual int64_t groupRows() const { return 32; }
  virtual bool hasOffsets() const { return false; }

  /// For each slice of `at` (byte indices) the scales of its groups times its
  /// factor, f32 x 16. Groups are 8 where they have 32 rows; then the upper
  /// lanes hold offsets times the factor, or anything if there are none.
  virtual llvm::SmallVector<mlir::Value>
  coefficients(VectorBuilder &v, mlir::Value bytes,
               llvm::ArrayRef<mlir::Value> at,
               llvm::ArrayRef<mlir::Value> factors) const = 0;

  /// Vectors of rows that `numbers` gives at a time; 16 is a multiple.
  virtual int64_t partVectors() const = 0;
  /// The numbers of a slice, f32 x 16 each, in the order of its rows.
  virtual llvm::SmallVector<mlir::Value> numbers(VectorBuilder &v,
                                                 mlir::Value bytes,
                                                 mlir::Value at,
                                                 int64_t part) const = 0;
};

/// Equal vectors, a power of two of them, as one.
mlir::Value sideBySide(VectorBuilder &v, llvm::ArrayRef<mlir::Value> parts);

/// Of `count` slices of q4_k whose headers lie side by side (i32 x 4 each): in
/// each run of 16 bytes eight scales, then eight minima.
mlir::Value scalesAndMinimaQ4K(VectorBuilder &v, mlir::Value headers,
                               int64_t count);

/// Where the slices of a zigzag weight are.
struct SliceLayout {
  int64_t band, cols;
  /// Bytes of a slice.
  int64_t bytes;

  /// From a slice to that of the next column in its band.
  int64_t columnBytes() const { return band / kSliceRows * bytes; }
  /// Byte index of the slice of column 0 that starts at `row`, a multiple of
  /// `kSliceRows`; behind it are the slices of the rows that follow in the
  /// band.
  mlir::Value columnZero(VectorBuilder &v, mlir::Value row) const;
};

/// The band of `weight` if its columns are whole slices, otherwise 0.
int64_t sliceBand(qlinear::PackedType weight);

/// Rows of a workgroup of a product with `weight`: a whole band, or an even
/// part of a large one. 0 if its columns are no whole slices.
int64_t sliceWorkgroupRows(qlinear::PackedType weight);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_ZIGZAGSLICES_H
