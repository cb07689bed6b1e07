//===- DecomposeLayouts.cpp - the meaning of concat and repack ------------===//

#include "dialects/QLinear/StripLayout.h"
#include "passes/common/DecomposeQLinear.h"
#include "passes/common/LinalgBuilders.h"

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qlinear;

namespace {

SmallVector<OpFoldResult> attributes(OpBuilder &b, ArrayRef<int64_t> values) {
  return getAsIndexOpFoldResult(b.getContext(), values);
}

/// `part` within `whole`, from `offset` on.
Value insertAt(OpBuilder &b, Location loc, Value part, Value whole,
               ArrayRef<int64_t> offset) {
  auto shape = cast<RankedTensorType>(part.getType()).getShape();
  return tensor::InsertSliceOp::create(
      b, loc, part, whole, attributes(b, offset), attributes(b, shape),
      attributes(b, SmallVector<int64_t>(shape.size(), 1)));
}

Value extractAt(OpBuilder &b, Location loc, Value whole,
                ArrayRef<int64_t> offset, ArrayRef<int64_t> shape) {
  return tensor::ExtractSliceOp::create(
      b, loc, whole, attributes(b, offset), attributes(b, shape),
      attributes(b, SmallVector<int64_t>(shape.size(), 1)));
}

struct DecomposeConcat : OpConversionPattern<ConcatOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(ConcatOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Value bytes = empty(rewriter, op.getLoc(),
                        {op.getResult().getType().getStorageBytes()},
                        rewriter.getI8Type());
    int64_t offset = 0;
    for (Value input : adaptor.getInputs()) {
      auto type = dyn_cast<RankedTensorType>(input.getType());
      if (!type)
        return rewriter.notifyMatchFailure(op, "decomposes on tensors only");
      bytes = insertAt(rewriter, op.getLoc(), input, bytes, offset);
      offset += type.getDimSize(0);
    }
    rewriter.replaceOp(op, bytes);
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Repack
//===----------------------------------------------------------------------===//

/// Takes the blocks of a matrix from their places, and puts them there.
struct BlockOrder {
  OpBuilder &b;
  Location loc;
  int64_t rows, paddedRows;
  int64_t interleaved = 1;    // rows whose blocks follow each other
  int64_t blocks, blockBytes; // of a row, of a block
  /// Bytes of a block that lie together. Affine formats keep the scales of a
  /// row behind its codes, where rows are not interleaved.
  SmallVector<int64_t> parts;
  std::optional<StripLayout> strips;
  int64_t paddedBlocks; // of a row

  BlockOrder(OpBuilder &b, Location loc, PackedType type)
      : b(b), loc(loc), rows(type.getRows()), paddedRows(type.getPaddedRows()) {
    QuantFormatAttrInterface format = type.getFormat();
    if (auto repacked = dyn_cast<RepackedFormatAttr>(format)) {
      interleaved = repacked.getInterleavedRows();
      strips = repacked.getStrips();
      format = repacked.getFormat();
    }
    blocks = llvm::divideCeil(type.getCols(), format.getBlockCols());
    paddedBlocks = type.getPaddedCols() / format.getBlockCols();
    blockBytes = format.getBlockBytes();
    parts = {blockBytes};
    auto affine = dyn_cast<AffineFormatAttr>(format);
    if (!affine || interleaved != 1)
      return;
    int64_t scale = affine.getScale() == ScaleKind::F32 ? 4 : 2;
    parts = {blockBytes - affine.getGroupBytes(), scale};
    if (affine.getGroupBytes() != scale)
      parts.push_back(affine.getGroupBytes() - scale);
  }

  /// [rows, blocks, blockBytes] from the bytes of the matrix.
  Value take(Value bytes) const {
    if (interleaved != 1) {
      Value tiles = strips ? takePieces(bytes)
                           : reshape(bytes, {paddedRows / interleaved, blocks,
                                             interleaved, blockBytes});
      Value all =
          reshape(swapped(tiles), {paddedRows, paddedBlocks, blockBytes});
      return paddedRows == rows && paddedBlocks == blocks
                 ? all
                 : extractAt(b, loc, all, {0, 0, 0},
                             {rows, blocks, blockBytes});
    }
    if (parts.size() == 1)
      return reshape(bytes, {rows, blocks, blockBytes});
    Value lines = reshape(bytes, {rows, blocks * blockBytes});
    Value all = empty(b, loc, {rows, blocks, blockBytes}, b.getI8Type());
    int64_t offset = 0;
    for (int64_t size : parts) {
      Value part =
          extractAt(b, loc, lines, {0, offset * blocks}, {rows, blocks * size});
      all = insertAt(b, loc, reshape(part, {rows, blocks, size}), all,
                     {0, 0, offset});
      offset += size;
    }
    return all;
  }

  /// The inverse of `take`; padding is zero bytes.
  Value put(Value all) const {
    int64_t size = paddedRows * paddedBlocks * blockBytes;
    if (interleaved != 1) {
      if (paddedRows != rows || paddedBlocks != blocks) {
        Value zero = arith::ConstantIntOp::create(b, loc, 0, 8);
        Value none = empty(b, loc, {paddedRows, paddedBlocks, blockBytes},
                           b.getI8Type());
        none = linalg::FillOp::create(b, loc, zero, none).getResult(0);
        all = insertAt(b, loc, all, none, {0, 0, 0});
      }
      int64_t inPiece = strips ? strips->rowBytes() / blockBytes : 1;
      Value tiles =
          swapped(reshape(all, {paddedRows / interleaved, interleaved,
                                paddedBlocks / inPiece, inPiece * blockBytes}));
      return reshape(strips ? putPieces(tiles) : tiles, {size});
    }
    if (parts.size() == 1)
      return reshape(all, {size});
    Value lines = empty(b, loc, {rows, blocks * blockBytes}, b.getI8Type());
    int64_t offset = 0;
    for (int64_t width : parts) {
      Value part =
          extractAt(b, loc, all, {0, 0, offset}, {rows, blocks, width});
      lines = insertAt(b, loc, reshape(part, {rows, blocks * width}), lines,
                       {0, offset * blocks});
      offset += width;
    }
    return reshape(lines, {size});
  }

private:
  /// [strip, piece, row, byte], in the order of the row's blocks, from strips.
  Value takePieces(Value bytes) const {
    int64_t rowBytes = strips->rowBytes();
    int64_t pieces =
        paddedRows * paddedBlocks * blockBytes / (kStripRows * rowBytes);
    Value stored = reshape(bytes, {pieces, kStripRows * rowBytes});
    Value all = empty(b, loc, {pieces, kStripRows, rowBytes}, b.getI8Type());
    int64_t to = 0;
    for (const StripRun &run : strips->runs) {
      Value part = extractAt(b, loc, stored, {0, kStripRows * to},
                             {pieces, kStripRows * run.bytes});
      int64_t units = run.bytes / run.unit;
      part = swapped(reshape(part, {pieces, units, kStripRows, run.unit}));
      all = insertAt(b, loc, reshape(part, {pieces, kStripRows, run.bytes}),
                     all, {0, 0, run.from});
      to += run.bytes;
    }
    int64_t inRow = paddedBlocks * blockBytes / rowBytes;
    return reshape(all, {paddedRows / kStripRows, inRow, kStripRows, rowBytes});
  }

  /// The inverse of `takePieces`.
  Value putPieces(Value tiles) const {
    int64_t rowBytes = strips->rowBytes();
    int64_t pieces =
        paddedRows * paddedBlocks * blockBytes / (kStripRows * rowBytes);
    Value all = reshape(tiles, {pieces, kStripRows, rowBytes});
    Value stored =
        empty(b, loc, {pieces, kStripRows * rowBytes}, b.getI8Type());
    int64_t to = 0;
    for (const StripRun &run : strips->runs) {
      Value part = extractAt(b, loc, all, {0, 0, run.from},
                             {pieces, kStripRows, run.bytes});
      int64_t units = run.bytes / run.unit;
      part = swapped(reshape(part, {pieces, kStripRows, units, run.unit}));
      stored = insertAt(b, loc, reshape(part, {pieces, kStripRows * run.bytes}),
                        stored, {0, kStripRows * to});
      to += run.bytes;
    }
    return stored;
  }

  /// The same elements in order, in another shape.
  Value reshape(Value value, ArrayRef<int64_t> shape) const {
    auto type = cast<RankedTensorType>(value.getType());
    auto flat = type.clone({type.getNumElements()});
    if (type.getRank() != 1)
      value = tensor::CollapseShapeOp::create(b, loc, flat, value,
                                              allOf(type.getRank()));
    if (shape.size() == 1)
      return value;
    return tensor::ExpandShapeOp::create(
        b, loc, type.clone(shape), value,
        allOf(static_cast<int64_t>(shape.size())));
  }

  static SmallVector<ReassociationIndices> allOf(int64_t rank) {
    return {llvm::to_vector<2>(llvm::seq<int64_t>(rank))};
  }

  /// Dimensions 1 and 2 of four exchanged.
  Value swapped(Value tiles) const {
    auto shape = cast<RankedTensorType>(tiles.getType()).getShape();
    Value init =
        empty(b, loc, {shape[0], shape[2], shape[1], shape[3]}, b.getI8Type());
    return linalg::TransposeOp::create(b, loc, tiles, init,
                                       ArrayRef<int64_t>{0, 2, 1, 3})
        ->getResult(0);
  }
};

struct DecomposeRepack : OpConversionPattern<RepackOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(RepackOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (op.getDest() || !isa<TensorType>(adaptor.getPacked().getType()))
      return rewriter.notifyMatchFailure(op, "decomposes on tensors only");
    PackedType source = op.getPacked().getType();
    PackedType result = op.getPackedType();
    if (source == result) {
      rewriter.replaceOp(op, adaptor.getPacked());
      return success();
    }
    Location loc = op.getLoc();
    Value blocks = BlockOrder(rewriter, loc, source).take(adaptor.getPacked());
    rewriter.replaceOp(op, BlockOrder(rewriter, loc, result).put(blocks));
    return success();
  }
};

} // namespace

void headrace::common::populateDecomposeLayoutPatterns(
    RewritePatternSet &patterns, const TypeConverter &types) {
  patterns.add<DecomposeConcat, DecomposeRepack>(types, patterns.getContext());
}
