//===- Tiling.cpp - tiles of operations in destination style --------------===//

#include "dialects/Interfaces/Tiling.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"

using namespace mlir;
using namespace headrace;
using headrace::detail::OffsetsOrSizes;

//===----------------------------------------------------------------------===//
// Multiples
//===----------------------------------------------------------------------===//

static bool isMultiple(OpFoldResult number, int64_t factor);

/// Every result of `map` is a multiple, if all that is known of its operands
/// is whether they are.
static bool isMultiple(AffineMap map, ValueRange operands, int64_t factor) {
  SmallVector<AffineExpr> dims, symbols;
  for (auto [i, operand] : llvm::enumerate(operands)) {
    unsigned position = i < map.getNumDims() ? i : i - map.getNumDims();
    AffineExpr expr = i < map.getNumDims()
                          ? getAffineDimExpr(position, map.getContext())
                          : getAffineSymbolExpr(position, map.getContext());
    if (isMultiple(OpFoldResult(operand), factor))
      expr = expr * factor;
    (i < map.getNumDims() ? dims : symbols).push_back(expr);
  }
  return llvm::all_of(map.getResults(), [&](AffineExpr result) {
    return result.replaceDimsAndSymbols(dims, symbols).isMultipleOf(factor);
  });
}

/// First value and step of the loop that `value` counts.
static std::optional<std::pair<OpFoldResult, OpFoldResult>>
counterOf(Value value) {
  auto counter = dyn_cast<BlockArgument>(value);
  if (!counter)
    return std::nullopt;
  auto loop = dyn_cast<LoopLikeOpInterface>(counter.getOwner()->getParentOp());
  if (!loop)
    return std::nullopt;
  auto counters = loop.getLoopInductionVars();
  auto first = loop.getLoopLowerBounds(), step = loop.getLoopSteps();
  if (!counters || !first || !step)
    return std::nullopt;
  for (auto [i, candidate] : llvm::enumerate(*counters))
    if (candidate == value)
      return std::pair((*first)[i], (*step)[i]);
  return std::nullopt;
}

/// Whether a tile that begins at `offset` is the only one of `extent`.
static bool isOnlyTile(OpFoldResult offset, int64_t extent) {
  if (isConstantIntValue(offset, 0))
    return true;
  auto value = dyn_cast<Value>(offset);
  auto counter = value ? counterOf(value) : std::nullopt;
  return counter && getConstantIntValue(counter->second).value_or(0) >= extent;
}

/// Whether `number` is provably a multiple of `factor`: a constant, the counter
/// of a loop, or computed from such.
static bool isMultiple(OpFoldResult number, int64_t factor) {
  if (factor == 1)
    return true;
  if (std::optional<int64_t> known = getConstantIntValue(number))
    return *known % factor == 0;
  auto value = cast<Value>(number);
  if (isa<BlockArgument>(value)) {
    auto counter = counterOf(value);
    return counter && isMultiple(counter->first, factor) &&
           isMultiple(counter->second, factor);
  }
  Operation *op = value.getDefiningOp();
  if (auto apply = dyn_cast<affine::AffineApplyOp>(op))
    return isMultiple(apply.getAffineMap(), apply.getMapOperands(), factor);
  if (auto min = dyn_cast<affine::AffineMinOp>(op))
    return isMultiple(min.getAffineMap(), min.getMapOperands(), factor);
  auto all = [&] {
    return llvm::all_of(op->getOperands(), [&](Value operand) {
      return isMultiple(OpFoldResult(operand), factor);
    });
  };
  if (isa<arith::AddIOp, arith::SubIOp, arith::MinSIOp, arith::MinUIOp>(op))
    return all();
  if (isa<arith::MulIOp>(op))
    return llvm::any_of(op->getOperands(), [&](Value operand) {
      return isMultiple(OpFoldResult(operand), factor);
    });
  return false;
}

//===----------------------------------------------------------------------===//
// Where tiles lie
//===----------------------------------------------------------------------===//

