//===- LowerMatmul.cpp - tokens times zigzag weights by tiles -------------===//
//
// A workgroup has a slice of rows and some tokens. Turn by turn it decodes a
// few columns of the slice into shared memory, as sparse products decode them,
// and puts the tokens' activations beside them; subgroups multiply the two as
// matrices of 8x8. Behind the last columns activations are zero.
//
//===----------------------------------------------------------------------===//

#include "passes/simt/MatmulTile.h"
#include "passes/simt/Passes.h"
#include "passes/simt/SliceSums.h"

namespace headrace::simt {
#define GEN_PASS_DEF_SIMTLOWERMATMUL
#include "passes/simt/Passes.h.inc"
} // namespace headrace::simt

using namespace mlir;
using namespace headrace::simt;
using namespace headrace::qlinear;

namespace {

/// Columns of a turn.
constexpr int64_t kColumns = 16;
/// Elements behind each line of a tile: lines that are read together then
/// start in different banks of shared memory.
constexpr int64_t kLinePadding = 8;

class MatmulKernel {
public:
  MatmulKernel(SimtBuilder &v, MatmulOp op, Value bytes, const Threads &threads)
      : v(v), op(op), threads(threads),
        tile(tileMatmul(op.getWeight().getType(),
                        cast<ShapedType>(op.getInit().getType()))),
        weight(op.getWeight().getType()), lanes(tile.rows / kLaneRows),
        teams(threads.count() / lanes), decoder(ColumnDecoder::create(weight)) {
    auto zigzag = cast<ZigzagFormatAttr>(weight.getFormat());
    slicesOfBand = zigzag.getBand() / tile.rows;
    Value slice = v.div(threads.group, tile.count);
    firstRow = v.named(v.mul(slice, tile.rows), "first_row");
    firstToken = v.mul(v.rem(threads.group, tile.count), tile.tokens);
    v.named(firstToken, "first_token");
    firstSlice = v.add(
        v.mul(v.div(slice, slicesOfBand), weight.getCols() * slicesOfBand),
        v.rem(slice, slicesOfBand));
    v.named(firstSlice, "first_slice");
    weights = sharedMemory(v, {kColumns, tile.rows + kLinePadding}, v.f32());
    v.named(weights, "weights");
    inputs = sharedMemory(v, {tile.tokens, kColumns + kLinePadding}, v.f32());
    v.named(inputs, "inputs");
    team = v.named(v.div(threads.thread, lanes), "team");
    decoder->open(v, bytes, v.named(v.rem(threads.thread, lanes), "own"));
  }

  void emit() {
    SmallVector<Value> zeros(tokenBlocks() * rowBlocks(),
                             gpu::SubgroupMmaConstantMatrixOp::create(
                                 v.b, v.loc, matrix("COp"), v.constF(0)));
    SmallVector<Value> sums =
        v.loop(v.index(0), v.index(weight.getCols()), kColumns, zeros,
               [&](Value column, ValueRange carried) {
                 stageInputs(column);
                 stageWeights(column);
                 gpu::BarrierOp::create(v.b, v.loc);
                 SmallVector<Value> next = multiply(carried);
                 // Before the next turn, or results, overwrite the tiles.
                 gpu::BarrierOp::create(v.b, v.loc);
                 return next;
               });
    write(sums);
  }

private:
  int64_t tokenBlocks() const { return tile.tokens / kMatrix; }
  /// Of a subgroup.
  int64_t rowBlocks() const { return tile.rows / kMatrix / threads.subgroups; }
  gpu::MMAMatrixType matrix(StringRef operand) {
    return gpu::MMAMatrixType::get({kMatrix, kMatrix}, v.f32(), operand);
  }

  /// Activations of the tokens; of tokens that there are not, those of the
  /// last.
  void stageInputs(Value column) {
    int64_t tokens = cast<ShapedType>(op.getX().getType()).getDimSize(0);
    int64_t cols = weight.getCols();
    v.loop(threads.thread, v.index(tile.tokens * kColumns), threads.count(), {},
           [&](Value at, ValueRange) -> SmallVector<Value> {
             Value token = v.named(v.div(at, kColumns), "token");
             Value offset = v.named(v.rem(at, kColumns), "offset");
             Value from = v.add(firstToken, token);
             if (tokens % tile.tokens)
               from = v.min(from, v.index(tokens - 1));
             Value wanted = v.named(v.add(column, offset), "column");
             Value there =
                 cols % kColumns ? v.min(wanted, v.index(cols - 1)) : wanted;
             Value x = memref::LoadOp::create(v.b, v.loc, op.getX(),
                                              ValueRange{from, there});
             if (x.getType().isBF16())
               x = arith::ExtFOp::create(v.b, v.loc, v.f32(), x);
             if (cols % kColumns)
               x = v.select(less(wanted, cols), x, v.constF(0));
             memref::StoreOp::create(v.b, v.loc, x, inputs,
                                     ValueRange{token, offset});
             return {};
           });
  }

  /// Columns of weights, one by a team; behind the last, that one again.
  void stageWeights(Value column) {
    for (int64_t first = 0; first < kColumns; first += teams) {
      Value line = v.add(team, first);
      Value from = v.add(column, line);
      if (weight.getCols() % kColumns)
        from = v.min(from, v.index(weight.getCols() - 1));
      Value slice = v.add(firstSlice, v.mul(from, slicesOfBand));
      SmallVector<Value> column =
          decoder->multiply(v, slice, v.constF(1), decoder->zeros(v));
      for (LaneRows own : decoder->finish(v, column))
        vector::StoreOp::create(
            v.b, v.loc, own.values, weights, ValueRange{line, own.first},
            /*nontemporal=*/false,
            llvm::MaybeAlign(4 * SimtBuilder::lanes(own.values)));
    }
  }

