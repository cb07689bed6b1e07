//===- DescribeKernel.cpp - what reports and plans say of a kernel --------===//

#include "passes/common/DescribeKernel.h"

#include "dialects/Interfaces/CostInterface.h"
#include "dialects/QLinear/QLinear.h"
#include "passes/common/CostAssumptions.h"

#include "mlir/IR/Builders.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace mlir;
using namespace headrace;
using namespace headrace::common;
using namespace headrace::qlinear;

StringRef headrace::common::precision(Type x) {
  if (isa<PackedType>(x))
    return "i8";
  return cast<ShapedType>(x).getElementType().isBF16() ? "bf16" : "f32";
}

FailureOr<KernelInfo>
headrace::common::describeKernel(Operation *op, const KernelShape &shape) {
  FailureOr<CostAssumptions> assumptions = assumptionsFor(op, {});
  if (failed(assumptions))
    return failure();
  Builder b(op->getContext());
  KernelInfo info;
  info.workgroups = llvm::divideCeil(shape.rows, shape.rowsPerGroup);
  info.name = op->getName().stripDialect().str();
  auto add = [&](StringRef key, Attribute value) {
    info.attributes.push_back(b.getNamedAttr(key, value));
  };
  add("op", b.getStringAttr(op->getName().getStringRef()));
  if (PackedType matrix = shape.matrix) {
    StringRef format = matrix.getFormat().getFormatName();
    info.name += "_" + format.str() + "_" + std::to_string(matrix.getRows()) +
                 "x" + std::to_string(matrix.getCols());
    add("format", b.getStringAttr(format));
    add("m", b.getI64IntegerAttr(matrix.getRows()));
    add("k", b.getI64IntegerAttr(matrix.getCols()));
    add("n", b.getI64IntegerAttr(shape.tokens));
  }
  if (!shape.format.empty())
    add("format", b.getStringAttr(shape.format));
  info.name += shape.suffix;
  if (shape.x) {
    info.name += "_" + precision(shape.x).str();
    add("activations", b.getStringAttr(precision(shape.x)));
  }
  // Parameters of formats follow a colon; symbols of objects have none.
  llvm::replace(info.name, ':', '_');
  Cost cost = cast<CostOpInterface>(op).getCost(*assumptions);
  auto count = [&](double value) {
    return b.getI64IntegerAttr(std::llround(value));
  };
  add("bytes", count(cost.movedBytes()));
  add("operations", count(cost.operations));
  // What is counted of a product with some columns depends on how many.
  if (isa<SparseMatvecOp>(op))
    add("density", b.getF64FloatAttr(assumptions->density));
  add(kWorkgroupRows, b.getI64IntegerAttr(shape.rowsPerGroup));
  info.attributes.append(shape.attributes);
  return info;
}
