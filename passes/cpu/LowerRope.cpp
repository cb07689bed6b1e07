//===- LowerRope.cpp - rotary positions as vectors ------------------------===//

#include "dialects/QAttn/QAttn.h"
#include "passes/cpu/Passes.h"
#include "passes/cpu/VectorBuilder.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include "llvm/Support/MathExtras.h"

namespace headrace::cpu {
#define GEN_PASS_DEF_CPULOWERROPE
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::cpu;
using headrace::qattn::RopeOp;

namespace {

constexpr int64_t kLanes = 16;

/// One token: cosines and sines of its position once, then every head.
class RopeKernel {
public:
  RopeKernel(VectorBuilder &v, RopeOp op) : v(v), op(op) {
    ArrayRef<int64_t> shape = cast<MemRefType>(op.getX().getType()).getShape();
    heads = shape[1];
    dim = shape[2];
    pairs = cast<MemRefType>(op.getFrequencies().getType()).getDimSize(0);
  }

  void emit() {
    token = gpu::BlockIdOp::create(v.b, v.loc, gpu::Dimension::x);
    int64_t chunks = llvm::divideCeil(pairs, kLanes);
    {
      OpBuilder::InsertionGuard guard(v.b);
      Block &entry = op->getParentOfType<func::FuncOp>().getBody().front();
      v.b.setInsertionPointToStart(&entry);
      turns = memref::AllocaOp::create(
          v.b, v.loc, MemRefType::get({2, chunks * kLanes}, v.f32()),
          v.b.getI64IntegerAttr(64));
    }
    forEachChunk(pairs, [&](Value pair, int64_t count) { turn(pair, count); });
    v.loop(v.index(0), v.index(heads), 1, {},
           [&](Value head, ValueRange) -> SmallVector<Value> {
             forEachChunk(pairs, [&](Value pair, int64_t count) {
               if (op.getInterleaved())
                 rotateNeighbours(head, pair, count);
               else
                 rotateHalves(head, pair, count);
             });
             forEachChunk(dim - 2 * pairs, [&](Value col, int64_t count) {
               Value at = v.add(col, 2 * pairs);
               store(load(head, at, kLanes, count), head, at, count);
             });
             return {};
           });
  }

private:
  void forEachChunk(int64_t size,
                    llvm::function_ref<void(Value, int64_t)> body) {
    int64_t whole = size / kLanes * kLanes;
    if (whole > 0)
      v.loop(v.index(0), v.index(whole), kLanes, {},
             [&](Value at, ValueRange) -> SmallVector<Value> {
               body(at, kLanes);
               return {};
             });
    if (whole < size)
      body(v.index(whole), size - whole);
  }

  Value load(Value head, Value col, int64_t lanes, int64_t count) {
    return v.loadFirst(op.getX(), {token, head, col}, lanes, count);
  }
  void store(Value value, Value head, Value col, int64_t count) {
    v.storeFirst(value, op.getInit(), {token, head, col}, count);
  }

  /// Cosines and sines of `count` pairs.
  void turn(Value pair, int64_t count) {
    Value position = memref::LoadOp::create(v.b, v.loc, op.getPositions(),
                                            ValueRange{token});
    position = v.toFloat(v.broadcast(position, kLanes));
    Value angle = v.mulf(
        position, v.loadFirst(op.getFrequencies(), {pair}, kLanes, count));
    angle = withoutTurns(angle);
    Value cosine = math::CosOp::create(v.b, v.loc, angle);
    Value sine = math::SinOp::create(v.b, v.loc, angle);
    if (op.getMagnitude()) {
      Value magnitude = v.broadcast(
          arith::ConstantOp::create(
              v.b, v.loc, v.b.getFloatAttr(v.f32(), *op.getMagnitude())),
          kLanes);
      cosine = v.mulf(cosine, magnitude);
      sine = v.mulf(sine, magnitude);
    }
    v.store(cosine, turns, {v.index(0), pair});
    v.store(sine, turns, {v.index(1), pair});
  }

  /// `angle` less its whole turns, as decompose-qattn has it: polynomials are
  /// good near 0. The first two parts of 2 pi have few bits, so that products
  /// with the turns are exact.
  Value withoutTurns(Value angle) {
    auto splat = [&](double value) {
      return v.splat(v.vec(kLanes, v.f32()), value);
    };
    Value count =
        v.addf(v.mulf(angle, splat(0.5 * llvm::numbers::inv_pi)), splat(0.5));
    count = math::FloorOp::create(v.b, v.loc, count);
    for (double part :
         {6.25, 17.0 / 512, 2 * llvm::numbers::pi - 6.25 - 17.0 / 512})
      angle = v.subf(angle, v.mulf(count, splat(part)));
    return angle;
  }

  std::pair<Value, Value> rotated(Value first, Value second, Value pair) {
    Value cosine = v.load(turns, {v.index(0), pair}, kLanes);
    Value sine = v.load(turns, {v.index(1), pair}, kLanes);
    return {v.subf(v.mulf(first, cosine), v.mulf(second, sine)),
            v.addf(v.mulf(second, cosine), v.mulf(first, sine))};
  }

  /// Pairs (i, i + pairs).
  void rotateHalves(Value head, Value pair, int64_t count) {
    Value behind = v.add(pair, pairs);
    auto [first, second] = rotated(load(head, pair, kLanes, count),
                                   load(head, behind, kLanes, count), pair);
    store(first, head, pair, count);
    store(second, head, behind, count);
  }

  /// Pairs (2 i, 2 i + 1).
  void rotateNeighbours(Value head, Value pair, int64_t count) {
    Value at = v.mul(pair, 2);
    auto parts = vector::DeinterleaveOp::create(
        v.b, v.loc, load(head, at, 2 * kLanes, 2 * count));
    auto [first, second] = rotated(parts.getRes1(), parts.getRes2(), pair);
    Value both = vector::InterleaveOp::create(v.b, v.loc, first, second);
    store(both, head, at, 2 * count);
  }

  VectorBuilder &v;
  RopeOp op;
  int64_t heads, dim, pairs;
  Value token;
  Value turns; // [cosines, sines][pair]
};

struct CpuLowerRope : headrace::cpu::impl::CpuLowerRopeBase<CpuLowerRope> {
  void runOnOperation() override {
    getOperation()->walk([](RopeOp op) {
      if (op->getNumResults() > 0)
        return;
      OpBuilder builder(op);
      VectorBuilder v{builder, op->getLoc()};
      RopeKernel(v, op).emit();
      op->erase();
    });
  }
};

} // namespace
