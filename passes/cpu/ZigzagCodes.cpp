//===- ZigzagCodes.cpp - integers of four columns -------------------------===//

#include "passes/cpu/ZigzagCodes.h"

#include "passes/cpu/ZigzagSlices.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::GgufFormatAttr;
using headrace::qlinear::GgufKind;

int64_t ColumnCodes::rowsAt(int64_t kind, int64_t run) const {
  int64_t some = kindRows() / 16;
  return run / some * 2 * some + kind * some + run % some;
}

std::pair<Value, Value> ColumnCodes::kindAndRun(VectorBuilder &v,
                                                Value rows) const {
  int64_t some = kindRows() / 16;
  auto div = [&](Value value, int64_t by) -> Value {
    return arith::DivUIOp::create(v.b, v.loc, value, v.index(by));
  };
  auto rem = [&](Value value, int64_t by) -> Value {
    return arith::RemUIOp::create(v.b, v.loc, value, v.index(by));
  };
  return {rem(div(rows, some), 2),
          v.add(v.mul(div(rows, 2 * some), some), rem(rows, some))};
}

namespace {

constexpr int64_t kBytes = 64; // of a vector

/// Lanes [column][group] of products that have no group.
Value perGroup(VectorBuilder &v, Value products, int64_t first) {
  return v.repeat(products, first, kColumnsTogether, kGroupsTogether);
}

/// Bytes `first` ... `first + 3` of each 16 of `lanes` (i8 x 64) in byte
/// `place` of an i32, zeros in the others: one instruction.
Value fourOfEach(VectorBuilder &v, Value lanes, int64_t first, int64_t place) {
  SmallVector<int64_t> from(kBytes, kBytes);
  for (int64_t lane = 0; lane < kSliceLanes; ++lane)
    from[4 * lane + place] = lane / 4 * 16 + first + lane % 4;
  Value zeros = v.splat(v.vec(kBytes, v.i8()), 0);
  return v.cast(v.shuffle(lanes, zeros, from), kSliceLanes, v.i32());
}

//===----------------------------------------------------------------------===//
// Blocks of 32 rows: q4_0, q8_0
//===----------------------------------------------------------------------===//

/// A block starts with its f16 scale; a part has four blocks.
class SmallCodes : public ColumnCodes {
public:
  int64_t bytes() const override { return 8 * blockBytes(); }
  int64_t productLanes() const override { return 2 * kSliceLanes; }
  int64_t scaleLanes() const override { return 2 * kSliceLanes; }

  /// In the lanes [part][column][block].
  Value products(VectorBuilder &v, Value bytes, ArrayRef<Value> at,
                 Value x) const override {
    SmallVector<Value> pairs;
    for (int64_t part = 0; part < kPartsOfSlice; ++part)
      for (int64_t column = 0; column < kColumnsTogether; column += 2)
        pairs.push_back(
            scalesOfTwo(v, bytes, at[column], at[column + 1], part));
    Value scales = v.extF(sideBySide(v, pairs));
    Value factors = perGroup(v, x, 0);
    return v.mulf(scales, sideBySide(v, {factors, factors}));
  }

  SmallVector<Groups> scaled(VectorBuilder &v, Value bytes, ArrayRef<Value> at,
                             Value products) const override {
    Value one = v.splat(v.vec(kSliceLanes, v.f32()), 1);
    SmallVector<Groups> results;
    for (int64_t part = 0; part < kPartsOfSlice; ++part)
      results.push_back({one,
                         v.repeat(products, part * kSliceLanes, kSliceLanes, 1),
                         {},
                         {}});
    return results;
  }

protected:
  virtual int64_t blockBytes() const = 0;
  int64_t partBytes() const { return 4 * blockBytes(); }

private:
  /// The scales of the four blocks of a part of one column, then of another.
  Value scalesOfTwo(VectorBuilder &v, Value bytes, Value one, Value other,
                    int64_t part) const {
    constexpr int64_t words = kBytes / 2;
    Value found;
    for (int64_t start = 0; start <= 3 * blockBytes(); start += kBytes) {
      auto load = [&](Value at) {
        return v.loadAs(bytes, v.add(at, part * partBytes() + start), kBytes,
                        words, v.i16());
      };
      // Those of other loads are taken from what was found, or any.
      SmallVector<int64_t> from, merged;
      for (int64_t lane = 0; lane < 2 * kGroupsTogether; ++lane) {
        int64_t byte = lane % kGroupsTogether * blockBytes() - start;
        bool here = byte >= 0 && byte < kBytes;
        from.push_back(lane / kGroupsTogether * words + (here ? byte / 2 : 0));
        merged.push_back(here ? 2 * kGroupsTogether + lane : lane);
      }
      Value some = v.shuffle(load(one), load(other), from);
      found = found ? v.shuffle(found, some, merged) : some;
    }
    return v.cast(found, 2 * kGroupsTogether, v.b.getF16Type());
  }
};

class Q4_0Codes : public SmallCodes {
public:
  int64_t blockBytes() const override { return 18; }
  int64_t kindRows() const override { return 16; }
  int64_t zero() const override { return 8; }
  bool areNibbles() const override { return true; }

