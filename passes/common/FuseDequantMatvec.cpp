//===- FuseDequantMatvec.cpp - products that decode their weight ----------===//

#include "dialects/QLinear/OpVerification.h"
#include "passes/common/ElementTracer.h"
#include "passes/common/KernelChoice.h"
#include "passes/common/LinalgBuilders.h"
#include "passes/common/Passes.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace headrace::common {
#define GEN_PASS_DEF_FUSEDEQUANTMATVEC
#include "passes/common/Passes.h.inc"
} // namespace headrace::common

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qlinear;

namespace {

/// The input that a factor of a product is, extended to f32 or not; null if it
/// is something else.
OpOperand *inputOf(linalg::LinalgOp op, Value factor) {
  if (auto extend = factor.getDefiningOp<arith::ExtFOp>())
    factor = extend.getIn();
  auto argument = dyn_cast<BlockArgument>(factor);
  if (!argument || argument.getOwner() != op.getBlock() ||
      argument.getArgNumber() >= op.getNumDpsInputs())
    return nullptr;
  return op.getDpsInputOperand(argument.getArgNumber());
}

/// The two inputs of `out += a * b` in f32; nulls if the body is another one.
std::pair<OpOperand *, OpOperand *> factorsOf(linalg::LinalgOp op) {
  Block *body = op.getBlock();
  auto sum =
      body->getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
  if (!sum || !sum.getType().isF32())
    return {};
  BlockArgument out = op.getRegionOutputArgs()[0];
  Value added = sum.getLhs() == out ? sum.getRhs() : sum.getLhs();
  auto product = added.getDefiningOp<arith::MulFOp>();
  if (!product || (sum.getLhs() != out && sum.getRhs() != out))
    return {};
  OpOperand *lhs = inputOf(op, product.getLhs());
  OpOperand *rhs = inputOf(op, product.getRhs());
  if (!lhs || !rhs || lhs == rhs ||
      !isa<RankedTensorType>(lhs->get().getType()) ||
      !isa<RankedTensorType>(rhs->get().getType()))
    return {};
  return {lhs, rhs};
}

/// A contraction seen as tokens times a transposed weight. Loops of one
/// iteration have no part in it.
struct Contraction {
  linalg::LinalgOp op;
  ElementTracer tracer;
  PackedType weightType;
  Value weight;
  AffineExpr row, column;
  SmallVector<AffineExpr> tokens; // in the order of the result
  SmallVector<int64_t> tokenSizes;
  SmallVector<int64_t> order; // of tokens and then rows, in the result

  Contraction(linalg::LinalgOp op)
      : op(op), tracer(op.getContext(), op.getStaticLoopRanges()) {}

  int64_t numTokens() const { return llvm::product_of(tokenSizes); }

  /// Indices of an operand, in terms of the loops.
  SmallVector<AffineExpr> indices(OpOperand *operand) {
    SmallVector<AffineExpr> loops;
    for (auto [i, size] : llvm::enumerate(tracer.getExtents()))
      loops.push_back(size == 1 ? tracer.number(0) : tracer.coordinate(i));
    return llvm::map_to_vector(
        op.getMatchingIndexingMap(operand).getResults(),
        [&](AffineExpr e) { return e.replaceDims(loops); });
  }

  Element element(OpOperand *operand) {
    return tracer.element(operand->get(), indices(operand));
  }

  /// Whether `operand` is a dequantized weight, and what the loops are to it.
  bool setWeight(OpOperand *operand) {
    Element source = tracer.source(element(operand));
    auto dequantize = source.value.getDefiningOp<DequantizeOp>();
    if (!dequantize)
      return false;
    weight = dequantize.getPacked();
    weightType = dequantize.getPacked().getType();
    if (weightType.getFormat().isActivationFormat())
      return false;
    row = source.at.getResult(0);
    column = source.at.getResult(1);
    return isLoop(row, weightType.getRows(), utils::IteratorType::parallel) &&
           isLoop(column, weightType.getCols(),
                  utils::IteratorType::reduction) &&
           setTokens();
  }

  /// The activations, as the op takes them, or null.
  Value activations(OpOperand *operand, OpBuilder &b);
  /// The result of `op` from the product [tokens, rows].
  Value result(Value product, OpBuilder &b);

private:
  /// Whether `expr` is a loop over all of `size`.
  bool isLoop(AffineExpr expr, int64_t size, utils::IteratorType kind) {
    if (size == 1)
      return expr == tracer.number(0);
    auto dim = dyn_cast<AffineDimExpr>(expr);
    return dim && tracer.getExtents()[dim.getPosition()] == size &&
           op.getIteratorTypesArray()[dim.getPosition()] == kind;
  }

