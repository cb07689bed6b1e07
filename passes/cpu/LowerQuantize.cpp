//===- LowerQuantize.cpp - quantization of activations as vectors ---------===//

#include "dialects/QLinear/QLinear.h"
#include "passes/cpu/Passes.h"
#include "passes/cpu/VectorBuilder.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace headrace::cpu {
#define GEN_PASS_DEF_CPULOWERQUANTIZE
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qlinear;

namespace {

constexpr int64_t kGroup = 32;

/// Adding 1.5 * 2^23 to a number of magnitude below 2^22 rounds it to an
/// integer, ties to even, and leaves that integer in the low bits.
constexpr double kRoundingBias = 12582912.0;
constexpr int64_t kRoundingBits = 0x4B400000;

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

private:
  static LogicalResult lower(QuantizeOp op) {
    auto view = op.getDest() ? op.getDest().getDefiningOp<FromBytesOp>()
                             : FromBytesOp();
    if (!view || !isa<ActI8FormatAttr>(op.getPackedType().getFormat()))
      return op.emitOpError("expected an act_i8 destination from "
                            "qlinear.from_bytes; run cpu-form-kernels first");
    OpBuilder builder(op);
    VectorBuilder v{builder, op.getLoc()};
    Value bytes = view.getBytes(), x = op.getX();
    PackedType type = op.getPackedType();
    int64_t cols = type.getCols();
    Value token =
        gpu::BlockIdOp::create(builder, op.getLoc(), gpu::Dimension::x);
    Value rowAt = v.mul(token, type.getBlockRowBytes());
    bool vector = cast<MemRefType>(x.getType()).getRank() == 1;
    v.loop(v.index(0), v.index(cols / kGroup), 1, {},
           [&](Value group, ValueRange) -> SmallVector<Value> {
             Value col = v.mul(group, kGroup);
             SmallVector<Value> at;
             if (!vector)
               at.push_back(token);
             at.push_back(col);
             quantizeGroup(v, v.load(x, at, kGroup), bytes, v.add(rowAt, col),
                           v.add(v.add(rowAt, v.mul(group, 4)), cols),
                           cols / kGroup * 4);
             return {};
           });
    op.erase();
    return success();
  }

  /// Quantizes `x` (f32 x 32): integers to `quantsAt`, scale to `scaleAt`,
  /// their sum `sumOffset` bytes behind it.
  static void quantizeGroup(VectorBuilder &v, Value x, Value bytes,
                            Value quantsAt, Value scaleAt, int64_t sumOffset) {
    auto type = cast<VectorType>(x.getType());
    Value abs = math::AbsFOp::create(v.b, v.loc, x);
    Value amax = vector::ReductionOp::create(
        v.b, v.loc, vector::CombiningKind::MAXIMUMF, abs);
    // Below 2^-120 the inverse would overflow; such a group counts as zeros.
    Value tiny = v.lessF(amax, v.constF(0x1p-120));
    Value zero = v.constF(0.0), full = v.constF(127.0);
    Value scale = v.select(tiny, zero, v.divf(amax, full));
    Value inverse = v.select(tiny, zero, v.divf(full, amax));
    Value biased = v.addf(v.mulf(x, v.broadcast(inverse, kGroup)),
                          v.splat(type, kRoundingBias));
    auto ints = v.vec(kGroup, v.i32());
    Value q =
        v.sub(v.cast(biased, kGroup, v.i32()), v.splat(ints, kRoundingBits));
    Value narrow =
        arith::TruncIOp::create(v.b, v.loc, v.vec(kGroup, v.i8()), q);
    v.store(narrow, bytes, {quantsAt});
    storeWord(v, scale, bytes, scaleAt);
    storeWord(v, v.sumI(q), bytes, v.add(scaleAt, sumOffset));
  }

  static void storeWord(VectorBuilder &v, Value number, Value bytes, Value at) {
    v.store(v.cast(v.broadcast(number, 1), 4, v.i8()), bytes, {at});
  }
};

} // namespace
