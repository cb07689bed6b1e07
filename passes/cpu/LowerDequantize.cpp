//===- LowerDequantize.cpp - decoding of whole matrices as vectors --------===//

#include "passes/cpu/BlockDecoder.h"
#include "passes/cpu/FloatStrips.h"
#include "passes/cpu/Passes.h"
#include "passes/cpu/ProductKernel.h"
#include "passes/cpu/StripDecoder.h"
#include "passes/cpu/Transpose.h"
#include "passes/cpu/Workgroup.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace headrace::cpu {
#define GEN_PASS_DEF_CPULOWERDEQUANTIZE
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qlinear;

namespace {

/// Rows of GGUF blocks: a piece of 256 columns at a time.
void decodeRow(VectorBuilder &v, const BlockDecoder &decoder, PackedType type,
               Value bytes, Value row, Value out) {
  Value base = v.mul(row, type.getBlockRowBytes());
  auto decode = [&](Value index, int64_t groups) {
    Piece piece = decoder.open(v, bytes, base, index, groups);
    Value col = v.mul(index, kPieceCols);
    for (int64_t atom = 0; atom < 2 * groups; ++atom)
      v.store(decoder.weights(v, piece, atom), out,
              {row, v.add(col, 16 * atom)});
  };
  int64_t whole = type.getCols() / kPieceCols;
  int64_t rest = type.getCols() % kPieceCols / 32;
  v.loop(v.index(0), v.index(whole), 1, {},
         [&](Value index, ValueRange) -> SmallVector<Value> {
           decode(index, 8);
           return {};
         });
  if (rest)
    decode(v.index(whole), rest);
}

/// The columns of a piece of a strip, a vector of its rows each, to `columns`
/// [column, row].
void decodePiece(VectorBuilder &v, const StripDecoder &decoder,
                 const StripPiece &piece, Value columns) {
  for (int64_t chunk = 0; chunk < decoder.chunks(); ++chunk) {
    SmallVector<Value> scales, offsets, zeros;
    for (int64_t i = 0; i < decoder.chunkGroups(); ++i) {
      int64_t group = decoder.groupOf(chunk, i);
      if (group * decoder.groupCols() >= piece.cols)
        break;
      scales.push_back(decoder.scale(v, piece, group));
      if (decoder.hasOwnZeros())
        zeros.push_back(decoder.zeros(v, piece, group));
      else if (decoder.hasOffsets())
        offsets.push_back(decoder.offset(v, piece, group));
    }
    if (scales.empty())
      continue;
    Value index = v.index(chunk), first = decoder.firstCol(v, index);
    for (const StripWord &word :
         decoder.chunk(v, piece, index, static_cast<int64_t>(scales.size())))
      for (int64_t byte = 0; byte < 4; ++byte) {
        Value integers = decoder.integers(v, word, byte);
        if (!zeros.empty())
          integers = v.sub(integers, zeros[word.group]);
        Value weights = v.mulf(v.toFloat(integers), scales[word.group]);
        if (!offsets.empty())
          weights = v.addf(weights, offsets[word.group]);
        v.store(weights, columns, {v.add(first, word.col + byte), v.index(0)});
      }
  }
}

/// The rows of a strip, a piece at a time.
void decodeStrip(VectorBuilder &v, const StripDecoder &decoder, PackedType type,
                 Value bytes, Value row, Value out, Value columns) {
  int64_t cols = decoder.pieceCols();
  Value base = v.mul(row, type.getBlockRowBytes() / kStripRows);
  Value rows = v.min(v.index(kStripRows), v.sub(v.index(type.getRows()), row));
  auto decode = [&](Value index, int64_t count) {
    Value at = v.add(base, v.mul(index, decoder.pieceBytes()));
    decodePiece(v, decoder, decoder.open(v, bytes, at, count), columns);
    Value first = v.mul(index, cols);
    auto copyRow = [&](Value r, ValueRange) -> SmallVector<Value> {
      auto copy = [&](Value col, ValueRange) -> SmallVector<Value> {
        Value weight =
            memref::LoadOp::create(v.b, v.loc, columns, ValueRange{col, r});
        memref::StoreOp::create(v.b, v.loc, weight, out,
                                ValueRange{v.add(row, r), v.add(first, col)});
        return {};
      };
      v.loop(v.index(0), v.index(count), 1, {}, copy);
      return {};
    };
    v.loop(v.index(0), rows, 1, {}, copyRow);
  };
  int64_t whole = type.getCols() / cols, rest = type.getCols() % cols;
  v.loop(v.index(0), v.index(whole), 1, {},
         [&](Value index, ValueRange) -> SmallVector<Value> {
           decode(index, cols);
           return {};
         });
  if (rest)
    decode(v.index(whole), rest);
}

/// The rows of a strip of bf16, 16 columns at a time, by way of `rows`
/// [row, column].
void decodeFloatStrip(VectorBuilder &v, PackedType type, Value bytes, Value row,
                      Value out, Value rows) {
  Value base = v.mul(row, type.getBlockRowBytes() / kStripRows);
  Value count = v.min(v.index(kStripRows), v.sub(v.index(type.getRows()), row));
  v.loop(v.index(0), v.index(type.getCols()), 16, {},
         [&](Value col, ValueRange) -> SmallVector<Value> {
           SmallVector<Value> lanes;
           for (int64_t i = 0; i < 16; i += 2) {
             Value at = v.mul(v.add(col, i), kLineBytes / 2), halves[2];
             splitPairs(v, loadPairs(v, bytes, v.add(base, at)), halves);
             lanes.append({halves[0], halves[1]});
           }
           transpose16(v, lanes);
           for (auto [r, weights] : llvm::enumerate(lanes))
             v.store(weights, rows, {v.index(r), v.index(0)});
           v.loop(v.index(0), count, 1, {},
                  [&](Value r, ValueRange) -> SmallVector<Value> {
                    v.store(v.load(rows, {r, v.index(0)}, 16), out,
                            {v.add(row, r), col});
                    return {};
                  });
           return {};
         });
}

/// Rows of 16-bit floats, whose columns are a multiple of 16.
void decodeFloatRow(VectorBuilder &v, PackedType type, Value bytes, Value row,
                    Value out) {
  bool isBF16 =
      cast<PlainFormatAttr>(type.getFormat()).getKind() == PlainKind::BF16;
  Type element = isBF16 ? v.b.getBF16Type() : v.b.getF16Type();
  Value base = v.mul(row, type.getBlockRowBytes());
  v.loop(v.index(0), v.index(type.getCols()), 16, {},
         [&](Value col, ValueRange) -> SmallVector<Value> {
           Value at = v.add(base, v.mul(col, 2));
           v.store(v.extF(v.loadAs(bytes, at, 32, 16, element)), out,
                   {row, col});
           return {};
         });
}

/// One row of q4nx, a column at a time: neighbours of a row are 8 bytes apart,
/// so there is nothing to gain from vectors.
void decodeQ4NXRow(VectorBuilder &v, PackedType type, Value bytes, Value row,
                   Value out) {
  auto div = [&](Value lhs, int64_t rhs) -> Value {
    return arith::DivUIOp::create(v.b, v.loc, lhs, v.index(rhs));
  };
  auto rem = [&](Value lhs, int64_t rhs) -> Value {
    return arith::RemUIOp::create(v.b, v.loc, lhs, v.index(rhs));
  };
  Value base = v.mul(div(row, 32), type.getBlockRowBytes());
  Value r = rem(row, 32);
  Value nibbleRow = v.add(v.mul(div(r, 16), 2048), div(rem(r, 16), 2));
  Value shift =
      arith::IndexCastOp::create(v.b, v.loc, v.i32(), v.mul(rem(r, 2), 4));
  auto number = [&](Value at) -> Value {
    Value half = v.loadScalarAs(bytes, at, 2, v.b.getBF16Type());
    return arith::ExtFOp::create(v.b, v.loc, v.f32(), half);
  };
  v.loop(v.index(0), v.index(type.getCols() / 32), 1, {},
         [&](Value group, ValueRange) -> SmallVector<Value> {
           Value block = v.add(base, v.mul(div(group, 8), 5120));
           Value inBlock = rem(group, 8);
           Value at = v.add(block, v.add(v.mul(inBlock, 64), v.mul(r, 2)));
           Value scale = number(at), min = number(v.add(at, 512));
           Value quants =
               v.add(v.add(block, v.mul(inBlock, 256)), v.add(nibbleRow, 1024));
           v.loop(v.index(0), v.index(32), 1, {},
                  [&](Value lane, ValueRange) -> SmallVector<Value> {
                    Value byte = memref::LoadOp::create(
                        v.b, v.loc, bytes,
                        ValueRange{v.add(quants, v.mul(lane, 8))});
                    Value q = arith::ExtUIOp::create(v.b, v.loc, v.i32(), byte);
                    q = v.andI(v.shr(q, shift), 15);
                    q = arith::SIToFPOp::create(v.b, v.loc, v.f32(), q);
                    Value weight = v.addf(v.mulf(scale, q), min);
                    memref::StoreOp::create(
                        v.b, v.loc, weight, out,
                        ValueRange{row, v.add(v.mul(group, 32), lane)});
                    return {};
                  });
           return {};
         });
}

struct CpuLowerDequantize
    : headrace::cpu::impl::CpuLowerDequantizeBase<CpuLowerDequantize> {
  void runOnOperation() override {
    WalkResult result = getOperation()->walk([](DequantizeOp op) {
      return failed(lower(op)) ? WalkResult::interrupt()
                               : WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }

private:
  static LogicalResult lower(DequantizeOp op) {
    auto view = op.getPacked().getDefiningOp<FromBytesOp>();
    if (!view)
      return op.emitOpError("expected a matrix from qlinear.from_bytes; run "
                            "cpu-form-kernels first");
    PackedType type = op.getPacked().getType();
    auto decoder = BlockDecoder::create(type);
    auto strips = StripDecoder::create(type);
    bool floats =
        isa<PlainFormatAttr>(type.getFormat()) && type.getCols() % 16 == 0;
    bool floatStrips = isFloatStrips(type);
    if (!decoder && !strips && !floats && !floatStrips &&
        !isa<Q4NXFormatAttr>(type.getFormat()))
      return op.emitOpError() << "has no CPU kernel for " << type.getFormat();
    OpBuilder builder(op);
    VectorBuilder v{builder, op.getLoc()};
    FailureOr<RowRange> range = workgroupRows(v, op, type.getRows());
    if (failed(range))
      return failure();
    Value columns;
    if (strips || floatStrips)
      columns = memref::AllocaOp::create(
          v.b, v.loc,
          MemRefType::get({strips ? strips->pieceCols() : 16, kStripRows},
                          v.f32()),
          v.b.getI64IntegerAttr(kCacheLine));
    v.loop(range->first, range->last, strips || floatStrips ? kStripRows : 1,
           {}, [&](Value row, ValueRange) -> SmallVector<Value> {
             if (strips)
               decodeStrip(v, *strips, type, view.getBytes(), row, op.getInit(),
                           columns);
             else if (floatStrips)
               decodeFloatStrip(v, type, view.getBytes(), row, op.getInit(),
                                columns);
             else if (decoder)
               decodeRow(v, *decoder, type, view.getBytes(), row, op.getInit());
             else if (floats)
               decodeFloatRow(v, type, view.getBytes(), row, op.getInit());
             else
               decodeQ4NXRow(v, type, view.getBytes(), row, op.getInit());
             return {};
           });
    op.erase();
    return success();
  }
};

} // namespace
