//===- CoreAccumulate.cpp - a block of weights times activations ----------===//
//
// A code is an integer from 0 to 15; put into the low bits of the bf16 128 it
// is the number 128 + code, without any conversion. 32 columns of a row share
// scale d and minimum m:
//
//   sum (d q + m) x = d (sum (128 + q) x - 128 sum x) + m sum x
//
// so sums start from the bias -128 sum x, which is the same for all rows.
//
//===----------------------------------------------------------------------===//

#include "passes/aie/CoreFunctions.h"
#include "passes/dataflow/CoreCalls.h"

using namespace mlir;
using namespace headrace;
using common::VectorBuilder;
using namespace headrace::dataflow;

namespace {

/// Groups of columns with a scale of their own, and scales of a block.
constexpr int64_t kGroups = kBlockColumns / kGroupColumns;
constexpr int64_t kScales = kGroups * kBlockRows;
/// Rows that lie together in the codes, in bytes for each column, and columns
/// that fill a load of 256 bits.
constexpr int64_t kHalfRows = 16, kColumnBytes = kHalfRows / 2;
constexpr int64_t kColumns = 32 / kColumnBytes;
constexpr int64_t kHalves = kBlockRows / kHalfRows;
/// Sums of a row, so that one does not wait for the one before.
constexpr int64_t kChains = 2;
/// The bits of bf16 128.
constexpr int64_t k128 = 0x4300;

class Accumulate {
public:
  Accumulate(VectorBuilder &v, StringRef format, ValueRange arguments)
      : v(v), format(format), codes(getBlockLayout(format)->codes),
        x(arguments[0]), bias(arguments[1]), parts(arguments[2]),
        w(arguments[3]), y(arguments[4]), bf16(v.b.getBF16Type()) {
    block = arith::IndexCastOp::create(v.b, v.loc, v.b.getIndexType(),
                                       arguments[5]);
  }

  void build() {
    SmallVector<Value> rows;
    for (int64_t half = 0; half < kHalves; ++half)
      rows.push_back(v.load(y, v.index(half * kHalfRows), aie::kLanes));
    bool twoLevels = format == "q4_k";
    SmallVector<Value> sums = rows;
    if (twoLevels) // of integer scales, then of integer minima
      sums.assign(2 * kHalves, v.splat(v.vec(aie::kLanes, v.f32()), 0));
    sums = v.loop(v.index(0), v.index(kGroups), 1, sums,
                  [&](Value group, ValueRange carried) {
                    return addGroup(group, carried);
                  });
    for (int64_t half = 0; half < kHalves; ++half) {
      Value row = sums[half];
      if (twoLevels)
        row = addScaled(half, sums[kHalves + half], kBlockRows * 2,
                        addScaled(half, sums[half], 0, rows[half]));
      v.store(row, y, v.index(half * kHalfRows));
    }
  }

private:
  /// Adds the columns of one scale, to rows, or to sums of integers.
  SmallVector<Value> addGroup(Value group, ValueRange carried) {
    Value number = v.add(v.mul(block, kGroups), group);
    Value start = v.broadcast(loadNumber(bias, number), aie::kLanes);
    Value zero = v.splat(v.vec(aie::kLanes, v.f32()), 0);
    SmallVector<Value> sums;
    for (int64_t half = 0; half < kHalves; ++half)
      for (int64_t chain = 0; chain < kChains; ++chain)
        sums.push_back(chain ? zero : start);
    Value column = v.mul(number, kGroupColumns);
    Value first = v.add(v.mul(group, kGroupColumns * kColumnBytes), codes);
    sums = v.loop(v.index(0), v.index(kGroupColumns), kColumns, sums,
                  [&](Value at, ValueRange chains) {
                    return addColumns(v.add(column, at),
                                      v.add(first, v.mul(at, kColumnBytes)),
                                      chains);
                  });

    SmallVector<Value> next(carried);
    for (int64_t half = 0; half < kHalves; ++half) {
      Value sum = v.addf(sums[half * kChains], sums[half * kChains + 1]);
      std::pair<Value, Value> two = aie::split(v, sum);
      Value at = v.add(v.mul(group, kBlockRows), half * kHalfRows);
      Value &row = next[half];
      if (format == "q4_0") {
        row = addProducts(loadBf16(at, 0), two, row);
        row = aie::multiplyAdd(v, loadBf16(at, kScales), two.first, row);
      } else if (format == "q4nx") {
        row = addProducts(loadBf16(at, 0), two, row);
        row = addProducts(loadBf16(at, kScales), loadSum(number), row);
      } else {
        row = addProducts(loadIntegers(at, 0), two, row);
        Value &minima = next[kHalves + half];
        minima =
            addProducts(loadIntegers(at, kScales), loadSum(number), minima);
      }
    }
    return next;
  }

