//===- LookupKernel.cpp - products by table lookup as vectors -------------===//
//
// The indices of a piece of columns lie together, a row after the other, and
// one shuffle of bytes looks up as many rows as a vector has bytes. What was
// looked up is summed in 16 bits: 256 codes of 8 bits fit. Where the rows of
// the tables are that are assigned is computed first, so that they can be
// fetched ahead as well: they lie far from each other.
//
//===----------------------------------------------------------------------===//

#include "passes/cpu/LookupKernel.h"

#include "passes/cpu/KernelInfo.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qlinear;

namespace {

/// Entries that one shuffle looks up in.
constexpr int64_t kShuffled = 16;
/// Lanes that are stored at once.
constexpr int64_t kLanes = 16;
/// Tiles of rows that take turns.
constexpr int64_t kTiles = 4;
/// Pieces ahead of which memory is fetched, 8 KiB of the indices of 512 rows,
/// to the second-level cache, which waits for more lines than the first, and
/// from there.
constexpr int64_t kAhead = 32;
constexpr int64_t kNear = 4;
constexpr int64_t kLine = 64;

class LookupKernel {
public:
  LookupKernel(VectorBuilder &v, LutMatvecOp op, Value bytes, Shuffle how)
      : v(v), op(op), packed(op.getWeight().getType()),
        format(cast<CodebookFormatAttr>(packed.getFormat())), bytes(bytes),
        how(how), pieces(packed.getPaddedCols() / format.getDim()),
        bits(format.getIndexBits()), perByte(8 / bits),
        layout(
            format.getLayout(packed.getPaddedRows(), packed.getPaddedCols())),
        tile(lookupTileRows(format)), tileBytes(tile / perByte),
        chunks(llvm::divideCeil(tileBytes, how.bytes)),
        wide(std::min(chunks, how.mostSums / chunkSums())) {
    // 257 codes of 255 are the most that 16 bits hold. Indices that do not fit
    // into registers at once, or many tables, are to stay in the first-level
    // cache, and are fetched while those before them are added.
    bool once = wide == chunks;
    period = format.getEntries() > kShuffled ? 64 : once ? 256 : 128;
    ahead = once ? kAhead : period;
  }

  void emit(const RowRange &rows) {
    allocate();
    auto type = cast<MemRefType>(op.getInit().getType());
    int64_t tokens = type.getRank() == 2 ? type.getDimSize(0) : 1;
    v.loop(rows.first, rows.last, kTiles * tile, {},
           [&](Value row, ValueRange) -> SmallVector<Value> {
             Value last = v.min(v.add(row, kTiles * tile), rows.last);
             v.loop(v.index(0), v.index(tokens), 1, {},
                    [&](Value token, ValueRange) -> SmallVector<Value> {
                      forEachTile(row, last, [&](Value) { clear(); });
                      addPieces(token, row, last);
                      forEachTile(row, last, [&](Value first) {
                        finish(token, first, last);
                      });
                      return {};
                    });
             return {};
           });
  }

private:
  int64_t sumLanes() const { return how.bytes / 2; }
  /// Vectors of sums of a chunk of indices: even and odd bytes of each shift.
  int64_t chunkSums() const { return 2 * perByte; }

  void allocate() {
    OpBuilder::InsertionGuard guard(v.b);
    Block &entry = op->getParentOfType<func::FuncOp>().getBody().front();
    v.b.setInsertionPointToStart(&entry);
    auto buffer = [&](ArrayRef<int64_t> shape, Type type) -> Value {
      return memref::AllocaOp::create(v.b, v.loc, MemRefType::get(shape, type),
                                      v.b.getI64IntegerAttr(kLine));
    };
    sums = buffer({kTiles, chunks * chunkSums(), sumLanes()}, v.i32());
    tableRows = buffer({period + ahead}, v.b.getIndexType());
  }

  void forEachTile(Value firstRow, Value lastRow,
                   function_ref<void(Value)> body) {
    v.loop(firstRow, lastRow, tile, {},
           [&](Value row, ValueRange) -> SmallVector<Value> {
             number = arith::DivUIOp::create(v.b, v.loc, v.sub(row, firstRow),
                                             v.index(tile));
             body(row);
             return {};
           });
  }