  SmallVector<Value> codes(VectorBuilder &v, Value bytes, ArrayRef<Value> at,
                           Value part, int64_t kind) const override {
    SmallVector<Value> results;
    for (Value start : at) {
      Value first = v.add(start, v.mul(part, partBytes()));
      SmallVector<Value> blocks;
      for (int64_t block = 0; block < 4; ++block)
        blocks.push_back(
            v.load(bytes, v.add(first, block * blockBytes() + 2), 16));
      results.push_back(sideBySide(v, blocks));
    }
    return results;
  }
};

class Q8_0Codes : public SmallCodes {
public:
  int64_t blockBytes() const override { return 34; }
  int64_t kindRows() const override { return 64; }
  int64_t zero() const override { return 128; }

  SmallVector<Value> codes(VectorBuilder &v, Value bytes, ArrayRef<Value> at,
                           Value part, int64_t kind) const override {
    SmallVector<Value> results;
    for (Value start : at) {
      Value first = v.add(v.add(start, v.mul(part, partBytes())),
                          2 * kind * blockBytes() + 2);
      Value both =
          sideBySide(v, {v.load(bytes, first, 32),
                         v.load(bytes, v.add(first, blockBytes()), 32)});
      results.push_back(v.xorI(both, -128));
    }
    return results;
  }
};

//===----------------------------------------------------------------------===//
// Blocks of 256 rows: q4_k, q6_k
//===----------------------------------------------------------------------===//

/// f16 d and dmin, then 6-bit scales and minima in 12 bytes, then nibbles: in
/// 64 bytes those of two runs of 64 rows, low ones for the first 32.
class Q4KCodes : public ColumnCodes {
public:
  int64_t bytes() const override { return kHeader + 2 * kBytes; }
  int64_t kindRows() const override { return 32; }
  bool hasMinima() const override { return true; }
  bool areNibbles() const override { return true; }
  int64_t productLanes() const override { return 2 * kColumnsTogether; }
  int64_t scaleLanes() const override { return kColumnsTogether; }
  double largestInteger() const override { return 63; }

  SmallVector<Value> codes(VectorBuilder &v, Value bytes, ArrayRef<Value> at,
                           Value part, int64_t kind) const override {
    Value skip = v.add(v.mul(part, kBytes), kHeader);
    SmallVector<Value> results;
    for (Value start : at)
      results.push_back(v.load(bytes, v.add(start, skip), kBytes));
    return results;
  }

  /// In the lanes [d or dmin][column].
  Value products(VectorBuilder &v, Value bytes, ArrayRef<Value> at,
                 Value x) const override {
    Value pairs = v.splat(v.vec(kColumnsTogether, v.i32()), 0);
    for (auto [i, start] : llvm::enumerate(at))
      pairs = v.insert(v.loadScalarAs(bytes, start, 4, v.i32()), pairs,
                       static_cast<int64_t>(i));
    Value halves =
        v.extF(v.cast(pairs, 2 * kColumnsTogether, v.b.getF16Type()));
    return v.mulf(v.shuffle(halves, {0, 2, 4, 6, 1, 3, 5, 7}),
                  v.shuffle(x, {0, 1, 2, 3, 0, 1, 2, 3}));
  }

