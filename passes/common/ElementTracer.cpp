//===- ElementTracer.cpp - where an element of a tensor comes from --------===//

#include "passes/common/ElementTracer.h"

#include "dialects/QLinear/OpVerification.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/ReshapeOpsUtils.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"

#include <numeric>

using namespace mlir;
using namespace headrace::common;

//===----------------------------------------------------------------------===//
// Indices
//===----------------------------------------------------------------------===//

AffineMap ElementTracer::map(ArrayRef<AffineExpr> results) const {
  SmallVector<AffineExpr> simple;
  for (AffineExpr expr : results)
    simple.push_back(simplify(expr));
  return AffineMap::get(extents.size(), 0, simple, context);
}

std::optional<int64_t> ElementTracer::largest(AffineExpr expr) const {
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return extents[dim.getPosition()] - 1;
  if (auto number = dyn_cast<AffineConstantExpr>(expr))
    return number.getValue() >= 0 ? std::optional(number.getValue())
                                  : std::nullopt;
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return std::nullopt;
  std::optional<int64_t> lhs = largest(binary.getLHS());
  std::optional<int64_t> rhs = largest(binary.getRHS());
  if (!lhs || !rhs)
    return std::nullopt;
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return *lhs + *rhs;
  case AffineExprKind::Mul:
    return *lhs * *rhs;
  case AffineExprKind::FloorDiv:
    return *lhs / *rhs;
  case AffineExprKind::Mod:
    return std::min(*lhs, *rhs - 1);
  default:
    return std::nullopt;
  }
}

/// Sorts the terms of a sum by whether `divisor` divides them.
static void divide(AffineExpr expr, int64_t divisor, AffineExpr &whole,
                   AffineExpr &rest) {
  if (expr.getKind() == AffineExprKind::Add) {
    auto sum = cast<AffineBinaryOpExpr>(expr);
    divide(sum.getLHS(), divisor, whole, rest);
    divide(sum.getRHS(), divisor, whole, rest);
  } else if (expr.isMultipleOf(divisor)) {
    whole = whole + expr.floorDiv(divisor);
  } else {
    rest = rest + expr;
  }
}

AffineExpr ElementTracer::simplify(AffineExpr expr) const {
  auto dim = dyn_cast<AffineDimExpr>(expr);
  if (dim && extents[dim.getPosition()] == 1)
    return number(0);
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return expr;
  AffineExpr lhs = simplify(binary.getLHS());
  AffineExpr rhs = simplify(binary.getRHS());
  AffineExpr built = getAffineBinaryOpExpr(expr.getKind(), lhs, rhs);
  auto divisor = dyn_cast<AffineConstantExpr>(rhs);
  bool divides = expr.getKind() == AffineExprKind::FloorDiv ||
                 expr.getKind() == AffineExprKind::Mod;
  // What the extents say about remainders, affine expressions alone do not.
  if (divides && divisor && divisor.getValue() > 0) {
    AffineExpr whole = number(0), rest = number(0);
    divide(lhs, divisor.getValue(), whole, rest);
    std::optional<int64_t> most = largest(rest);
    if (most && *most < divisor.getValue())
      built = expr.getKind() == AffineExprKind::Mod ? rest : whole;
  }
  return simplifyAffineExpr(built, extents.size(), 0);
}

bool ElementTracer::equal(AffineExpr lhs, AffineExpr rhs) const {
  return lhs == rhs || simplify(lhs - rhs) == number(0);
}

void ElementTracer::split(AffineExpr linear, ArrayRef<int64_t> shape,
                          SmallVectorImpl<AffineExpr> &out) const {
  int64_t stride = 1;
  SmallVector<AffineExpr> reversed;
  for (auto [i, size] : llvm::enumerate(llvm::reverse(shape))) {
    AffineExpr index = linear.floorDiv(stride);
    reversed.push_back(i + 1 == shape.size() ? index : index % size);
    stride *= size;
  }
  out.append(reversed.rbegin(), reversed.rend());
}

AffineExpr ElementTracer::join(ArrayRef<AffineExpr> indices,
                               ArrayRef<int64_t> shape) const {
  AffineExpr linear = number(0);
  for (auto [index, size] : llvm::zip_equal(indices, shape))
    linear = linear * size + index;
  return simplify(linear);
}

//===----------------------------------------------------------------------===//
// Moves of data
//===----------------------------------------------------------------------===//

Element ElementTracer::element(Value tensor,
                               ArrayRef<AffineExpr> indices) const {
  return {tensor, map(indices), nullptr};
}

/// The loops of `op`, in terms of the indices of its result; empty if a result
/// does not fix them.
static SmallVector<AffineExpr> loopsOf(linalg::LinalgOp op, unsigned result,
                                       ArrayRef<AffineExpr> indices) {
  AffineMap out = op.getIndexingMapMatchingResult(op->getResult(result));
  if (!out.isPermutation() || op.getNumReductionLoops() != 0)
    return {};
  return llvm::to_vector(
      llvm::map_range(inversePermutation(out).getResults(),
                      [&](AffineExpr e) { return e.replaceDims(indices); }));
}

