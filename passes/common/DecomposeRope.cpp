//===- DecomposeRope.cpp - the meaning of rotary positions ----------------===//

#include "passes/common/DecomposeQAttn.h"
#include "passes/common/LinalgBuilders.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qattn;

namespace {

/// `angle` less its whole turns. Approximations of cosine and sine, such as
/// IREE's, are good near 0 only, and angles go up to the number of tokens. The
/// first two parts of 2 pi have few bits, so that products with the turns are
/// exact.
Value withoutTurns(OpBuilder &b, Location loc, Value angle) {
  constexpr double kParts[] = {6.25, 17.0 / 512,
                               2 * llvm::numbers::pi - 6.25 - 17.0 / 512};
  Value turns = arith::MulFOp::create(
      b, loc, angle, constant(b, loc, 0.5 * llvm::numbers::inv_pi));
  turns = arith::AddFOp::create(b, loc, turns, constant(b, loc, 0.5));
  turns = math::FloorOp::create(b, loc, turns);
  for (double part : kParts) {
    Value turned = arith::MulFOp::create(b, loc, turns, constant(b, loc, part));
    angle = arith::SubFOp::create(b, loc, angle, turned);
  }
  return angle;
}

/// Cosine or sine of position * frequency, times the magnitude: f32 [N, P].
template <typename Function>
Value turn(OpBuilder &b, Location loc, RopeOp op, Value positions,
           Value frequencies) {
  AffineMap both = b.getMultiDimIdentityMap(2);
  int64_t tokens = cast<RankedTensorType>(positions.getType()).getDimSize(0);
  int64_t pairs = cast<RankedTensorType>(frequencies.getType()).getDimSize(0);
  return generic(
      b, loc, {positions, frequencies},
      empty(b, loc, {tokens, pairs}, b.getF32Type()),
      {both.dropResult(1), both.dropResult(0), both}, {kParallel, kParallel},
      [&](OpBuilder &n, Location at, ValueRange args) -> Value {
        Value position =
            arith::SIToFPOp::create(n, at, n.getF32Type(), args[0]);
        Value angle = arith::MulFOp::create(n, at, position, args[1]);
        Value turned = Function::create(n, at, withoutTurns(n, at, angle));
        if (!op.getMagnitude())
          return turned;
        Value magnitude = arith::ConstantOp::create(
            n, at, n.getFloatAttr(n.getF32Type(), *op.getMagnitude()));
        return arith::MulFOp::create(n, at, turned, magnitude);
      });
}

/// x cos - other sin for the first of a pair, x cos + other sin for the second.
struct DecomposeRope : OpConversionPattern<RopeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(RopeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (op.getResults().empty())
      return rewriter.notifyMatchFailure(op, "decomposes on tensors only");
    OpBuilder &b = rewriter;
    Location loc = op.getLoc();
    Value x = adaptor.getX();
    Value positions = adaptor.getPositions();
    Value frequencies = adaptor.getFrequencies();
    Value cosines = turn<math::CosOp>(b, loc, op, positions, frequencies);
    Value sines = turn<math::SinOp>(b, loc, op, positions, frequencies);
    auto type = cast<RankedTensorType>(x.getType());
    int64_t pairs = cast<RankedTensorType>(frequencies.getType()).getDimSize(0);
    Value y = elementwise(
        b, loc, x, empty(b, loc, type.getShape(), b.getF32Type()),
        [&](OpBuilder &n, Location at, ValueRange args) -> Value {
          Value token = linalg::IndexOp::create(n, at, 0);
          Value head = linalg::IndexOp::create(n, at, 1);
          Value dim = linalg::IndexOp::create(n, at, 2);
          auto index = [&](int64_t value) -> Value {
            return arith::ConstantIndexOp::create(n, at, value);
          };
          // Values behind the pairs read those of pair 0, and drop the result.
          Value turned = arith::CmpIOp::create(n, at, arith::CmpIPredicate::ult,
                                               dim, index(2 * pairs));
          Value inside = arith::SelectOp::create(n, at, turned, dim, index(0));
          Value width = index(op.getInterleaved() ? 2 : pairs);
          Value quotient = arith::DivUIOp::create(n, at, inside, width);
          Value rest = arith::RemUIOp::create(n, at, inside, width);
          Value pair = op.getInterleaved() ? quotient : rest;
          Value number = op.getInterleaved() ? rest : quotient;
          Value isFirst = arith::CmpIOp::create(n, at, arith::CmpIPredicate::eq,
                                                number, index(0));
          Value step = index(op.getInterleaved() ? 1 : pairs);
          Value partner = arith::SelectOp::create(
              n, at, isFirst, arith::AddIOp::create(n, at, inside, step),
              arith::SubIOp::create(n, at, inside, step));
          auto read = [&](Value from, ValueRange indices) -> Value {
            return tensor::ExtractOp::create(n, at, from, indices);
          };
          Value other = read(x, {token, head, partner});
          Value along = arith::MulFOp::create(n, at, args[0],
                                              read(cosines, {token, pair}));
          Value across =
              arith::MulFOp::create(n, at, other, read(sines, {token, pair}));
          Value rotated = arith::SelectOp::create(
              n, at, isFirst, arith::SubFOp::create(n, at, along, across),
              arith::AddFOp::create(n, at, along, across));
          return arith::SelectOp::create(n, at, turned, rotated, args[0]);
        });
    rewriter.replaceOp(op, y);
    return success();
  }
};

} // namespace

void headrace::common::populateDecomposeRopePatterns(
    RewritePatternSet &patterns, const TypeConverter &types) {
  patterns.add<DecomposeRope>(types, patterns.getContext());
}
