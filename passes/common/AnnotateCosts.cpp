//===- AnnotateCosts.cpp - write costs beside operations ------------------===//

#include "dialects/Interfaces/CostInterface.h"
#include "passes/common/CostAssumptions.h"
#include "passes/common/KernelChoice.h"
#include "passes/common/Passes.h"

#include "mlir/IR/Builders.h"

#include <algorithm>
#include <cmath>

namespace headrace::common {
#define GEN_PASS_DEF_ANNOTATECOSTS
#include "passes/common/Passes.h.inc"
} // namespace headrace::common

using namespace mlir;
using namespace headrace;
using namespace headrace::common;

/// Far above what memories have, and far from overflow.
static constexpr int64_t kLargestSector = 1 << 20;

LogicalResult
headrace::common::verifyAssumptions(Operation *op, StringRef pass,
                                    const CostAssumptions &assumptions) {
  if (!(assumptions.density >= 0 && assumptions.density <= 1))
    return op->emitError() << pass
                           << ": expected a density from 0 to 1, but got "
                           << assumptions.density;
  if (assumptions.length < CostAssumptions::kFull)
    return op->emitError()
           << pass
           << ": expected a length from 0, or -1 for full caches, but got "
           << assumptions.length;
  if (assumptions.sector < 1 || assumptions.sector > kLargestSector)
    return op->emitError() << pass << ": expected a sector of 1 to "
                           << kLargestSector << " bytes, but got "
                           << assumptions.sector;
  return success();
}

FailureOr<CostAssumptions>
headrace::common::assumptionsFor(Operation *op,
                                 const CostAssumptions &assumptions) {
  Attribute attribute = op->getDiscardableAttr(kDensityAttribute);
  if (!attribute)
    return assumptions;
  CostAssumptions own = assumptions;
  auto density = dyn_cast<FloatAttr>(attribute);
  own.density = density ? density.getValueAsDouble() : -1;
  if (!(own.density >= 0 && own.density <= 1))
    return op->emitOpError() << "expected " << kDensityAttribute
                             << " to be a number from "
                                "0 to 1, but got "
                             << attribute;
  return own;
}

namespace {
struct AnnotateCosts
    : headrace::common::impl::AnnotateCostsBase<AnnotateCosts> {
  using Base::Base;

  void runOnOperation() override {
    CostAssumptions given{density, length, sector};
    if (failed(verifyAssumptions(getOperation(), "annotate-costs", given)))
      return signalPassFailure();
    Builder b(&getContext());
    // What no integer holds is far from any cost that matters.
    auto whole = [&](double value) -> Attribute {
      return b.getI64IntegerAttr(std::llround(std::min(value, 9e18)));
    };
    WalkResult result = getOperation()->walk([&](CostOpInterface op) {
      FailureOr<CostAssumptions> assumptions = assumptionsFor(op, given);
      if (failed(assumptions))
        return WalkResult::interrupt();
      Cost cost = op.getCost(*assumptions);
      op->setAttr(kCostAttribute,
                  b.getDictionaryAttr(
                      {b.getNamedAttr("read", whole(cost.readBytes)),
                       b.getNamedAttr("written", whole(cost.writtenBytes)),
                       b.getNamedAttr("operations", whole(cost.operations)),
                       b.getNamedAttr("transcendentals",
                                      whole(cost.transcendentals))}));
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};
} // namespace
