//===- DecomposeMlaRecurrence.cpp - the meaning of FP8 latent attention ---===//
//
// SnapMLA's recurrence (arXiv 2602.10718) over pages of tokens, base 2. Letters
// are those of `qattn.mla_decode`: dimensions are parts, heads, tokens of the
// page, content.
//
//===----------------------------------------------------------------------===//

#include "dialects/QLinear/FormatDecoder.h"
#include "passes/common/DecomposeMla.h"
#include "passes/common/DecomposeQAttn.h"
#include "passes/common/LinalgBuilders.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

#include <limits>

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qattn;
using headrace::qlinear::Decoder;

namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

Value equals(Decoder &d, Value x, double value) {
  return arith::CmpFOp::create(d.b, d.loc, arith::CmpFPredicate::OEQ, x,
                               d.f32(value));
}

/// m, s and l are [S, H], `output` is [S, H, C].
struct State {
  Value m, s, l, output;
};

/// A page of each part; `mask` says which of its tokens are seen.
struct Page {
  Value codes, rope, scale, mask; // [S, T, C], [S, T, R], [S, T], i1 [S, T]
};

struct Query {
  Value codes, rope, scale; // [H, C], [H, R], [H], f32
};

/// Builds one step. Maps: rows are (part, head), scores (part, head, token).
struct Step {
  OpBuilder &b;
  Location loc;
  SmallVector<int64_t> rowShape, scoreShape;
  double scale;

  AffineMap rows = dimensionsOf(b, 3, {0, 1});
  AffineMap ofToken = dimensionsOf(b, 3, {0, 2});
  AffineMap scores = dimensionsOf(b, 3, {0, 1, 2});

  using Body = llvm::function_ref<Value(Decoder &, ValueRange)>;

  Value build(ValueRange inputs, Value init, ArrayRef<AffineMap> maps,
              ArrayRef<utils::IteratorType> iterators, Body body) {
    return generic(b, loc, inputs, init, maps, iterators,
                   [&](OpBuilder &n, Location at, ValueRange args) -> Value {
                     Decoder d{n, at, {}};
                     return body(d, args);
                   });
  }
  /// A row for each part and head.
  Value mapRows(ValueRange inputs, Body body) {
    SmallVector<AffineMap> maps(inputs.size() + 1, b.getMultiDimIdentityMap(2));
    return build(inputs, empty(b, loc, rowShape, b.getF32Type()), maps,
                 {kParallel, kParallel}, body);
  }
  Value mapScores(ValueRange inputs, ArrayRef<AffineMap> maps, Body body) {
    SmallVector<AffineMap> withOut(maps);
    withOut.push_back(scores);
    return build(inputs, empty(b, loc, scoreShape, b.getF32Type()), withOut,
                 {kParallel, kParallel, kParallel}, body);
  }
  Value reduceTokens(Value input, Value init, Body body) {
    return build(input, init, {scores, rows},
                 {kParallel, kParallel, kReduction}, body);
  }
  /// sum + lhs * rhs over the last of four dimensions.
  Value addProducts(Value lhs, AffineMap lhsMap, Value rhs, AffineMap rhsMap,
                    Value sum) {
    return build({lhs, rhs}, sum,
                 {lhsMap, rhsMap, dimensionsOf(b, 4, {0, 1, 2})},
                 {kParallel, kParallel, kParallel, kReduction},
                 [](Decoder &d, ValueRange args) {
                   return d.addf(args[2], d.mulf(args[0], args[1]));
                 });
  }

  Value scoresOf(const Query &q, const Page &page) {
    AffineMap ofHead = dimensionsOf(b, 4, {1, 3});
    AffineMap ofPage = dimensionsOf(b, 4, {0, 2, 3});
    Value dot = zeros(b, loc, scoreShape);
    dot = addProducts(q.codes, ofHead, page.codes, ofPage, dot);
    dot = addProducts(q.rope, ofHead, page.rope, ofPage, dot);
    return mapScores({dot, q.scale, page.scale, page.mask},
                     {scores, dimensionsOf(b, 3, {1}), ofToken, ofToken},
                     [&](Decoder &d, ValueRange args) {
                       Value x = d.mulf(d.mulf(args[0], args[1]), args[2]);
                       x = d.mulf(x, d.f32(scale * llvm::numbers::log2e));
                       return d.select(args[3], x, d.f32(kMinusInfinity));
                     });
  }

