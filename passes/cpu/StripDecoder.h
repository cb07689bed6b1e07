//===- StripDecoder.h - strips of 16 rows as vectors ------------*- C++ -*-===//
//
// A piece of a strip (see `strips16` of #qlinear.repacked) is read a line of 64
// bytes at a time: four bytes of each row, a 32-bit lane for each row.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_STRIPDECODER_H
#define HEADRACE_PASSES_CPU_STRIPDECODER_H

#include "dialects/QLinear/QLinear.h"
#include "passes/cpu/ProductKernel.h"

#include <memory>

namespace headrace::cpu {

/// A piece of a strip with the numbers at its start.
struct StripPiece {
  mlir::Value bytes; // memref of the weight
  mlir::Value at;    // byte index of the piece
  int64_t cols;      // true columns, a multiple of 32
  /// What a format keeps for all its groups.
  llvm::SmallVector<mlir::Value, 8> shared;
};

/// Four columns of the 16 rows, from a line in a register.
struct StripWord {
  int64_t group;       // in its chunk
  int64_t col;         // the first column, from the first of the chunk
  mlir::Value low;     // i8 x 64
  mlir::Value high;    // more bits of the same columns; null if there are none
  int64_t shift;       // where the code starts in each byte of `low`: 0 or 4
  int64_t highBit = 0; // where it starts in each byte of `high`
};

/// A weight is `scale * (code - zeroPoint) + offset`.
class StripDecoder {
public:
  virtual ~StripDecoder() = default;
  /// Null if `weight` is not in strips, or in a format without a decoder.
  /// `gfni`: whether to use its instructions.
  static std::unique_ptr<StripDecoder> create(qlinear::PackedType weight,
                                              DotKind dot = DotKind::Portable,
                                              bool gfni = false);

  int64_t pieceCols() const { return cols; }
  int64_t pieceBytes() const { return bytes; }
  /// Columns that share a scale: 32 or 16.
  virtual int64_t groupCols() const { return 32; }
  virtual int64_t zeroPoint() const { return 0; }
  virtual bool hasOffsets() const { return false; }
  /// Whether the offset of a group is that of an integer zero point.
  virtual bool hasOwnZeros() const { return false; }
  /// Whether scales are products of f16 and small integers.
  virtual bool hasShortScales() const { return true; }
  /// Bits of a code.
  virtual int64_t codeBits() const { return 4; }
  /// What each nibble at `StripWord::shift` stands for, less the zero point,
  /// where they are the codes; else empty.
  virtual llvm::SmallVector<int8_t> nibbleTable() const;

  /// Loads the numbers at the start of a piece.
  virtual StripPiece open(VectorBuilder &v, mlir::Value bytes, mlir::Value at,
                          int64_t cols) const = 0;
  /// The scale of a group of each row, f32 x 16.
  mlir::Value scale(VectorBuilder &v, const StripPiece &piece,
                    int64_t group) const;
  /// What a group of each row adds to its weights, f32 x 16.
  mlir::Value offset(VectorBuilder &v, const StripPiece &piece,
                     int64_t group) const;
  /// The same, of formats that keep small numbers for groups without the factor
  /// that all groups of a row of the piece have in common.
  virtual mlir::Value groupScale(VectorBuilder &v, const StripPiece &piece,
                                 int64_t group) const = 0;
  virtual mlir::Value groupOffset(VectorBuilder &v, const StripPiece &piece,
                                  int64_t group) const {
    return {};
  }
  /// The zero points of a group of each row, i32 x 16, where it has its own.
  virtual mlir::Value zeros(VectorBuilder &v, const StripPiece &piece,
                            int64_t group) const {
    return {};
  }
  /// Whether there are such factors: of scales, and of offsets if there are
  /// any.
  virtual bool hasFactors() const { return false; }
  /// Those factors, f32 x 16, loaded here.
  virtual mlir::Value scaleFactor(VectorBuilder &v,
                                  const StripPiece &piece) const {
    return {};
  }
  virtual mlir::Value offsetFactor(VectorBuilder &v,
                                   const StripPiece &piece) const {
    return {};
  }

  /// A piece has chunks, whose lines are loaded together, before any is used.
  virtual int64_t chunks() const { return 1; }
  virtual int64_t chunkGroups() const { return 2; }
  /// The group of the piece that is group `group` of a chunk.
  virtual int64_t groupOf(int64_t chunk, int64_t group) const {
    return chunk * chunkGroups() + group;
  }
  /// The first column of a chunk.
  virtual mlir::Value firstCol(VectorBuilder &v, mlir::Value chunk) const {
    return v.mul(chunk, chunkGroups() * groupCols());
  }
  /// How far all codes of group `group` of a chunk are shifted.
  virtual int64_t groupShift(int64_t group) const { return 0; }
  /// Loads the lines of a chunk of which the first `groups` groups are true
  /// columns, and returns their words in the order of use.
  virtual llvm::SmallVector<StripWord> chunk(VectorBuilder &v,
                                             const StripPiece &piece,
                                             mlir::Value index,
                                             int64_t groups) const = 0;

  /// Unsigned codes, shifted left by `codeShift(word)`: i8 x 64.
  virtual int64_t codeShift(const StripWord &word) const { return word.shift; }
  virtual mlir::Value codes(VectorBuilder &v, const StripWord &word) const;
  /// Code - zero point (or the code, where groups have their own) of column
  /// `word.col + byte` of each row: i32 x 16.
  virtual mlir::Value integers(VectorBuilder &v, const StripWord &word,
                               int64_t byte) const;

protected:
  explicit StripDecoder(qlinear::PackedType weight);

  /// The 64 bytes at byte `offset` of the piece.
  static mlir::Value line(VectorBuilder &v, const StripPiece &piece,
                          mlir::Value offset);
  /// The codes of a word with high bits.
  mlir::Value composed(VectorBuilder &v, const StripWord &word) const;
  /// Byte `index` of i32 lanes.
  static mlir::Value signedByte(VectorBuilder &v, mlir::Value lanes,
                                int64_t index);
  static mlir::Value unsignedByte(VectorBuilder &v, mlir::Value lanes,
                                  int64_t index);
  /// 16 f16 numbers at byte `offset` of the piece, as f32.
  static mlir::Value floats(VectorBuilder &v, const StripPiece &piece,
                            int64_t offset);

private:
  int64_t cols, bytes;
};

/// The decoder of a format with blocks of 32 columns; null if it has none.
std::unique_ptr<StripDecoder>
createPairStrips(qlinear::PackedType weight, qlinear::GgufKind kind, bool gfni);
std::unique_ptr<StripDecoder>
createAffineStrips(qlinear::PackedType weight,
                   qlinear::AffineFormatAttr format);
std::unique_ptr<StripDecoder> createUnevenStrips(qlinear::PackedType weight,
                                                 DotKind dot);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_STRIPDECODER_H
