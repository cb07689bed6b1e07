//===- LowerQuantize.cpp - quantization of activations as vectors ---------===//

#include "dialects/QLinear/QLinear.h"
#include "passes/cpu/Passes.h"
#include "passes/cpu/Transpose.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace headrace::cpu {
#define GEN_PASS_DEF_CPULOWERQUANTIZE
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qlinear;

namespace {

constexpr int64_t kGroup = 32;
/// Groups that are quantized together: a lane for each in what they share.
constexpr int64_t kTogether = 16;

/// Adding 1.5 * 2^23 to a number of magnitude below 2^22 rounds it to an
/// integer, ties to even, and leaves that integer in the low bits.
constexpr double kRoundingBias = 12582912.0;
constexpr int64_t kRoundingBits = 0x4B400000;

using Combine = function_ref<Value(Value, Value)>;

/// All lanes of each row combined, in the row's lane of one vector.
Value combineLanes(VectorBuilder &v, SmallVector<Value> rows, Combine combine) {
  if (rows.size() == kTogether)
    return combineRows16(v, rows, combine);
  assert(rows.size() == 1 && "expected one group or all");
  Value all = rows[0];
  for (int64_t span = 8; span > 0; span /= 2) {
    SmallVector<int64_t> other;
    for (int64_t lane = 0; lane < 16; ++lane)
      other.push_back(lane ^ span);
    all = combine(all, v.shuffle(all, other));
  }
  return v.shuffle(all, {0});
}

/// One token: `quantize` does `count` of its groups from `first`.
struct TokenQuantizer {
  VectorBuilder &v;
  Value x;
  Value token; // null where `x` has no tokens
  Value bytes;
  Value rowAt; // byte index of the token
  int64_t cols;

  void quantize(Value first, int64_t count) {
    Value firstCol = v.mul(first, kGroup);
    SmallVector<Value> magnitudes, sums;
    for (int64_t group = 0; group < count; ++group)
      magnitudes.push_back(maxI(magnitude(load(firstCol, group, 0)),
                                magnitude(load(firstCol, group, 1))));
    Value bits = combineLanes(v, magnitudes,
                              [&](Value a, Value b) { return maxI(a, b); });
    Value largest = v.cast(bits, count, v.f32());
    VectorType floats = v.vec(count, v.f32());
    // Below 2^-120 the inverse would overflow; such a group counts as zeros.
    Value tiny = v.lessF(largest, v.splat(floats, 0x1p-120));
    Value zero = v.splat(floats, 0), full = v.splat(floats, 127);
    Value scales = v.select(tiny, zero, v.divf(largest, full));
    Value inverses = v.select(tiny, zero, v.divf(full, largest));
    for (int64_t group = 0; group < count; ++group) {
      Value inverse = v.repeat(inverses, group, 1, 16);
      Value quants[2];
      for (int64_t half : {0, 1}) {
        quants[half] = rounded(v.mulf(load(firstCol, group, half), inverse));
        Value narrow = arith::TruncIOp::create(v.b, v.loc, v.vec(16, v.i8()),
                                               quants[half]);
        v.store(narrow, bytes, v.add(rowAt, columnOf(firstCol, group, half)));
      }
      sums.push_back(v.add(quants[0], quants[1]));
    }
    Value scalesAt = v.add(v.add(rowAt, v.mul(first, 4)), cols);
    storeWords(scales, scalesAt);
    Value totals =
        combineLanes(v, sums, [&](Value a, Value b) { return v.add(a, b); });
    storeWords(totals, v.add(scalesAt, cols / kGroup * 4));
  }

private:
  Value columnOf(Value firstCol, int64_t group, int64_t half) {
    return v.add(firstCol, group * kGroup + half * 16);
  }
  Value load(Value firstCol, int64_t group, int64_t half) {
    SmallVector<Value> at;
    if (token)
      at.push_back(token);
    at.push_back(columnOf(firstCol, group, half));
    return v.load(x, at, 16);
  }
  /// The bits of absolute values, which are ordered like the values, with NaN
  /// as the largest.
  Value magnitude(Value floats) {
    return v.andI(v.cast(floats, 16, v.i32()), 0x7fffffff);
  }
  Value maxI(Value a, Value b) {
    return arith::MaxSIOp::create(v.b, v.loc, a, b);
  }
  Value rounded(Value floats) {
    auto type = cast<VectorType>(floats.getType());
    Value biased = v.addf(floats, v.splat(type, kRoundingBias));
    Value bits = v.cast(biased, 16, v.i32());
    return v.sub(bits, v.splat(v.vec(16, v.i32()), kRoundingBits));
  }
  void storeWords(Value words, Value at) {
    v.store(v.cast(words, 4 * VectorBuilder::lanes(words), v.i8()), bytes, at);
  }
};

LogicalResult lower(QuantizeOp op) {
  auto view =
      op.getDest() ? op.getDest().getDefiningOp<FromBytesOp>() : FromBytesOp();
  if (!view || !isa<ActI8FormatAttr>(op.getPackedType().getFormat()))
    return op.emitOpError("expected an act_i8 destination from "
                          "qlinear.from_bytes; run cpu-form-kernels first");
  OpBuilder builder(op);
  VectorBuilder v{builder, op.getLoc()};
  PackedType type = op.getPackedType();
  Value token = gpu::BlockIdOp::create(builder, op.getLoc(), gpu::Dimension::x);
  bool vector = cast<MemRefType>(op.getX().getType()).getRank() == 1;
  TokenQuantizer quantizer{v,
                           op.getX(),
                           vector ? Value() : token,
                           view.getBytes(),
                           v.mul(token, type.getBlockRowBytes()),
                           type.getCols()};
  int64_t groups = type.getCols() / kGroup;
  int64_t whole = groups / kTogether * kTogether;
  auto loop = [&](int64_t first, int64_t last, int64_t step) {
    if (first < last)
      v.loop(v.index(first), v.index(last), step, {},
             [&](Value group, ValueRange) -> SmallVector<Value> {
               quantizer.quantize(group, step);
               return {};
             });
  };
  loop(0, whole, kTogether);
  loop(whole, groups, 1);
  op.erase();
  return success();
}

struct CpuLowerQuantize
    : headrace::cpu::impl::CpuLowerQuantizeBase<CpuLowerQuantize> {
  void runOnOperation() override {
    WalkResult result = getOperation()->walk([](QuantizeOp op) {
      return failed(lower(op)) ? WalkResult::interrupt()
                               : WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