  State next(const State &state, const Query &q, const Page &page) {
    Value x = scoresOf(q, page);
    Value m =
        reduceTokens(x, state.m, [](Decoder &d, ValueRange args) -> Value {
          return arith::MaximumFOp::create(d.b, d.loc, args[0], args[1]);
        });
    Value e = mapScores({x, m, page.mask}, {scores, rows, ofToken},
                        [](Decoder &d, ValueRange args) {
                          Value power = math::Exp2Op::create(
                              d.b, d.loc, d.subf(args[0], args[1]));
                          return d.select(args[2], power, d.f32(0.0));
                        });
    Value f = mapScores({e, page.scale, page.mask}, {scores, ofToken, ofToken},
                        [](Decoder &d, ValueRange args) {
                          return d.select(args[2], d.mulf(args[0], args[1]),
                                          d.f32(0.0));
                        });
    Value largest = reduceTokens(
        f, zeros(b, loc, rowShape), [](Decoder &d, ValueRange args) -> Value {
          return arith::MaximumFOp::create(d.b, d.loc, args[0], args[1]);
        });
    Value s = mapRows(largest, [](Decoder &d, ValueRange args) {
      Value least =
          arith::MaximumFOp::create(d.b, d.loc, args[0], d.f32(1e-26));
      Value scale = arith::DivFOp::create(d.b, d.loc, least, d.f32(448.0));
      return d.select(equals(d, args[0], 0.0), d.f32(1.0), scale);
    });
    Value beta = mapRows(
        {state.m, m, state.s, s}, [](Decoder &d, ValueRange args) -> Value {
          Value power =
              math::Exp2Op::create(d.b, d.loc, d.subf(args[0], args[1]));
          // Nothing was seen before; minus infinity minus itself would be NaN.
          power =
              d.select(equals(d, args[0], kMinusInfinity), d.f32(0.0), power);
          return arith::DivFOp::create(d.b, d.loc, d.mulf(power, args[2]),
                                       args[3]);
        });
    Value sum = reduceTokens(
        e, zeros(b, loc, rowShape),
        [](Decoder &d, ValueRange args) { return d.addf(args[1], args[0]); });
    Value l = mapRows(
        {state.l, beta, sum, s}, [](Decoder &d, ValueRange args) -> Value {
          Value added = arith::DivFOp::create(d.b, d.loc, args[2], args[3]);
          return d.addf(d.mulf(args[0], args[1]), added);
        });
    return {m, s, l, outputOf(state.output, beta, f, s, page)};
  }

  /// output * beta + e4m3(f / s) . codes.
  Value outputOf(Value output, Value beta, Value f, Value s, const Page &page) {
    Value p =
        mapScores({f, s}, {scores, rows}, [](Decoder &d, ValueRange args) {
          Value quotient = arith::DivFOp::create(d.b, d.loc, args[0], args[1]);
          Value code = encode(d.b, d.loc, quotient, CacheDtype::FP8E4M3);
          return decodeE4M3(d.b, d.loc, code);
        });
    auto type = cast<RankedTensorType>(output.getType());
    Value scaled = build(
        {output, beta}, empty(b, loc, type.getShape(), b.getF32Type()),
        {scores, rows, scores}, {kParallel, kParallel, kParallel},
        [](Decoder &d, ValueRange args) { return d.mulf(args[0], args[1]); });
    // What is not seen is not multiplied: 0 * NaN would be NaN.
    AffineMap ofWeight = dimensionsOf(b, 4, {0, 1, 3});
    return build({p, page.codes, page.mask}, scaled,
                 {ofWeight, dimensionsOf(b, 4, {0, 3, 2}),
                  dimensionsOf(b, 4, {0, 3}), dimensionsOf(b, 4, {0, 1, 2})},
                 {kParallel, kParallel, kParallel, kReduction},
                 [](Decoder &d, ValueRange args) {
                   Value sum = d.addf(args[3], d.mulf(args[0], args[1]));
                   return d.select(args[2], sum, args[3]);
                 });
  }

