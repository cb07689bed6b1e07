//===- AttentionBuilders.cpp - softmax and the tokens seen ----------------===//

#include "passes/common/AttentionBuilders.h"
#include "passes/common/DecomposeQAttn.h"
#include "passes/common/LinalgBuilders.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qattn;

namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

Value filled(OpBuilder &b, Location loc, ArrayRef<int64_t> shape,
             double value) {
  Value init = empty(b, loc, shape, b.getF32Type());
  return linalg::FillOp::create(b, loc, constant(b, loc, value), init)
      .getResult(0);
}

Value initOr(OpBuilder &b, Location loc, Value init, ArrayRef<int64_t> shape) {
  return init ? init : empty(b, loc, shape, b.getF32Type());
}

/// Reductions over the last dimension of (rows..., token).
struct RowReduction {
  OpBuilder &b;
  Location loc;
  AffineMap scoresMap;
  ArrayRef<int64_t> shape;

  AffineMap rows() {
    unsigned rank = shape.size();
    return b.getMultiDimIdentityMap(rank + 1).dropResult(rank);
  }
  Value reduce(Value scores, double start, BodyBuilder body) {
    SmallVector<utils::IteratorType> iterators(shape.size() + 1, kParallel);
    iterators.back() = kReduction;
    return generic(b, loc, scores, filled(b, loc, shape, start),
                   {scoresMap, rows()}, iterators, body);
  }
};

Value equals(OpBuilder &b, Location loc, Value x, double value) {
  return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, x,
                               constant(b, loc, value));
}

} // namespace

Softmax headrace::common::softmax(OpBuilder &b, Location loc, Value scores,
                                  AffineMap map, ArrayRef<int64_t> shape,
                                  Value init) {
  RowReduction rows{b, loc, map, shape};
  // maximumf keeps a NaN.
  Value largest =
      rows.reduce(scores, kMinusInfinity,
                  [](OpBuilder &n, Location at, ValueRange args) -> Value {
                    return arith::MaximumFOp::create(n, at, args[0], args[1]);
                  });
  // Minus infinity minus itself would be NaN.
  Value base =
      elementwise(b, loc, largest, empty(b, loc, shape, b.getF32Type()),
                  [](OpBuilder &n, Location at, ValueRange args) -> Value {
                    return arith::SelectOp::create(
                        n, at, equals(n, at, args[0], kMinusInfinity),
                        constant(n, at, 0.0), args[0]);
                  });
  SmallVector<utils::IteratorType> parallel(shape.size() + 1, kParallel);
  auto type = cast<RankedTensorType>(scores.getType());
  Value weights = generic(
      b, loc, {scores, base}, empty(b, loc, type.getShape(), b.getF32Type()),
      {map, rows.rows(), map}, parallel,
      [](OpBuilder &n, Location at, ValueRange args) -> Value {
        Value difference = arith::SubFOp::create(n, at, args[0], args[1]);
        return math::ExpOp::create(n, at, difference);
      });
  Value sum = rows.reduce(
      weights, 0.0, [](OpBuilder &n, Location at, ValueRange args) -> Value {
        return arith::AddFOp::create(n, at, args[1], args[0]);
      });
  Value lse =
      elementwise(b, loc, {base, sum}, initOr(b, loc, init, shape),
                  [](OpBuilder &n, Location at, ValueRange args) -> Value {
                    Value log = math::LogOp::create(n, at, args[1]);
                    return arith::AddFOp::create(n, at, args[0], log);
                  });
  return {weights, sum, lse};
}