std::optional<Element> ElementTracer::moved(const Element &element) const {
  auto type = dyn_cast<RankedTensorType>(element.value.getType());
  auto result = dyn_cast<OpResult>(element.value);
  if (!type || !type.hasStaticShape() || !result)
    return std::nullopt;
  ArrayRef<AffineExpr> at = element.at.getResults();
  SmallVector<AffineExpr> indices;
  return TypeSwitch<Operation *, std::optional<Element>>(result.getOwner())
      .Case([&](tensor::CollapseShapeOp op) -> std::optional<Element> {
        ArrayRef<int64_t> shape = op.getSrcType().getShape();
        if (!op.getSrcType().hasStaticShape())
          return std::nullopt;
        for (auto [i, group] : llvm::enumerate(op.getReassociationIndices()))
          split(at[i], shape.slice(indices.size(), group.size()), indices);
        // A scalar has no groups: all its axes are of size 1.
        indices.resize(shape.size(), number(0));
        return this->element(op.getSrc(), indices);
      })
      .Case([&](tensor::ExpandShapeOp op) -> std::optional<Element> {
        if (!op.getSrcType().hasStaticShape())
          return std::nullopt;
        // Groups follow each other. The numbers in them need not be dimensions:
        // MLIR verifies their low 32 bits.
        size_t first = 0;
        for (ArrayRef<int64_t> group : op.getReassociationIndices()) {
          indices.push_back(join(at.slice(first, group.size()),
                                 type.getShape().slice(first, group.size())));
          first += group.size();
        }
        return this->element(op.getSrc(), indices);
      })
      .Case([&](tensor::ExtractSliceOp op) -> std::optional<Element> {
        auto source = op.getSourceType();
        if (source.getRank() != type.getRank() || !source.hasStaticShape())
          return std::nullopt;
        for (auto [index, offset, stride] :
             llvm::zip_equal(at, op.getMixedOffsets(), op.getMixedStrides())) {
          std::optional<int64_t> first = getConstantIntValue(offset);
          std::optional<int64_t> step = getConstantIntValue(stride);
          if (!first || !step)
            return std::nullopt;
          indices.push_back(index * *step + *first);
        }
        return this->element(op.getSource(), indices);
      })
      .Case([&](linalg::TransposeOp op) -> std::optional<Element> {
        indices.resize(at.size());
        for (auto [i, axis] : llvm::enumerate(op.getPermutation()))
          indices[axis] = at[i];
        return this->element(op.getInput(), indices);
      })
      .Case([&](linalg::BroadcastOp op) -> std::optional<Element> {
        for (auto [i, index] : llvm::enumerate(at))
          if (!llvm::is_contained(op.getDimensions(), int64_t(i)))
            indices.push_back(index);
        return this->element(op.getInput(), indices);
      })
      .Case([&](linalg::GenericOp op) -> std::optional<Element> {
        Value yielded = op.getBlock()->getTerminator()->getOperand(
            result.getResultNumber());
        auto argument = dyn_cast<BlockArgument>(yielded);
        if (!argument || argument.getOwner() != op.getBlock() ||
            argument.getArgNumber() >= op.getNumDpsInputs())
          return std::nullopt;
        SmallVector<AffineExpr> loops =
            loopsOf(op, result.getResultNumber(), at);
        if (loops.empty())
          return std::nullopt;
        OpOperand *input = op.getDpsInputOperand(argument.getArgNumber());
        for (AffineExpr expr : op.getMatchingIndexingMap(input).getResults())
          indices.push_back(expr.replaceDims(loops));
        return this->element(input->get(), indices);
      })
      .Default(std::nullopt);
}

Element ElementTracer::source(const Element &element) const {
  Element found = element;
  while (std::optional<Element> earlier = moved(found))
    found = *earlier;
  return found;
}

bool ElementTracer::same(const Element &lhs, const Element &rhs) const {
  Element a = source(lhs), b = source(rhs);
  return a.value == b.value &&
         llvm::all_of(llvm::zip_equal(a.at.getResults(), b.at.getResults()),
                      [&](auto pair) {
                        return equal(std::get<0>(pair), std::get<1>(pair));
                      });
}

//===----------------------------------------------------------------------===//
// Computation
//===----------------------------------------------------------------------===//

Element ElementTracer::argument(const Element &element) const {
  auto argument = dyn_cast<BlockArgument>(element.value);
  linalg::LinalgOp owner = element.owner;
  if (!argument || !owner || argument.getOwner() != owner.getBlock() ||
      argument.getArgNumber() >= owner.getNumDpsInputs())
    return element;
  OpOperand *input = owner.getDpsInputOperand(argument.getArgNumber());
  SmallVector<AffineExpr> indices;
  for (AffineExpr expr : owner.getMatchingIndexingMap(input).getResults())
    indices.push_back(expr.replaceDims(element.at.getResults()));
  return this->element(input->get(), indices);
}

