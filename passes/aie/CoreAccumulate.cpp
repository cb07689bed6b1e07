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

/// Bytes of codes of a column, and columns that fill a load of 256 bits.
constexpr int64_t kColumnBytes = kUnitRows / 2;
constexpr int64_t kColumns = 32 / kColumnBytes;
static_assert(kUnitRows == aie::kLanes, "a vector of sums has all rows");
/// Sums of a row, so that one does not wait for the one before.
constexpr int64_t kChains = 4;

class Accumulate {
public:
  Accumulate(VectorBuilder &v, StringRef format, int64_t columns,
             ValueRange arguments)
      : v(v), format(format), groups(columns / kGroupColumns),
        scales(groups * kUnitRows),
        codes(getUnitLayout(format, columns)->codes), x(arguments[0]),
        bias(arguments[1]), parts(arguments[2]), w(arguments[3]),
        y(arguments[4]), bf16(v.b.getBF16Type()) {
    block = arith::IndexCastOp::create(v.b, v.loc, v.b.getIndexType(),
                                       arguments[5]);
  }

  void build() {
    Value row = v.load(y, v.index(0), aie::kLanes);
    bool twoLevels = format == "q4_k";
    SmallVector<Value> sums = {row};
    if (twoLevels) // of integer scales, then of integer minima
      sums.assign(2, v.splat(v.vec(aie::kLanes, v.f32()), 0));
    sums = v.loop(v.index(0), v.index(groups), 1, sums,
                  [&](Value group, ValueRange carried) {
                    return addGroup(group, carried);
                  });
    if (twoLevels)
      row = addScaled(sums[1], 2 * kUnitRows, addScaled(sums[0], 0, row));
    else
      row = sums[0];
    v.store(row, y, v.index(0));
  }

private:
  /// Adds the columns of one scale, to rows, or to sums of integers.
  SmallVector<Value> addGroup(Value group, ValueRange carried) {
    Value number = v.add(v.mul(block, groups), group);
    Value zero = v.splat(v.vec(aie::kLanes, v.f32()), 0);
    SmallVector<Value> sums(kChains, zero);
    sums.front() = v.broadcast(loadNumber(bias, number), aie::kLanes);
    Value column = v.mul(number, kGroupColumns);
    Value first = v.add(v.mul(group, kGroupColumns * kColumnBytes), codes);
    sums = v.loop(v.index(0), v.index(kGroupColumns), kColumns, sums,
                  [&](Value at, ValueRange chains) {
                    return addColumns(v.add(column, at),
                                      v.add(first, v.mul(at, kColumnBytes)),
                                      chains);
                  });
    for (size_t count = kChains / 2; count; count /= 2)
      for (size_t i = 0; i < count; ++i)
        sums[i] = v.addf(sums[i], sums[i + count]);

    SmallVector<Value> next(carried);
    std::pair<Value, Value> two = aie::split(v, sums.front());
    Value at = v.mul(group, kUnitRows);
    Value &row = next.front();
    if (format == "q4_0") {
      row = addProducts(loadBf16(at, 0), two, row);
      row = aie::multiplyAdd(v, loadBf16(at, scales), two.first, row);
    } else if (format == "q4nx") {
      row = addProducts(loadBf16(at, 0), two, row);
      row = addProducts(loadBf16(at, scales), loadSum(number), row);
    } else {
      row = addProducts(loadIntegers(at, 0), two, row);
      Value &minima = next[1];
      minima = addProducts(loadIntegers(at, scales), loadSum(number), minima);
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
    int64_t all = cast<MemRefType>(bias.getType()).getNumElements();
    Value first = loadNumber(parts, number);
    Value second = loadNumber(parts, v.add(number, all));
    return {v.broadcast(first, aie::kLanes), v.broadcast(second, aie::kLanes)};
  }

  /// Of q4_k: `acc + d * sum`, with d of the rows at scale `at` behind the
  /// integers.
  Value addScaled(Value sum, int64_t at, Value acc) {
    std::pair<Value, Value> two = aie::split(v, sum);
    Value index = v.index(scales + at);
    acc = addProducts(loadBf16(index, 0), two, acc);
    return aie::multiplyAdd(v, loadBf16(index, kUnitRows), two.first, acc);
  }

  /// Adds `kColumns` columns, whose codes are at byte `bytes`.
  SmallVector<Value> addColumns(Value column, Value bytes, ValueRange sums) {
    SmallVector<Value> next(sums);
    Value xs = v.load(x, column, kColumns);
    Value packed = v.load(w, bytes, kColumns * kColumnBytes);
    constexpr int64_t kCount = kColumns * kUnitRows;
    // The upper byte of bf16 128 between codes: cheaper than to widen and add.
    Value bytesOf =
        v.extU(v.cast(packed, kCount, v.b.getIntegerType(4)), v.i8());
    Value upper = v.splat(v.vec(kCount, v.i8()), aie::k128 >> 8);
    Value both = vector::InterleaveOp::create(v.b, v.loc, bytesOf, upper);
    Value numbers = v.cast(both, kCount, bf16);
    for (int64_t i = 0; i < kColumns; ++i) {
      Value rows = vector::ExtractStridedSliceOp::create(
          v.b, v.loc, numbers, ArrayRef<int64_t>{i * kUnitRows},
          ArrayRef<int64_t>{kUnitRows}, ArrayRef<int64_t>{1});
      Value factor = v.broadcast(v.extract(xs, i), aie::kLanes);
      Value &sum = next[i % kChains];
      sum = aie::multiplyAdd(v, rows, factor, sum);
    }
    return next;
  }

  Value loadNumber(Value memref, Value at) {
    return memref::LoadOp::create(v.b, v.loc, memref, at);
  }
  /// 16 bf16 from the one numbered `at + offset` of the block on.
  Value loadBf16(Value at, int64_t offset) {
    return v.loadAs(w, v.mul(v.add(at, offset), 2), 2 * kUnitRows, kUnitRows,
                    bf16);
  }
  /// 16 numbers of 0 to 63 from byte `at + offset` of the block on.
  Value loadIntegers(Value at, int64_t offset) {
    return aie::integersToBf16(v, v.load(w, v.add(at, offset), kUnitRows));
  }

  VectorBuilder &v;
  StringRef format;
  /// Groups of columns with a scale of their own, scales of a block, and where
  /// its codes begin.
  int64_t groups, scales, codes;
  Value x, bias, parts, w, y, block;
  Type bf16;
};

} // namespace

void aie::buildAccumulate(VectorBuilder &v, StringRef format, int64_t columns,
                          ValueRange arguments) {
  Accumulate(v, format, columns, arguments).build();
}
