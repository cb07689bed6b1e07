//===- BlockDecodersSmall.cpp - GGUF's blocks of 32 columns ---------------===//

#include "passes/cpu/BitMatrix.h"
#include "passes/cpu/BlockDecoder.h"
#include "passes/cpu/NibbleTable.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::GgufKind;

namespace {

/// A block of 32 columns starts with its f16 scale, behind which formats with
/// offsets have the minimum.
class SmallBlockDecoder : public BlockDecoder {
public:
  SmallBlockDecoder(int64_t blockBytes, int64_t zero)
      : blockBytes(blockBytes), zero(zero) {}

  int64_t pieceBytes() const override { return 8 * blockBytes; }
  int64_t zeroPoint() const override { return zero; }

protected:
  /// Byte `offset` behind the numbers of block `index`.
  Value codesAt(VectorBuilder &v, const Piece &piece, int64_t index,
                int64_t offset = 0) const {
    return v.add(piece.base,
                 index * blockBytes + (hasOffsets() ? 4 : 2) + offset);
  }

  void openGroups(VectorBuilder &v, Piece &piece) const override {
    Type f16 = v.b.getF16Type();
    Value numbers = blockNumbers(v, piece, hasOffsets() ? 4 : 2);
    if (!hasOffsets()) {
      piece.scales = v.extF(v.cast(numbers, 8, f16));
      return;
    }
    Value both = v.extF(v.cast(numbers, 16, f16));
    piece.scales = v.shuffle(both, {0, 2, 4, 6, 8, 10, 12, 14});
    piece.offsets = v.shuffle(both, {1, 3, 5, 7, 9, 11, 13, 15});
  }

  /// The first `bytes` of each block as integers.
  Value blockNumbers(VectorBuilder &v, const Piece &piece,
                     int64_t bytes) const {
    Type element = v.b.getIntegerType(8 * bytes);
    auto numberAt = [&](int64_t group) {
      return v.add(piece.base, group * blockBytes);
    };
    if (piece.groups == 8 && 3 * blockBytes + bytes <= kCacheLine) {
      // Those of four blocks are in one vector.
      int64_t lanes = kCacheLine / bytes, apart = blockBytes / bytes;
      auto four = [&](int64_t group) {
        return v.loadAs(piece.bytes, numberAt(group), kCacheLine, lanes,
                        element);
      };
      SmallVector<int64_t> mask;
      for (int64_t group = 0; group < 8; ++group)
        mask.push_back(group % 4 * apart + (group < 4 ? 0 : lanes));
      return v.shuffle(four(0), four(4), mask);
    }
    Value numbers = v.splat(v.vec(8, element), 0);
    for (int64_t group = 0; group < piece.groups; ++group)
      numbers =
          v.insert(v.loadScalarAs(piece.bytes, numberAt(group), bytes, element),
                   numbers, group);
    return numbers;
  }

  /// The nibbles of the blocks 2 * step and 2 * step + 1, in column order: 16
  /// low and 16 high ones for each block. They start `offset` bytes behind the
  /// block's numbers.
  Value nibbles(VectorBuilder &v, const Piece &piece, int64_t step,
                int64_t offset) const {
    auto load = [&](int64_t index) {
      return v.load(piece.bytes, codesAt(v, piece, index, offset), 16);
    };
    int64_t first = 2 * step;
    Value a = load(first);
    bool whole = first + 1 < piece.groups;
    Value b = whole ? load(first + 1) : a;
    SmallVector<int64_t> mask = tileLanes(16, 2);
    for (int64_t lane : tileLanes(16, 2))
      mask.push_back(lane + (whole ? 16 : 0));
    Value pairs = v.cast(v.shuffle(a, b, mask), 32, v.i16());
    SmallVector<int16_t> amounts;
    for (int64_t lane = 0; lane < 32; ++lane)
      amounts.push_back(lane / 8 % 2 ? 4 : 0);
    Value split = v.shr(pairs, v.vectorI16(amounts));
    Value result = v.andI(v.cast(split, 64, v.i8()), 15);
    return whole ? result : v.padZero(v.shuffle(result, tileLanes(32, 1)), 64);
  }

