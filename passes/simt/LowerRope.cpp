//===- LowerRope.cpp - rotary position embedding by threads ---------------===//

#include "dialects/QAttn/QAttn.h"
#include "passes/simt/Passes.h"
#include "passes/simt/Workgroup.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/Support/MathExtras.h"

namespace headrace::simt {
#define GEN_PASS_DEF_SIMTLOWERROPE
#include "passes/simt/Passes.h.inc"
} // namespace headrace::simt

using namespace mlir;
using namespace headrace::simt;
using headrace::qattn::RopeOp;

namespace {

/// A head of a token by one workgroup; a pair of numbers a thread.
class RopeKernel {
public:
  RopeKernel(SimtBuilder &v, RopeOp op, int64_t threads)
      : v(v), op(op), threads(threads) {
    ArrayRef<int64_t> shape = cast<MemRefType>(op.getX().getType()).getShape();
    heads = shape[1];
    dim = shape[2];
    pairs = cast<MemRefType>(op.getFrequencies().getType()).getDimSize(0);
  }

  void emit() {
    Value id = gpu::BlockIdOp::create(v.b, v.loc, gpu::Dimension::x);
    Value thread = gpu::ThreadIdOp::create(v.b, v.loc, gpu::Dimension::x);
    token = v.named(v.div(id, heads), "token");
    head = v.named(v.rem(id, heads), "head");
    Value position = v.loadOne(op.getPositions(), token);
    position = arith::SIToFPOp::create(v.b, v.loc, v.f32(), position);
    v.named(position, "position");
    v.loop(thread, v.index(pairs), threads, {},
           [&](Value pair, ValueRange) -> SmallVector<Value> {
             turn(position, pair);
             return {};
           });
    // What is not turned stays.
    v.loop(v.add(thread, 2 * pairs), v.index(dim), threads, {},
           [&](Value column, ValueRange) -> SmallVector<Value> {
             store(load(column), column);
             return {};
           });
  }

private:
  Value load(Value column) {
    return memref::LoadOp::create(v.b, v.loc, op.getX(),
                                  ValueRange{token, head, column});
  }
  void store(Value value, Value column) {
    memref::StoreOp::create(v.b, v.loc, value, op.getInit(),
                            ValueRange{token, head, column});
  }

  void turn(Value position, Value pair) {
    Value angle = v.mulf(position, v.loadOne(op.getFrequencies(), pair));
    angle = v.named(withoutTurns(angle), "angle");
    Value cosine = scaled(math::CosOp::create(v.b, v.loc, angle));
    Value sine = scaled(math::SinOp::create(v.b, v.loc, angle));
    v.named(cosine, "cosine");
    v.named(sine, "sine");
    Value one = op.getInterleaved() ? v.mul(pair, 2) : pair;
    Value other = v.add(one, op.getInterleaved() ? 1 : pairs);
    Value first = v.named(load(one), "first");
    Value second = v.named(load(other), "second");
    store(v.subf(v.mulf(first, cosine), v.mulf(second, sine)), one);
    store(v.addf(v.mulf(second, cosine), v.mulf(first, sine)), other);
  }

  Value scaled(Value number) {
    return op.getMagnitude()
               ? v.scale(number, op.getMagnitude()->convertToDouble())
               : number;
  }

  /// `angle` less its whole turns, as decompose-qattn has it: the first two
  /// parts of 2 pi have few bits, so that products with the turns are exact.
  Value withoutTurns(Value angle) {
    Value turns =
        v.addf(v.scale(angle, 0.5 * llvm::numbers::inv_pi), v.constF(0.5));
    turns = v.named(math::FloorOp::create(v.b, v.loc, turns), "turns");
    for (double part :
         {6.25, 17.0 / 512, 2 * llvm::numbers::pi - 6.25 - 17.0 / 512})
      angle = v.subf(angle, v.scale(turns, part));
    return angle;
  }

  SimtBuilder &v;
  RopeOp op;
  int64_t threads, heads, dim, pairs;
  Value token, head;
};

LogicalResult lower(RopeOp op, int64_t width) {
  FailureOr<int64_t> subgroups = workgroupSubgroups(op, width);
  if (failed(subgroups))
    return failure();
  OpBuilder builder(op);
  SimtBuilder v(builder, op->getLoc());
  RopeKernel(v, op, *subgroups * width).emit();
  op->erase();
  return success();
}

struct SimtLowerRope : headrace::simt::impl::SimtLowerRopeBase<SimtLowerRope> {
  using Base::Base;

  void runOnOperation() override {
    if (failed(lowerEach<RopeOp>(getOperation(), [&](RopeOp op) {
          return lower(op, subgroupWidth);
        })))
      signalPassFailure();
  }
};

} // namespace