  /// Result and logarithm of the sum of exponentials.
  std::pair<Value, Value> finish(const State &state) {
    auto type = cast<RankedTensorType>(state.output.getType());
    Value result = build(
        {state.output, state.l}, empty(b, loc, type.getShape(), b.getF32Type()),
        {scores, rows, scores}, {kParallel, kParallel, kParallel},
        [](Decoder &d, ValueRange args) {
          Value quotient = arith::DivFOp::create(d.b, d.loc, args[0], args[1]);
          return d.select(equals(d, args[1], 0.0), d.f32(0.0), quotient);
        });
    Value lse = mapRows(
        {state.m, state.l, state.s}, [](Decoder &d, ValueRange args) -> Value {
          Value log =
              math::Log2Op::create(d.b, d.loc, d.mulf(args[1], args[2]));
          return d.mulf(d.addf(args[0], log), d.f32(llvm::numbers::ln2));
        });
    return {result, lse};
  }
};

/// e4m3 codes (i8) as f32.
Value decodeCodes(OpBuilder &b, Location loc, Value codes) {
  auto type = cast<RankedTensorType>(codes.getType());
  return elementwise(
      b, loc, codes, empty(b, loc, type.getShape(), b.getF32Type()),
      [](OpBuilder &n, Location at, ValueRange args) -> Value {
        Value code = arith::ExtUIOp::create(n, at, n.getI32Type(), args[0]);
        return decodeE4M3(n, at, code);
      });
}

struct DecomposeMlaRecurrence : OpConversionPattern<MlaDecodeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(MlaDecodeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (op.getResults().empty() || !op.getQScale())
      return rewriter.notifyMatchFailure(op, "tensors with q_scale only");
    OpBuilder &b = rewriter;
    Location loc = op.getLoc();
    MlaCacheType cache = op.getCache().getType();
    int64_t parts = op.getSplits().value_or(1);
    LatentTokens tokens(b, loc, cache, adaptor.getCache(), adaptor.getTable(),
                        adaptor.getLength(), parts);
    Query q{decodeCodes(b, loc, adaptor.getQ()), adaptor.getQRope(),
            adaptor.getQScale()};
    int64_t heads = cast<RankedTensorType>(q.codes.getType()).getDimSize(0);

    auto filled = [&](ArrayRef<int64_t> shape, double value) -> Value {
      return linalg::FillOp::create(b, loc, constant(b, loc, value),
                                    empty(b, loc, shape, b.getF32Type()))
          .getResult(0);
    };
    SmallVector<Value> start{filled({parts, heads}, kMinusInfinity),
                             filled({parts, heads}, 1.0),
                             filled({parts, heads}, 0.0),
                             filled({parts, heads, cache.getContent()}, 0.0)};
    Decoder outer{b, loc, {}};
    Value count = outer.div(outer.add(tokens.seen.perPart, kRecurrencePage - 1),
                            kRecurrencePage);
    auto loop = scf::ForOp::create(
        b, loc, outer.index(0), count, outer.index(1), start,
        [&](OpBuilder &n, Location at, Value number, ValueRange state) {
          Decoder d{n, at, {}};
          Value first = d.mul(number, kRecurrencePage);
          Page page{tokens.values(n, at, first, kRecurrencePage,
                                  cache.getContent(), storedContent),
                    tokens.values(n, at, first, kRecurrencePage,
                                  cache.getRope(), storedRope),
                    tokens.scales(n, at, first, kRecurrencePage),
                    tokens.mask(n, at, first, kRecurrencePage)};
          State next =
              stepOf(n, at, parts, heads, op)
                  .next({state[0], state[1], state[2], state[3]}, q, page);
          // Into the tensors of the loop, so that these become one buffer each.
          SmallVector<Value> yielded;
          for (auto [value, into] : llvm::zip_equal(
                   SmallVector<Value>{next.m, next.s, next.l, next.output},
                   state))
            yielded.push_back(
                linalg::CopyOp::create(n, at, value, into).getResult(0));
          scf::YieldOp::create(n, at, yielded);
        });
    auto [result, lse] = stepOf(b, loc, parts, heads, op)
                             .finish({loop.getResult(0), loop.getResult(1),
                                      loop.getResult(2), loop.getResult(3)});
    rewriter.replaceOp(op, decodeResults(b, loc, op, result, lse));
    return success();
  }

private:
  static Step stepOf(OpBuilder &b, Location loc, int64_t parts, int64_t heads,
                     MlaDecodeOp op) {
    return {b,
            loc,
            {parts, heads},
            {parts, heads, kRecurrencePage},
            op.getScale().convertToDouble()};
  }
};

} // namespace

void headrace::common::populateDecomposeMlaRecurrencePatterns(
    RewritePatternSet &patterns, const TypeConverter &types) {
  patterns.add<DecomposeMlaRecurrence>(types, patterns.getContext());
}