Value headrace::common::weightedMean(
    OpBuilder &b, Location loc, const Softmax &softmax, AffineMap weightsMap,
    Value mask, AffineMap maskMap, Value values, AffineMap valuesMap,
    ArrayRef<int64_t> shape, int64_t size, Value init) {
  unsigned rank = shape.size();
  SmallVector<int64_t> outShape(shape);
  outShape.push_back(size);
  SmallVector<utils::IteratorType> iterators(rank + 2, kParallel);
  iterators[rank] = kReduction;
  AffineMap out = b.getMultiDimIdentityMap(rank + 2).dropResult(rank);
  Value total =
      generic(b, loc, {softmax.weights, mask, values}, zeros(b, loc, outShape),
              {weightsMap, maskMap, valuesMap, out}, iterators,
              [](OpBuilder &n, Location at, ValueRange args) -> Value {
                Value term = arith::MulFOp::create(n, at, args[0], args[2]);
                Value next = arith::AddFOp::create(n, at, args[3], term);
                return arith::SelectOp::create(n, at, args[1], next, args[3]);
              });
  SmallVector<utils::IteratorType> parallel(rank + 1, kParallel);
  AffineMap all = b.getMultiDimIdentityMap(rank + 1);
  return generic(
      b, loc, {total, softmax.sum}, initOr(b, loc, init, outShape),
      {all, all.dropResult(rank), all}, parallel,
      [](OpBuilder &n, Location at, ValueRange args) -> Value {
        Value quotient = arith::DivFOp::create(n, at, args[0], args[1]);
        return arith::SelectOp::create(n, at, equals(n, at, args[1], 0.0),
                                       constant(n, at, 0.0), quotient);
      });
}

/// From (x, g, r, t, e), where [T, G, E] or [X, T, G, E] is.
static AffineMap ofToken(OpBuilder &b, Value keys) {
  return cast<RankedTensorType>(keys.getType()).getRank() == 3
             ? dimensions(b, 5, {3, 1, 4})
             : dimensions(b, 5, {0, 3, 1, 4});
}

Value headrace::common::headProducts(OpBuilder &b, Location loc, Value q,
                                     Value keys, Value mask) {
  auto qShape = cast<RankedTensorType>(q.getType()).getShape();
  auto maskShape = cast<RankedTensorType>(mask.getType()).getShape();
  bool qIsShared = qShape.size() == 3;
  auto groupShape = qShape.drop_front(qIsShared ? 0 : 1);
  SmallVector<int64_t> shape{maskShape[0], groupShape[0], groupShape[1],
                             maskShape[1]};
  // x, g, r, t and d.
  AffineMap ofQuery =
      qIsShared ? dimensions(b, 5, {1, 2, 4}) : dimensions(b, 5, {0, 1, 2, 4});
  return generic(b, loc, {q, keys}, zeros(b, loc, shape),
                 {ofQuery, ofToken(b, keys), dimensions(b, 5, {0, 1, 2, 3})},
                 {kParallel, kParallel, kParallel, kParallel, kReduction},
                 [](OpBuilder &n, Location at, ValueRange args) -> Value {
                   Value term = arith::MulFOp::create(n, at, args[0], args[1]);
                   return arith::AddFOp::create(n, at, args[2], term);
                 });
}

Value headrace::common::maskedScores(OpBuilder &b, Location loc, Value products,
                                     Value mask,
                                     const AttentionOptions &options) {
  auto shape = cast<RankedTensorType>(products.getType()).getShape();
  AffineMap all = b.getMultiDimIdentityMap(4);
  auto number = [](OpBuilder &n, Location at, const APFloat &value) -> Value {
    return arith::ConstantOp::create(n, at,
                                     n.getFloatAttr(n.getF32Type(), value));
  };
  return generic(b, loc, {products, mask}, empty(b, loc, shape, b.getF32Type()),
                 {all, dimensions(b, 4, {0, 3}), all},
                 {kParallel, kParallel, kParallel, kParallel},
                 [&](OpBuilder &n, Location at, ValueRange args) -> Value {
                   Value score = arith::MulFOp::create(
                       n, at, args[0], number(n, at, options.scale));
                   if (options.softcap) {
                     Value cap = number(n, at, *options.softcap);
                     score = arith::DivFOp::create(n, at, score, cap);
                     score = math::TanhOp::create(n, at, score);
                     score = arith::MulFOp::create(n, at, score, cap);
                   }
                   return arith::SelectOp::create(
                       n, at, args[1], score, constant(n, at, kMinusInfinity));
                 });
}

Value headrace::common::headMeans(OpBuilder &b, Location loc,
                                  const Softmax &softmax, Value mask,
                                  Value values) {
  auto shape = cast<RankedTensorType>(softmax.weights.getType()).getShape();
  auto valueShape = cast<RankedTensorType>(values.getType()).getShape();
  return weightedMean(b, loc, softmax, dimensions(b, 5, {0, 1, 2, 3}), mask,
                      dimensions(b, 5, {0, 3}), values, ofToken(b, values),
                      shape.drop_back(), valueShape.back());
}

