//===- BlockDecoder.h - blocks of a row as vectors --------------*- C++ -*-===//
//
// Formats whose rows are runs of blocks (GGUF) are read in pieces of 256
// columns, which is one block of a K-quant and eight of the others. The last
// piece of a row may be shorter.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_BLOCKDECODER_H
#define HEADRACE_PASSES_CPU_BLOCKDECODER_H

#include "dialects/QLinear/QLinear.h"
#include "passes/cpu/VectorBuilder.h"

#include <memory>

namespace headrace::cpu {

/// One piece of up to 256 columns, with the numbers that its groups share.
struct Piece {
  mlir::Value bytes; // memref of the weight
  mlir::Value base;  // byte index of the first block
  int64_t groups;    // groups of 32 columns, 1 to 8
  /// Scale of each group, f32: 8 lanes, or 16 where groups are 16 wide.
  mlir::Value scales;
  /// What each group of 32 adds to a weight, f32 x 8; null if the format has a
  /// zero point instead.
  mlir::Value offsets;
};

/// Reads pieces of one format. A weight is `scale * (q - zeroPoint)`, or
/// `scale * q + offset` for formats with minima.
class BlockDecoder {
public:
  virtual ~BlockDecoder() = default;
  static std::unique_ptr<BlockDecoder>
  create(qlinear::QuantFormatAttrInterface format);

  /// Bytes of 256 columns.
  virtual int64_t pieceBytes() const = 0;
  /// Columns that share a scale: 32 or 16.
  virtual int64_t groupCols() const { return 32; }
  virtual int64_t zeroPoint() const { return 0; }
  /// Whether groups have an offset (a minimum) instead of a zero point.
  bool hasOffsets() const { return zeroPoint() == 0; }

  /// Loads scales and offsets of the piece at `base`.
  Piece open(VectorBuilder &v, mlir::Value bytes, mlir::Value base,
             int64_t groups) const;

  /// Columns 16 * atom to 16 * atom + 15 as f32 x 16, without their scale (and
  /// without their offset, if the format has those).
  mlir::Value unscaled(VectorBuilder &v, const Piece &piece,
                       int64_t atom) const;

  /// The same columns with scale and offset: the weights as f32 x 16.
  mlir::Value weights(VectorBuilder &v, const Piece &piece, int64_t atom) const;

  /// Columns 64 * step to 64 * step + 63 as unsigned i8 x 64, zeros behind the
  /// end of the piece.
  virtual mlir::Value quants(VectorBuilder &v, const Piece &piece,
                             int64_t step) const = 0;

protected:
  /// Columns of an atom as i32 x 16, `zeroPoint` already taken off.
  virtual mlir::Value integers(VectorBuilder &v, const Piece &piece,
                               int64_t atom) const = 0;
  virtual void openGroups(VectorBuilder &v, Piece &piece) const = 0;
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_BLOCKDECODER_H