  /// The bytes with the nibbles of four blocks, which end with them.
  Value nibbleBytes(VectorBuilder &v, const Piece &piece, int64_t quad) const {
    // Two lines from where the first block's nibbles start, and up to where the
    // last one's end: those of the blocks 0 and 2, and 1 and 3, are 32-bit
    // lanes there, since two blocks are a multiple of 4 bytes.
    int64_t start = 4 * quad * blockBytes + blockBytes - 16;
    int64_t end = 4 * (quad + 1) * blockBytes - kCacheLine;
    auto line = [&](int64_t at) {
      return v.loadAs(piece.bytes, v.add(piece.base, at), kCacheLine, 16,
                      v.i32());
    };
    int64_t apart = 2 * blockBytes / 4;
    SmallVector<int64_t> mask;
    for (int64_t first : {int64_t(0), 28 - apart, apart, int64_t(28)})
      for (int64_t lane = 0; lane < 4; ++lane)
        mask.push_back(first + lane);
    return v.cast(v.shuffle(line(start), line(end), mask), 64, v.i8());
  }

  /// Low and high nibbles of four blocks.
  std::pair<Value, Value> nibbleHalves(VectorBuilder &v, const Piece &piece,
                                       int64_t quad) const {
    return splitNibbles(v, nibbleBytes(v, piece, quad));
  }

  //===-- In order --------------------------------------------------------===//

  /// The blocks of the 64-bit lanes of nibbles: those of both halves in turn.
  static int64_t blockOf(int64_t lane) { return lane / 2 + lane % 2 * 4; }

  /// The first of 8 columns of each block that the vectors of a piece have.
  static constexpr int64_t kFirstColumns[] = {0, 16, 8, 24};

  /// 8 columns of each block in a vector, so that the two sums of each block
  /// are all that is scaled.
  PieceOrder nibbleOrder() const {
    PieceOrder order;
    order.zeroPoint = zero;
    order.largest = largest();
    for (int64_t first : kFirstColumns) {
      auto &columns = order.columns.emplace_back();
      for (int64_t lane = 0; lane < 64; ++lane)
        columns.push_back(32 * blockOf(lane / 8) + first + lane % 8);
    }
    for (int64_t lane = 0; lane < 16; ++lane)
      if (hasOffsets())
        order.numbers.push_back({lane / 2 % 4 + lane / 8 * 4, lane % 2 == 1});
      else
        order.numbers.push_back({blockOf(lane / 2), false});
    return order;
  }

  SmallVector<Value, 4> nibblesInOrder(VectorBuilder &v,
                                       const Piece &piece) const {
    Value first = nibbleBytes(v, piece, 0), second = nibbleBytes(v, piece, 1);
    SmallVector<Value, 4> codes;
    for (bool odd : {false, true}) {
      auto [low, high] = splitNibbles(v, zipQwords(v, first, second, odd));
      codes.append({low, high});
    }
    return codes;
  }

  Value numbersInOrder(VectorBuilder &v, const Piece &piece) const {
    Type f16 = v.b.getF16Type();
    Value numbers = blockNumbers(v, piece, hasOffsets() ? 4 : 2);
    if (hasOffsets())
      return v.extF(v.cast(numbers, 16, f16));
    SmallVector<int64_t> mask;
    for (int64_t lane = 0; lane < 16; ++lane)
      mask.push_back(blockOf(lane / 2));
    return v.extF(v.shuffle(v.cast(numbers, 8, f16), mask));
  }

  /// 16 columns of a block with split nibbles, as i32.
  Value nibbleIntegers(VectorBuilder &v, const Piece &piece, int64_t atom,
                       int64_t offset) const {
    Value at = codesAt(v, piece, atom / 2, offset);
    Value packed = v.extU(v.load(piece.bytes, at, 16), v.i32());
    return atom % 2 ? v.shr(packed, 4) : v.andI(packed, 15);
  }

  Value minusZeroPoint(VectorBuilder &v, Value q) const {
    if (zero == 0)
      return q;
    return v.sub(
        q, v.splat(cast<VectorType>(q.getType()), static_cast<double>(zero)));
  }

