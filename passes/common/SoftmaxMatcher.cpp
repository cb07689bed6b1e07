//===- SoftmaxMatcher.cpp - softmax in linalg -----------------------------===//

#include "passes/common/SoftmaxMatcher.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>

using namespace mlir;
using namespace headrace::common;

namespace {

/// A reduction of one input over one loop.
struct Reduction {
  Element input;
  /// What combines the input and the result so far; one of its operands is the
  /// argument of the body for the latter.
  Operation *combiner;
  std::optional<double> init;
};

} // namespace

/// What `result` is reduced from over a coordinate `axis` that it does not
/// have.
static std::optional<Reduction> matchReduction(const ElementTracer &tracer,
                                               const Element &result,
                                               unsigned axis) {
  Element found = tracer.source(tracer.argument(result));
  auto value = dyn_cast<OpResult>(found.value);
  auto op = value ? dyn_cast<linalg::GenericOp>(value.getOwner()) : nullptr;
  if (!op || op.getNumReductionLoops() != 1 || op.getNumDpsInputs() != 1)
    return std::nullopt;
  unsigned number = value.getResultNumber();
  SmallVector<AffineExpr> loops(op.getNumLoops());
  AffineMap out = op.getIndexingMapMatchingResult(value);
  for (auto [expr, index] :
       llvm::zip_equal(out.getResults(), found.at.getResults()))
    if (auto dim = dyn_cast<AffineDimExpr>(expr))
      loops[dim.getPosition()] = index;
  for (auto [i, kind] : llvm::enumerate(op.getIteratorTypesArray())) {
    if (kind == utils::IteratorType::reduction) {
      if (loops[i] || op.getStaticLoopRanges()[i] != tracer.getExtents()[axis])
        return std::nullopt;
      loops[i] = tracer.coordinate(axis);
    } else if (!loops[i] || loops[i].isFunctionOfDim(axis)) {
      return std::nullopt;
    }
  }
  Operation *combiner =
      op.getBlock()->getTerminator()->getOperand(number).getDefiningOp();
  if (!combiner || combiner->getNumOperands() != 2)
    return std::nullopt;
  Value in = op.getBlock()->getArgument(0);
  Value before = op.getBlock()->getArgument(1 + number);
  if (combiner->getOperand(0) == before)
    std::swap(in, before);
  if (combiner->getOperand(0) != in || combiner->getOperand(1) != before)
    return std::nullopt;
  SmallVector<AffineExpr> indices;
  OpOperand *input = op.getDpsInputOperand(0);
  for (AffineExpr expr : op.getMatchingIndexingMap(input).getResults())
    indices.push_back(expr.replaceDims(loops));
  Element init =
      tracer.element(op.getDpsInits()[number], found.at.getResults());
  return Reduction{tracer.element(input->get(), indices), combiner,
                   tracer.constant(init)};
}

/// Whether `condition` holds for rows of scores that are all minus infinity.
static bool isEmptyRow(const ElementTracer &tracer, const Element &condition,
                       const Element &scores, unsigned axis) {
  std::optional<Reduction> all = matchReduction(tracer, condition, axis);
  if (!all || !isa<arith::AndIOp>(all->combiner) || !all->init ||
      *all->init == 0)
    return false;
  Element compared = tracer.computed(all->input);
  auto compare = computedBy<arith::CmpFOp>(compared);
  if (!compare || compare.getPredicate() != arith::CmpFPredicate::OEQ)
    return false;
  std::optional<double> bound = tracer.constant(tracer.operand(compared, 1));
  Element score = tracer.operand(compared, 0);
  if (score.value.getDefiningOp<arith::ExtFOp>())
    score = tracer.operand(score, 0);
  return bound && std::isinf(*bound) && *bound < 0 &&
         tracer.same(tracer.argument(score), scores);
}

static std::optional<Element> matchQuotient(const ElementTracer &tracer,
                                            const Element &quotient,
                                            unsigned axis) {
  if (!computedBy<arith::DivFOp>(quotient))
    return std::nullopt;
  Element exponential = tracer.argument(tracer.operand(quotient, 0));
  std::optional<Reduction> sum =
      matchReduction(tracer, tracer.operand(quotient, 1), axis);
  if (!sum || !isa<arith::AddFOp>(sum->combiner) || sum->init != 0.0 ||
      !tracer.same(sum->input, exponential))
    return std::nullopt;
  Element value = tracer.computed(exponential);
  if (!computedBy<math::ExpOp>(value))
    return std::nullopt;
  value = tracer.computed(tracer.operand(value, 0));
  if (!computedBy<arith::SubFOp>(value))
    return std::nullopt;
  Element scores = tracer.argument(tracer.operand(value, 0));
  std::optional<Reduction> most =
      matchReduction(tracer, tracer.operand(value, 1), axis);
  if (!most || !isa<arith::MaximumFOp, arith::MaxNumFOp>(most->combiner) ||
      !most->init || *most->init > std::numeric_limits<float>::lowest() ||
      !tracer.same(most->input, scores))
    return std::nullopt;
  return scores;
}

std::optional<Element>
headrace::common::matchSoftmax(const ElementTracer &tracer,
                               const Element &weights, unsigned axis) {
  Element value = tracer.computed(weights);
  if (auto op = value.value.getDefiningOp<linalg::SoftmaxOp>()) {
    if (!tracer.equal(value.at.getResult(op.getDimension()),
                      tracer.coordinate(axis)))
      return std::nullopt;
    return tracer.element(op.getInput(), value.at.getResults());
  }
  if (!computedBy<arith::SelectOp>(value))
    return matchQuotient(tracer, value, axis);
  std::optional<Element> scores =
      matchQuotient(tracer, tracer.computed(tracer.operand(value, 2)), axis);
  if (!scores || tracer.constant(tracer.operand(value, 1)) != 0.0 ||
      !isEmptyRow(tracer, tracer.argument(tracer.operand(value, 0)), *scores,
                  axis))
    return std::nullopt;
  return scores;
}
