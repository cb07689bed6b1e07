//===- LowerMergePartials.cpp - one attention from parts as vectors -------===//

#include "dialects/QAttn/QAttn.h"
#include "passes/cpu/Passes.h"
#include "passes/cpu/VectorBuilder.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

namespace headrace::cpu {
#define GEN_PASS_DEF_CPULOWERMERGEPARTIALS
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::cpu;
using headrace::qattn::MergePartialsOp;

namespace {

constexpr int64_t kLanes = 16;
constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

/// One head of one token: a running maximum and sums, part by part.
class MergeKernel {
public:
  MergeKernel(VectorBuilder &v, MergePartialsOp op)
      : v(v), op(op),
        shape(cast<MemRefType>(op.getPartials().getType()).getShape()) {}

  void emit() {
    Value id = gpu::BlockIdOp::create(v.b, v.loc, gpu::Dimension::x);
    if (shape.size() == 3) {
      row = {id};
    } else {
      Value token = arith::DivUIOp::create(v.b, v.loc, id, v.index(shape[2]));
      row = {token, v.sub(id, v.mul(token, shape[2]))};
    }
    Value most = overParts(v.constF(kMinusInfinity), [&](Value lse, Value old) {
      return arith::MaximumFOp::create(v.b, v.loc, old, lse);
    });
    // Where nothing was seen, minus infinity minus itself would be NaN.
    Value base = v.select(isNothing(most), v.constF(0.0), most);
    Value total = overParts(v.constF(0.0), [&](Value lse, Value old) {
      return v.addf(old, weight(lse, base));
    });
    Value none = arith::CmpFOp::create(v.b, v.loc, arith::CmpFPredicate::OEQ,
                                       total, v.constF(0.0));
    Value inverse = v.select(none, v.constF(0.0), v.divf(v.constF(1.0), total));
    int64_t dim = shape.back();
    for (int64_t col = 0; col < dim; col += kLanes)
      mergeColumns(col, std::min(kLanes, dim - col), base, inverse);
    Value log = v.extract(
        math::LogOp::create(v.b, v.loc, v.broadcast(total, kLanes)), 0);
    Value lse = v.select(none, v.constF(kMinusInfinity), v.addf(base, log));
    memref::StoreOp::create(v.b, v.loc, lse, op.getLse(), row);
  }

private:
  SmallVector<Value> at(Value part) {
    SmallVector<Value> indices{part};
    indices.append(row);
    return indices;
  }

  Value lseOf(Value part) {
    return memref::LoadOp::create(v.b, v.loc, op.getLses(), at(part));
  }

  Value isNothing(Value lse) {
    return arith::CmpFOp::create(v.b, v.loc, arith::CmpFPredicate::OEQ, lse,
                                 v.constF(kMinusInfinity));
  }

  Value weight(Value lse, Value base) {
    Value difference = v.broadcast(v.subf(lse, base), kLanes);
    return v.extract(math::ExpOp::create(v.b, v.loc, difference), 0);
  }

  Value overParts(Value init, llvm::function_ref<Value(Value, Value)> body) {
    return v.loop(v.index(0), v.index(shape[0]), 1, init,
                  [&](Value part, ValueRange carried) -> SmallVector<Value> {
                    return {body(lseOf(part), carried[0])};
                  })[0];
  }

  /// Parts that saw nothing are not multiplied, whatever they hold.
  void mergeColumns(int64_t col, int64_t count, Value base, Value inverse) {
    Value zero = v.splat(v.vec(kLanes, v.f32()), 0);
    Value sum = v.loop(
        v.index(0), v.index(shape[0]), 1, zero,
        [&](Value part, ValueRange carried) -> SmallVector<Value> {
          Value lse = lseOf(part);
          SmallVector<Value> indices = at(part);
          indices.push_back(v.index(col));
          Value values = v.loadFirst(op.getPartials(), indices, kLanes, count);
          Value next =
              v.fma(v.broadcast(weight(lse, base), kLanes), values, carried[0]);
          return {v.select(isNothing(lse), carried[0], next)};
        })[0];
    SmallVector<Value> indices(row);
    indices.push_back(v.index(col));
    v.storeFirst(v.mulf(sum, v.broadcast(inverse, kLanes)), op.getInit(),
                 indices, count);
  }

  VectorBuilder &v;
  MergePartialsOp op;
  ArrayRef<int64_t> shape; // parts, rows, columns
  SmallVector<Value> row;
};

struct CpuLowerMergePartials
    : headrace::cpu::impl::CpuLowerMergePartialsBase<CpuLowerMergePartials> {
  void runOnOperation() override {
    getOperation()->walk([](MergePartialsOp op) {
      if (op->getNumResults() > 0)
        return;
      OpBuilder builder(op);
      VectorBuilder v{builder, op->getLoc()};
      MergeKernel(v, op).emit();
      op->erase();
    });
  }
};

} // namespace
