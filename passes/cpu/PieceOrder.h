//===- PieceOrder.h - the columns of a piece, out of order ------*- C++ -*-===//
//
// The instructions that bring the codes of a piece of a row into the order of
// their columns cost more than the products. So a decoder may leave them in the
// order in which they come out of their bytes, as long as those of one group
// meet in the same lanes; the activations of a single token are brought into
// that order once for all rows of a workgroup.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_PIECEORDER_H
#define HEADRACE_PASSES_CPU_PIECEORDER_H

#include "passes/cpu/ProductKernel.h"

namespace headrace::cpu {

/// What lies where in the vectors of a whole piece (see
/// `BlockDecoder::decodeInOrder`).
struct PieceOrder {
  /// What a lane of the numbers of a piece is.
  struct Number {
    int64_t group;
    bool offset; // or else a scale
    bool operator==(const Number &rhs) const {
      return group == rhs.group && offset == rhs.offset;
    }
  };

  int64_t groupCols = 32;
  /// The zero point of all groups, or 0.
  int64_t zeroPoint = 0;
  /// The largest code.
  int64_t largest = 255;
  /// Whether an offset is taken off, not added.
  bool minusOffsets = false;
  /// The columns of the piece in the 64 lanes of each vector of codes. Four
  /// lanes that are summed are of one group.
  llvm::SmallVector<llvm::SmallVector<int64_t>> columns;
  llvm::SmallVector<Number, 16> numbers;

  bool operator==(const PieceOrder &rhs) const {
    return groupCols == rhs.groupCols && zeroPoint == rhs.zeroPoint &&
           minusOffsets == rhs.minusOffsets && columns == rhs.columns &&
           numbers == rhs.numbers;
  }

  /// The groups of the 16 sums of four lanes of a vector.
  llvm::SmallVector<int64_t> groupsOf(int64_t vector) const;
  /// The vectors that can be summed with each other.
  llvm::SmallVector<llvm::SmallVector<int64_t>> sums() const;
  /// For 16 lanes with a group each: where the scales are in the numbers.
  llvm::SmallVector<int64_t> scaleLanes(llvm::ArrayRef<int64_t> groups) const;
  bool hasOffsets() const;
};

/// The activations of one packed token in the order of pieces of a weight. All
/// that a piece needs lies together: its integers, what the zero point takes
/// off its sums, then the factors of its numbers.
class OrderedActivations {
public:
  /// Brings the whole pieces of `x` into order, at the insertion point.
  OrderedActivations(VectorBuilder &v, const Activations &x, DotKind dot,
                     const PieceOrder &order, int64_t pieces);

  const PieceOrder &order() const { return pieceOrder; }
  /// Where the methods below read the pieces from `piece` on.
  Cursor at(VectorBuilder &v, mlir::Value piece) const;
  /// Integers for vector `vector` of the piece with index `piece` from `at` on:
  /// i8 x 64.
  mlir::Value quants(VectorBuilder &v, const Cursor &at, int64_t piece,
                     int64_t vector) const;
  /// What the zero point takes off the sum `sum` of a piece, as i32 x 16; null
  /// if there is none.
  mlir::Value start(VectorBuilder &v, const Cursor &at, int64_t piece,
                    int64_t sum) const;
  /// What the numbers of a piece are multiplied by: scales by those of the
  /// activations, offsets by the sums of their groups. f32 x 16.
  mlir::Value factors(VectorBuilder &v, const Cursor &at, int64_t piece) const;

private:
  void storeQuants(VectorBuilder &v, const Activations &x, DotKind dot,
                   mlir::Value piece) const;
  void storeFactors(VectorBuilder &v, const Activations &x,
                    mlir::Value piece) const;
  /// Stores a line of a piece, whatever its lanes are.
  void storeLine(VectorBuilder &v, mlir::Value line, mlir::Value piece,
                 int64_t index) const;

  int64_t firstStart() const {
    return static_cast<int64_t>(pieceOrder.columns.size());
  }
  int64_t factorLine() const {
    return firstStart() + (pieceOrder.zeroPoint
                               ? static_cast<int64_t>(pieceOrder.sums().size())
                               : 0);
  }
  int64_t pieceBytes() const { return (factorLine() + 1) * kCacheLine; }

  PieceOrder pieceOrder;
  mlir::Value buffer; // memref of i8, `pieceBytes()` for each piece
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_PIECEORDER_H
