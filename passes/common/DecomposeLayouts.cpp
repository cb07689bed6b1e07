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
  int64_t codeBytes = 0; // of a block of an affine format
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
    if (!affine)
      return;
    codeBytes = blockBytes - affine.getGroupBytes();
    if (interleaved != 1)
      return;
    int64_t scale = affine.getScale() == ScaleKind::F32 ? 4 : 2;
    parts = {codeBytes, scale};
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
      if (strips && strips->splitsNibbles)
        all = exchangeNibbles(all, /*toStrips=*/false);
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
      if (strips && strips->splitsNibbles)
        all = exchangeNibbles(all, /*toStrips=*/true);
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
  /// The codes of blocks, whose nibbles are those of neighbours, in the order
  /// of strips, or back. Of 16 bytes, the first and the last eight are mixed to
  /// the even and the odd ones: the low nibbles of both, and the high ones.
  Value exchangeNibbles(Value all, bool toStrips) const {
    int64_t sixteens = paddedRows * paddedBlocks * codeBytes / 16;
    SmallVector<int64_t> codesShape{paddedRows, paddedBlocks, codeBytes};
    Value codes = extractAt(b, loc, all, {0, 0, 0}, codesShape);
    auto halfAt = [](int64_t half, bool alternate) -> SmallVector<int64_t> {
      return alternate ? SmallVector<int64_t>{0, 0, half}
                       : SmallVector<int64_t>{0, half, 0};
    };
    auto shapeOf = [&](int64_t halves, bool alternate) -> SmallVector<int64_t> {
      return alternate ? SmallVector<int64_t>{sixteens, 8, halves}
                       : SmallVector<int64_t>{sixteens, halves, 8};
    };
    Value from = reshape(codes, shapeOf(2, !toStrips));
    Value halves[2];
    for (int64_t half : {0, 1})
      halves[half] = reshape(extractAt(b, loc, from, halfAt(half, !toStrips),
                                       shapeOf(1, !toStrips)),
                             {sixteens, 8});
    Value to = empty(b, loc, shapeOf(2, toStrips), b.getI8Type());
    for (int64_t half : {0, 1}) {
      Value mixed =
          reshape(mixNibbles(halves[0], halves[1], half), shapeOf(1, toStrips));
      to = insertAt(b, loc, mixed, to, halfAt(half, toStrips));
    }
    return insertAt(b, loc, reshape(to, codesShape), all, {0, 0, 0});
  }

  /// Nibble 0 or 1 of each byte of `low`, and above it that of `high`.
  Value mixNibbles(Value low, Value high, int64_t which) const {
    auto type = cast<RankedTensorType>(low.getType());
    SmallVector<AffineMap> maps(3, b.getMultiDimIdentityMap(type.getRank()));
    SmallVector<utils::IteratorType> loops(type.getRank(),
                                           utils::IteratorType::parallel);
    auto mix = [&](OpBuilder &inner, Location at, ValueRange bytes) {
      auto number = [&](int64_t value) -> Value {
        return arith::ConstantIntOp::create(inner, at, value, 8);
      };
      Value first = bytes[0], second = bytes[1];
      if (which == 0) {
        first = arith::AndIOp::create(inner, at, first, number(15));
        second = arith::ShLIOp::create(inner, at, second, number(4));
      } else {
        first = arith::ShRUIOp::create(inner, at, first, number(4));
        second = arith::AndIOp::create(inner, at, second, number(-16));
      }
      Value both = arith::OrIOp::create(inner, at, first, second);
      linalg::YieldOp::create(inner, at, both);
    };
    return linalg::GenericOp::create(
               b, loc, type, ValueRange{low, high},
               ValueRange{empty(b, loc, type.getShape(), b.getI8Type())}, maps,
               loops, mix)
        .getResult(0);
  }

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