  int64_t blockBytes;
  int64_t zero;
};

/// q4_0 and q4_1: | numbers | 16 bytes of nibbles |
class NibbleDecoder : public SmallBlockDecoder {
public:
  using SmallBlockDecoder::SmallBlockDecoder;
  int64_t largest() const override { return 15; }
  Value quants(VectorBuilder &v, const Piece &piece,
               int64_t step) const override {
    return nibbles(v, piece, step, 0);
  }
  Value integers(VectorBuilder &v, const Piece &piece,
                 int64_t atom) const override {
    return minusZeroPoint(v, nibbleIntegers(v, piece, atom, 0));
  }
  bool hasHalves() const override { return true; }
  std::pair<Value, Value> halves(VectorBuilder &v, const Piece &piece,
                                 int64_t quad) const override {
    return nibbleHalves(v, piece, quad);
  }
  PieceOrder order() const override { return nibbleOrder(); }
  OrderedPiece decodeInOrder(VectorBuilder &v,
                             const Piece &piece) const override {
    return {nibblesInOrder(v, piece), numbersInOrder(v, piece)};
  }
};

/// q5_0 and q5_1: | numbers | fifth bits u32 | 16 bytes of nibbles |
class FiveBitDecoder : public SmallBlockDecoder {
public:
  FiveBitDecoder(int64_t blockBytes, int64_t zero, bool gfni)
      : SmallBlockDecoder(blockBytes, zero), gfni(gfni) {}
  int64_t largest() const override { return 31; }
  Value quants(VectorBuilder &v, const Piece &piece,
               int64_t step) const override {
    // The fifth bits of two blocks are a mask of 64 lanes.
    Type i64 = v.b.getI64Type();
    int64_t first = 2 * step;
    Value high = fifthBits(v, piece, first);
    Value mask = arith::ExtUIOp::create(v.b, v.loc, i64, high);
    if (first + 1 < piece.groups) {
      Value next = arith::ExtUIOp::create(v.b, v.loc, i64,
                                          fifthBits(v, piece, first + 1));
      mask = v.orI(mask, v.shl(next, 32));
    }
    return v.add(nibbles(v, piece, step, 4), sixteens(v, mask));
  }
  bool hasHalves() const override { return true; }
  std::pair<Value, Value> halves(VectorBuilder &v, const Piece &piece,
                                 int64_t quad) const override {
    // 16 bits of each block. Loaded before the nibbles: LLVM would take them
    // out of the vectors that it has by then, at a higher price.
    auto bits = [&](int64_t offset) {
      Type i64 = v.b.getI64Type();
      Value all;
      for (int64_t block = 0; block < 4; ++block) {
        Value at = codesAt(v, piece, 4 * quad + block, offset);
        Value own = v.loadScalarAs(piece.bytes, at, 2, v.i16());
        own = v.shl(arith::ExtUIOp::create(v.b, v.loc, i64, own), 16 * block);
        all = all ? v.orI(all, own) : own;
      }
      return sixteens(v, all);
    };
    Value firstBits = bits(0), lastBits = bits(2);
    auto [first, last] = nibbleHalves(v, piece, quad);
    return {v.add(first, firstBits), v.add(last, lastBits)};
  }
  PieceOrder order() const override {
    PieceOrder order = nibbleOrder();
    for (int64_t lane = 0; lane < 16; ++lane)
      order.numbers[lane] = {blockOf(lane / 2), hasOffsets() && lane % 2 == 1};
    return order;
  }
  OrderedPiece decodeInOrder(VectorBuilder &v,
                             const Piece &piece) const override {
    // The numbers and the fifth bits of the blocks of 64-bit lanes of nibbles.
    Value starts = zipQwords(v, blockStarts(v, piece, 0),
                             blockStarts(v, piece, 1), /*odd=*/false);
    OrderedPiece result{gfni ? codesByMatrix(v, piece, starts)
                             : codesByMask(v, piece, starts),
                        {}};
    SmallVector<int64_t> words;
    for (int64_t lane = 0; lane < 16; ++lane)
      words.push_back(lane / 2 * 4 + (hasOffsets() ? lane % 2 : 0));
    result.numbers =
        v.extF(v.shuffle(v.cast(starts, 32, v.b.getF16Type()), words));
    return result;
  }
  Value integers(VectorBuilder &v, const Piece &piece,
                 int64_t atom) const override {
    Value high = v.broadcast(fifthBits(v, piece, atom / 2), 16);
    SmallVector<int32_t> lanes;
    for (int32_t lane = 0; lane < 16; ++lane)
      lanes.push_back(lane + 16 * static_cast<int32_t>(atom % 2));
    auto type = v.vec(16, v.i32());
    Value amounts = arith::ConstantOp::create(
        v.b, v.loc, DenseElementsAttr::get(type, ArrayRef<int32_t>(lanes)));
    Value fifth = v.shl(v.andI(v.shr(high, amounts), 1), 4);
    return minusZeroPoint(v, v.orI(nibbleIntegers(v, piece, atom, 4), fifth));
  }

private:
  /// Where the fifth bits are in the first 8 bytes of a block.
  int64_t bitsAt() const { return hasOffsets() ? 4 : 2; }
  /// Bit i in byte i of each 64-bit lane.
  static Value diagonal(VectorBuilder &v) {
    SmallVector<int8_t> bits;
    for (int64_t lane = 0; lane < 64; ++lane)
      bits.push_back(static_cast<int8_t>(1 << lane % 8));
    return arith::ConstantOp::create(
        v.b, v.loc,
        DenseElementsAttr::get(v.vec(64, v.i8()), ArrayRef<int8_t>(bits)));
  }

