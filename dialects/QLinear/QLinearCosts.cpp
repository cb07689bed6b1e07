//===- QLinearCosts.cpp - bytes and operations of qlinear -----------------===//
//
// Counts are doubles: an expectation need not be whole, and a product of sizes
// need not fit an integer. docs/cost.md says what is counted and why.
//
//===----------------------------------------------------------------------===//

#include "dialects/QLinear/QLinearCosts.h"

#include "dialects/QLinear/InterfaceModels.h"
#include "dialects/QLinear/OpVerification.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

using namespace mlir;
using namespace headrace;
using namespace headrace::qlinear;

//===----------------------------------------------------------------------===//
// Bytes
//===----------------------------------------------------------------------===//

static double bytesOf(Type type) {
  auto packed = dyn_cast<PackedType>(type);
  return packed ? static_cast<double>(packed.getStorageBytes())
                : shapedBytes(type);
}

static CodebookFormatAttr codebookOf(PackedType weight) {
  return dyn_cast<CodebookFormatAttr>(weight.getFormat());
}

static double blocksOf(PackedType weight) {
  QuantFormatAttrInterface format = weight.getFormat();
  int64_t down = weight.getPaddedRows() / format.getBlockRows();
  int64_t across = weight.getPaddedCols() / format.getBlockCols();
  return static_cast<double>(down) * static_cast<double>(across);
}

/// Bytes that say what a weight's values are: of a codebook with tables only
/// the indices and the centroids, for tables hold products.
static double decodedBytes(PackedType weight) {
  CodebookFormatAttr codebook = codebookOf(weight);
  if (!codebook)
    return bytesOf(weight);
  return blocksOf(weight) * static_cast<double>(codebook.getBlockBytes() -
                                                codebook.getTableBytes());
}

double headrace::qlinear::selectedSectorBytes(int64_t pieces,
                                              int64_t pieceBytes, int64_t cols,
                                              double density, int64_t sector) {
  assert(pieceBytes > 0 && sector > 0 && "expected sizes");
  int64_t total = pieces * pieceBytes;
  int64_t sectors = llvm::divideCeil(total, sector);
  /// Probability that sector `s` is read: one of the columns in it is selected.
  auto read = [&](int64_t s) {
    int64_t first = s * sector / pieceBytes;
    int64_t last = (std::min((s + 1) * sector, total) - 1) / pieceBytes;
    int64_t touched = std::min(last - first + 1, cols);
    return 1 - std::pow(1 - density, static_cast<double>(touched));
  };
  // How pieces lie in sectors repeats, but the last sector may end early.
  int64_t period = std::lcm(pieceBytes, sector) / sector;
  int64_t whole = (sectors - 1) / period;
  double expected = 0;
  if (whole > 0)
    for (int64_t s = 0; s < period; ++s)
      expected += read(s) * static_cast<double>(whole);
  for (int64_t s = whole * period; s < sectors; ++s)
    expected += read(s);
  return expected * static_cast<double>(sector);
}

//===----------------------------------------------------------------------===//
// Costs by type
//===----------------------------------------------------------------------===//

/// 2 for each weight: multiply and add.
static double productOperations(PackedType weight, double tokens) {
  return 2.0 * static_cast<double>(weight.getRows()) *
         static_cast<double>(weight.getCols()) * tokens;
}

static double outputBytes(PackedType weight, int64_t tokens) {
  return 4.0 * static_cast<double>(weight.getRows()) *
         static_cast<double>(tokens);
}

/// Pieces of `dim` columns.
static double piecesOf(PackedType weight) {
  int64_t pieces = weight.getPaddedCols() / weight.getFormat().getBlockCols();
  return static_cast<double>(pieces);
}

Cost headrace::qlinear::denseProductCost(PackedType weight, Type x,
                                         int64_t tokens) {
  return {decodedBytes(weight) + bytesOf(x), outputBytes(weight, tokens),
          productOperations(weight, static_cast<double>(tokens)), 0};
}

Cost headrace::qlinear::selectColumnsCost(Type x) {
  double columns = static_cast<double>(cast<ShapedType>(x).getNumElements());
  // Magnitude and comparison; the list behind the last index is zeroed.
  return {bytesOf(x), 4 * columns + 4, 2 * columns, 0};
}