  /// All loops but that of the columns must be those of the result.
  bool setTokens() {
    int64_t rowsAt = -1;
    for (AffineExpr expr : indices(op.getDpsInitOperand(0))) {
      if (expr == tracer.number(0))
        continue;
      if (!isa<AffineDimExpr>(expr) || llvm::is_contained(tokens, expr))
        return false;
      if (expr == row) {
        rowsAt = tokens.size();
        continue;
      }
      tokens.push_back(expr);
      tokenSizes.push_back(
          tracer.getExtents()[cast<AffineDimExpr>(expr).getPosition()]);
    }
    bool oneRow = weightType.getRows() == 1,
         oneColumn = weightType.getCols() == 1;
    int64_t loops = llvm::count_if(tracer.getExtents(),
                                   [](int64_t size) { return size != 1; });
    if ((rowsAt < 0 && !oneRow) ||
        loops != int64_t(tokens.size()) + !oneRow + !oneColumn)
      return false;
    for (size_t i = 0; i < tokens.size(); ++i)
      order.push_back(i);
    order.insert(order.begin() + (oneRow ? tokens.size() : rowsAt),
                 tokens.size());
    return true;
  }
};

/// What is extended from bf16 to f32 element by element, before that.
Element beforeExtension(const ElementTracer &tracer, const Element &element) {
  Element source = tracer.source(element);
  auto op = source.value.getDefiningOp<linalg::GenericOp>();
  if (!op || op.getNumDpsInputs() != 1 || op.getNumDpsInits() != 1 ||
      !op.getIndexingMapsArray()[1].isIdentity() ||
      op.getNumReductionLoops() != 0)
    return element;
  auto extend = op.getBlock()
                    ->getTerminator()
                    ->getOperand(0)
                    .getDefiningOp<arith::ExtFOp>();
  if (!extend || !extend.getIn().getType().isBF16() ||
      extend.getIn() != op.getRegionInputArgs()[0])
    return element;
  SmallVector<AffineExpr> indices;
  for (AffineExpr expr : op.getIndexingMapsArray()[0].getResults())
    indices.push_back(expr.replaceDims(source.at.getResults()));
  return tracer.element(op.getDpsInputOperand(0)->get(), indices);
}

Value Contraction::activations(OpOperand *operand, OpBuilder &b) {
  Element x = element(operand);
  int64_t count = numTokens(), cols = weightType.getCols();
  Element source = tracer.source(x);
  if (auto dequantize = source.value.getDefiningOp<DequantizeOp>()) {
    // Packed activations decode in the product as well.
    PackedType type = dequantize.getPacked().getType();
    AffineExpr token = tokens.empty() ? tracer.number(0) : tokens[0];
    if (type.getFormat().isActivationFormat() && tokens.size() < 2 &&
        type.getRows() == count && type.getCols() == cols &&
        source.at.getResult(0) == token && source.at.getResult(1) == column)
      return dequantize.getPacked();
  }
  x = beforeExtension(tracer, x);
  Type kind = cast<RankedTensorType>(x.value.getType()).getElementType();
  if (!kind.isF32() && !kind.isBF16())
    return {};
  SmallVector<AffineExpr> coordinates(tokens);
  SmallVector<int64_t> shape(tokenSizes), wanted{count, cols};
  coordinates.push_back(column);
  shape.push_back(cols);
  std::optional<Arrangement> found = tracer.arrange(x, coordinates, shape);
  if (!found)
    return {};
  Value value = found->source;
  if (!llvm::is_sorted(found->axes))
    value = arranged(b, op.getLoc(), *found, shape);
  return reshaped(b, op.getLoc(), value,
                  ArrayRef(wanted).drop_front(count == 1));
}

Value Contraction::result(Value product, OpBuilder &b) {
  Location loc = op.getLoc();
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  if (!llvm::is_sorted(order)) {
    SmallVector<int64_t> sizes(tokenSizes), shape;
    sizes.push_back(weightType.getRows());
    product = reshaped(b, loc, product, sizes);
    for (int64_t axis : order)
      shape.push_back(sizes[axis]);
    product = linalg::TransposeOp::create(
                  b, loc, product, empty(b, loc, shape, b.getF32Type()), order)
                  ->getResult(0);
  }
  product = reshaped(b, loc, product, type.getShape());
  OpOperand *init = op.getDpsInitOperand(0);
  if (tracer.constant(element(init)) == 0.0)
    return product;
  return elementwise(b, loc, {product, init->get()},
                     empty(b, loc, type.getShape(), b.getF32Type()),
                     [](OpBuilder &nested, Location at, ValueRange args) {
                       return arith::AddFOp::create(nested, at, args[0],
                                                    args[1]);
                     });
}

/// The product of `weight` and activations of one token ([K]) or several
/// ([N, K]), as [M] or [N, M].
Value product(OpBuilder &b, Location loc, Value weight, Value x,
              int64_t tokens) {
  int64_t rows = cast<PackedType>(weight.getType()).getRows();
  if (tokens == 1) {
    Value init = empty(b, loc, {rows}, b.getF32Type());
    return MatvecOp::create(b, loc, init.getType(), weight, x, init)
        .getResult(0);
  }
  Value init = empty(b, loc, {tokens, rows}, b.getF32Type());
  return MatmulOp::create(b, loc, init.getType(), weight, x, init).getResult(0);
}

struct FuseContraction : OpInterfaceRewritePattern<linalg::LinalgOp> {
  using OpInterfaceRewritePattern::OpInterfaceRewritePattern;
  LogicalResult matchAndRewrite(linalg::LinalgOp op,
                                PatternRewriter &rewriter) const override {
    if (!op.hasPureTensorSemantics() || op.hasDynamicShape() ||
        op.getNumDpsInits() != 1 || op.getNumDpsInputs() != 2 ||
        !op.hasOnlyProjectedPermutations() ||
        cast<RankedTensorType>(op->getResult(0).getType()).getRank() == 0)
      return rewriter.notifyMatchFailure(op, "is no contraction");
    // Arrangements of many dimensions are too many to try.
    if (op.getNumLoops() > 6)
      return rewriter.notifyMatchFailure(op, "has too many loops");
    for (Type type : op->getOperandTypes())
      if (auto shape = dyn_cast<ShapedType>(type); shape && !isCountable(shape))
        return rewriter.notifyMatchFailure(op, "has no or too many elements");
    auto [lhs, rhs] = factorsOf(op);
    if (!lhs)
      return rewriter.notifyMatchFailure(op, "is no sum of products in f32");
    for (auto [weight, x] : {std::pair(lhs, rhs), std::pair(rhs, lhs)}) {
      Contraction contraction(op);
      if (!contraction.setWeight(weight))
        continue;
      Value activations = contraction.activations(x, rewriter);
      if (!activations)
        continue;
      Value y = product(rewriter, op.getLoc(), contraction.weight, activations,
                        contraction.numTokens());
      rewriter.replaceOp(op, contraction.result(y, rewriter));
      return success();
    }
    return rewriter.notifyMatchFailure(op, "has no dequantized weight");
  }
};

/// One token is a vector.
struct MatmulOfOneToken : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatmulOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getResults().empty())
      return rewriter.notifyMatchFailure(op, "is not on tensors");
    auto type = cast<RankedTensorType>(op.getResult(0).getType());
    if (type.getDimSize(0) != 1)
      return rewriter.notifyMatchFailure(op, "has several tokens");
    Location loc = op.getLoc();
    Value x = op.getX();
    if (!isa<PackedType>(x.getType()))
      x = reshaped(rewriter, loc, x, {op.getWeight().getType().getCols()});
    Value y = product(rewriter, loc, op.getWeight(), x, /*tokens=*/1);
    y.getDefiningOp()->setDiscardableAttrs(choicesOf(op));
    rewriter.replaceOp(op, reshaped(rewriter, loc, y, type.getShape()));
    return success();
  }
};

struct FuseDequantMatvec
    : headrace::common::impl::FuseDequantMatvecBase<FuseDequantMatvec> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FuseContraction, MatmulOfOneToken>(&getContext());
    // What does not match stays as it is.
    GreedyRewriteConfig config;
    config.setRegionSimplificationLevel(GreedySimplifyRegionLevel::Disabled)
        .enableFolding(false)
        .enableConstantCSE(false);
    if (failed(
            applyPatternsGreedily(getOperation(), std::move(patterns), config)))
      signalPassFailure();
  }
};

} // namespace