  /// The codes of a piece in order, of which `starts` has the starts of the
  /// blocks of each 64-bit lane.
  SmallVector<Value, 4> codesByMask(VectorBuilder &v, const Piece &piece,
                                    Value starts) const {
    SmallVector<Value, 4> codes = nibblesInOrder(v, piece);
    Value own = diagonal(v);
    for (auto [i, first] : llvm::enumerate(kFirstColumns)) {
      // The byte that has the bits of eight columns goes to each of them.
      SmallVector<int64_t> mask;
      for (int64_t lane = 0; lane < 64; ++lane)
        mask.push_back(lane / 8 * 8 + bitsAt() + first / 8);
      auto type = v.vec(64, v.i8());
      Value isSet = arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::ne,
                                          v.andI(v.shuffle(starts, mask), own),
                                          v.splat(type, 0));
      codes[i] = v.select(isSet, v.add(codes[i], v.splat(type, 16)), codes[i]);
    }
    return codes;
  }
  SmallVector<Value, 4> codesByMatrix(VectorBuilder &v, const Piece &piece,
                                      Value starts) const {
    // The starts are the matrices: bit 7 - i of a byte comes from byte i of the
    // start, the fifth bit of a column and those 8, 16 and 24 further.
    Value bits = timesBits(v, diagonal(v), starts);
    int64_t top = 7 - bitsAt();
    Value first = nibbleBytes(v, piece, 0), second = nibbleBytes(v, piece, 1);
    SmallVector<Value, 4> codes;
    for (int64_t odd : {0, 1}) {
      Value nibbles = zipQwords(v, first, second, odd);
      Value low = moveBits(v, bits, {-1, -1, -1, -1, top - odd});
      codes.push_back(lowCodes(v, nibbles, low));
      codes.push_back(highCodes(v, nibbles, bits, top - 2 - odd));
    }
    return codes;
  }

  /// The first 16 bytes of four blocks.
  Value blockStarts(VectorBuilder &v, const Piece &piece, int64_t quad) const {
    auto load = [&](int64_t block) {
      Value at = v.add(piece.base, (4 * quad + block) * blockBytes);
      return v.load(piece.bytes, at, 16);
    };
    Value low = v.shuffle(load(0), load(1), tileLanes(32, 1));
    Value high = v.shuffle(load(2), load(3), tileLanes(32, 1));
    return v.shuffle(low, high, tileLanes(64, 1));
  }

  /// 16 in the lanes of which `mask` (i64) has the bit, as i8 x 64.
  static Value sixteens(VectorBuilder &v, Value mask) {
    Value lanes = v.cast(v.broadcast(mask, 1), 64, v.b.getI1Type());
    auto type = v.vec(64, v.i8());
    return v.select(lanes, v.splat(type, 16), v.splat(type, 0));
  }

