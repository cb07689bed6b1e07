//===- LowerRepack.cpp - strips of 16 rows of stored blocks ---------------===//
//
// What has units of 4 bytes is moved 16 bytes of each row at a time, which are
// four lines of the strip: a transposition of 4 by 4 words in each quarter of
// four vectors.
//
//===----------------------------------------------------------------------===//

#include "dialects/QLinear/StripLayout.h"
#include "passes/cpu/Passes.h"
#include "passes/cpu/ProductKernel.h"
#include "passes/cpu/Workgroup.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace headrace::cpu {
#define GEN_PASS_DEF_CPULOWERREPACK
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qlinear;

namespace {

/// Units of a row that are moved together.
constexpr int64_t kTogether = 4;

/// Where the blocks of a matrix lie: rows of blocks, or blocks of several rows
/// side by side.
struct BlockPlaces {
  int64_t blockBytes, blocksPerRow, together;

  explicit BlockPlaces(PackedType type) {
    QuantFormatAttrInterface format = type.getFormat();
    together = 1;
    if (auto repacked = dyn_cast<RepackedFormatAttr>(format)) {
      together = repacked.getInterleavedRows();
      format = repacked.getFormat();
    }
    blockBytes = format.getBlockBytes();
    blocksPerRow = llvm::divideCeil(type.getCols(), format.getBlockCols());
  }
  /// Of a byte of a row, by its offset in the row's blocks. Rows count from the
  /// first of a strip, in which all rows that are side by side lie.
  int64_t at(int64_t row, int64_t offset) const {
    int64_t block = offset / blockBytes, in = offset % blockBytes;
    return row / together * rowsBytes() +
           (block * together + row % together) * blockBytes + in;
  }
  /// Bytes of rows that are side by side.
  int64_t rowsBytes() const { return together * blocksPerRow * blockBytes; }
};

/// One strip, of which `rows` rows are there.
class StripWriter {
public:
  StripWriter(VectorBuilder &v, const BlockPlaces &places,
              const StripLayout &layout, Value source, Value dest, int64_t rows)
      : v(v), places(places), layout(layout), source(source), dest(dest),
        rows(rows) {}

  /// A piece, of which the first `bytes` bytes of a row are there: `from` is
  /// the byte index of its first block in `source`, `to` that of the piece.
  void write(Value from, Value to, int64_t bytes) const {
    int64_t line = 0;
    for (const StripRun &run : layout.runs) {
      int64_t step = run.unit == 4 ? kTogether * run.unit : run.unit;
      for (int64_t done = 0; done < run.bytes; done += step) {
        int64_t size = std::min(step, run.bytes - done);
        SmallVector<Value> lines = run.from + done < bytes
                                       ? linesOf(from, run.from + done, size)
                                       : zeros(size);
        for (Value units : lines) {
          v.store(units, dest, v.add(to, line));
          line += VectorBuilder::lanes(units);
        }
      }
    }
  }

private:
  /// `size` bytes of each row from `offset`, as lines of bytes.
  SmallVector<Value> linesOf(Value from, int64_t offset, int64_t size) const {
    if (size == 2)
      return {lineOf(from, offset, size, v.i16())};
    if (size == 4)
      return {lineOf(from, offset, size, v.i32())};
    SmallVector<Value> words(kTogether);
    for (int64_t quarter = 0; quarter < kTogether; ++quarter) {
      // Rows 4 apart, in the order of the quarters.
      SmallVector<Value> parts;
      for (int64_t row = quarter; row < kStripRows; row += kTogether)
        parts.push_back(load(from, offset, row, size));
      words[quarter] =
          concat(concat(parts[0], parts[1]), concat(parts[2], parts[3]));
    }
    SmallVector<Value> lines = transposed(words);
    lines.resize(size / 4);
    for (Value &line : lines)
      line = v.cast(line, 4 * kStripRows, v.i8());
    return lines;
  }

  /// One unit of each row.
  Value lineOf(Value from, int64_t offset, int64_t size, Type unit) const {
    Value line = v.splat(v.vec(kStripRows, unit), 0);
    for (int64_t row = 0; row < rows; ++row) {
      Value at = v.add(from, places.at(row, offset));
      line = v.insert(v.loadScalarAs(source, at, size, unit), line, row);
    }
    return v.cast(line, kStripRows * size, v.i8());
  }

  /// `size` bytes of a row as words; zeros where there is no row.
  Value load(Value from, int64_t offset, int64_t row, int64_t size) const {
    Value none = v.splat(v.vec(kTogether, v.i32()), 0);
    if (row >= rows)
      return none;
    int64_t words = size / 4;
    Value part = v.loadAs(source, v.add(from, places.at(row, offset)), size,
                          words, v.i32());
    return words == kTogether ? part : v.padZero(part, kTogether);
  }

  Value concat(Value low, Value high) const {
    return v.shuffle(
        low, high,
        llvm::to_vector(llvm::seq<int64_t>(0, 2 * VectorBuilder::lanes(low))));
  }