Cost headrace::qlinear::sparseMatvecCost(PackedType weight, Type x,
                                         int64_t listed,
                                         const CostAssumptions &assumptions) {
  int64_t cols = weight.getCols();
  auto share = static_cast<double>(std::min(listed, cols)) * //
               assumptions.density;
  double density = share / static_cast<double>(cols);
  double weightBytes = bytesOf(weight);
  if (auto zigzag = dyn_cast<ZigzagFormatAttr>(weight.getFormat()))
    weightBytes = selectedSectorBytes(
        weight.getPaddedRows() / zigzag.getBand() * weight.getPaddedCols(),
        zigzag.getBlockBytes(), weight.getPaddedCols(), density,
        assumptions.sector);
  auto vector = cast<ShapedType>(x);
  double xBytes = selectedSectorBytes(cols, vector.getElementTypeBitWidth() / 8,
                                      cols, density, assumptions.sector);
  double indexBytes = 4 * share + 4; // the list, and how long it is
  return {weightBytes + xBytes + indexBytes, outputBytes(weight, 1),
          productOperations(weight, density), 0};
}

Cost headrace::qlinear::assignCentroidsCost(PackedType weight, int64_t tokens) {
  CodebookFormatAttr codebook = codebookOf(weight);
  double pieces = piecesOf(weight);
  auto entries = static_cast<double>(codebook.getActivationEntries());
  auto dim = static_cast<double>(codebook.getDim());
  auto count = static_cast<double>(tokens);
  double centroids = pieces * entries * dim * 4;
  double x = 4 * static_cast<double>(weight.getCols()) * count;
  // For each centroid a difference and a maximum a value, then a comparison.
  return {centroids + x, 4 * pieces * count,
          count * pieces * entries * (2 * dim + 1), 0};
}

Cost headrace::qlinear::lutProductCost(PackedType weight, int64_t tokens) {
  CodebookFormatAttr codebook = codebookOf(weight);
  auto rows = static_cast<double>(weight.getRows());
  auto count = static_cast<double>(tokens);
  double pieces = piecesOf(weight);
  double read =
      blocksOf(weight) * static_cast<double>(codebook.getTableBytes() +
                                             codebook.getIndexBytes()) +
      8 + 4 * pieces * count; // scale and offset; assignments
  // One addition for a lookup, and scale and offset for a result.
  return {read, outputBytes(weight, tokens), count * rows * (pieces + 2), 0};
}

Cost headrace::qlinear::gatedActivationCost(Activation activation,
                                            int64_t values) {
  auto count = static_cast<double>(values);
  // silu: negation, 1 + e, division; gelu_tanh: v^3 (2), its factor, sum,
  // sqrt(2 / pi), 1 + t, v / 2 times that (2); then the product with up.
  double each = activation == Activation::SiLU ? 4 : 9;
  return {8 * count, 4 * count, each * count, count};
}

//===----------------------------------------------------------------------===//
// Costs of operations
//===----------------------------------------------------------------------===//

static int64_t elementsOf(Value value) {
  return shaped(value).getNumElements();
}

/// 1 for a vector, N for [N, ...].
static int64_t tokensOf(Value value) {
  ShapedType type = shaped(value);
  return type.getRank() == 1 ? 1 : type.getDimSize(0);
}

static Cost costOf(MatvecOp op, const CostAssumptions &) {
  return denseProductCost(op.getWeight().getType(), op.getX().getType(), 1);
}

static Cost costOf(MatmulOp op, const CostAssumptions &) {
  return denseProductCost(op.getWeight().getType(), op.getX().getType(),
                          tokensOf(op.getInit()));
}

static Cost costOf(GatedMatvecOp op, const CostAssumptions &) {
  PackedType gate = op.getGate().getType(), up = op.getUp().getType();
  Cost both = denseProductCost(gate, op.getX().getType(), 1) +
              denseProductCost(up, op.getX().getType(), 1);
  Cost combine = gatedActivationCost(op.getActivation(), gate.getRows());
  // x is read once, and the two products are not stored.
  both.readBytes -= bytesOf(op.getX().getType());
  both.writtenBytes = combine.writtenBytes;
  both.operations += combine.operations;
  both.transcendentals += combine.transcendentals;
  return both;
}