  void clear() {
    Value zero = v.splat(v.vec(sumLanes(), v.i32()), 0);
    for (int64_t i = 0; i < chunks * chunkSums(); ++i)
      v.store(zero, sums, sumAt(v.index(i)));
  }

  /// Sums of all pieces, for one token. A line of tables of some pieces serves
  /// one tile after the other while it is in a cache.
  void addPieces(Value token, Value firstRow, Value lastRow) {
    v.loop(v.index(0), v.index(pieces), period, {},
           [&](Value first, ValueRange) -> SmallVector<Value> {
             Value left = v.sub(v.index(pieces), first);
             Value count = v.min(left, v.index(period));
             listTableRows(token, first, v.add(count, ahead));
             forEachTile(firstRow, lastRow,
                         [&](Value row) { addPeriod(row, first, count); });
             return {};
           });
  }

  void addPeriod(Value row, Value first, Value count) {
    Value group =
        arith::DivUIOp::create(v.b, v.loc, row, v.index(format.getGroup()));
    Value inGroup = v.sub(row, v.mul(group, format.getGroup()));
    Value skipped =
        arith::DivUIOp::create(v.b, v.loc, inGroup, v.index(perByte));
    Value tables = at(layout.tables, group, v.index(0));
    Value indices = v.add(at(layout.indices, group, first), skipped);
    int64_t strip = wide * how.bytes, whole = tileBytes / strip;
    v.loop(v.index(0), v.index(whole), 1, {},
           [&](Value i, ValueRange) -> SmallVector<Value> {
             addStrip(tables, indices, count, v.mul(i, wide), strip);
             return {};
           });
    if (tileBytes % strip)
      addStrip(tables, indices, count, v.index(whole * wide),
               tileBytes % strip);
  }

  Value at(const CodebookPart &part, Value group, Value piece) {
    return v.add(
        v.add(v.mul(group, part.perGroup), v.mul(piece, part.perPiece)),
        part.first);
  }

  /// Where the rows of tables are that are assigned to a token, for `count`
  /// pieces from `first`, in the tables of a group; behind the last, that one.
  void listTableRows(Value token, Value first, Value count) {
    auto type = cast<MemRefType>(op.getAssignment().getType());
    auto constant = [&](int64_t value) -> Value {
      return arith::ConstantIntOp::create(v.b, v.loc, value, 32);
    };
    v.loop(v.index(0), count, 1, {},
           [&](Value i, ValueRange) -> SmallVector<Value> {
             Value piece = v.min(v.add(first, i), v.index(pieces - 1));
             SmallVector<Value> where;
             if (type.getRank() == 2)
               where.push_back(token);
             where.push_back(piece);
             Value assigned =
                 memref::LoadOp::create(v.b, v.loc, op.getAssignment(), where);
             assigned =
                 arith::MaxSIOp::create(v.b, v.loc, assigned, constant(0));
             assigned = arith::MinSIOp::create(
                 v.b, v.loc, assigned,
                 constant(format.getActivationEntries() - 1));
             Value row = arith::IndexCastOp::create(
                 v.b, v.loc, v.b.getIndexType(), assigned);
             Value place = v.add(v.mul(row, layout.tables.perActivation),
                                 v.mul(piece, layout.tables.perPiece));
             memref::StoreOp::create(v.b, v.loc, place, tableRows, i);
             return {};
           });
  }

  Value tableRow(Value tables, Value piece) {
    return v.add(tables, memref::LoadOp::create(v.b, v.loc, tableRows, piece));
  }

