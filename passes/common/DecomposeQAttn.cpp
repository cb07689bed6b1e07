//===- DecomposeQAttn.cpp - the meaning of qattn --------------------------===//

#include "passes/common/DecomposeQAttn.h"
#include "passes/common/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Func/Transforms/FuncConversions.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/Patterns.h"
#include "mlir/Transforms/DialectConversion.h"

namespace headrace::common {
#define GEN_PASS_DEF_DECOMPOSEQATTN
#include "passes/common/Passes.h.inc"
} // namespace headrace::common

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qattn;

namespace {

struct DecomposeQAttn
    : headrace::common::impl::DecomposeQAttnBase<DecomposeQAttn> {
  void runOnOperation() override {
    WalkResult onTensors = getOperation()->walk([](Operation *op) {
      if (!isa_and_nonnull<QAttnDialect>(op->getDialect()) ||
          llvm::none_of(op->getOperandTypes(), llvm::IsaPred<MemRefType>))
        return WalkResult::advance();
      op->emitOpError("decompose-qattn: expected tensors, but got a memref; "
                      "this pass runs before kernels are formed");
      return WalkResult::interrupt();
    });
    if (onTensors.wasInterrupted())
      return signalPassFailure();
    MLIRContext *context = &getContext();
    TypeConverter types;
    types.addConversion([](Type type) { return type; });
    auto bytes = [](auto type) -> Type {
      return RankedTensorType::get({type.getStorageBytes()},
                                   IntegerType::get(type.getContext(), 8));
    };
    types.addConversion([&](KVCacheType type) { return bytes(type); });
    types.addConversion([&](MlaCacheType type) { return bytes(type); });

    ConversionTarget target(*context);
    target.addIllegalDialect<QAttnDialect>();
    target.markUnknownOpDynamicallyLegal(
        [&](Operation *op) { return types.isLegal(op); });
    target.addDynamicallyLegalOp<func::FuncOp>([&](func::FuncOp op) {
      return types.isSignatureLegal(op.getFunctionType());
    });

    RewritePatternSet patterns(context);
    populateDecomposeCachePatterns(patterns, types);
    populateDecomposePrefillPatterns(patterns, types);
    populateDecomposeAttentionPatterns(patterns, types);
    populateDecomposeRopePatterns(patterns, types);
    populateDecomposeMlaPatterns(patterns, types);
    populateDecomposeMlaRecurrencePatterns(patterns, types);
    populateFunctionOpInterfaceTypeConversionPattern<func::FuncOp>(patterns,
                                                                   types);
    populateReturnOpTypeConversionPattern(patterns, types);
    populateCallOpTypeConversionPattern(patterns, types);
    scf::populateSCFStructuralTypeConversionsAndLegality(types, patterns,
                                                         target);
    if (failed(applyPartialConversion(getOperation(), target,
                                      std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
