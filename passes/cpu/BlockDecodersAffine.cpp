//===- BlockDecodersAffine.cpp - rows of integers with scales behind them -===//
//
// A row is its codes, then the scales of its groups, then their zero points.
//
//===----------------------------------------------------------------------===//

#include "passes/cpu/BlockDecoder.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qlinear;

namespace {

class AffineDecoder : public BlockDecoder {
public:
  explicit AffineDecoder(PackedType weight)
      : format(cast<AffineFormatAttr>(weight.getFormat())),
        cols(weight.getCols()), rowBytes(weight.getBlockRowBytes()) {}

  int64_t pieceBytes() const override { return codeBytes(kPieceCols); }
  bool asksTwice() const override { return format.getBits() >= 4; }
  int64_t largest() const override {
    return (int64_t(1) << format.getBits()) - 1;
  }
  int64_t zeroPoint() const override {
    return format.getZeroPoint() == ZeroPointKind::Integer
               ? 0
               : int64_t(1) << (format.getBits() - 1);
  }
  bool hasOffsets() const override {
    return format.getZeroPoint() == ZeroPointKind::Float;
  }

  Value quants(VectorBuilder &v, const Piece &piece,
               int64_t step) const override {
    int64_t count = 2 * step + 1 == piece.groups ? 32 : 64;
    return v.padZero(codes(v, piece, 64 * step, count), 64);
  }

  bool hasHalves() const override { return format.getBits() == 4; }
  std::pair<Value, Value> halves(VectorBuilder &v, const Piece &piece,
                                 int64_t quad) const override {
    Value at = v.add(piece.base, 64 * quad);
    // Even columns and odd ones, put together again in each 16 bytes.
    auto [even, odd] = splitNibbles(v, v.load(piece.bytes, at, 64));
    SmallVector<int64_t> first, last;
    for (int64_t lane = 0; lane < 64; lane += 16)
      for (int64_t pair = lane; pair < lane + 8; ++pair) {
        first.append({pair, pair + 64});
        last.append({pair + 8, pair + 72});
      }
    return {v.shuffle(even, odd, first), v.shuffle(even, odd, last)};
  }

  PieceOrder order() const override {
    PieceOrder order;
    if (format.getBits() != 4 || zeroPoint() == 0 || hasOffsets())
      return order;
    order.zeroPoint = zeroPoint();
    order.largest = largest();
    // Low nibbles are even columns. 64-bit lanes of the two halves in turn.
    for (int64_t odd : {0, 16})
      for (int64_t high : {0, 1}) {
        auto &columns = order.columns.emplace_back();
        for (int64_t lane = 0; lane < 64; ++lane)
          columns.push_back(lane / 8 % 2 * 128 + lane / 16 * 32 + odd +
                            lane % 8 * 2 + high);
      }
    for (int64_t lane = 0; lane < 16; ++lane)
      order.numbers.push_back({lane % 8, false});
    return order;
  }
  OrderedPiece decodeInOrder(VectorBuilder &v,
                             const Piece &piece) const override {
    Value first = v.load(piece.bytes, piece.base, 64);
    Value second = v.load(piece.bytes, v.add(piece.base, 64), 64);
    OrderedPiece result;
    for (bool odd : {false, true}) {
      auto [low, high] = splitNibbles(v, zipQwords(v, first, second, odd));
      result.codes.append({low, high});
    }
    Piece open = piece;
    openGroups(v, open);
    result.numbers = v.shuffle(open.scales, tileLanes(8, 2));
    return result;
  }

protected:
  Value integers(VectorBuilder &v, const Piece &piece,
                 int64_t atom) const override {
    Value q = v.extU(codes(v, piece, 16 * atom, 16), v.i32());
    return v.sub(q, v.repeat(piece.zeros, atom / 2, 1, 16));
  }

