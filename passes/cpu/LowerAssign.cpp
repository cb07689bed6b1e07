//===- LowerAssign.cpp - the search of nearest centroids as vectors -------===//
//
// The centroids of a piece are the lanes. The least distance is found first,
// then the first lane that has it: that keeps the order of equals.
//
//===----------------------------------------------------------------------===//

#include "dialects/QLinear/QLinear.h"
#include "passes/cpu/Passes.h"
#include "passes/cpu/Workgroup.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

namespace headrace::cpu {
#define GEN_PASS_DEF_CPULOWERASSIGN
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qlinear;

namespace {

/// Centroids that are compared at once: their distances stay in registers.
constexpr int64_t kMostCentroids = 64;
/// Lanes of a vector of distances.
constexpr int64_t kMostLanes = 16;
/// Bytes ahead of which centroids are fetched, into the second-level cache.
constexpr int64_t kAhead = 8192;
constexpr int64_t kLine = 64;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

class AssignKernel {
public:
  AssignKernel(VectorBuilder &v, AssignCentroidsOp op, Value bytes)
      : v(v), op(op), packed(op.getWeight().getType()),
        format(cast<CodebookFormatAttr>(packed.getFormat())), bytes(bytes),
        dim(format.getDim()), centroids(format.getActivationEntries()),
        compared(std::min(centroids, kMostCentroids)),
        lanes(std::min(compared, kMostLanes)) {}

  void emit(const RowRange &pieces) {
    int64_t whole = packed.getCols() / dim;
    v.loop(pieces.first, v.min(pieces.last, v.index(whole)), 1, {},
           [&](Value piece, ValueRange) -> SmallVector<Value> {
             assign(piece, dim);
             return {};
           });
    int64_t rest = packed.getCols() % dim;
    if (rest == 0)
      return;
    // The last piece, whose columns behind K are 0.
    Value has = arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::ugt,
                                      pieces.last, v.index(whole));
    auto last = scf::IfOp::create(v.b, v.loc, has, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(v.b);
    v.b.setInsertionPointToStart(last.thenBlock());
    assign(v.index(whole), rest);
  }

private:
  /// All tokens of a piece of which `cols` columns exist.
  void assign(Value piece, int64_t cols) {
    for (int64_t at = 0; at < centroids * dim * 4; at += kLine)
      v.prefetch(bytes, v.add(centroidsOf(piece), kAhead + at),
                 /*locality=*/2);
    auto type = cast<MemRefType>(op.getX().getType());
    int64_t tokens = type.getRank() == 2 ? type.getDimSize(0) : 1;
    v.loop(
        v.index(0), v.index(tokens), 1, {},
        [&](Value token, ValueRange) -> SmallVector<Value> {
          SmallVector<Value> x;
          Value first = v.mul(piece, dim);
          for (int64_t col = 0; col < cols; ++col)
            x.push_back(memref::LoadOp::create(
                v.b, v.loc, op.getX(), place(type, token, v.add(first, col))));
          x.resize(dim, v.constF(0.0));
          Value nearest = search(piece, x);
          memref::StoreOp::create(v.b, v.loc, nearest, op.getInit(),
                                  place(type, token, piece));
          return {};
        });
  }

  static SmallVector<Value> place(MemRefType type, Value token, Value col) {
    if (type.getRank() == 1)
      return {col};
    return {token, col};
  }

  /// Where the centroids of a piece are.
  Value centroidsOf(Value piece) {
    int64_t first =
        format.getLayout(packed.getPaddedRows(), packed.getPaddedCols())
            .activations;
    return v.add(v.mul(piece, centroids * dim * 4), first);
  }

  /// The number of the centroid next to `x`.
  Value search(Value piece, ArrayRef<Value> x) {
    Value start = centroidsOf(piece);
    SmallVector<Value> best =
        v.loop(v.index(0), v.index(centroids), compared,
               {v.constF(kInfinity), constant(0)},
               [&](Value first, ValueRange best) -> SmallVector<Value> {
                 auto [distance, number] =
                     nearestOf(v.add(start, v.mul(first, dim * 4)), x);
                 // A distance that is not less, and NaN, changes nothing.
                 Value closer = v.lessF(distance, best[0]);
                 Value base =
                     arith::IndexCastOp::create(v.b, v.loc, v.i32(), first);
                 return {v.select(closer, distance, best[0]),
                         v.select(closer, v.add(base, number), best[1])};
               });
    return best[1];
  }

