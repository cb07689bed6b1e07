//===- RoundedAttention.cpp - attention in bf16 or 8 bits -----------------===//
//
// Rounded numbers and integers are f32, which has them exactly; so are sums of
// products of integers up to 1040 of them.
//
//===----------------------------------------------------------------------===//

#include "passes/common/RoundedAttention.h"

#include "passes/common/DecomposeQAttn.h"
#include "passes/common/LinalgBuilders.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qattn;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

/// The nearest integer to a number of at most 2^22; 0 for NaN.
Value nearest(OpBuilder &n, Location at, Value x) {
  // The last bit of 1.5 * 2^23 is worth one.
  Value big = constant(n, at, 12582912.0);
  Value rounded =
      arith::SubFOp::create(n, at, arith::AddFOp::create(n, at, x, big), big);
  Value isNaN = arith::CmpFOp::create(n, at, arith::CmpFPredicate::UNO, x, x);
  return arith::SelectOp::create(n, at, isNaN, constant(n, at, 0.0), rounded);
}

Value isBelow(OpBuilder &n, Location at, Value x, double bound) {
  return arith::CmpFOp::create(n, at, arith::CmpFPredicate::OLT, x,
                               constant(n, at, bound));
}

/// bound / largest; 0 where `largest` is below `least`, or not finite.
Value inverseOf(OpBuilder &n, Location at, Value largest, double bound,
                double least) {
  Value zero = constant(n, at, 0.0);
  Value inverse = arith::DivFOp::create(n, at, constant(n, at, bound), largest);
  inverse = arith::SelectOp::create(n, at, isBelow(n, at, largest, least), zero,
                                    inverse);
  Value finite =
      isBelow(n, at, largest, std::numeric_limits<double>::infinity());
  return arith::SelectOp::create(n, at, finite, inverse, zero);
}

/// Operands of a product, and what it is multiplied with for each head of a
/// token: NaN where a number is not finite.
struct Operands {
  Value numbers, factors;
};

/// Numbers [..., D] in `precision`.
Operands rounded(OpBuilder &b, Location loc, Precision precision, Value x) {
  ArrayRef<int64_t> shape = shapeOf(x);
  unsigned rank = shape.size();
  bool isI8 = precision == Precision::I8;
  if (!isI8)
    x = elementwise(b, loc, x, empty(b, loc, shape, b.getF32Type()),
                    [](OpBuilder &n, Location at, ValueRange args) {
                      return roundToBF16(n, at, args[0]);
                    });
  AffineMap all = b.getMultiDimIdentityMap(rank);
  AffineMap heads = all.dropResult(rank - 1);
  SmallVector<utils::IteratorType> iterators(rank, kParallel);
  SmallVector<utils::IteratorType> reduction(iterators);
  reduction.back() = kReduction;
  Value largest = generic(
      b, loc, x, zeros(b, loc, shape.drop_back()), {all, heads}, reduction,
      [](OpBuilder &n, Location at, ValueRange args) -> Value {
        Value magnitude = math::AbsFOp::create(n, at, args[0]);
        return arith::MaximumFOp::create(n, at, magnitude, args[1]);
      });
  Value factors = elementwise(
      b, loc, largest, empty(b, loc, shape.drop_back(), b.getF32Type()),
      [&](OpBuilder &n, Location at, ValueRange args) -> Value {
        Value factor = constant(n, at, 1.0);
        if (isI8) {
          factor =
              arith::DivFOp::create(n, at, args[0], constant(n, at, 127.0));
          factor = arith::SelectOp::create(
              n, at, isBelow(n, at, args[0], kLeastMagnitude),
              constant(n, at, 0.0), factor);
        }
        Value finite =
            isBelow(n, at, args[0], std::numeric_limits<double>::infinity());
        return arith::SelectOp::create(n, at, finite, factor,
                                       constant(n, at, kNaN));
      });
  Value numbers = generic(
      b, loc, {x, largest}, empty(b, loc, shape, b.getF32Type()),
      {all, heads, all}, iterators,
      [&](OpBuilder &n, Location at, ValueRange args) -> Value {
        if (isI8) {
          Value inverse =
              inverseOf(n, at, args[1], /*bound=*/127.0, kLeastMagnitude);
          return nearest(n, at, arith::MulFOp::create(n, at, args[0], inverse));
        }
        // The factor is NaN already.
        Value finite =
            isBelow(n, at, args[1], std::numeric_limits<double>::infinity());
        return arith::SelectOp::create(n, at, finite, args[0],
                                       constant(n, at, 0.0));
      });
  return {numbers, factors};
}