namespace {

/// The part of a loop that a tile computes. All sizes are static, since types
/// need them: where the last tile would be shorter, all are computed at full
/// size, the last one moved back so that it ends with the loop, and `dropped`
/// of its positions, which the tile before has too, are cut off its results.
struct TileRange {
  OpFoldResult start;
  int64_t size;
  bool partial = false;
  OpFoldResult dropped = {};
};

FailureOr<TileRange> tileRange(Operation *op, const TileLoop &loop,
                               OpBuilder &b, OpFoldResult offset,
                               OpFoldResult size) {
  auto refuse = [&](StringRef what, const Twine &got) -> LogicalResult {
    std::string why = loop.why.empty() ? "" : " (" + loop.why + ")";
    return op->emitOpError()
           << "expected " << what << " of " << loop.name << " in multiples of "
           << loop.granule << why << ", but got " << got;
  };
  std::optional<int64_t> known = getConstantIntValue(size);
  std::optional<int64_t> first = getConstantIntValue(offset);
  bool partial = !known;
  if (partial) {
    known = ValueBoundsConstraintSet::computeConstantBound(
        presburger::BoundType::UB, size, /*stopCondition=*/nullptr,
        /*closedUB=*/true);
    if (!known || (*known >= loop.extent && !isOnlyTile(offset, loop.extent)))
      return op->emitOpError()
             << "expected tiles of " << loop.name
             << " with a constant bound, but got a size known only at run time";
  }
  if (!partial && first && *first + *known == loop.extent) {
    // The end of the loop, wherever that lies.
  } else if (*known >= loop.extent) {
    known = loop.extent;
    if (partial)
      return TileRange{b.getIndexAttr(0), loop.extent, true, offset};
  } else if (*known % loop.granule) {
    return refuse("tiles", Twine(*known));
  }
  if (!isMultiple(offset, loop.granule))
    return refuse("offsets", first ? Twine(*first) : Twine("another number"));
  if (!partial)
    return TileRange{offset, *known};
  if ((loop.padded - *known) % loop.granule)
    return op->emitOpError()
           << "expected tiles that divide the " << loop.extent << " "
           << loop.name << ", of which not all operands have the same padding, "
           << "but got " << *known;
  AffineExpr d0 = b.getAffineDimExpr(0), d1 = b.getAffineDimExpr(1);
  Location loc = op->getLoc();
  AffineMap last =
      AffineMap::get(1, 0, {d0, b.getAffineConstantExpr(loop.padded - *known)},
                     b.getContext());
  OpFoldResult start =
      affine::makeComposedFoldedAffineMin(b, loc, last, {offset});
  OpFoldResult dropped =
      affine::makeComposedFoldedAffineApply(b, loc, d0 - d1, {offset, start});
  return TileRange{start, *known, true, dropped};
}

/// `number / divisor`, which is whole.
OpFoldResult divided(OpBuilder &b, Location loc, OpFoldResult number,
                     int64_t divisor) {
  if (divisor == 1)
    return number;
  return affine::makeComposedFoldedAffineApply(
      b, loc, b.getAffineDimExpr(0).floorDiv(divisor), {number});
}

/// A part of a tensor.
struct Part {
  SmallVector<OpFoldResult> offsets, sizes;

  Value extract(OpBuilder &b, Location loc, Value tensor) const {
    SmallVector<OpFoldResult> strides(offsets.size(), b.getIndexAttr(1));
    return tensor::ExtractSliceOp::create(b, loc, tensor, offsets, sizes,
                                          strides);
  }
};

/// The part of `tensor` that loops at `offsets` with `sizes` cut out.
Part partOf(OpBuilder &b, Location loc, Value tensor, ArrayRef<TiledDim> dims,
            OffsetsOrSizes offsets, OffsetsOrSizes sizes) {
  auto type = cast<RankedTensorType>(tensor.getType());
  Part part;
  for (auto [i, dim] : llvm::enumerate(dims)) {
    bool whole = dim.loop == TiledDim::kWhole;
    part.offsets.push_back(
        whole ? b.getIndexAttr(0)
              : divided(b, loc, offsets[dim.loop], dim.shared));
    part.sizes.push_back(whole
                             ? OpFoldResult(b.getIndexAttr(type.getDimSize(i)))
                             : divided(b, loc, sizes[dim.loop], dim.shared));
  }
  return part;
}

ArrayRef<TiledDim> dimsOfResult(Operation *op, const TilePlan &plan,
                                unsigned result) {
  auto dest = cast<DestinationStyleOpInterface>(op);
  return plan.operands[dest.getDpsInitOperand(result)->getOperandNumber()];
}

} // namespace

//===----------------------------------------------------------------------===//
// TilingInterface
//===----------------------------------------------------------------------===//

SmallVector<Range> headrace::detail::iterationDomain(const TilePlan &plan,
                                                     OpBuilder &b) {
  SmallVector<Range> domain;
  for (const TileLoop &loop : plan.loops)
    domain.push_back(
        {b.getIndexAttr(0), b.getIndexAttr(loop.extent), b.getIndexAttr(1)});
  return domain;
}