Attention headrace::common::attend(OpBuilder &b, Location loc, Value q,
                                   Value keys, Value values, Value mask,
                                   const AttentionOptions &options) {
  Value products = headProducts(b, loc, q, keys, mask);
  Value scores = maskedScores(b, loc, products, mask, options);
  auto shape = cast<RankedTensorType>(scores.getType()).getShape();
  Softmax weights =
      softmax(b, loc, scores, b.getMultiDimIdentityMap(4), shape.drop_back());
  return {headMeans(b, loc, weights, mask, values), weights.lse};
}

Value headrace::common::splitHeads(OpBuilder &b, Location loc, Value x,
                                   int64_t at, int64_t groups) {
  auto type = cast<RankedTensorType>(x.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape[at] /= groups;
  shape.insert(shape.begin() + at, groups);
  SmallVector<ReassociationIndices> parts;
  for (int64_t i = 0; i < type.getRank(); ++i)
    parts.push_back(i < at    ? ReassociationIndices{i}
                    : i == at ? ReassociationIndices{i, i + 1}
                              : ReassociationIndices{i + 1});
  return tensor::ExpandShapeOp::create(
      b, loc, RankedTensorType::get(shape, type.getElementType()), x, parts);
}

Value headrace::common::joinHeads(OpBuilder &b, Location loc, Value x,
                                  int64_t at) {
  int64_t rank = cast<RankedTensorType>(x.getType()).getRank();
  SmallVector<ReassociationIndices> parts;
  for (int64_t i = 0; i < rank; ++i) {
    if (i == at + 1)
      parts.back().push_back(i);
    else
      parts.push_back({i});
  }
  return tensor::CollapseShapeOp::create(b, loc, x, parts);
}

Value headrace::common::dropFirst(OpBuilder &b, Location loc, Value x) {
  return joinHeads(b, loc, x, 0);
}

int64_t headrace::common::tokenBound(Type cache, Value table) {
  CacheGeometry geometry = geometryOf(cache);
  // A ring has a slot for every token, but keeps no more than it has slots.
  return geometry.layout == CacheLayout::Ring ? geometry.slots
                                              : tokensOf(cache, table);
}

SeenTokens headrace::common::seenTokens(OpBuilder &b, Location loc,
                                        Value length, int64_t bound, bool ring,
                                        std::optional<int64_t> window,
                                        int64_t parts) {
  auto index = [&](int64_t value) -> Value {
    return arith::ConstantIndexOp::create(b, loc, value);
  };
  Value zero = index(0);
  Value end = scalarIndex(b, loc, length);
  end = arith::MaxSIOp::create(b, loc, end, zero);
  Value begin = zero;
  auto keepLast = [&](int64_t tokens) {
    Value first = arith::SubIOp::create(b, loc, end, index(tokens));
    begin = arith::MaxSIOp::create(b, loc, begin, first);
  };
  // Where a window begins follows from the true length.
  if (window)
    keepLast(*window);
  if (ring)
    keepLast(bound);
  else
    end = arith::MinSIOp::create(b, loc, end, index(bound));
  Value count = arith::SubIOp::create(b, loc, end, begin);
  count = arith::MaxSIOp::create(b, loc, count, zero);
  Value perPart = arith::AddIOp::create(b, loc, count, index(parts - 1));
  perPart = arith::DivUIOp::create(b, loc, perPart, index(parts));
  int64_t most = window ? std::min(*window, bound) : bound;
  return {begin, count, perPart, parts, llvm::divideCeilSigned(most, parts)};
}

std::pair<Value, Value> SeenTokens::token(OpBuilder &b, Location loc,
                                          Value part, Value i) const {
  Value number = arith::MulIOp::create(b, loc, part, perPart);
  number = arith::AddIOp::create(b, loc, number, i);
  Value inPart =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, i, perPart);
  Value inside =
      arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, number, count);
  return {arith::AddIOp::create(b, loc, begin, number),
          arith::AndIOp::create(b, loc, inPart, inside)};
}
