//===- StripKernel.h - products with strips of 16 rows ----------*- C++ -*-===//
//
// Lanes run along the rows of a strip: there is no sum across lanes, and four
// activations in a 32-bit lane of their own serve all rows. Bytes are read in
// the order in which they lie.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_STRIPKERNEL_H
#define HEADRACE_PASSES_CPU_STRIPKERNEL_H

#include "passes/cpu/Cursor.h"
#include "passes/cpu/ProductKernel.h"
#include "passes/cpu/StripDecoder.h"

#include <optional>

namespace headrace::cpu {

class StripKernel : public ProductKernel {
public:
  StripKernel(qlinear::PackedType weight, DotKind dot, Bf16Kind bf16,
              std::unique_ptr<StripDecoder> decoder)
      : weight(weight), dot(dot), bf16(bf16), decoder(std::move(decoder)) {}

  int64_t unitRows() const override { return kRows; }
  int64_t unitTokens() const override { return 6; }
  bool wantsFloatSums() const override { return decoder->hasOffsets(); }
  void prepare(VectorBuilder &v, Activations &x, int64_t tokens) const override;
  void allocate(VectorBuilder &v) override;
  llvm::SmallVector<llvm::SmallVector<mlir::Value>>
  compute(VectorBuilder &v, mlir::Value bytes, const Activations &x,
          mlir::Value row, mlir::Value token, int64_t tokens) const override;

private:
  static constexpr int64_t kRows = 16;

  using Value = mlir::Value;
  using Values = llvm::SmallVector<Value>;

  struct Piece {
    StripPiece strip;
    Value index;
    llvm::ArrayRef<Value> tokens;
    bool unrolled; // if there is a single token
    /// The chunks of a single token follow each other in the code. Those of
    /// more are in a loop, and find their scales and offsets in `numbers`.
    bool single() const { return unrolled && tokens.size() == 1; }
  };
  /// Where a chunk is.
  struct Chunk {
    Value index;
    Value col;      // its first column
    Value of32;     // the group of 32 columns that has it
    int64_t number; // of a single token
    int64_t groups; // of which there are true columns
    /// Of a single packed token: its integers from `col` on, and its scales and
    /// scaled sums from the group `of32` on.
    std::optional<Cursor> quants, scales, scaledSums;
  };
  /// Sums of products of one group of columns, a value for each token. There
  /// are two, to shorten the chain of additions or because high nibbles are
  /// used where they are, as codes times 16.
  struct Products {
    Values sums[2];
  };
  /// Results so far, a value for each token; those of a piece, where they have
  /// a factor in common, and its offsets of their own, as they have another.
  struct Totals {
    Values sums, offsets;
  };

  void storeNumbers(VectorBuilder &v, const Piece &piece,
                    const Activations &x) const;
  Value number(VectorBuilder &v, const Piece &piece, const Chunk &chunk,
               int64_t group, bool offset, const Activations &x) const;
  Values addPiece(VectorBuilder &v, const Piece &piece, const Activations &x,
                  mlir::ValueRange carried) const;
  Values addSinglePiece(VectorBuilder &v, const Piece &piece,
                        const Activations &x, mlir::ValueRange carried) const;
  int64_t groupsOf(int64_t chunk, const Piece &piece) const;
  void addChunk(VectorBuilder &v, const Piece &piece, Value index,
                int64_t number, int64_t groups, const Activations &x,
                Totals &totals) const;
  static void keepOrder(VectorBuilder &v);
  static void prefetchLines(VectorBuilder &v, const Piece &piece, Value at,
                            int64_t first, int64_t last);
  static Value xQuants(VectorBuilder &v, const Chunk &chunk,
                       const StripWord &word, const Activations &x,
                       Value token);
  static Value xScale(VectorBuilder &v, const Chunk &chunk, int64_t group,
                      const Activations &x, Value token);
  /// The group of 32 columns that has those of a group of the chunk. Groups of
  /// 16 columns are in groups of 32 that follow each other.
  Value groupOf32(VectorBuilder &v, const Chunk &chunk, int64_t group) const {
    return v.add(chunk.of32, group);
  }
  static void addOffset(VectorBuilder &v, Value offset, Value xSum, size_t t,
                        Totals &totals);

  //===-- Packed activations ----------------------------------------------===//

  /// Codes are multiplied where they lie in their bytes, but not by AArch64,
  /// which shifts bytes as easily as it masks them and multiplies signed ones.
  int64_t codeShift(const StripWord &word) const {
    return isNeon(dot) ? 0 : decoder->codeShift(word);
  }
  int64_t groupShift(int64_t group) const {
    return isNeon(dot) ? 0 : decoder->groupShift(group);
  }
  void addIntegers(VectorBuilder &v, const Piece &piece, const Chunk &chunk,
                   const StripWord &word, const Activations &x,
                   Products &products) const;
  /// Whether activations do not bring the sums that a zero point needs.
  bool hasOwnSums() const {
    return decoder->zeroPoint() != 0 && decoder->groupCols() != 32;
  }
  Value zeroPointSum(VectorBuilder &v, const Chunk &chunk,
                     const StripWord &word, const Activations &x,
                     Value token) const;
  void finishIntegers(VectorBuilder &v, const Piece &piece, const Chunk &chunk,
                      int64_t group, const Products &products,
                      const Activations &x, Totals &totals) const;

  //===-- Float activations (StripFloats.cpp) -----------------------------===//

  void addFloats(VectorBuilder &v, const Piece &piece, const Chunk &chunk,
                 const StripWord &word, const Activations &x,
                 Products &products) const;
  static Value &sumOf(VectorBuilder &v, Products &products, const Piece &piece,
                      int64_t chain, size_t token);
  Value pairOfColumns(VectorBuilder &v, const StripWord &word,
                      int64_t first) const;
  Value floats(VectorBuilder &v, const StripWord &word, int64_t byte) const;
  void finishFloats(VectorBuilder &v, const Piece &piece, const Chunk &chunk,
                    int64_t group, const Products &products,
                    const Activations &x, Totals &totals) const;

  qlinear::PackedType weight;
  DotKind dot;
  Bf16Kind bf16;
  std::unique_ptr<StripDecoder> decoder;
  /// Of the piece at hand: [scale or offset, chunk, group][row].
  Value numbers;
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_STRIPKERNEL_H
