//===- ApproximateMath.cpp - polynomials instead of library calls ---------===//

#include "passes/cpu/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Approximation.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace headrace::cpu {
#define GEN_PASS_DEF_CPUAPPROXIMATEMATH
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;

namespace {

struct CpuApproximateMath
    : headrace::cpu::impl::CpuApproximateMathBase<CpuApproximateMath> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    populateMathPolynomialApproximationPatterns(patterns, [](StringRef name) {
      return name == math::ExpOp::getOperationName() ||
             name == math::LogOp::getOperationName() ||
             name == math::TanhOp::getOperationName() ||
             name == math::CosOp::getOperationName() ||
             name == math::SinOp::getOperationName();
    });
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