  /// `sums` with the columns in shared memory. A subgroup has some rows, and
  /// all tokens: [token block][row block].
  SmallVector<Value> multiply(ValueRange sums) {
    SmallVector<Value> next(sums);
    Value rows = ownRows();
    for (int64_t column = 0; column < kColumns; column += kMatrix) {
      SmallVector<Value> left, right;
      for (int64_t token = 0; token < tokenBlocks(); ++token)
        left.push_back(load(inputs, v.index(token * kMatrix), v.index(column),
                            "AOp", "activations"));
      for (int64_t row = 0; row < rowBlocks(); ++row)
        right.push_back(load(weights, v.index(column),
                             v.add(rows, row * kMatrix), "BOp", "columns"));
      for (int64_t token = 0; token < tokenBlocks(); ++token)
        for (int64_t row = 0; row < rowBlocks(); ++row) {
          Value &sum = next[token * rowBlocks() + row];
          sum = gpu::SubgroupMmaComputeOp::create(
              v.b, v.loc, sum.getType(), left[token], right[row], sum,
              /*a_transpose=*/UnitAttr(), /*b_transpose=*/UnitAttr());
        }
    }
    return next;
  }

  /// The first row of the slice that the subgroup multiplies.
  Value ownRows() {
    return v.named(v.mul(threads.subgroup, rowBlocks() * kMatrix), "rows");
  }

  Value load(Value tile, Value line, Value element, StringRef operand,
             StringRef name) {
    int64_t stride = cast<MemRefType>(tile.getType()).getDimSize(1);
    Value loaded = gpu::SubgroupMmaLoadMatrixOp::create(
        v.b, v.loc, matrix(operand), tile, ValueRange{line, element},
        v.b.getIndexAttr(stride), /*transpose=*/UnitAttr());
    return v.named(loaded, name);
  }

  /// Results, as many tokens at a time as the tile of weights has lines: there
  /// all threads see them, and write the rows and tokens that there are.
  void write(ArrayRef<Value> sums) {
    int64_t stride = cast<MemRefType>(weights.getType()).getDimSize(1);
    Value rows = ownRows();
    for (int64_t first = 0; first < tile.tokens; first += kColumns) {
      int64_t lines = std::min(kColumns, tile.tokens - first);
      if (first)
        gpu::BarrierOp::create(v.b, v.loc);
      for (int64_t line = 0; line < lines; line += kMatrix)
        for (int64_t row = 0; row < rowBlocks(); ++row) {
          int64_t token = (first + line) / kMatrix;
          gpu::SubgroupMmaStoreMatrixOp::create(
              v.b, v.loc, sums[token * rowBlocks() + row], weights,
              ValueRange{v.index(line), v.add(rows, row * kMatrix)},
              v.b.getIndexAttr(stride), /*transpose=*/UnitAttr());
        }
      gpu::BarrierOp::create(v.b, v.loc);
      v.loop(threads.thread, v.index(lines * tile.rows), threads.count(), {},
             [&](Value at, ValueRange) -> SmallVector<Value> {
               writeOne(at, first);
               return {};
             });
    }
  }

  void writeOne(Value at, int64_t firstLine) {
    auto type = cast<MemRefType>(op.getInit().getType());
    Value line = v.named(v.div(at, tile.rows), "line");
    Value element = v.named(v.rem(at, tile.rows), "element");
    Value token = v.add(v.add(firstToken, firstLine), line);
    Value row = v.named(v.add(firstRow, element), "row");
    Value isThere =
        v.andI(less(token, type.getDimSize(0)), less(row, type.getDimSize(1)));
    when(v, isThere, [&] {
      Value sum = memref::LoadOp::create(v.b, v.loc, weights,
                                         ValueRange{line, element});
      memref::StoreOp::create(v.b, v.loc, sum, op.getInit(),
                              ValueRange{token, row});
    });
  }

  Value less(Value lhs, int64_t rhs) {
    return arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::ult, lhs,
                                 v.index(rhs));
  }

  SimtBuilder &v;
  MatmulOp op;
  const Threads &threads;
  MatmulTile tile;
  PackedType weight;
  int64_t lanes, teams, slicesOfBand; // of a team; of a workgroup
  std::unique_ptr<ColumnDecoder> decoder;
  Value team, firstRow, firstToken, firstSlice;
  Value weights, inputs; // [column][row] and [token][column], shared
};

LogicalResult lower(MatmulOp op, int64_t width) {
  FailureOr<Value> bytes = columnBytes(op, op.getWeight());
  if (failed(bytes))
    return failure();
  if (!isa<MemRefType>(op.getX().getType()))
    return op->emitOpError("has no GPU kernel for packed activations; allowed: "
                           "f32, bf16");
  OpBuilder builder(op);
  SimtBuilder v(builder, op->getLoc());
  FailureOr<Threads> threads = Threads::of(v, op, width);
  if (failed(threads))
    return failure();
  if (threads->subgroups != kMatmulSubgroups || width != 32)
    return op->emitOpError() << "expected " << kMatmulSubgroups
                             << " subgroups of 32 lanes, but got "
                             << threads->subgroups << " of " << width;
  MatmulKernel(v, op, *bytes, *threads).emit();
  op->erase();
  return success();
}

struct SimtLowerMatmul
    : headrace::simt::impl::SimtLowerMatmulBase<SimtLowerMatmul> {
  using Base::Base;

  void runOnOperation() override {
    WalkResult result = getOperation()->walk([&](MatmulOp op) {
      return failed(lower(op, subgroupWidth)) ? WalkResult::interrupt()
                                              : WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
