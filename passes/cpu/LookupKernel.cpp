//===- LookupKernel.cpp - products by table lookup as vectors -------------===//
//
// The indices of a piece of columns lie together, a row after the other, and
// one shuffle of bytes looks up as many rows as a vector has bytes. What was
// looked up is summed in 16 bits: 256 codes of 8 bits fit. The rows of the
// tables that are assigned lie far from each other; they are copied together
// first, so that many of them are on their way from memory at once.
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
/// Pieces ahead of which indices are fetched: 8 KiB of 512 rows.
constexpr int64_t kAhead = 32;
/// To the second-level cache, which waits for more lines than the first.
constexpr uint32_t kLocality = 2;
constexpr int64_t kLine = 64;

class LookupKernel {
public:
  LookupKernel(VectorBuilder &v, LutMatvecOp op, Value bytes, Shuffle how)
      : v(v), op(op), packed(op.getWeight().getType()),
        format(cast<CodebookFormatAttr>(packed.getFormat())), bytes(bytes),
        how(how), pieces(packed.getPaddedCols() / format.getDim()),
        bits(format.getIndexBits()), perByte(8 / bits),
        entries(std::max(format.getEntries(), kShuffled)),
        layout(
            format.getLayout(packed.getPaddedRows(), packed.getPaddedCols())),
        tile(lookupTileRows(format)), tileBytes(tile / perByte),
        chunks(llvm::divideCeil(tileBytes, how.bytes)),
        // 257 codes of 255 are the most that 16 bits hold.
        period(format.getEntries() > kShuffled ? 64 : 256) {}

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
    tableRows = buffer({period, entries}, v.i8());
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
      v.store(zero, sums, sumAt(i));
  }

  /// Sums of all pieces, for one token. The rows of tables of some pieces serve
  /// one tile after the other while they are in a cache.
  void addPieces(Value token, Value firstRow, Value lastRow) {
    v.loop(v.index(0), v.index(pieces), period, {},
           [&](Value first, ValueRange) -> SmallVector<Value> {
             Value left = v.sub(v.index(pieces), first);
             Value count = v.min(left, v.index(period));
             forEachTile(firstRow, lastRow, [&](Value row) {
               addPeriod(token, row, first, count);
             });
             return {};
           });
  }

  void addPeriod(Value token, Value row, Value first, Value count) {
    Value group =
        arith::DivUIOp::create(v.b, v.loc, row, v.index(format.getGroup()));
    Value inGroup = v.sub(row, v.mul(group, format.getGroup()));
    Value tables = at(layout.tables, group, v.index(0));
    v.loop(v.index(0), count, 1, {},
           [&](Value i, ValueRange) -> SmallVector<Value> {
             copyRow(v.add(tables, chosenRow(token, v.add(first, i))), i);
             return {};
           });
    Value skipped =
        arith::DivUIOp::create(v.b, v.loc, inGroup, v.index(perByte));
    Value indices = v.add(at(layout.indices, group, first), skipped);
    int64_t wide = how.mostSums / chunkSums();
    for (int64_t chunk = 0; chunk < chunks; chunk += wide)
      addChunks(
          indices, count, chunk, std::min(wide, chunks - chunk), [&](Value i) {
            if (chunk > 0)
              return;
            fetchIndices(v.add(indices, v.mul(i, layout.indices.perPiece)));
            if (!format.getSplit())
              return; // Nothing is gained: strides are all that memory gives.
            // What is copied for the next pieces.
            Value later =
                v.min(v.add(v.add(first, i), period), v.index(pieces - 1));
            v.prefetch(bytes, v.add(tables, chosenRow(token, later)),
                       kLocality);
          });
  }

  Value at(const CodebookPart &part, Value group, Value piece) {
    return v.add(
        v.add(v.mul(group, part.perGroup), v.mul(piece, part.perPiece)),
        part.first);
  }

  /// Where the codes that are assigned to a token are, in its row of tables.
  Value chosenRow(Value token, Value piece) {
    auto type = cast<MemRefType>(op.getAssignment().getType());
    SmallVector<Value> where;
    if (type.getRank() == 2)
      where.push_back(token);
    where.push_back(piece);
    Value assigned =
        memref::LoadOp::create(v.b, v.loc, op.getAssignment(), where);
    auto constant = [&](int64_t value) -> Value {
      return arith::ConstantIntOp::create(v.b, v.loc, value, 32);
    };
    assigned = arith::MaxSIOp::create(v.b, v.loc, assigned, constant(0));
    assigned = arith::MinSIOp::create(
        v.b, v.loc, assigned, constant(format.getActivationEntries() - 1));
    Value row =
        arith::IndexCastOp::create(v.b, v.loc, v.b.getIndexType(), assigned);
    return v.add(v.mul(row, layout.tables.perActivation),
                 v.mul(piece, layout.tables.perPiece));
  }

  /// Copies a row of a table, as bytes.
  void copyRow(Value from, Value to) {
    int64_t rowBytes = format.getTableBytes() / format.getActivationEntries();
    Value codes = v.load(bytes, from, rowBytes);
    if (format.getTable() == TableKind::I4)
      codes = vector::InterleaveOp::create(v.b, v.loc, v.andI(codes, 15),
                                           v.shr(codes, 4));
    v.store(v.padZero(codes, entries), tableRows, {to, v.index(0)});
  }

  /// Adds `count` pieces to the sums of `wide` chunks of indices.
  void addChunks(Value indices, Value count, int64_t chunk, int64_t wide,
                 function_ref<void(Value)> fetchAhead) {
    Value zero = v.splat(v.vec(sumLanes(), v.i16()), 0);
    SmallVector<Value> state(wide * chunkSums(), zero);
    state =
        v.loop(v.index(0), count, 1, state, [&](Value i, ValueRange carried) {
          SmallVector<Value> tables = loadTable(i);
          Value from = v.add(indices, v.mul(i, layout.indices.perPiece));
          fetchAhead(i);
          SmallVector<Value> next;
          for (int64_t c = 0; c < wide; ++c) {
            Value packedIndices = loadIndices(from, chunk + c);
            for (int64_t part = 0; part < perByte; ++part) {
              Value index = v.shr(packedIndices, part * bits);
              if (bits < 8)
                index = v.andI(index, format.getEntries() - 1);
              // Sums of neighbours as one number of 16 bits, and of the upper
              // ones alone, which are taken off at the end.
              Value both = v.cast(lookUp(tables, index), sumLanes(), v.i16());
              next.push_back(v.add(carried[next.size()], both));
              next.push_back(v.add(carried[next.size()], v.shr(both, 8)));
            }
          }
          return next;
        });
    for (int64_t i = 0; i < wide * perByte; ++i) {
      Value upper = state[2 * i + 1];
      Value lower = v.sub(state[2 * i], v.shl(upper, 8));
      int64_t c = chunk + i / perByte, part = i % perByte;
      addTo(c * chunkSums() + part, lower);
      addTo(c * chunkSums() + perByte + part, upper);
    }
  }

  SmallVector<Value> sumAt(int64_t which) {
    return {number, v.index(which), v.index(0)};
  }

  void addTo(int64_t which, Value added) {
    SmallVector<Value> where = sumAt(which);
    Value sum = v.load(sums, where, sumLanes());
    v.store(v.add(sum, v.extU(added, v.i32())), sums, where);
  }

  /// Codes of a piece, 16 at a time, repeated to the width of the shuffle.
  SmallVector<Value> loadTable(Value piece) {
    SmallVector<int64_t> lanes;
    for (int64_t lane = 0; lane < how.bytes; ++lane)
      lanes.push_back(lane % kShuffled);
    SmallVector<Value> tables;
    for (int64_t entry = 0; entry < entries; entry += kShuffled)
      tables.push_back(v.shuffle(
          v.load(tableRows, {piece, v.index(entry)}, kShuffled), lanes));
    return tables;
  }

  Value loadIndices(Value from, int64_t chunk) {
    int64_t skipped = chunk * how.bytes;
    int64_t count = std::min(how.bytes, tileBytes - skipped);
    return v.padZero(v.load(bytes, v.add(from, skipped), count), how.bytes);
  }

  /// Blocks have more than indices: memory is read ahead in strides.
  void fetchIndices(Value from) {
    Value ahead = v.add(from, kAhead * layout.indices.perPiece);
    for (int64_t skipped = 0; skipped < tileBytes; skipped += kLine)
      v.prefetch(bytes, v.add(ahead, skipped), kLocality);
    if (!format.getSplit()) // which is not aligned
      v.prefetch(bytes, v.add(ahead, tileBytes - 1), kLocality);
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
        SmallVector<Value> where = sumAt(chunk * chunkSums() + i);
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
  int64_t entries;       // of a row of a table, filled up to a shuffle's
  CodebookLayout layout;
  int64_t tile, tileBytes, chunks;
  int64_t period;
  Value sums, tableRows;
  Value number; // of the tile, among those that are summed together
};

} // namespace

void headrace::cpu::emitLookup(VectorBuilder &v, LutMatvecOp op, Value bytes,
                               const Shuffle &how, const RowRange &rows) {
  LookupKernel(v, op, bytes, how).emit(rows);
}
