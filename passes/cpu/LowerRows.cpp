//===- LowerRows.cpp - norms and gated activations as vectors -------------===//

#include "dialects/QLinear/QLinear.h"
#include "passes/cpu/GateFunction.h"
#include "passes/cpu/Passes.h"
#include "passes/cpu/VectorBuilder.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include "llvm/ADT/TypeSwitch.h"

namespace headrace::cpu {
#define GEN_PASS_DEF_CPULOWERROWS
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qlinear;

namespace {

constexpr int64_t kLanes = 16;
/// Separate sums shorten the chain of dependent additions.
constexpr int64_t kChains = 4;

/// One row of memrefs [K] or [N, K], the one of the current workgroup.
struct Row {
  VectorBuilder &v;
  int64_t cols;
  Value token;

  Row(VectorBuilder &v, Value like) : v(v) {
    ArrayRef<int64_t> shape = cast<MemRefType>(like.getType()).getShape();
    cols = shape.back();
    if (shape.size() > 1)
      token = gpu::BlockIdOp::create(v.b, v.loc, gpu::Dimension::x);
  }

  /// A vector of columns from `col` on, of which `count` exist.
  Value load(Value memref, Value col, int64_t count) {
    return v.loadFirst(memref, at(memref, col), kLanes, count);
  }
  void store(Value value, Value memref, Value col, int64_t count) {
    v.storeFirst(value, memref, at(memref, col), count);
  }

  /// Calls `body` for each vector of columns: a loop, and the last part.
  void forEach(llvm::function_ref<void(Value col, int64_t count)> body) {
    int64_t whole = cols / kLanes * kLanes;
    v.loop(v.index(0), v.index(whole), kLanes, {},
           [&](Value col, ValueRange) -> SmallVector<Value> {
             body(col, kLanes);
             return {};
           });
    if (whole < cols)
      body(v.index(whole), cols - whole);
  }

  /// The sum over the row of what `body` adds to a vector.
  Value
  sum(llvm::function_ref<Value(Value col, int64_t count, Value sum)> body) {
    int64_t step = kLanes * kChains;
    int64_t whole = cols / step * step;
    SmallVector<Value> sums(kChains, v.splat(v.vec(kLanes, v.f32()), 0));
    sums = v.loop(v.index(0), v.index(whole), step, sums,
                  [&](Value col, ValueRange carried) {
                    SmallVector<Value> next;
                    for (auto [chain, sum] : llvm::enumerate(carried))
                      next.push_back(
                          body(v.add(col, chain * kLanes), kLanes, sum));
                    return next;
                  });
    for (int64_t col = whole; col < cols; col += kLanes) {
      Value &sum = sums[col / kLanes % kChains];
      sum = body(v.index(col), std::min(kLanes, cols - col), sum);
    }
    return v.sum(v.addf(v.addf(sums[0], sums[1]), v.addf(sums[2], sums[3])));
  }

  Value mean(Value sum) {
    return v.divf(sum, v.constF(static_cast<double>(cols)));
  }

private:
  SmallVector<Value> at(Value memref, Value col) {
    if (cast<MemRefType>(memref.getType()).getRank() == 1)
      return {col};
    return {token, col};
  }
};

/// 1 / sqrt(`variance` + eps), in every lane.
Value inverseRoot(VectorBuilder &v, Value variance, const APFloat &eps) {
  Value shifted = v.addf(
      variance,
      arith::ConstantOp::create(v.b, v.loc, v.b.getFloatAttr(v.f32(), eps)));
  Value root = math::SqrtOp::create(v.b, v.loc, shifted);
  return v.broadcast(v.divf(v.constF(1.0), root), kLanes);
}

void lower(VectorBuilder &v, RmsNormOp op) {
  Value x = op.getX(), weight = op.getWeight();
  Row row(v, x);
  Value squares = row.sum([&](Value col, int64_t count, Value sum) {
    Value values = row.load(x, col, count);
    return v.fma(values, values, sum);
  });
  Value inverse = inverseRoot(v, row.mean(squares), op.getEps());
  Value one = v.splat(v.vec(kLanes, v.f32()), 1.0);
  row.forEach([&](Value col, int64_t count) {
    Value factor = row.load(weight, col, count);
    if (op.getAddUnit())
      factor = v.addf(factor, one);
    Value scaled = v.mulf(row.load(x, col, count), inverse);
    row.store(v.mulf(scaled, factor), op.getInit(), col, count);
  });
}

void lower(VectorBuilder &v, LayerNormOp op) {
  Value x = op.getX();
  Row row(v, x);
  Value total = row.sum([&](Value col, int64_t count, Value sum) {
    return v.addf(row.load(x, col, count), sum);
  });
  Value mean = v.broadcast(row.mean(total), kLanes);
  Value squares = row.sum([&](Value col, int64_t count, Value sum) {
    Value difference = v.subf(row.load(x, col, count), mean);
    if (count < kLanes)
      difference = v.select(v.first(kLanes, count), difference,
                            v.splat(v.vec(kLanes, v.f32()), 0));
    return v.fma(difference, difference, sum);
  });
  Value inverse = inverseRoot(v, row.mean(squares), op.getEps());
  row.forEach([&](Value col, int64_t count) {
    Value scaled = v.mulf(v.subf(row.load(x, col, count), mean), inverse);
    Value y = v.fma(scaled, row.load(op.getWeight(), col, count),
                    row.load(op.getBias(), col, count));
    row.store(y, op.getInit(), col, count);
  });
}

void lower(VectorBuilder &v, GatedActivationOp op) {
  Row row(v, op.getGate());
  row.forEach([&](Value col, int64_t count) {
    Value gate =
        activate(v, op.getActivation(), row.load(op.getGate(), col, count));
    row.store(v.mulf(gate, row.load(op.getUp(), col, count)), op.getInit(), col,
              count);
  });
}

struct CpuLowerRows : headrace::cpu::impl::CpuLowerRowsBase<CpuLowerRows> {
  void runOnOperation() override {
    getOperation()->walk([](Operation *op) {
      if (!isa<RmsNormOp, LayerNormOp, GatedActivationOp>(op) ||
          op->getNumResults() > 0)
        return;
      OpBuilder builder(op);
      VectorBuilder v{builder, op->getLoc()};
      llvm::TypeSwitch<Operation *>(op)
          .Case<RmsNormOp, LayerNormOp, GatedActivationOp>(
              [&](auto row) { lower(v, row); });
      op->erase();
    });
  }
};

} // namespace