  Value fifthBits(VectorBuilder &v, const Piece &piece, int64_t index) const {
    return v.loadScalarAs(piece.bytes, codesAt(v, piece, index), 4, v.i32());
  }

  bool gfni;
};

/// iq4_nl: | scale | 16 bytes of nibbles |, which stand for numbers of a table.
class UnevenDecoder : public SmallBlockDecoder {
public:
  explicit UnevenDecoder(DotKind dot) : SmallBlockDecoder(18, 128), dot(dot) {}
  int64_t largest() const override { return 128 + 113; }
  Value quants(VectorBuilder &v, const Piece &piece,
               int64_t step) const override {
    return unsignedValues(v, nibbles(v, piece, step, 0));
  }
  Value integers(VectorBuilder &v, const Piece &piece,
                 int64_t atom) const override {
    Value packed = v.load(piece.bytes, codesAt(v, piece, atom / 2), 16);
    Value words = v.cast(packed, 8, v.i16());
    words = v.cast(v.shr(words, 4 * (atom % 2)), 16, v.i8());
    return v.extS(lookUpNibbles(v, dot, v.andI(words, 15), kUnevenTable),
                  v.i32());
  }
  Value unscaled(VectorBuilder &v, const Piece &piece,
                 int64_t atom) const override {
    if (dot != DotKind::Vnni)
      return BlockDecoder::unscaled(v, piece, atom);
    Value packed = v.load(piece.bytes, codesAt(v, piece, atom / 2), 16);
    return lookUpFloats(v, v.shr(v.extU(packed, v.i32()), 4 * (atom % 2)),
                        kUnevenTable);
  }
  bool hasHalves() const override { return true; }
  std::pair<Value, Value> halves(VectorBuilder &v, const Piece &piece,
                                 int64_t quad) const override {
    auto [first, last] = nibbleHalves(v, piece, quad);
    return {unsignedValues(v, first), unsignedValues(v, last)};
  }

private:
  Value unsignedValues(VectorBuilder &v, Value q) const {
    SmallVector<int8_t> table;
    for (int8_t value : kUnevenTable)
      table.push_back(static_cast<int8_t>(value ^ -128));
    return lookUpNibbles(v, dot, q, table);
  }

  DotKind dot;
};

/// q8_0: | scale | 32 signed bytes |
class ByteDecoder : public SmallBlockDecoder {
public:
  using SmallBlockDecoder::SmallBlockDecoder;
  int64_t largest() const override { return 255; }
  Value quants(VectorBuilder &v, const Piece &piece,
               int64_t step) const override {
    int64_t first = 2 * step;
    auto load = [&](int64_t index) {
      return v.load(piece.bytes, codesAt(v, piece, index), 32);
    };
    Value a = load(first);
    if (first + 1 == piece.groups)
      return v.padZero(v.xorI(a, -128), 64);
    return v.xorI(v.shuffle(a, load(first + 1), tileLanes(64, 1)), -128);
  }
  /// Signed as stored: nothing to take off.
  Value integers(VectorBuilder &v, const Piece &piece,
                 int64_t atom) const override {
    Value at = codesAt(v, piece, atom / 2, 16 * (atom % 2));
    return v.extS(v.load(piece.bytes, at, 16), v.i32());
  }
};

} // namespace

std::unique_ptr<BlockDecoder>
headrace::cpu::createSmallBlockDecoder(GgufKind kind, DotKind dot, bool gfni) {
  switch (kind) {
  case GgufKind::Q4_0:
    return std::make_unique<NibbleDecoder>(18, 8);
  case GgufKind::Q4_1:
    return std::make_unique<NibbleDecoder>(20, 0);
  case GgufKind::Q5_0:
    return std::make_unique<FiveBitDecoder>(22, 16, gfni);
  case GgufKind::Q5_1:
    return std::make_unique<FiveBitDecoder>(24, 0, gfni);
  case GgufKind::IQ4_NL:
    return std::make_unique<UnevenDecoder>(dot);
  case GgufKind::Q8_0:
    return std::make_unique<ByteDecoder>(34, 128);
  default:
    return nullptr;
  }
}