  /// `acc + a * (b + c)` of bf16.
  Value addProducts(Value a, std::pair<Value, Value> b, Value acc) {
    return aie::multiplyAdd(v, a, b.second,
                            aie::multiplyAdd(v, a, b.first, acc));
  }

  /// The activations' sum of a group, which minima are multiplied with.
  std::pair<Value, Value> loadSum(Value number) {
    int64_t groups = cast<MemRefType>(bias.getType()).getNumElements();
    Value first = loadNumber(parts, number);
    Value second = loadNumber(parts, v.add(number, groups));
    return {v.broadcast(first, aie::kLanes), v.broadcast(second, aie::kLanes)};
  }

  /// Of q4_k: `acc + d * sum`, with d of the rows of a half at scale `at`
  /// behind the integers.
  Value addScaled(int64_t half, Value sum, int64_t at, Value acc) {
    std::pair<Value, Value> two = aie::split(v, sum);
    Value index = v.index(kScales + at + half * kHalfRows);
    acc = addProducts(loadBf16(index, 0), two, acc);
    return aie::multiplyAdd(v, loadBf16(index, kBlockRows), two.first, acc);
  }

  /// Adds `kColumns` columns, whose codes are at byte `bytes`.
  SmallVector<Value> addColumns(Value column, Value bytes, ValueRange sums) {
    SmallVector<Value> next(sums);
    Value xs = v.load(x, column, kColumns);
    for (int64_t half = 0; half < kHalves; ++half) {
      constexpr int64_t kHalfBytes = kBlockColumns * kColumnBytes;
      Value packed =
          v.load(w, v.add(bytes, half * kHalfBytes), kColumns * kColumnBytes);
      constexpr int64_t kCount = kColumns * kHalfRows;
      Value wide =
          v.extU(v.cast(packed, kCount, v.b.getIntegerType(4)), v.i16());
      Value offset = v.splat(v.vec(kCount, v.i16()), k128);
      Value numbers = v.cast(v.orI(wide, offset), kCount, bf16);
      for (int64_t i = 0; i < kColumns; ++i) {
        Value rows = vector::ExtractStridedSliceOp::create(
            v.b, v.loc, numbers, ArrayRef<int64_t>{i * kHalfRows},
            ArrayRef<int64_t>{kHalfRows}, ArrayRef<int64_t>{1});
        Value factor = v.broadcast(v.extract(xs, i), aie::kLanes);
        Value &sum = next[half * kChains + i % kChains];
        sum = aie::multiplyAdd(v, rows, factor, sum);
      }
    }
    return next;
  }

  Value loadNumber(Value memref, Value at) {
    return memref::LoadOp::create(v.b, v.loc, memref, at);
  }
  /// 16 bf16 from the one numbered `at + offset` of the block on.
  Value loadBf16(Value at, int64_t offset) {
    return v.loadAs(w, v.mul(v.add(at, offset), 2), 2 * kHalfRows, kHalfRows,
                    bf16);
  }
  /// 16 numbers of 0 to 63 from byte `at + offset` of the block on.
  Value loadIntegers(Value at, int64_t offset) {
    Value wide = v.extU(v.load(w, v.add(at, offset), kHalfRows), v.i16());
    Value bits = v.orI(wide, v.splat(v.vec(kHalfRows, v.i16()), k128));
    Value numbers = aie::widen(v, v.cast(bits, kHalfRows, bf16));
    return aie::narrow(
        v, v.subf(numbers, v.splat(v.vec(kHalfRows, v.f32()), 128)));
  }

  VectorBuilder &v;
  StringRef format;
  int64_t codes;
  Value x, bias, parts, w, y, block;
  Type bf16;
};

} // namespace

void aie::buildAccumulate(VectorBuilder &v, StringRef format,
                          ValueRange arguments) {
  Accumulate(v, format, arguments).build();
}