Element ElementTracer::computed(const Element &element) const {
  Element found = source(argument(element));
  while (auto result = dyn_cast<OpResult>(found.value)) {
    if (!isa<RankedTensorType>(result.getType()))
      return found;
    if (auto fill = dyn_cast<linalg::FillOp>(result.getOwner()))
      return {fill.value(), map({}), nullptr};
    auto op = dyn_cast<linalg::GenericOp>(result.getOwner());
    if (!op)
      return found;
    SmallVector<AffineExpr> loops =
        loopsOf(op, result.getResultNumber(), found.at.getResults());
    if (loops.empty() && op.getNumLoops() != 0)
      return found;
    auto owner = cast<linalg::LinalgOp>(op.getOperation());
    Value yielded =
        op.getBlock()->getTerminator()->getOperand(result.getResultNumber());
    found = source(argument({yielded, map(loops), owner}));
  }
  return found;
}

Element ElementTracer::operand(const Element &element, unsigned i) const {
  return {element.value.getDefiningOp()->getOperand(i), element.at,
          element.owner};
}

std::optional<double> ElementTracer::constant(const Element &element) const {
  Element found = computed(element);
  Attribute value;
  if (!matchPattern(found.value, m_Constant(&value))) {
    // Conversions of constants are left in bodies.
    Operation *op = found.value.getDefiningOp();
    if (op && isa<arith::TruncFOp, arith::ExtFOp, arith::SIToFPOp>(op))
      return constant(operand(found, 0));
    return std::nullopt;
  }
  if (auto splat = dyn_cast<SplatElementsAttr>(value))
    value = splat.getSplatValue<Attribute>();
  if (auto number = dyn_cast<FloatAttr>(value))
    return number.getValueAsDouble();
  if (auto number = dyn_cast<IntegerAttr>(value))
    return static_cast<double>(number.getValue().getSExtValue());
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Arrangements
//===----------------------------------------------------------------------===//

std::optional<Arrangement>
ElementTracer::arrange(const Element &element, ArrayRef<AffineExpr> coordinates,
                       ArrayRef<int64_t> shape) const {
  std::optional<Arrangement> found;
  // All orders of the axes are tried.
  if (shape.size() > 6)
    return found;
  int64_t count = std::accumulate(shape.begin(), shape.end(), int64_t(1),
                                  std::multiplies<>());
  for (std::optional<Element> e = element; e; e = moved(*e)) {
    auto type = dyn_cast<RankedTensorType>(e->value.getType());
    if (!type || !headrace::qlinear::isCountable(type) ||
        type.getNumElements() != count)
      continue;
    AffineExpr linear = join(e->at.getResults(), type.getShape());
    SmallVector<int64_t> axes(shape.size());
    std::iota(axes.begin(), axes.end(), 0);
    do {
      SmallVector<AffineExpr> indices;
      SmallVector<int64_t> sizes;
      for (int64_t axis : axes) {
        indices.push_back(coordinates[axis]);
        sizes.push_back(shape[axis]);
      }
      if (equal(linear, join(indices, sizes))) {
        found = Arrangement{e->value, axes};
        break;
      }
    } while (std::next_permutation(axes.begin(), axes.end()));
  }
  return found;
}

Value headrace::common::reshaped(OpBuilder &b, Location loc, Value tensor,
                                 ArrayRef<int64_t> shape) {
  auto type = cast<RankedTensorType>(tensor.getType());
  auto target = RankedTensorType::get(shape, type.getElementType());
  if (type == target)
    return tensor;
  if (std::optional<SmallVector<ReassociationIndices>> groups =
          getReassociationIndicesForReshape(type, target)) {
    if (type.getRank() > target.getRank())
      return tensor::CollapseShapeOp::create(b, loc, target, tensor, *groups);
    return tensor::ExpandShapeOp::create(b, loc, target, tensor, *groups);
  }
  // Neither axes are only split nor only joined: over one axis.
  int64_t count = type.getNumElements();
  return reshaped(b, loc, reshaped(b, loc, tensor, {count}), shape);
}

Value headrace::common::arranged(OpBuilder &b, Location loc,
                                 const Arrangement &arrangement,
                                 ArrayRef<int64_t> shape) {
  SmallVector<int64_t> sizes, permutation(shape.size());
  for (auto [i, axis] : llvm::enumerate(arrangement.axes)) {
    sizes.push_back(shape[axis]);
    permutation[axis] = i;
  }
  Value source = reshaped(b, loc, arrangement.source, sizes);
  if (llvm::is_sorted(arrangement.axes))
    return source;
  Type element = cast<RankedTensorType>(source.getType()).getElementType();
  Value init = tensor::EmptyOp::create(b, loc, shape, element);
  return linalg::TransposeOp::create(b, loc, source, init, permutation)
      ->getResult(0);
}