  /// Word j of quarter q of vector i becomes word i of quarter q of vector j.
  SmallVector<Value> transposed(ArrayRef<Value> words) const {
    Value low01 = interleave(words[0], words[1], 1, 0);
    Value high01 = interleave(words[0], words[1], 1, 1);
    Value low23 = interleave(words[2], words[3], 1, 0);
    Value high23 = interleave(words[2], words[3], 1, 1);
    return {interleave(low01, low23, 2, 0), interleave(low01, low23, 2, 1),
            interleave(high01, high23, 2, 0), interleave(high01, high23, 2, 1)};
  }

  /// `span` words of `a`, then as many of `b`, ..., of half `half` of each
  /// quarter.
  Value interleave(Value a, Value b, int64_t span, int64_t half) const {
    SmallVector<int64_t> mask;
    for (int64_t quarter = 0; quarter < 16; quarter += 4)
      for (int64_t word = 0; word < 2; word += span)
        for (int64_t which : {0, 16})
          for (int64_t i = 0; i < span; ++i)
            mask.push_back(which + quarter + 2 * half + word + i);
    return v.shuffle(a, b, mask);
  }

  SmallVector<Value> zeros(int64_t size) const {
    int64_t line = kStripRows * std::min<int64_t>(size, 4);
    return SmallVector<Value>(kStripRows * size / line,
                              v.splat(v.vec(line, v.i8()), 0));
  }

  VectorBuilder &v;
  BlockPlaces places;
  const StripLayout &layout;
  Value source, dest;
  int64_t rows;
};

/// The pieces of the workgroup's strip, of which `rows` rows are there.
void writeStrip(VectorBuilder &v, PackedType from, PackedType to,
                const StripLayout &layout, Value source, Value dest,
                Value strip, int64_t rows) {
  BlockPlaces places(from);
  StripWriter writer(v, places, layout, source, dest, rows);
  int64_t rowBytes = layout.rowBytes(), pieceBytes = kStripRows * rowBytes;
  int64_t used = places.blocksPerRow * places.blockBytes;
  int64_t whole = used / rowBytes, rest = used % rowBytes;
  Value fromStrip =
      v.mul(strip, kStripRows / places.together * places.rowsBytes());
  Value toStrip = v.mul(strip, (whole + (rest != 0)) * pieceBytes);
  auto write = [&](Value piece, int64_t bytes) {
    writer.write(v.add(fromStrip, v.mul(piece, places.together * rowBytes)),
                 v.add(toStrip, v.mul(piece, pieceBytes)), bytes);
  };
  v.loop(v.index(0), v.index(whole), 1, {},
         [&](Value piece, ValueRange) -> SmallVector<Value> {
           write(piece, rowBytes);
           return {};
         });
  if (rest)
    write(v.index(whole), rest);
}

LogicalResult lower(RepackOp op) {
  auto source = op.getPacked().getDefiningOp<FromBytesOp>();
  auto dest =
      op.getDest() ? op.getDest().getDefiningOp<FromBytesOp>() : FromBytesOp();
  if (!source || !dest)
    return op.emitOpError("expected a matrix and a destination from "
                          "qlinear.from_bytes; run cpu-form-kernels first");
  PackedType from = op.getPacked().getType(), to = op.getPackedType();
  auto strips = dyn_cast<RepackedFormatAttr>(to.getFormat());
  std::optional<StripLayout> layout =
      strips ? strips.getStrips() : std::nullopt;
  if (!layout)
    return op.emitOpError() << "has no CPU kernel for " << to.getFormat()
                            << "; allowed: \"strips16\"";
  if (isa<AffineFormatAttr>(strips.getFormat()))
    return op.emitOpError() << "has no CPU kernel for " << to.getFormat()
                            << "; allowed: strips of GGUF blocks";
  auto before = dyn_cast<RepackedFormatAttr>(from.getFormat());
  if (before && before.getStrips())
    return op.emitOpError() << "has no CPU kernel from " << from.getFormat()
                            << "; allowed: rows of blocks, \"rows4\", "
                               "\"rows8\" and \"rows16\"";
  OpBuilder builder(op);
  VectorBuilder v{builder, op.getLoc()};
  FailureOr<RowRange> range = workgroupRows(v, op, to.getRows());
  if (failed(range))
    return failure();
  Value strip =
      arith::DivUIOp::create(v.b, v.loc, range->first, v.index(kStripRows));
  auto write = [&](int64_t rows) {
    writeStrip(v, from, to, *layout, source.getBytes(), dest.getBytes(), strip,
               rows);
  };
  int64_t whole = to.getRows() / kStripRows, rest = to.getRows() % kStripRows;
  if (rest == 0) {
    write(kStripRows);
  } else if (whole == 0) {
    write(rest);
  } else {
    Value isWhole = arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::ult,
                                          strip, v.index(whole));
    auto branch =
        scf::IfOp::create(v.b, v.loc, isWhole, /*withElseRegion=*/true);
    builder.setInsertionPointToStart(&branch.getThenRegion().front());
    write(kStripRows);
    builder.setInsertionPointToStart(&branch.getElseRegion().front());
    write(rest);
  }
  op.erase();
  return success();
}

struct CpuLowerRepack
    : headrace::cpu::impl::CpuLowerRepackBase<CpuLowerRepack> {
  void runOnOperation() override {
    WalkResult result = getOperation()->walk([](RepackOp op) {
      return failed(lower(op)) ? WalkResult::interrupt()
                               : WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
