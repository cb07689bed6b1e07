//===- BlockPlaces.h - where the blocks of a matrix lie ---------*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_BLOCKPLACES_H
#define HEADRACE_PASSES_CPU_BLOCKPLACES_H

#include "dialects/QLinear/QLinear.h"
#include "passes/cpu/VectorBuilder.h"

namespace headrace::cpu {

/// Rows of blocks, or blocks of several rows side by side.
class BlockPlaces {
public:
  explicit BlockPlaces(qlinear::PackedType type) {
    using namespace qlinear;
    QuantFormatAttrInterface format = type.getFormat();
    if (auto repacked = mlir::dyn_cast<RepackedFormatAttr>(format)) {
      together = repacked.getInterleavedRows();
      format = repacked.getFormat();
    }
    blockBytes = format.getBlockBytes();
    blocksPerRow = llvm::divideCeil(type.getCols(), format.getBlockCols());
    auto affine = mlir::dyn_cast<AffineFormatAttr>(format);
    if (!affine || together != 1) {
      parts = {{0, blockBytes}};
      return;
    }
    // A row has its codes, then its scales, then its zero points.
    int64_t codes = blockBytes - affine.getGroupBytes();
    int64_t scale = affine.getScale() == ScaleKind::F32 ? 4 : 2;
    parts = {{0, codes}, {codes, scale}};
    if (affine.getGroupBytes() != scale)
      parts.push_back({codes + scale, affine.getGroupBytes() - scale});
  }

  /// Bytes of the blocks of a row.
  int64_t rowBytes() const { return blocksPerRow * blockBytes; }
  /// Rows that are side by side.
  int64_t rowsTogether() const { return together; }

  /// The byte index of what is at `offset` in the blocks of row `row`, from the
  /// piece of `pieceBytes` bytes of a row with index `piece` on. Rows count
  /// from one whose blocks start at `from`, and is the first that is there side
  /// by side with others.
  mlir::Value at(VectorBuilder &v, mlir::Value from, mlir::Value piece,
                 int64_t pieceBytes, int64_t row, int64_t offset) const {
    int64_t block = offset / blockBytes, within = offset % blockBytes;
    const Part *part = parts.begin();
    while (within >= part->start + part->bytes)
      ++part;
    int64_t step = pieceBytes / blockBytes * together * part->bytes;
    int64_t here = row / together * together * rowBytes() +
                   part->start * blocksPerRow +
                   (block * together + row % together) * part->bytes +
                   (within - part->start);
    return v.add(v.add(from, v.mul(piece, step)), here);
  }

private:
  /// Bytes of a block that lie with those of the other blocks of the row.
  struct Part {
    int64_t start, bytes;
  };

  int64_t blockBytes, blocksPerRow, together = 1;
  llvm::SmallVector<Part, 3> parts;
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_BLOCKPLACES_H
