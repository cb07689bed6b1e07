//===- ZigzagSlices.cpp - slices of columns as vectors --------------------===//

#include "passes/cpu/ZigzagSlices.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::GgufFormatAttr;
using headrace::qlinear::GgufKind;
using headrace::qlinear::PackedType;
using headrace::qlinear::ZigzagFormatAttr;

/// i32 lanes from `values`.
static Value integers(VectorBuilder &v, ArrayRef<int32_t> values) {
  return arith::ConstantOp::create(
      v.b, v.loc,
      DenseElementsAttr::get(
          v.vec(static_cast<int64_t>(values.size()), v.i32()), values));
}

Value headrace::cpu::sideBySide(VectorBuilder &v, ArrayRef<Value> parts) {
  if (parts.size() == 1)
    return parts[0];
  Value low = sideBySide(v, parts.take_front(parts.size() / 2));
  Value high = sideBySide(v, parts.drop_front(parts.size() / 2));
  return v.shuffle(
      low, high,
      llvm::to_vector(llvm::seq<int64_t>(2 * VectorBuilder::lanes(low))));
}

Value headrace::cpu::scalesAndMinimaQ4K(VectorBuilder &v, Value headers,
                                        int64_t count) {
  SmallVector<int64_t> parts, rest;
  SmallVector<int32_t> partShifts, restShifts, partMasks, restMasks;
  for (int64_t i = 0; i < count; ++i) {
    // Groups 0 to 3 are the low 6 bits of words 1 (scales) and 2 (minima);
    // groups 4 to 7 are 4 bits of word 3 under the upper 2 bits of those.
    parts.append({4 * i + 1, 4 * i + 1, 4 * i + 2, 4 * i + 2});
    rest.append(4, 4 * i + 3);
    partShifts.append({0, 2, 0, 2});
    restShifts.append({0, 0, 0, 4});
    partMasks.append({0x3f3f3f3f, 0x30303030, 0x3f3f3f3f, 0x30303030});
    restMasks.append({0, 0x0f0f0f0f, 0, 0x0f0f0f0f});
  }
  auto moved = [&](ArrayRef<int64_t> from, ArrayRef<int32_t> shifts,
                   ArrayRef<int32_t> masks) {
    Value words = v.shr(v.shuffle(headers, from), integers(v, shifts));
    return v.andI(words, integers(v, masks));
  };
  return v.orI(moved(parts, partShifts, partMasks),
               moved(rest, restShifts, restMasks));
}

namespace {

/// 16 bytes as i32 lanes, unsigned.
Value loadBytes(VectorBuilder &v, Value bytes, Value at, int64_t offset) {
  return v.extU(v.load(bytes, v.add(at, offset), kSliceLanes), v.i32());
}

/// Low and high nibbles of bytes to f32, less a zero point.
struct Nibbles {
  NibbleKind kind;
  int64_t zero;

  /// `lanes` has a byte in each i32.
  Value low(VectorBuilder &v, Value lanes) const {
    return kind == NibbleKind::Avx512 ? find(v, lanes)
                                      : number(v, v.andI(lanes, 15));
  }
  Value high(VectorBuilder &v, Value lanes) const {
    Value shifted = v.shr(lanes, 4);
    return kind == NibbleKind::Avx512 ? find(v, shifted) : number(v, shifted);
  }

private:
  Value number(VectorBuilder &v, Value lanes) const {
    return v.toFloat(zero ? v.sub(lanes, v.splat(v.vec(kSliceLanes, v.i32()),
                                                 static_cast<double>(zero)))
                          : lanes);
  }
  /// The instruction looks at the lowest four bits only.
  Value find(VectorBuilder &v, Value lanes) const {
    SmallVector<float> table;
    for (int64_t i = 0; i < kSliceLanes; ++i)
      table.push_back(static_cast<float>(i - zero));
    auto type = v.vec(kSliceLanes, v.f32());
    Value numbers = arith::ConstantOp::create(
        v.b, v.loc, DenseElementsAttr::get(type, ArrayRef<float>(table)));
    return LLVM::CallIntrinsicOp::create(
               v.b, v.loc, type,
               v.b.getStringAttr("llvm.x86.avx512.permvar.sf.512"),
               ValueRange{numbers, lanes})
        .getResult(0);
  }
};

//===----------------------------------------------------------------------===//
// Blocks of 32 rows: q4_0, q8_0
//===----------------------------------------------------------------------===//

class SmallSlices : public SliceDecoder {
public:
  int64_t bytes() const override { return kSliceRows / 32 * blockBytes(); }
  int64_t partVectors() const override { return 2; }

