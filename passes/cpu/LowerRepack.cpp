//===- LowerRepack.cpp - strips of 16 rows of stored blocks ---------------===//
//
// What has units of 4 bytes is moved 16 bytes of each row at a time, which are
// four lines of the strip: a transposition of 4 by 4 words in each quarter of
// four vectors.
//
//===----------------------------------------------------------------------===//

#include "dialects/QLinear/StripLayout.h"
#include "passes/cpu/BlockPlaces.h"
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

/// One strip, of which `rows` rows are there.
class StripWriter {
public:
  StripWriter(VectorBuilder &v, const BlockPlaces &places,
              const StripLayout &layout, Value source, Value dest, Value from,
              int64_t rows)
      : v(v), places(places), layout(layout), source(source), dest(dest),
        from(from), rows(rows) {}

  /// Writes piece `piece` to byte `to`; the first `bytes` bytes of the blocks
  /// of a row are there.
  void write(Value piece, Value to, int64_t bytes) const {
    int64_t line = 0;
    for (const StripRun &run : layout.runs) {
      int64_t step = run.unit == 4 ? kTogether * run.unit : run.unit;
      for (int64_t done = 0; done < run.bytes; done += step) {
        int64_t size = std::min(step, run.bytes - done);
        SmallVector<Value> lines = run.from + done < bytes
                                       ? linesOf(piece, run.from + done, size)
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
  SmallVector<Value> linesOf(Value piece, int64_t offset, int64_t size) const {
    if (size == 1)
      return {lineOf(piece, offset, size, v.i8())};
    if (size == 2)
      return {lineOf(piece, offset, size, v.i16())};
    if (size == 4)
      return {lineOf(piece, offset, size, v.i32())};
    SmallVector<Value> words(kTogether);
    for (int64_t quarter = 0; quarter < kTogether; ++quarter) {
      // Rows 4 apart, in the order of the quarters.
      SmallVector<Value> parts;
      for (int64_t row = quarter; row < kStripRows; row += kTogether)
        parts.push_back(load(piece, offset, row, size));
      words[quarter] =
          concat(concat(parts[0], parts[1]), concat(parts[2], parts[3]));
    }
    if (layout.splitsNibbles)
      for (Value &rowsOfQuarters : words)
        rowsOfQuarters = splitNibbles(rowsOfQuarters);
    SmallVector<Value> lines = transposed(words);
    lines.resize(size / 4);
    for (Value &line : lines)
      line = v.cast(line, 4 * kStripRows, v.i8());
    return lines;
  }

  /// One unit of each row.
  Value lineOf(Value piece, int64_t offset, int64_t size, Type unit) const {
    Value line = v.splat(v.vec(kStripRows, unit), 0);
    for (int64_t row = 0; row < rows; ++row) {
      Value at = place(piece, row, offset);
      line = v.insert(v.loadScalarAs(source, at, size, unit), line, row);
    }
    return v.cast(line, kStripRows * size, v.i8());
  }

  /// `size` bytes of a row as words; zeros where there is no row.
  Value load(Value piece, int64_t offset, int64_t row, int64_t size) const {
    Value none = v.splat(v.vec(kTogether, v.i32()), 0);
    if (row >= rows)
      return none;
    int64_t words = size / 4;
    Value part =
        v.loadAs(source, place(piece, row, offset), size, words, v.i32());
    return words == kTogether ? part : v.padZero(part, kTogether);
  }

  Value place(Value piece, int64_t row, int64_t offset) const {
    return places.at(v, from, piece, layout.rowBytes(), row, offset);
  }

  /// Of 16 bytes in each quarter, byte j has columns 2j and 2j + 1; they become
  /// columns j and j + 16.
  Value splitNibbles(Value words) const {
    Value bytes = v.cast(words, 4 * kStripRows, v.i8());
    auto twice = [&](int64_t half) {
      SmallVector<int64_t> mask;
      for (int64_t quarter = 0; quarter < 64; quarter += 16)
        for (int64_t i = 0; i < 8; ++i)
          mask.append(2, quarter + 8 * half + i);
      return v.cast(v.shuffle(bytes, mask), 2 * kStripRows, v.i16());
    };
    Value low = twice(0), high = twice(1);
    Value lows = v.orI(v.andI(low, 0x000f), v.andI(v.shr(low, 4), 0x0f00));
    Value highs = v.orI(v.andI(v.shl(high, 4), 0x00f0), v.andI(high, -0x1000));
    return v.cast(v.orI(lows, highs), kStripRows, v.i32());
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
  Value from; // byte index of the first row
  int64_t rows;
};

/// The pieces of the workgroup's strip, of which `rows` rows are there.
void writeStrip(VectorBuilder &v, PackedType from, PackedType to,
                const StripLayout &layout, Value source, Value dest,
                Value strip, int64_t rows) {
  BlockPlaces places(from);
  Value fromStrip = v.mul(strip, kStripRows * places.rowBytes());
  StripWriter writer(v, places, layout, source, dest, fromStrip, rows);
  int64_t rowBytes = layout.rowBytes(), pieceBytes = kStripRows * rowBytes;
  int64_t whole = places.rowBytes() / rowBytes;
  int64_t rest = places.rowBytes() % rowBytes;
  Value toStrip = v.mul(strip, (whole + (rest != 0)) * pieceBytes);
  auto write = [&](Value piece, int64_t bytes) {
    writer.write(piece, v.add(toStrip, v.mul(piece, pieceBytes)), bytes);
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
  auto before = dyn_cast<RepackedFormatAttr>(from.getFormat());
  if (before && before.getStrips())
    return op.emitOpError() << "has no CPU kernel from " << from.getFormat()
                            << "; allowed: rows of blocks, \"rows4\", "
                               "\"rows8\" and \"rows16\"";
  if (before && isa<PlainFormatAttr>(before.getFormat()))
    return op.emitOpError() << "has no CPU kernel from " << from.getFormat()
                            << ", whose blocks are single values; allowed: "
                            << before.getFormat();
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