  /// Adds `count` pieces to the sums of the `size` bytes of indices from
  /// `chunk`.
  void addStrip(Value tables, Value indices, Value count, Value chunk,
                int64_t size) {
    int64_t some = llvm::divideCeil(size, how.bytes);
    Value zero = v.splat(v.vec(sumLanes(), v.i16()), 0);
    SmallVector<Value> state(some * chunkSums(), zero);
    Value skipped = v.mul(chunk, how.bytes);
    Value strip = v.add(indices, skipped);
    // Where indices follow each other, in the order in which they lie.
    bool inOrder = layout.indices.perPiece == tileBytes;
    Value later = v.add(indices, ahead * layout.indices.perPiece);
    later = v.add(later, inOrder ? v.mul(skipped, period) : skipped);
    state =
        v.loop(v.index(0), count, 1, state, [&](Value i, ValueRange carried) {
          Value along = v.mul(i, layout.indices.perPiece);
          Value from = v.add(strip, along);
          fetch(tableRow(tables, v.add(i, ahead)), rowBytes(), 2);
          fetch(v.add(from, kNear * layout.indices.perPiece), size, 3);
          fetch(v.add(later, inOrder ? v.mul(i, size) : along), size, 2);
          SmallVector<Value> table = loadTable(tableRow(tables, i));
          SmallVector<Value> next;
          for (int64_t c = 0; c < some; ++c) {
            Value packedIndices = loadIndices(from, c * how.bytes, size);
            for (int64_t part = 0; part < perByte; ++part) {
              Value index = v.shr(packedIndices, part * bits);
              if (bits < 8)
                index = v.andI(index, format.getEntries() - 1);
              // Sums of neighbours as one number of 16 bits, and of the upper
              // ones alone, which are taken off at the end.
              Value both = v.cast(lookUp(table, index), sumLanes(), v.i16());
              next.push_back(v.add(carried[next.size()], both));
              next.push_back(v.add(carried[next.size()], v.shr(both, 8)));
            }
          }
          return next;
        });
    for (int64_t i = 0; i < some * perByte; ++i) {
      Value upper = state[2 * i + 1];
      Value lower = v.sub(state[2 * i], v.shl(upper, 8));
      Value first = v.add(v.mul(chunk, chunkSums()),
                          i / perByte * chunkSums() + i % perByte);
      addTo(first, lower);
      addTo(v.add(first, perByte), upper);
    }
  }

  SmallVector<Value> sumAt(Value which) { return {number, which, v.index(0)}; }

  void addTo(Value which, Value added) {
    SmallVector<Value> where = sumAt(which);
    Value sum = v.load(sums, where, sumLanes());
    v.store(v.add(sum, v.extU(added, v.i32())), sums, where);
  }

  int64_t rowBytes() const {
    return format.getTableBytes() / format.getActivationEntries();
  }

  /// A row of codes as bytes, 16 at a time, repeated to the width of the
  /// shuffle.
  SmallVector<Value> loadTable(Value row) {
    SmallVector<int64_t> lanes;
    for (int64_t lane = 0; lane < how.bytes; ++lane)
      lanes.push_back(lane % kShuffled);
    bool narrow = format.getTable() == TableKind::I4;
    int64_t most = narrow ? kShuffled / 2 : kShuffled;
    SmallVector<Value> tables;
    for (int64_t first = 0; first < rowBytes(); first += most) {
      Value codes =
          v.load(bytes, v.add(row, first), std::min(most, rowBytes() - first));
      if (narrow)
        codes = vector::InterleaveOp::create(v.b, v.loc, v.andI(codes, 15),
                                             v.shr(codes, 4));
      tables.push_back(v.shuffle(v.padZero(codes, kShuffled), lanes));
    }
    return tables;
  }

  /// A vector of indices, of those of a strip behind the first `skipped` bytes.
  Value loadIndices(Value strip, int64_t skipped, int64_t size) {
    int64_t count = std::min(how.bytes, size - skipped);
    return v.padZero(v.load(bytes, v.add(strip, skipped), count), how.bytes);
  }

  /// Fetches all lines of some bytes.
  void fetch(Value first, int64_t count, uint32_t locality) {
    for (int64_t skipped = 0; skipped < count; skipped += kLine)
      v.prefetch(bytes, v.add(first, skipped), locality);
    if (!format.getSplit()) // which is not aligned
      v.prefetch(bytes, v.add(first, count - 1), locality);
  }

  Value lookUp(ArrayRef<Value> tables, Value index) {
    if (tables.size() == 1)
      return shuffle(tables[0], index);
    Value low = v.andI(index, kShuffled - 1), high = v.shr(index, 4);
    Value found = shuffle(tables[0], low);
    for (auto [number, table] : llvm::enumerate(tables)) {
      if (number == 0)
        continue;
      Value here = arith::CmpIOp::create(
          v.b, v.loc, arith::CmpIPredicate::eq, high,
          v.splat(v.vec(how.bytes, v.i8()), static_cast<double>(number)));
      found = v.select(here, shuffle(table, low), found);
    }
    return found;
  }