FailureOr<TilingResult>
headrace::detail::tiledImplementation(Operation *op, const TilePlan &plan,
                                      OpBuilder &b, OffsetsOrSizes offsets,
                                      OffsetsOrSizes sizes) {
  auto dest = cast<DestinationStyleOpInterface>(op);
  if (op->getNumResults() == 0)
    return op->emitOpError("expected tensors to tile, but got memrefs; tile "
                           "before bufferization");
  Location loc = op->getLoc();
  SmallVector<OpFoldResult> starts, tileSizes, dropped;
  bool partial = false;
  for (auto [loop, offset, size] : llvm::zip(plan.loops, offsets, sizes)) {
    FailureOr<TileRange> range = tileRange(op, loop, b, offset, size);
    if (failed(range))
      return failure();
    starts.push_back(range->start);
    tileSizes.push_back(b.getIndexAttr(range->size));
    dropped.push_back(range->partial ? range->dropped : b.getIndexAttr(0));
    partial |= range->partial;
  }

  TilingResult result;
  SmallVector<Value> operands;
  SmallVector<Type> types;
  for (OpOperand &operand : op->getOpOperands()) {
    ArrayRef<TiledDim> dims = plan.operands[operand.getOperandNumber()];
    Value tile = operand.get();
    if (dest.isDpsInit(&operand) && partial) {
      // The tile may end behind the tensor, and what a tensor held is not read.
      Part part = partOf(b, loc, tile, dims, starts, tileSizes);
      tile = tensor::EmptyOp::create(
          b, loc, part.sizes,
          cast<RankedTensorType>(tile.getType()).getElementType());
    } else if (!dims.empty() && isa<RankedTensorType>(tile.getType())) {
      tile =
          partOf(b, loc, tile, dims, starts, tileSizes).extract(b, loc, tile);
      result.generatedSlices.push_back(tile.getDefiningOp());
    } else if (!dims.empty()) {
      int64_t loop = dims.front().loop;
      tile = plan.sliceRows(b, loc, tile, starts[loop],
                            *getConstantIntValue(tileSizes[loop]));
    }
    if (dest.isDpsInit(&operand))
      types.push_back(tile.getType());
    operands.push_back(tile);
  }
  Operation *tile = plan.create ? plan.create(b, op, types, operands, starts)
                                : clone(b, op, types, operands);
  result.tiledOps.push_back(tile);
  for (auto [i, value] : llvm::enumerate(tile->getResults())) {
    if (partial) {
      Part part =
          partOf(b, loc, value, dimsOfResult(op, plan, i), dropped, sizes);
      result.tiledValues.push_back(part.extract(b, loc, value));
    } else {
      result.tiledValues.push_back(value);
    }
  }
  return result;
}

void headrace::detail::resultTilePosition(
    Operation *op, const TilePlan &plan, OpBuilder &b, unsigned result,
    OffsetsOrSizes offsets, OffsetsOrSizes sizes,
    SmallVector<OpFoldResult> &resultOffsets,
    SmallVector<OpFoldResult> &resultSizes) {
  Part part = partOf(b, op->getLoc(), op->getResult(result),
                     dimsOfResult(op, plan, result), offsets, sizes);
  resultOffsets = part.offsets;
  resultSizes = part.sizes;
}

FailureOr<TilingResult> headrace::detail::resultTileValue(
    Operation *op, const TilePlan &plan, OpBuilder &b, unsigned result,
    OffsetsOrSizes offsets, OffsetsOrSizes sizes) {
  SmallVector<OpFoldResult> loopOffsets, loopSizes;
  for (const TileLoop &loop : plan.loops) {
    loopOffsets.push_back(b.getIndexAttr(0));
    loopSizes.push_back(b.getIndexAttr(loop.extent));
  }
  // A dimension that no loop cuts is computed whole, and cut afterwards.
  Part rest;
  auto type = cast<RankedTensorType>(op->getResult(result).getType());
  bool whole = true;
  for (auto [i, dim] : llvm::enumerate(dimsOfResult(op, plan, result))) {
    bool cut = dim.loop != TiledDim::kWhole;
    if (cut) {
      loopOffsets[dim.loop] = offsets[i];
      loopSizes[dim.loop] = sizes[i];
    } else {
      whole &= isConstantIntValue(offsets[i], 0) &&
               isConstantIntValue(sizes[i], type.getDimSize(i));
    }
    rest.offsets.push_back(cut ? OpFoldResult(b.getIndexAttr(0)) : offsets[i]);
    rest.sizes.push_back(sizes[i]);
  }
  FailureOr<TilingResult> tile =
      tiledImplementation(op, plan, b, loopOffsets, loopSizes);
  if (failed(tile))
    return failure();
  Value value = tile->tiledValues[result];
  if (!whole)
    value = rest.extract(b, op->getLoc(), value);
  tile->tiledValues = {value};
  return tile;
}
