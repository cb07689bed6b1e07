//===- WeightTile.h - decoded rows that many tokens share -------*- C++ -*-===//
//
// 32 rows by 256 columns of a weight, unpacked once into memory of the first
// cache: unsigned integers, four columns of a row in a 32-bit lane, and the
// numbers of their groups, a lane for each row.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_WEIGHTTILE_H
#define HEADRACE_PASSES_CPU_WEIGHTTILE_H

#include "dialects/QLinear/QLinear.h"
#include "passes/cpu/ProductKernel.h"

#include <memory>

namespace headrace::cpu {

constexpr int64_t kTileCols = 256;
constexpr int64_t kTileLanes = 16; // rows of a vector
constexpr int64_t kTileStrips = 2; // vectors of rows
constexpr int64_t kTileRows = kTileStrips * kTileLanes;

/// Adding an integer of magnitude below 2^22 to these bits yields the bits of
/// the f32 of that integer plus 1.5 * 2^23, without a conversion.
constexpr int64_t kIntegerBits = 0x4B400000;
constexpr double kIntegerBias = 12582912.0;

/// A weight is `scale * (code - zero point)`, or `scale * code + offset`.
class WeightTile {
public:
  virtual ~WeightTile() = default;
  /// Strips and rows of blocks; null for other formats.
  static std::unique_ptr<WeightTile> create(qlinear::PackedType weight,
                                            DotKind dot);

  /// Columns that share a scale: 32 or 16.
  virtual int64_t groupCols() const = 0;
  /// The largest code.
  virtual int64_t largest() const = 0;
  /// The zero point of all groups; 0 where each has its own.
  virtual int64_t zeroPoint() const = 0;
  virtual bool hasOffsets() const = 0;
  /// Whether each group has a zero point of its own.
  virtual bool hasOwnZeros() const { return false; }
  /// Whether `kIntegerBias` times any scale is exact and finite: products of
  /// f16 and small integers.
  virtual bool hasShortScales() const { return true; }

  /// Allocates the tile at the insertion point, outside of loops.
  virtual void allocate(VectorBuilder &v);
  /// Decodes `groups` groups of 32 columns from column 256 * `columns` of the
  /// rows from `row`. Rows behind the end repeat others.
  virtual void fill(VectorBuilder &v, mlir::Value bytes, mlir::Value row,
                    mlir::Value columns, int64_t groups) const = 0;

  /// Columns 4 * `line` to 4 * `line` + 3 of the rows of a strip: i8 x 64.
  mlir::Value codes(VectorBuilder &v, mlir::Value line, int64_t strip) const {
    return v.load(quants, {line, v.index(4 * kTileLanes * strip)},
                  4 * kTileLanes);
  }
  /// Numbers of a group, f32 x 16: the scale; what takes `kIntegerBias` times
  /// it off again (where `hasShortScales`); the offset, or the negated zero
  /// point as i32.
  mlir::Value scale(VectorBuilder &v, mlir::Value group, int64_t strip) const {
    return number(v, 0, group, strip);
  }
  mlir::Value bias(VectorBuilder &v, mlir::Value group, int64_t strip) const {
    return number(v, 1, group, strip);
  }
  mlir::Value offset(VectorBuilder &v, mlir::Value group, int64_t strip) const {
    return number(v, 2, group, strip);
  }
  mlir::Value zeros(VectorBuilder &v, mlir::Value group, int64_t strip) const {
    return v.cast(number(v, 2, group, strip), kTileLanes, v.i32());
  }

protected:
  static mlir::Value buffer(VectorBuilder &v, llvm::ArrayRef<int64_t> shape,
                            mlir::Type element);
  void storeCodes(VectorBuilder &v, mlir::Value codes, mlir::Value line,
                  mlir::Value strip) const {
    v.store(codes, quants, {line, v.mul(strip, 4 * kTileLanes)});
  }
  /// A scale, with its bias, and an offset or zero point.
  void storeScale(VectorBuilder &v, mlir::Value scale, mlir::Value group,
                  mlir::Value strip) const;
  void storeOffset(VectorBuilder &v, mlir::Value offset, mlir::Value group,
                   mlir::Value strip) const {
    v.store(offset, numbers, {v.index(2), group, v.mul(strip, kTileLanes)});
  }

private:
  mlir::Value number(VectorBuilder &v, int64_t kind, mlir::Value group,
                     int64_t strip) const {
    return v.load(numbers, {v.index(kind), group, v.index(kTileLanes * strip)},
                  kTileLanes);
  }

  mlir::Value quants;  // [column / 4][row][4 columns]
  mlir::Value numbers; // [kind][group][row]
};

std::unique_ptr<WeightTile> createStripTile(qlinear::PackedType weight,
                                            DotKind dot);
std::unique_ptr<WeightTile> createRowTile(qlinear::PackedType weight,
                                          DotKind dot);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_WEIGHTTILE_H