  Value shuffle(Value table, Value index) {
    if (!how.intrinsic.empty())
      return LLVM::CallIntrinsicOp::create(v.b, v.loc, table.getType(),
                                           v.b.getStringAttr(how.intrinsic),
                                           ValueRange{table, index})
          .getResult(0);
    Value found = v.splat(v.vec(how.bytes, v.i8()), 0);
    for (int64_t lane = 0; lane < how.bytes; ++lane) {
      Value number = arith::IndexCastUIOp::create(
          v.b, v.loc, v.b.getIndexType(), v.extract(index, lane));
      Value code = vector::ExtractOp::create(v.b, v.loc, table, number);
      found = v.insert(code, found, lane);
    }
    return found;
  }

  /// scale * sum + P * offset, in the order of the rows.
  void finish(Value token, Value row, Value lastRow) {
    Value scale = v.loadScalarAs(bytes, v.index(0), 4, v.f32());
    Value offset = v.loadScalarAs(bytes, v.index(4), 4, v.f32());
    Value offsets = v.broadcast(
        v.mulf(offset, v.constF(static_cast<double>(pieces))), sumLanes());
    scale = v.broadcast(scale, sumLanes());
    Value end = v.min(v.add(row, tile), lastRow);
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      SmallVector<Value> parts;
      for (int64_t i = 0; i < chunkSums(); ++i) {
        SmallVector<Value> where = sumAt(v.index(chunk * chunkSums() + i));
        Value sum = v.toFloat(v.load(sums, where, sumLanes()));
        parts.push_back(v.addf(v.mulf(scale, sum), offsets));
      }
      while (parts.size() > 1) {
        SmallVector<Value> merged;
        for (size_t i = 0, half = parts.size() / 2; i < half; ++i)
          merged.push_back(vector::InterleaveOp::create(v.b, v.loc, parts[i],
                                                        parts[i + half]));
        parts = std::move(merged);
      }
      Value first = v.add(row, chunk * how.bytes * perByte);
      for (int64_t lane = 0; lane < how.bytes * perByte; lane += kLanes)
        if (chunk * how.bytes * perByte + lane < tile)
          storeRows(parts[0], lane, token, v.add(first, lane), end);
    }
  }

  void storeRows(Value results, int64_t lane, Value token, Value row,
                 Value end) {
    SmallVector<Value> where;
    if (cast<MemRefType>(op.getInit().getType()).getRank() == 2)
      where.push_back(token);
    where.push_back(row);
    SmallVector<int64_t> lanes =
        llvm::to_vector(llvm::seq(lane, lane + kLanes));
    Value stored = v.shuffle(results, lanes);
    if (tile % kLanes == 0 && packed.getRows() % tile == 0)
      return v.store(stored, op.getInit(), where);
    // Past the end the count is negative, which create_mask takes for none.
    Value mask = vector::CreateMaskOp::create(
        v.b, v.loc, v.vec(kLanes, v.b.getI1Type()), v.sub(end, row));
    vector::MaskedStoreOp::create(v.b, v.loc, op.getInit(), where, mask,
                                  stored);
  }

  VectorBuilder &v;
  LutMatvecOp op;
  PackedType packed;
  CodebookFormatAttr format;
  Value bytes;
  Shuffle how;
  int64_t pieces;
  int64_t bits, perByte; // of an index; indices in a byte
  CodebookLayout layout;
  int64_t tile, tileBytes;       // rows, and bytes of their indices
  int64_t chunks, wide;          // vectors of indices of a tile, and at once
  int64_t period = 0, ahead = 0; // pieces that are summed in 16 bits, fetched
  Value sums, tableRows;
  Value number; // of the tile, among those that are summed together
};

} // namespace

void headrace::cpu::emitLookup(VectorBuilder &v, LutMatvecOp op, Value bytes,
                               const Shuffle &how, const RowRange &rows) {
  LookupKernel(v, op, bytes, how).emit(rows);
}