  SmallVector<Value> coefficients(VectorBuilder &v, Value bytes,
                                  ArrayRef<Value> at,
                                  ArrayRef<Value> factors) const override {
    SmallVector<Value> results;
    for (auto [start, factor] : llvm::zip(at, factors)) {
      // Lane by lane: the scales lie a block apart.
      Type f16 = v.b.getF16Type();
      Value scales = v.splat(v.vec(8, f16), 0);
      for (int64_t block = 0; block < 8; ++block) {
        Value d =
            v.loadScalarAs(bytes, v.add(start, block * blockBytes()), 2, f16);
        scales = v.insert(d, scales, block);
      }
      Value scaled = v.mulf(v.extF(scales), v.broadcast(factor, 8));
      results.push_back(v.padZero(scaled, kSliceLanes));
    }
    return results;
  }

protected:
  /// A block starts with its f16 scale.
  virtual int64_t blockBytes() const = 0;
};

class Q4_0Slices : public SmallSlices {
public:
  explicit Q4_0Slices(NibbleKind kind) : nibbles{kind, 8} {}
  int64_t blockBytes() const override { return 18; }
  SmallVector<Value> numbers(VectorBuilder &v, Value bytes, Value at,
                             int64_t part) const override {
    Value lanes = loadBytes(v, bytes, at, part * blockBytes() + 2);
    return {nibbles.low(v, lanes), nibbles.high(v, lanes)};
  }

private:
  Nibbles nibbles;
};

class Q8_0Slices : public SmallSlices {
public:
  int64_t blockBytes() const override { return 34; }
  SmallVector<Value> numbers(VectorBuilder &v, Value bytes, Value at,
                             int64_t part) const override {
    SmallVector<Value> results;
    for (int64_t half : {0, 1}) {
      Value where = v.add(at, part * blockBytes() + 2 + 16 * half);
      Value lanes = v.load(bytes, where, kSliceLanes);
      results.push_back(v.toFloat(v.extS(lanes, v.i32())));
    }
    return results;
  }
};

//===----------------------------------------------------------------------===//
// Blocks of 256 rows: q4_k, q6_k
//===----------------------------------------------------------------------===//

/// f16 d and dmin, then 6-bit scales and minima in 12 bytes, then nibbles.
class Q4KSlices : public SliceDecoder {
public:
  explicit Q4KSlices(NibbleKind kind) : nibbles{kind, 0} {}
  int64_t bytes() const override { return 144; }
  bool hasOffsets() const override { return true; }
  int64_t partVectors() const override { return 4; }

  /// All slices side by side: their headers fill a vector.
  SmallVector<Value> coefficients(VectorBuilder &v, Value bytes,
                                  ArrayRef<Value> at,
                                  ArrayRef<Value> factors) const override {
    int64_t count = static_cast<int64_t>(at.size());
    SmallVector<Value> loaded;
    for (Value start : at)
      loaded.push_back(v.load(bytes, start, 16));
    Value headers = v.cast(sideBySide(v, loaded), 4 * count, v.i32());
    Value sixes =
        v.cast(scalesAndMinimaQ4K(v, headers, count), 16 * count, v.i8());
    Value halves = scaledHalves(v, headers, factors);
    SmallVector<Value> results;
    for (int64_t i = 0; i < count; ++i) {
      Value own = v.extU(v.repeat(sixes, 16 * i, 16, 1), v.i32());
      results.push_back(v.mulf(v.toFloat(own), v.repeat(halves, 2 * i, 2, 8)));
    }
    return results;
  }

  /// A chunk of 32 bytes: low nibbles are one group, high ones the next.
  SmallVector<Value> numbers(VectorBuilder &v, Value bytes, Value at,
                             int64_t part) const override {
    Value first = loadBytes(v, bytes, at, 16 + 32 * part);
    Value second = loadBytes(v, bytes, at, 32 + 32 * part);
    return {nibbles.low(v, first), nibbles.low(v, second),
            nibbles.high(v, first), nibbles.high(v, second)};
  }

private:
  /// For each slice d and -dmin, times its factor.
  static Value scaledHalves(VectorBuilder &v, Value headers,
                            ArrayRef<Value> factors) {
    SmallVector<int64_t> first;
    int64_t count = static_cast<int64_t>(factors.size());
    for (int64_t i = 0; i < count; ++i)
      first.push_back(4 * i);
    Value halves =
        v.cast(v.shuffle(headers, first), 2 * count, v.b.getF16Type());
    Value signs = v.splat(v.vec(2 * count, v.f32()), 0);
    for (auto [i, factor] : llvm::enumerate(factors)) {
      signs = v.insert(factor, signs, 2 * static_cast<int64_t>(i));
      signs = v.insert(v.negf(factor), signs, 2 * static_cast<int64_t>(i) + 1);
    }
    return v.mulf(v.extF(halves), signs);
  }

