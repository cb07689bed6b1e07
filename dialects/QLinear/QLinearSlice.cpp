//===- QLinearSlice.cpp - rows of packed matrices -------------------------===//

#include "dialects/QLinear/OpVerification.h"

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace headrace::qlinear;

/// Whether the parts of blocks lie apart.
static bool isSplit(PackedType type) {
  auto codebook = dyn_cast<CodebookFormatAttr>(type.getFormat());
  return codebook && codebook.getSplit();
}

bool SliceOp::canSlice(PackedType type) {
  QuantFormatAttrInterface format = type.getFormat();
  return !isSplit(type) &&
         format.getHeaderBytes(format.getBlockRows(), type.getPaddedCols()) ==
             type.getHeaderBytes();
}

void SliceOp::build(OpBuilder &builder, OperationState &state, Value packed,
                    OpFoldResult offset, int64_t size) {
  auto type = cast<PackedType>(packed.getType());
  std::optional<int64_t> known = getConstantIntValue(offset);
  build(builder, state, PackedType::get(size, type.getCols(), type.getFormat()),
        packed, known ? Value() : cast<Value>(offset),
        known.value_or(ShapedType::kDynamic), size);
}

OpFoldResult SliceOp::getMixedOffset() {
  if (Value value = getDynamicOffset())
    return value;
  return Builder(getContext()).getIndexAttr(static_cast<int64_t>(getOffset()));
}

OpFoldResult SliceOp::getByteOffset(OpBuilder &b) {
  PackedType type = getPacked().getType();
  int64_t rows = type.getFormat().getBlockRows();
  int64_t bytes = type.getBlockRowBytes(), header = type.getHeaderBytes();
  if (!getDynamicOffset())
    return b.getIndexAttr(header +
                          static_cast<int64_t>(getOffset()) / rows * bytes);
  auto number = [&](int64_t value) -> Value {
    return arith::ConstantIndexOp::create(b, getLoc(), value);
  };
  Value block = getDynamicOffset();
  if (rows != 1)
    block = arith::DivUIOp::create(b, getLoc(), block, number(rows));
  Value offset = arith::MulIOp::create(b, getLoc(), block, number(bytes));
  if (header)
    offset = arith::AddIOp::create(b, getLoc(), offset, number(header));
  return offset;
}

LogicalResult SliceOp::verify() {
  PackedType source = getPacked().getType(), result = getResult().getType();
  int64_t offset = getOffset(), size = getSize(), rows = source.getRows();
  int64_t block = source.getFormat().getBlockRows();
  bool dynamic = static_cast<bool>(getDynamicOffset());
  if (dynamic && !ShapedType::isDynamic(offset))
    return emitOpError() << "expected the offset " << ShapedType::kDynamic
                         << " beside an offset known at run time, but got "
                         << offset;
  std::string got = ", but got [" + (dynamic ? "%" : std::to_string(offset)) +
                    ", " + std::to_string(size) + "]";
  // The end of the matrix may lie within the last tile of a loop.
  bool outside = dynamic ? size > source.getPaddedRows()
                         : offset < 0 || size > rows || offset > rows - size;
  if (size <= 0 || outside)
    return emitOpError() << "expected rows [offset, size] within "
                         << (dynamic ? source.getPaddedRows() : rows) << " rows"
                         << got;
  if (!canSlice(source))
    return emitOpError() << "expected rows that stand alone, or with a header "
                            "that is the same for all, but got "
                         << source.getFormat()
                         << (isSplit(source)
                                 ? ", whose blocks are split"
                                 : ", whose header is of tiles of rows")
                         << "; allowed: for example #qlinear.gguf<q4_k>";
  bool wholeSize = size % block == 0;
  bool aligned =
      dynamic ? wholeSize || size == rows
              : offset % block == 0 && (wholeSize || offset + size == rows);
  if (!aligned)
    return emitOpError() << "expected offset and size in multiples of " << block
                         << " rows (the block of "
                         << source.getFormat().getFormatName() << ")" << got;
  auto want = PackedType::get(size, source.getCols(), source.getFormat());
  if (result != want)
    return emitOpError() << "expected a result of type " << want << ", but got "
                         << result;
  return success();
}

OpFoldResult SliceOp::fold(FoldAdaptor adaptor) {
  // All rows: the offset can only be 0.
  if (getPacked().getType() == getResult().getType())
    return getPacked();
  auto known = dyn_cast_or_null<IntegerAttr>(adaptor.getDynamicOffset());
  if (!known)
    return {};
  // An offset that the verifier would refuse stays for the user to see.
  int64_t offset = known.getInt(), size = getSize();
  PackedType type = getPacked().getType();
  if (offset < 0 || offset > type.getRows() - size ||
      offset % type.getFormat().getBlockRows())
    return {};
  getDynamicOffsetMutable().clear();
  setOffset(offset);
  return getResult();
}

namespace {

/// Rows of rows of a matrix are rows of the matrix.
struct MergeSlices : OpRewritePattern<SliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SliceOp op,
                                PatternRewriter &rewriter) const override {
    auto outer = op.getPacked().getDefiningOp<SliceOp>();
    if (!outer)
      return failure();
    int64_t block = op.getPacked().getType().getFormat().getBlockRows();
    OpFoldResult first = outer.getMixedOffset(), second = op.getMixedOffset();
    auto a = getConstantIntValue(first), b = getConstantIntValue(second);
    OpFoldResult offset;
    if (a && b)
      offset = rewriter.getIndexAttr(*a + *b);
    else if (op.getSize() % block)
      // A partial block at the end needs an offset that is known.
      return failure();
    else
      offset =
          arith::AddIOp::create(
              rewriter, op.getLoc(),
              getValueOrCreateConstantIndexOp(rewriter, op.getLoc(), first),
              getValueOrCreateConstantIndexOp(rewriter, op.getLoc(), second))
              .getResult();
    rewriter.replaceOpWithNewOp<SliceOp>(op, outer.getPacked(), offset,
                                         op.getSize());
    return success();
  }
};

/// Rows of one part of a concatenation are rows of that part.
struct SliceOfConcat : OpRewritePattern<SliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SliceOp op,
                                PatternRewriter &rewriter) const override {
    auto concat = op.getPacked().getDefiningOp<ConcatOp>();
    if (!concat || op.getDynamicOffset())
      return failure();
    int64_t offset = op.getOffset(), size = op.getSize();
    for (Value input : concat.getInputs()) {
      int64_t rows = cast<PackedType>(input.getType()).getRows();
      if (offset < rows) {
        if (offset + size > rows)
          return failure();
        rewriter.replaceOpWithNewOp<SliceOp>(
            op, input, rewriter.getIndexAttr(offset), size);
        return success();
      }
      offset -= rows;
    }
    return failure();
  }
};

} // namespace

void SliceOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                          MLIRContext *context) {
  patterns.add<MergeSlices, SliceOfConcat>(context);
}
