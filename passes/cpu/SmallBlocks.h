//===- SmallBlocks.h - GGUF's blocks of 32 columns --------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_SMALLBLOCKS_H
#define HEADRACE_PASSES_CPU_SMALLBLOCKS_H

#include "passes/cpu/BlockDecoder.h"

namespace headrace::cpu {

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
  mlir::Value codesAt(VectorBuilder &v, const Piece &piece, int64_t index,
                      int64_t offset = 0) const {
    return v.add(piece.base,
                 index * blockBytes + (hasOffsets() ? 4 : 2) + offset);
  }

  void openGroups(VectorBuilder &v, Piece &piece) const override {
    mlir::Type f16 = v.b.getF16Type();
    mlir::Value numbers = blockNumbers(v, piece, hasOffsets() ? 4 : 2);
    if (!hasOffsets()) {
      piece.scales = v.extF(v.cast(numbers, 8, f16));
      return;
    }
    mlir::Value both = v.extF(v.cast(numbers, 16, f16));
    piece.scales = v.shuffle(both, {0, 2, 4, 6, 8, 10, 12, 14});
    piece.offsets = v.shuffle(both, {1, 3, 5, 7, 9, 11, 13, 15});
  }

  /// The first `bytes` of each block as integers.
  mlir::Value blockNumbers(VectorBuilder &v, const Piece &piece,
                           int64_t bytes) const {
    mlir::Type element = v.b.getIntegerType(8 * bytes);
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
      llvm::SmallVector<int64_t> mask;
      for (int64_t group = 0; group < 8; ++group)
        mask.push_back(group % 4 * apart + (group < 4 ? 0 : lanes));
      return v.shuffle(four(0), four(4), mask);
    }
    mlir::Value numbers = v.splat(v.vec(8, element), 0);
    for (int64_t group = 0; group < piece.groups; ++group)
      numbers =
          v.insert(v.loadScalarAs(piece.bytes, numberAt(group), bytes, element),
                   numbers, group);
    return numbers;
  }

  /// The nibbles of the blocks 2 * step and 2 * step + 1, in column order: 16
  /// low and 16 high ones for each block. They start `offset` bytes behind the
  /// block's numbers.
  mlir::Value nibbles(VectorBuilder &v, const Piece &piece, int64_t step,
                      int64_t offset) const {
    auto load = [&](int64_t index) {
      return v.load(piece.bytes, codesAt(v, piece, index, offset), 16);
    };
    int64_t first = 2 * step;
    mlir::Value a = load(first);
    bool whole = first + 1 < piece.groups;
    mlir::Value b = whole ? load(first + 1) : a;
    llvm::SmallVector<int64_t> mask = tileLanes(16, 2);
    for (int64_t lane : tileLanes(16, 2))
      mask.push_back(lane + (whole ? 16 : 0));
    mlir::Value pairs = v.cast(v.shuffle(a, b, mask), 32, v.i16());
    llvm::SmallVector<int16_t> amounts;
    for (int64_t lane = 0; lane < 32; ++lane)
      amounts.push_back(lane / 8 % 2 ? 4 : 0);
    mlir::Value split = v.shr(pairs, v.vectorI16(amounts));
    mlir::Value result = v.andI(v.cast(split, 64, v.i8()), 15);
    return whole ? result : v.padZero(v.shuffle(result, tileLanes(32, 1)), 64);
  }

  /// The bytes with the nibbles of four blocks, which end with them.
  mlir::Value nibbleBytes(VectorBuilder &v, const Piece &piece,
                          int64_t quad) const {
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
    llvm::SmallVector<int64_t> mask;
    for (int64_t first : {int64_t(0), 28 - apart, apart, int64_t(28)})
      for (int64_t lane = 0; lane < 4; ++lane)
        mask.push_back(first + lane);
    return v.cast(v.shuffle(line(start), line(end), mask), 64, v.i8());
  }

  /// Low and high nibbles of four blocks.
  std::pair<mlir::Value, mlir::Value>
  nibbleHalves(VectorBuilder &v, const Piece &piece, int64_t quad) const {
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

  llvm::SmallVector<mlir::Value, 4> nibblesInOrder(VectorBuilder &v,
                                                   const Piece &piece) const {
    mlir::Value first = nibbleBytes(v, piece, 0),
                second = nibbleBytes(v, piece, 1);
    llvm::SmallVector<mlir::Value, 4> codes;
    for (bool odd : {false, true}) {
      auto [low, high] = splitNibbles(v, zipQwords(v, first, second, odd));
      codes.append({low, high});
    }
    return codes;
  }

  mlir::Value numbersInOrder(VectorBuilder &v, const Piece &piece) const {
    mlir::Type f16 = v.b.getF16Type();
    mlir::Value numbers = blockNumbers(v, piece, hasOffsets() ? 4 : 2);
    if (hasOffsets())
      return v.extF(v.cast(numbers, 16, f16));
    llvm::SmallVector<int64_t> mask;
    for (int64_t lane = 0; lane < 16; ++lane)
      mask.push_back(blockOf(lane / 2));
    return v.extF(v.shuffle(v.cast(numbers, 8, f16), mask));
  }

  /// 16 columns of a block with split nibbles, as i32.
  mlir::Value nibbleIntegers(VectorBuilder &v, const Piece &piece, int64_t atom,
                             int64_t offset) const {
    mlir::Value at = codesAt(v, piece, atom / 2, offset);
    mlir::Value packed = v.extU(v.load(piece.bytes, at, 16), v.i32());
    return atom % 2 ? v.shr(packed, 4) : v.andI(packed, 15);
  }

  mlir::Value minusZeroPoint(VectorBuilder &v, mlir::Value q) const {
    if (zero == 0)
      return q;
    return v.sub(q, v.splat(mlir::cast<mlir::VectorType>(q.getType()),
                            static_cast<double>(zero)));
  }

  int64_t blockBytes;
  int64_t zero;
};

std::unique_ptr<BlockDecoder> createFiveBitDecoder(int64_t blockBytes,
                                                   int64_t zero, bool gfni);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_SMALLBLOCKS_H
