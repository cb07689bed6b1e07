//===- BlockDecodersFive.cpp - blocks of 32 columns of 5 bits -------------===//

#include "passes/cpu/BitMatrix.h"
#include "passes/cpu/SmallBlocks.h"

using namespace mlir;
using namespace headrace::cpu;

namespace {

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

} // namespace

std::unique_ptr<BlockDecoder>
headrace::cpu::createFiveBitDecoder(int64_t blockBytes, int64_t zero,
                                    bool gfni) {
  return std::make_unique<FiveBitDecoder>(blockBytes, zero, gfni);
}