  SmallVector<Groups> scaled(VectorBuilder &v, Value bytes, ArrayRef<Value> at,
                             Value products) const override {
    SmallVector<Value> headers;
    for (Value start : at)
      headers.push_back(v.load(bytes, start, kHeader));
    Value all = v.cast(sideBySide(v, headers), kSliceLanes, v.i32());
    Value sixes =
        v.cast(scalesAndMinimaQ4K(v, all, kColumnsTogether), kBytes, v.i8());
    auto numbers = [&](int64_t minima, int64_t part) {
      return v.toFloat(fourOfEach(v, sixes, 8 * minima + 4 * part, 0));
    };
    Value scale = perGroup(v, products, 0);
    Value minimum = perGroup(v, products, kColumnsTogether);
    SmallVector<Groups> results;
    for (int64_t part = 0; part < kPartsOfSlice; ++part)
      results.push_back({numbers(0, part), scale, numbers(1, part), minimum});
    return results;
  }

private:
  static constexpr int64_t kHeader = 16;
};

/// Low nibbles in 128 bytes, high pairs of bits in 64, 16 scales of 8 bits, d.
/// In a part rows 0 to 63 are the low nibbles of 64 bytes, rows 64 to 127 the
/// high ones; each run of 32 rows has two bits of 32 bytes.
class Q6KCodes : public ColumnCodes {
public:
  int64_t bytes() const override { return 210; }
  int64_t groupRows() const override { return 16; }
  int64_t kindRows() const override { return 64; }
  int64_t zero() const override { return 32; }
  int64_t productLanes() const override { return kColumnsTogether; }
  int64_t scaleLanes() const override { return kColumnsTogether; }
  double largestInteger() const override { return 128; }

  SmallVector<Value> codes(VectorBuilder &v, Value bytes, ArrayRef<Value> at,
                           Value part, int64_t kind) const override {
    // Bits 4 and 5 of a code, those of the second 32 rows two bits higher.
    SmallVector<int32_t> shifts(8, 0);
    shifts.append(8, 2);
    auto type = v.vec(kSliceLanes, v.i32());
    Value amounts = arith::ConstantOp::create(
        v.b, v.loc, DenseElementsAttr::get(type, ArrayRef<int32_t>(shifts)));
    SmallVector<Value> results;
    for (Value start : at) {
      Value low = v.load(bytes, v.add(start, v.mul(part, kBytes)), kBytes);
      Value where = v.add(v.add(start, 2 * kBytes), v.mul(part, kBytes / 2));
      Value high = v.load(bytes, where, kBytes / 2);
      high = v.cast(sideBySide(v, {high, high}), kSliceLanes, v.i32());
      high = v.shr(high, amounts);
      low = v.cast(low, kSliceLanes, v.i32());
      if (kind == 0)
        high = v.shl(high, 4);
      else
        low = v.shr(low, 4);
      results.push_back(
          v.cast(v.orI(v.andI(low, 0x0f0f0f0f), v.andI(high, 0x30303030)),
                 kBytes, v.i8()));
    }
    return results;
  }

  Value products(VectorBuilder &v, Value bytes, ArrayRef<Value> at,
                 Value x) const override {
    Type f16 = v.b.getF16Type();
    Value scales = v.splat(v.vec(kColumnsTogether, f16), 0);
    for (auto [i, start] : llvm::enumerate(at))
      scales = v.insert(v.loadScalarAs(bytes, v.add(start, 208), 2, f16),
                        scales, static_cast<int64_t>(i));
    return v.mulf(v.extF(scales), x);
  }

  SmallVector<Groups> scaled(VectorBuilder &v, Value bytes, ArrayRef<Value> at,
                             Value products) const override {
    SmallVector<Value> loaded;
    for (Value start : at)
      loaded.push_back(v.load(bytes, v.add(start, 192), 16));
    Value all = sideBySide(v, loaded);
    auto type = v.vec(kSliceLanes, v.i32());
    Value product = perGroup(v, products, 0);
    SmallVector<Groups> results;
    for (int64_t first = 0; first < 16; first += kGroupsTogether) {
      // Into the upper byte, then with its sign to the lowest.
      Value upper = fourOfEach(v, all, first, 3);
      Value scale =
          arith::ShRSIOp::create(v.b, v.loc, upper, v.splat(type, 24));
      results.push_back({v.toFloat(scale), product, {}, {}});
    }
    return results;
  }
};

} // namespace

std::unique_ptr<ColumnCodes>
ColumnCodes::create(qlinear::QuantFormatAttrInterface format) {
  auto gguf = dyn_cast<GgufFormatAttr>(format);
  if (!gguf)
    return nullptr;
  switch (gguf.getKind()) {
  case GgufKind::Q4_0:
    return std::make_unique<Q4_0Codes>();
  case GgufKind::Q8_0:
    return std::make_unique<Q8_0Codes>();
  case GgufKind::Q4_K:
    return std::make_unique<Q4KCodes>();
  case GgufKind::Q6_K:
    return std::make_unique<Q6KCodes>();
  default:
    return nullptr;
  }
}