static Cost costOf(DequantizeOp op, const CostAssumptions &) {
  PackedType packed = op.getPacked().getType();
  // A scale times a code, and an offset; what unpacking takes depends on the
  // kernel.
  return {decodedBytes(packed), bytesOf(op.getInit().getType()),
          2.0 * static_cast<double>(elementsOf(op.getInit())), 0};
}

static Cost costOf(QuantizeOp op, const CostAssumptions &) {
  auto values = static_cast<double>(elementsOf(op.getX()));
  // Magnitude, maximum, scaling, rounding, and the sum of a group.
  return {bytesOf(op.getX().getType()), bytesOf(op.getPackedType()), 5 * values,
          0};
}

static Cost costOf(SelectColumnsOp op, const CostAssumptions &) {
  return selectColumnsCost(op.getX().getType());
}

static Cost costOf(SparseMatvecOp op, const CostAssumptions &assumptions) {
  return sparseMatvecCost(op.getWeight().getType(), op.getX().getType(),
                          elementsOf(op.getIndices()), assumptions);
}

static Cost costOf(AssignCentroidsOp op, const CostAssumptions &) {
  return assignCentroidsCost(op.getWeight().getType(), tokensOf(op.getX()));
}

static Cost costOf(LutMatvecOp op, const CostAssumptions &) {
  return lutProductCost(op.getWeight().getType(), tokensOf(op.getInit()));
}

static Cost costOf(RmsNormOp op, const CostAssumptions &) {
  auto values = static_cast<double>(elementsOf(op.getX()));
  auto rows = static_cast<double>(tokensOf(op.getX()));
  // Square and sum, then twice a factor; 1 + weight for each column.
  double unit =
      op.getAddUnit() ? static_cast<double>(elementsOf(op.getWeight())) : 0;
  return {bytesOf(op.getX().getType()) + bytesOf(op.getWeight().getType()),
          bytesOf(op.getInit().getType()), 4 * values + unit, rows};
}

static Cost costOf(LayerNormOp op, const CostAssumptions &) {
  auto values = static_cast<double>(elementsOf(op.getX()));
  auto rows = static_cast<double>(tokensOf(op.getX()));
  // Sum, centering, square and sum, two factors, bias.
  return {bytesOf(op.getX().getType()) + bytesOf(op.getWeight().getType()) +
              bytesOf(op.getBias().getType()),
          bytesOf(op.getInit().getType()), 7 * values, rows};
}

static Cost costOf(GatedActivationOp op, const CostAssumptions &) {
  return gatedActivationCost(op.getActivation(), elementsOf(op.getGate()));
}

static Cost costOf(ConcatOp op, const CostAssumptions &) {
  double bytes = 0;
  for (Type type : op.getInputs().getTypes())
    bytes += bytesOf(type);
  return {bytes, bytesOf(op.getResult().getType()), 0, 0};
}

static Cost costOf(RepackOp op, const CostAssumptions &) {
  return {bytesOf(op.getPacked().getType()), bytesOf(op.getPackedType()), 0, 0};
}

namespace {
template <typename OpT>
struct CostModel : CostOpInterface::ExternalModel<CostModel<OpT>, OpT> {
  Cost getCost(Operation *op, const CostAssumptions &assumptions) const {
    return costOf(cast<OpT>(op), assumptions);
  }
};
} // namespace

template <typename... Ops> static void attach(MLIRContext *context) {
  (Ops::template attachInterface<CostModel<Ops>>(*context), ...);
}

void headrace::qlinear::registerCostModels(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, QLinearDialect *) {
    attach<MatvecOp, MatmulOp, GatedMatvecOp, DequantizeOp, QuantizeOp,
           SelectColumnsOp, SparseMatvecOp, AssignCentroidsOp, LutMatvecOp,
           RmsNormOp, LayerNormOp, GatedActivationOp, ConcatOp, RepackOp>(
        context);
  });
}