  Value constant(int64_t value) {
    return arith::ConstantIntOp::create(v.b, v.loc, value, 32);
  }

  /// The least distance to the centroids at `start`, and the first of them
  /// that has it.
  std::pair<Value, Value> nearestOf(Value start, ArrayRef<Value> x) {
    SmallVector<Value> distances;
    for (int64_t first = 0; first < compared; first += lanes)
      distances.push_back(distance(v.add(start, first * dim * 4), x));
    Value least = distances[0];
    for (Value other : llvm::drop_begin(distances))
      least = smaller(other, least);
    for (int64_t span = lanes / 2; span > 0; span /= 2) {
      SmallVector<int64_t> swapped;
      for (int64_t lane = 0; lane < lanes; ++lane)
        swapped.push_back(lane ^ span);
      least = smaller(v.shuffle(least, swapped), least);
    }
    Type bits = v.b.getIntegerType(lanes);
    Type all = v.b.getIntegerType(compared);
    Value found;
    for (auto [number, some] : llvm::enumerate(distances)) {
      Value equal = arith::CmpFOp::create(v.b, v.loc, arith::CmpFPredicate::OEQ,
                                          some, least);
      Value mask = v.extract(
          vector::BitCastOp::create(v.b, v.loc, v.vec(1, bits), equal), 0);
      if (bits != all)
        mask = v.shl(arith::ExtUIOp::create(v.b, v.loc, all, mask),
                     static_cast<int64_t>(number) * lanes);
      found = found ? v.orI(found, mask) : mask;
    }
    Value number = math::CountTrailingZerosOp::create(v.b, v.loc, found);
    if (compared < 32)
      number = arith::ExtUIOp::create(v.b, v.loc, v.i32(), number);
    else if (compared > 32)
      number = arith::TruncIOp::create(v.b, v.loc, v.i32(), number);
    return {v.extract(least, 0), number};
  }

  /// max |x - c| of a vector of centroids; infinity instead of NaN.
  Value distance(Value at, ArrayRef<Value> x) {
    Value together = v.loadAs(bytes, at, lanes * dim * 4, lanes * dim, v.f32());
    Value most;
    for (int64_t col = 0; col < dim; ++col) {
      SmallVector<int64_t> column;
      for (int64_t lane = 0; lane < lanes; ++lane)
        column.push_back(lane * dim + col);
      Value difference =
          v.subf(v.broadcast(x[col], lanes), v.shuffle(together, column));
      Value size = math::AbsFOp::create(v.b, v.loc, difference);
      // As one instruction takes the second of two where one is NaN.
      size = smaller(size, v.splat(v.vec(lanes, v.f32()), kInfinity));
      most = most ? v.select(v.lessF(size, most), most, size) : size;
    }
    return most;
  }

  /// The smaller of two numbers, the second one if the first is NaN.
  Value smaller(Value lhs, Value rhs) {
    return v.select(v.lessF(lhs, rhs), lhs, rhs);
  }

  VectorBuilder &v;
  AssignCentroidsOp op;
  PackedType packed;
  CodebookFormatAttr format;
  Value bytes;
  int64_t dim;
  int64_t centroids, compared, lanes; // of a piece, at once, in a vector
};

struct CpuLowerAssign
    : headrace::cpu::impl::CpuLowerAssignBase<CpuLowerAssign> {
  void runOnOperation() override {
    WalkResult result = getOperation()->walk([](AssignCentroidsOp op) {
      return failed(lower(op)) ? WalkResult::interrupt()
                               : WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }

private:
  static LogicalResult lower(AssignCentroidsOp op) {
    if (op->getNumResults() > 0)
      return success();
    auto view = op.getWeight().getDefiningOp<FromBytesOp>();
    if (!view || !isa<MemRefType>(view.getBytes().getType()))
      return op.emitOpError("expected a matrix from qlinear.from_bytes of a "
                            "memref; run cpu-form-kernels first");
    OpBuilder builder(op);
    VectorBuilder v{builder, op.getLoc()};
    auto type = cast<MemRefType>(op.getInit().getType());
    FailureOr<RowRange> pieces = workgroupRows(v, op, type.getShape().back());
    if (failed(pieces))
      return failure();
    AssignKernel(v, op, view.getBytes()).emit(*pieces);
    op.erase();
    return success();
  }
};

} // namespace