/// Weights times the scales of values, as integers times what a block's are
/// multiplied with.
Value weightsInBlocks(OpBuilder &b, Location loc, Value weights, Value mask,
                      Value scales) {
  ArrayRef<int64_t> shape = shapeOf(weights);
  int64_t tokens = shape[3], size = std::min(tokens, kPrefillBlock);
  SmallVector<utils::IteratorType> iterators(4, kParallel);
  AffineMap all = b.getMultiDimIdentityMap(4);
  // Of a token that is not seen the scale may be NaN.
  Value scaled = generic(
      b, loc, {weights, mask, scales}, empty(b, loc, shape, b.getF32Type()),
      {all, dimensions(b, 4, {0, 3}), dimensions(b, 4, {3, 1}), all}, iterators,
      [](OpBuilder &n, Location at, ValueRange args) -> Value {
        Value product = arith::MulFOp::create(n, at, args[0], args[2]);
        return arith::SelectOp::create(n, at, args[1], product,
                                       constant(n, at, 0.0));
      });
  auto index = [](OpBuilder &n, Location at, int64_t value) -> Value {
    return arith::ConstantIndexOp::create(n, at, value);
  };
  auto row = [](OpBuilder &n, Location at) {
    SmallVector<Value> place;
    for (int64_t i = 0; i < 3; ++i)
      place.push_back(linalg::IndexOp::create(n, at, i));
    return place;
  };
  // (x, g, r, block, token of the block)
  SmallVector<int64_t> blocks{shape[0], shape[1], shape[2],
                              llvm::divideCeilSigned(tokens, size)};
  // What says how many tokens a block has.
  Value extent = empty(b, loc, {size}, b.getF32Type());
  SmallVector<utils::IteratorType> reduction(5, kParallel);
  reduction.back() = kReduction;
  Value largest = generic(
      b, loc, extent, zeros(b, loc, blocks),
      {dimensions(b, 5, {4}), dimensions(b, 5, {0, 1, 2, 3})}, reduction,
      [&](OpBuilder &n, Location at, ValueRange args) -> Value {
        Value first = arith::MulIOp::create(
            n, at, linalg::IndexOp::create(n, at, 3), index(n, at, size));
        Value token = arith::AddIOp::create(n, at, first,
                                            linalg::IndexOp::create(n, at, 4));
        // The last block may be shorter: its last token again.
        token = arith::MinSIOp::create(n, at, token, index(n, at, tokens - 1));
        SmallVector<Value> place = row(n, at);
        place.push_back(token);
        Value one = tensor::ExtractOp::create(n, at, scaled, place);
        return arith::MaximumFOp::create(n, at, one, args[1]);
      });
  return elementwise(
      b, loc, scaled, empty(b, loc, shape, b.getF32Type()),
      [&](OpBuilder &n, Location at, ValueRange args) -> Value {
        SmallVector<Value> place = row(n, at);
        place.push_back(arith::DivUIOp::create(
            n, at, linalg::IndexOp::create(n, at, 3), index(n, at, size)));
        Value most = tensor::ExtractOp::create(n, at, largest, place);
        Value inverse = inverseOf(n, at, most, /*bound=*/255.0, kLeastWeight);
        Value code =
            nearest(n, at, arith::MulFOp::create(n, at, args[0], inverse));
        Value unit =
            arith::MulFOp::create(n, at, most, constant(n, at, 1.0 / 255.0));
        return arith::MulFOp::create(n, at, code, unit);
      });
}

} // namespace

Attention headrace::common::attendRounded(OpBuilder &b, Location loc,
                                          Precision precision, Value q,
                                          Value keys, Value values, Value mask,
                                          const AttentionOptions &options) {
  auto likeOf = [&](Value x) {
    return empty(b, loc, shapeOf(x), b.getF32Type());
  };
  Value scaled =
      elementwise(b, loc, q, likeOf(q),
                  [&](OpBuilder &n, Location at, ValueRange args) -> Value {
                    Value scale = arith::ConstantOp::create(
                        n, at, n.getFloatAttr(n.getF32Type(), options.scale));
                    return arith::MulFOp::create(n, at, args[0], scale);
                  });
  Operands query = rounded(b, loc, precision, scaled);
  Operands key = rounded(b, loc, precision, keys);
  Operands value = rounded(b, loc, precision, values);
  Value keyFactors =
      elementwise(b, loc, {key.factors, value.factors}, likeOf(key.factors),
                  [](OpBuilder &n, Location at, ValueRange args) -> Value {
                    Value isNaN = arith::CmpFOp::create(
                        n, at, arith::CmpFPredicate::UNO, args[1], args[1]);
                    return arith::SelectOp::create(
                        n, at, isNaN, constant(n, at, kNaN), args[0]);
                  });
  Value products = headProducts(b, loc, query.numbers, key.numbers, mask);
  // x, g, r, t.
  AffineMap all = b.getMultiDimIdentityMap(4);
  products =
      generic(b, loc, {products, query.factors, keyFactors}, likeOf(products),
              {all, dimensions(b, 4, {0, 1, 2}), dimensions(b, 4, {3, 1}), all},
              SmallVector<utils::IteratorType>(4, kParallel),
              [](OpBuilder &n, Location at, ValueRange args) -> Value {
                Value factor = arith::MulFOp::create(n, at, args[1], args[2]);
                return arith::MulFOp::create(n, at, args[0], factor);
              });
  // Scales are in the factors.
  Value scores =
      maskedScores(b, loc, products, mask, {APFloat(1.0f), options.softcap});
  Softmax weights = softmax(b, loc, scores, all, shapeOf(scores).drop_back());
  Softmax operands = weights;
  if (precision == Precision::I8)
    operands.weights =
        weightsInBlocks(b, loc, weights.weights, mask, value.factors);
  else
    operands.weights =
        elementwise(b, loc, weights.weights, likeOf(weights.weights),
                    [](OpBuilder &n, Location at, ValueRange args) {
                      return roundToBF16(n, at, args[0]);
                    });
  return {headMeans(b, loc, operands, mask, value.numbers), weights.lse};
}
