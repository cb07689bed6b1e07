//===- BlockDecoder.h - pieces of a row as vectors --------------*- C++ -*-===//
//
// Formats whose rows are independent (GGUF, affine integers) are read in pieces
// of 256 columns, which is one block of a K-quant and eight of GGUF's others.
// The last piece of a row may be shorter.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_BLOCKDECODER_H
#define HEADRACE_PASSES_CPU_BLOCKDECODER_H

#include "dialects/QLinear/QLinear.h"
#include "passes/cpu/PieceOrder.h"
#include "passes/cpu/ProductKernel.h"

#include <memory>
#include <utility>

namespace headrace::cpu {

/// Columns of a whole piece.
constexpr int64_t kPieceCols = 256;

/// One piece of up to 256 columns, with the numbers that its groups share.
struct Piece {
  mlir::Value bytes; // memref of the weight
  mlir::Value row;   // byte index of the row
  mlir::Value index; // of the piece in its row
  mlir::Value base;  // byte index of its blocks or codes
  int64_t groups;    // groups of 32 columns, 1 to 8
  /// Scale of each group, f32: 8 lanes, or 16 where groups are 16 wide.
  mlir::Value scales;
  /// What is taken off the integers of each group of 32, i32 x 8; null if that
  /// is nothing.
  mlir::Value zeros;
  /// What each group adds to a weight, f32 in the lanes of `scales`; null if
  /// that is nothing.
  mlir::Value offsets;
};

/// A whole piece in the order of `BlockDecoder::order`.
struct OrderedPiece {
  llvm::SmallVector<mlir::Value, 4> codes; // unsigned i8 x 64
  /// Scales and offsets: f32 x 16.
  mlir::Value numbers;
};

/// Reads pieces of one format. A weight is `scale * (q - zero) + offset`, of
/// which most formats have a zero point or an offset only.
class BlockDecoder {
public:
  virtual ~BlockDecoder() = default;
  /// Null if `weight` is in a format of another kind. `gfni`: whether to use
  /// its instructions.
  static std::unique_ptr<BlockDecoder> create(qlinear::PackedType weight,
                                              DotKind dot = DotKind::Portable,
                                              bool gfni = false);

  /// Bytes from a piece to the next.
  virtual int64_t pieceBytes() const = 0;
  /// Whether to ask for each line of memory another time, twice as far ahead.
  /// Measured on an Emerald Rapids: up to a tenth faster with the formats that
  /// do so, the same or slower with the others.
  virtual bool asksTwice() const { return false; }
  /// Columns that share a scale: 32 or 16.
  virtual int64_t groupCols() const { return 32; }
  /// The largest unsigned integer.
  virtual int64_t largest() const = 0;
  /// The zero point of all groups; 0 where each has its own.
  virtual int64_t zeroPoint() const { return 0; }
  /// Whether groups have an offset (a minimum).
  virtual bool hasOffsets() const { return zeroPoint() == 0; }
  /// Whether each group has a zero point of its own.
  bool hasOwnZeros() const { return zeroPoint() == 0 && !hasOffsets(); }

  /// The piece `index` of the row at byte `row`, without its numbers.
  Piece locate(VectorBuilder &v, mlir::Value bytes, mlir::Value row,
               mlir::Value index, int64_t groups) const {
    mlir::Value base = v.add(row, v.mul(index, pieceBytes()));
    return {bytes, row, index, base, groups, {}, {}, {}};
  }
  /// The same, with what its groups share.
  Piece open(VectorBuilder &v, mlir::Value bytes, mlir::Value row,
             mlir::Value index, int64_t groups) const;

  /// Columns 16 * atom to 16 * atom + 15 as f32 x 16, without their scale (and
  /// without their offset, if the format has those).
  virtual mlir::Value unscaled(VectorBuilder &v, const Piece &piece,
                               int64_t atom) const;

  /// The same columns with scale and offset: the weights as f32 x 16.
  mlir::Value weights(VectorBuilder &v, const Piece &piece, int64_t atom) const;

  /// Columns 64 * step to 64 * step + 63 as unsigned i8 x 64, zeros behind the
  /// end of the piece.
  virtual mlir::Value quants(VectorBuilder &v, const Piece &piece,
                             int64_t step) const = 0;

  /// Whether `halves` serves this format.
  virtual bool hasHalves() const { return false; }
  /// The groups 4 * quad to 4 * quad + 3: the first 16 columns of each, and the
  /// last 16, as unsigned i8 x 64. Lanes of both that belong to one group can
  /// be summed, so that 128 columns are scaled at once.
  virtual std::pair<mlir::Value, mlir::Value>
  halves(VectorBuilder &v, const Piece &piece, int64_t quad) const {
    llvm_unreachable("no halves");
  }

  /// The order of `decodeInOrder`; without columns if there is none.
  virtual PieceOrder order() const { return {}; }
  /// Decodes a whole piece with the fewest instructions. `piece` is not opened:
  /// its numbers are null.
  virtual OrderedPiece decodeInOrder(VectorBuilder &v,
                                     const Piece &piece) const {
    llvm_unreachable("no order");
  }

protected:
  /// Columns of an atom as i32 x 16, the zero point already taken off.
  virtual mlir::Value integers(VectorBuilder &v, const Piece &piece,
                               int64_t atom) const = 0;
  virtual void openGroups(VectorBuilder &v, Piece &piece) const = 0;
};

/// GGUF's blocks of 32 columns, GGUF's blocks of 256 columns, and integers with
/// scales behind them; null for other formats.
std::unique_ptr<BlockDecoder> createSmallBlockDecoder(qlinear::GgufKind kind,
                                                      DotKind dot, bool gfni);
std::unique_ptr<BlockDecoder> createKQuantDecoder(qlinear::GgufKind kind,
                                                  bool gfni);
/// K-quants in groups of 16.
std::unique_ptr<BlockDecoder> createSixteenDecoder(qlinear::GgufKind kind);
std::unique_ptr<BlockDecoder> createAffineDecoder(qlinear::PackedType weight);

//===-- What decoders share -----------------------------------------------===//

/// Lanes [0, n) of a vector, `copies` times over.
llvm::SmallVector<int64_t> tileLanes(int64_t n, int64_t copies);

/// Lanes of 64 bits that two vectors of 64 bytes have in even places, in turn,
/// or in odd ones.
mlir::Value zipQwords(VectorBuilder &v, mlir::Value a, mlir::Value b, bool odd);

/// The low and the high four bits of `q` (i8 x 64).
std::pair<mlir::Value, mlir::Value> splitNibbles(VectorBuilder &v,
                                                 mlir::Value q);

/// `q` (i8 x 64) with its low half shifted right by `low` bits and its high
/// half by `high`; left where these are negative. Bits of a neighbour come in.
mlir::Value shiftHalves(VectorBuilder &v, mlir::Value q, int64_t low,
                        int64_t high);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_BLOCKDECODER_H
