//===- ProductChecks.cpp - what cores can multiply ------------------------===//

#include "passes/dataflow/ProductChecks.h"

#include "passes/dataflow/CoreCalls.h"

using namespace mlir;
using headrace::qlinear::PackedType;

LogicalResult headrace::dataflow::verifyFormat(Operation *op,
                                               PackedType weight) {
  StringRef format = weight.getFormat().getFormatName();
  if (getBlockLayout(format))
    return success();
  return op->emitOpError()
         << "expected a format that cores multiply with, but got " << format
         << "; allowed: q4nx, q4_0, q4_k";
}

LogicalResult headrace::dataflow::verifyActivations(Operation *op,
                                                    Type activations) {
  auto x = dyn_cast<RankedTensorType>(activations);
  if (x && x.getElementType().isBF16())
    return success();
  return op->emitOpError()
         << "expected activations as a tensor of bf16, but got " << activations;
}

LogicalResult headrace::dataflow::verifyAlone(Operation *op,
                                              func::FuncOp function) {
  bool alone = function.getBody().hasOneBlock();
  for (Operation &other : function.getOps())
    alone &= &other == op || isa<func::ReturnOp>(other) ||
             other.getName().getStringRef() == "tensor.empty";
  for (Value operand : op->getOperands().drop_back())
    alone &= isa<BlockArgument>(operand);
  if (alone)
    return success();
  return op->emitOpError()
         << "expected a function that is one product of its arguments, but "
            "got more in @"
         << function.getName() << "; form kernels first";
}

int64_t
headrace::dataflow::getMostRows(int64_t step,
                                function_ref<int64_t(int64_t)> bytesOf) {
  // Bytes grow with rows, of which each has more than one.
  int64_t fits = 0, tooMany = kMostOffset / step + 1;
  while (tooMany - fits > 1) {
    int64_t middle = (fits + tooMany) / 2;
    (bytesOf(middle * step) <= kMostOffset ? fits : tooMany) = middle;
  }
  return fits * step;
}

LogicalResult
headrace::dataflow::verifyWeights(Operation *op, int64_t rows, int64_t step,
                                  function_ref<int64_t(int64_t)> bytesOf) {
  int64_t needed = bytesOf(rows);
  if (needed <= kMostOffset)
    return success();
  InFlightDiagnostic error =
      op->emitOpError() << "needs " << needed << " bytes of packed weights for "
                        << rows << " rows, but transfers reach " << kMostOffset;
  int64_t most = getMostRows(step, bytesOf);
  return most > 0 ? error << "; nearest that fits: " << most << " rows"
                  : error << "; no number of rows fits";
}