  Nibbles nibbles;
};

/// Low nibbles in 128 bytes, high pairs of bits in 64, 16 scales of 8 bits, d.
class Q6KSlices : public SliceDecoder {
public:
  int64_t bytes() const override { return 210; }
  int64_t groupRows() const override { return 16; }
  int64_t partVectors() const override { return 8; }

  SmallVector<Value> coefficients(VectorBuilder &v, Value bytes,
                                  ArrayRef<Value> at,
                                  ArrayRef<Value> factors) const override {
    SmallVector<Value> results;
    for (auto [start, factor] : llvm::zip(at, factors)) {
      Value scales = v.load(bytes, v.add(start, 192), kSliceLanes);
      Value d =
          v.extF(v.loadAs(bytes, v.add(start, 208), 2, 1, v.b.getF16Type()));
      Value scaled = v.mulf(d, v.broadcast(factor, 1));
      results.push_back(v.mulf(v.toFloat(v.extS(scales, v.i32())),
                               v.repeat(scaled, 0, 1, kSliceLanes)));
    }
    return results;
  }

  /// Half of the block. Its rows 0 to 63 are the low nibbles of 64 bytes, rows
  /// 64 to 127 the high ones; each run of 32 rows has two bits of 32 bytes.
  SmallVector<Value> numbers(VectorBuilder &v, Value bytes, Value at,
                             int64_t part) const override {
    SmallVector<Value> low, high, results;
    for (int64_t i = 0; i < 4; ++i)
      low.push_back(loadBytes(v, bytes, at, 64 * part + 16 * i));
    for (int64_t i = 0; i < 2; ++i)
      high.push_back(loadBytes(v, bytes, at, 128 + 32 * part + 16 * i));
    auto type = v.vec(kSliceLanes, v.i32());
    for (int64_t i = 0; i < 8; ++i) {
      Value nibble = i < 4 ? v.andI(low[i], 15) : v.shr(low[i - 4], 4);
      int64_t shift = 2 * (i / 2) - 4;
      Value pair =
          shift < 0 ? v.shl(high[i % 2], -shift) : v.shr(high[i % 2], shift);
      Value number = v.orI(nibble, v.andI(pair, 0x30));
      results.push_back(v.toFloat(v.sub(number, v.splat(type, 32))));
    }
    return results;
  }
};

} // namespace

std::unique_ptr<SliceDecoder>
SliceDecoder::create(qlinear::QuantFormatAttrInterface format,
                     NibbleKind nibbles) {
  auto gguf = dyn_cast<GgufFormatAttr>(format);
  if (!gguf)
    return nullptr;
  switch (gguf.getKind()) {
  case GgufKind::Q4_0:
    return std::make_unique<Q4_0Slices>(nibbles);
  case GgufKind::Q8_0:
    return std::make_unique<Q8_0Slices>();
  case GgufKind::Q4_K:
    return std::make_unique<Q4KSlices>(nibbles);
  case GgufKind::Q6_K:
    return std::make_unique<Q6KSlices>();
  default:
    return nullptr;
  }
}

//===----------------------------------------------------------------------===//
// Where slices are
//===----------------------------------------------------------------------===//

/// Sums of so many rows stay in the first cache.
static constexpr int64_t kMostRows = 2048;

int64_t headrace::cpu::sliceBand(PackedType weight) {
  auto zigzag = dyn_cast<ZigzagFormatAttr>(weight.getFormat());
  return zigzag && zigzag.getBand() % kSliceRows == 0 ? zigzag.getBand() : 0;
}

int64_t headrace::cpu::sliceWorkgroupRows(PackedType weight) {
  int64_t slices = sliceBand(weight) / kSliceRows;
  int64_t part = std::min(slices, kMostRows / kSliceRows);
  while (part > 0 && slices % part)
    --part;
  return part * kSliceRows;
}

Value SliceLayout::columnZero(VectorBuilder &v, Value row) const {
  Value inBand = arith::RemUIOp::create(v.b, v.loc, row, v.index(band));
  Value number = arith::DivUIOp::create(v.b, v.loc, row, v.index(band));
  Value slice = arith::DivUIOp::create(v.b, v.loc, inBand, v.index(kSliceRows));
  return v.add(v.mul(number, cols * columnBytes()), v.mul(slice, bytes));
}