  void openGroups(VectorBuilder &v, Piece &piece) const override {
    int64_t scaleBytes = format.getScale() == ScaleKind::F32 ? 4 : 2;
    Type element = v.f32();
    if (format.getScale() != ScaleKind::F32)
      element = format.getScale() == ScaleKind::F16 ? v.b.getF16Type()
                                                    : v.b.getBF16Type();
    int64_t scalesAt = codeBytes(cols);
    int64_t zerosAt = scalesAt + scaleBytes * groupsOfRow();
    piece.scales = numbers(v, piece, scalesAt, scaleBytes, element);
    if (format.getZeroPoint() == ZeroPointKind::Integer)
      piece.zeros = numbers(v, piece, zerosAt, 1, v.i8());
    if (format.getZeroPoint() == ZeroPointKind::Float)
      piece.offsets = numbers(v, piece, zerosAt, scaleBytes, element);
  }

private:
  int64_t codeBytes(int64_t count) const {
    return count * format.getBits() / 8;
  }
  int64_t groupsOfRow() const {
    return format.isPerChannel() ? 1 : cols / format.getGroup();
  }

  /// Columns [first, first + count) of a piece as unsigned i8.
  Value codes(VectorBuilder &v, const Piece &piece, int64_t first,
              int64_t count) const {
    Value at = v.add(piece.base, codeBytes(first));
    Value packed = v.load(piece.bytes, at, codeBytes(count));
    if (format.getBits() == 8)
      return packed;
    // Each byte in a lane as wide as its codes will be, and copies of it
    // shifted by whole bytes less a code: the low bits of each byte are a code.
    int64_t bits = format.getBits(), perByte = 8 / bits;
    Value wide = v.extU(packed, v.b.getIntegerType(8 * perByte));
    Value all = wide;
    for (int64_t code = 1; code < perByte; ++code)
      all = v.orI(all, v.shl(wide, code * (8 - bits)));
    return v.andI(v.cast(all, count, v.i8()), (1 << bits) - 1);
  }

  /// One number for each group of 32 columns of a piece: f32 of floats, i32 of
  /// bytes. `at` is where they start in a row.
  Value numbers(VectorBuilder &v, const Piece &piece, int64_t at, int64_t bytes,
                Type element) const {
    int64_t group = format.isPerChannel() ? cols : format.getGroup();
    int64_t columns = 32 * piece.groups;
    int64_t count = std::max<int64_t>(columns / group, 1);
    Value first = v.index(0);
    if (group <= kPieceCols)
      first = v.mul(piece.index, kPieceCols / group);
    else if (!format.isPerChannel())
      first = arith::DivUIOp::create(v.b, v.loc, piece.index,
                                     v.index(group / kPieceCols));
    Value start = v.add(v.add(piece.row, at), v.mul(first, bytes));
    // They lie behind the codes, so those of the next row come too late by the
    // prefetches of a row that is read from front to back.
    if (!format.isPerChannel())
      v.prefetch(piece.bytes, v.add(start, rowBytes));
    Value stored = v.loadAs(piece.bytes, start, count * bytes, count, element);
    Value wide = element.isInteger() ? v.extU(stored, v.i32())
                 : element.isF32()   ? stored
                                     : v.extF(stored);
    return v.padZero(v.repeat(wide, 0, count, piece.groups / count), 8);
  }

  AffineFormatAttr format;
  int64_t cols;
  int64_t rowBytes;
};

} // namespace

std::unique_ptr<BlockDecoder>
headrace::cpu::createAffineDecoder(PackedType weight) {
  auto format = cast<AffineFormatAttr>(weight.getFormat());
  // Columns out of order, and groups that pieces do not share evenly.
  if (format.getActOrder() || weight.getCols() % 32 != 0 ||
      (!format.isPerChannel() &&
       (format.getGroup() < 32 || !llvm::isPowerOf2_64(format.getGroup()))))
    return nullptr;
  return std::make_unique<AffineDecoder>(weight);
}
