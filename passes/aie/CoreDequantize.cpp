//===- CoreDequantize.cpp - blocks of packed weights to bf16 --------------===//
//
// As in CoreAccumulate.cpp, a code becomes the bf16 128 + code without any
// conversion; sums start with what that is too much:
//
//   d q + m = (128 + q) d + (m - 128 d)
//
// which are sums in f32, rounded to bf16 at their end. 4-bit codes go into the
// order of tiles while they are packed: the N rows of a column are then a
// single integer.
//
//===----------------------------------------------------------------------===//

#include "passes/aie/CoreFunctions.h"
#include "passes/aie/CoreMatmul.h"
#include "passes/dataflow/CoreCalls.h"

using namespace mlir;
using namespace headrace;
using common::VectorBuilder;
using namespace headrace::dataflow;

namespace {

constexpr int64_t kGroups = kPieceColumns / kGroupColumns;
constexpr int64_t kScales = kGroups * kBlockRows;
/// Rows whose codes of a column lie together, in bytes for each column.
constexpr int64_t kHalfRows = 16, kColumnBytes = kHalfRows / 2;
constexpr int64_t kHalves = kBlockRows / kHalfRows;
/// Weights of a vector of 512 bits.
constexpr int64_t kWeights = 32;

/// What codes are multiplied with, and where sums start, of the rows of a tile:
/// lanes of a vector, N of each column.
struct Scale {
  SmallVector<Value> factors; // bf16, their sum
  Value start;                // f32
};

class Dequantize {
public:
  Dequantize(VectorBuilder &v, StringRef format, aie::TileShape tile,
             int64_t columns, ValueRange arguments)
      : v(v), format(format), tile(tile), columns(columns),
        layout(*getPieceLayout(format)), w(arguments[0]), out(arguments[1]),
        bf16(v.b.getBF16Type()) {
    part = arith::IndexCastOp::create(v.b, v.loc, v.b.getIndexType(),
                                      arguments[2]);
  }

  void build(int64_t blocks) {
    int64_t groups = columns / kGroupColumns;
    Value first = v.mul(part, groups);
    v.loop(v.index(0), v.index(blocks), 1, {}, [&](Value block, ValueRange) {
      start = v.mul(block, layout.bytes);
      v.loop(v.index(0), v.index(groups), 1, {}, [&](Value group, ValueRange) {
        v.loop(v.index(0), v.index(kHalves), 1, {},
               [&](Value half, ValueRange) {
                 addHalf(v.add(v.mul(block, kHalves), half),
                         v.add(first, group), group, half);
                 return SmallVector<Value>();
               });
        return SmallVector<Value>();
      });
      return SmallVector<Value>();
    });
  }

private:
  /// 16 rows by the columns of a scale; `rows` is their number among the
  /// blocks' halves, `group` that of the block, `target` that of the result.
  void addHalf(Value rows, Value group, Value target, Value half) {
    SmallVector<Scale> scales = loadScales(group, half);
    int64_t steps = kGroupColumns / tile.k, tiles = kHalfRows / tile.n;
    int64_t bytes = tile.k * kColumnBytes, size = tile.k * tile.n;
    Value from =
        v.add(v.add(start, v.mul(group, kGroupColumns * kColumnBytes)),
              v.add(v.mul(half, kPieceColumns * kColumnBytes), layout.codes));
    // Tiles of a row lie behind each other.
    int64_t row = columns / tile.k * size;
    Value to = v.add(v.mul(rows, tiles * row), v.mul(target, steps * size));
    v.loop(v.index(0), v.index(steps), 1, {}, [&](Value step, ValueRange) {
      Value codes = v.load(w, v.add(from, v.mul(step, bytes)), bytes);
      SmallVector<Value> packed =
          unzip(v.cast(codes, tile.k * tiles, v.b.getIntegerType(4 * tile.n)));
      Value at = v.add(to, v.mul(step, size));
      for (int64_t i = 0; i < tiles; ++i)
        storeTile(packed[i], scales[i], v.add(at, i * row));
      return SmallVector<Value>();
    });
  }

  /// Lanes i, i + n, i + 2n and so on of n vectors, for i from 0 to n - 1.
  SmallVector<Value> unzip(Value lanes) {
    int64_t tiles = kHalfRows / tile.n;
    SmallVector<Value> result{lanes};
    for (int64_t parts = 1; parts < tiles; parts *= 2) {
      SmallVector<Value> next(2 * parts);
      for (int64_t i = 0; i < parts; ++i)
        for (int64_t odd = 0; odd < 2; ++odd) {
          SmallVector<int64_t> mask;
          for (int64_t at = odd; at < v.lanes(result[i]); at += 2)
            mask.push_back(at);
          next[i + odd * parts] = v.shuffle(result[i], mask);
        }
      result = next;
    }
    return result;
  }

  void storeTile(Value packed, const Scale &scale, Value at) {
    int64_t count = tile.k * tile.n;
    Value wide = v.extU(v.cast(packed, count, v.b.getIntegerType(4)), v.i16());
    Value bits = v.orI(wide, v.splat(v.vec(count, v.i16()), aie::k128));
    Value numbers = v.cast(bits, count, bf16);
    for (int64_t first = 0; first < count; first += kWeights) {
      Value sum = scale.start;
      for (Value factor : scale.factors)
        sum = aie::multiplyAdd(v, lanes(numbers, first, kWeights), factor, sum);
      v.store(aie::narrow(v, sum), out, v.add(at, first));
    }
  }

  //===-- Scales ----------------------------------------------------------===//

  SmallVector<Scale> loadScales(Value group, Value half) {
    Value row = v.mul(half, kHalfRows);
    Value at = v.add(v.mul(group, kBlockRows), row);
    SmallVector<Value> factors, starts; // of 16 rows, in bf16
    if (format == "q4_k") {
      // Products of d, in two parts, and integers; again in two parts.
      auto [scale, more] = loadScaled(at, 0, row, 0);
      auto [minimum, rest] = loadScaled(at, kScales, row, 2 * kBlockRows);
      factors = {scale, more};
      starts = {minimum, rest};
    } else if (format == "q4_0") {
      factors = {loadBf16(at, 0), loadBf16(at, kScales)};
    } else {
      factors = {loadBf16(at, 0)};
      starts = {loadBf16(at, kScales)};
    }
    // 8 of q4_0 stands for zero.
    double excess = format == "q4_0" ? 136 : 128;
    Value offset = v.splat(v.vec(kWeights, bf16), -excess);
    SmallVector<Scale> scales(kHalfRows / tile.n);
    for (Value factor : factors)
      for (auto [scale, of] : llvm::zip_equal(scales, replicate(factor)))
        scale.factors.push_back(of);
    for (Value number : starts)
      for (auto [scale, of] : llvm::zip_equal(scales, replicate(number)))
        scale.start = scale.start ? v.addf(scale.start, aie::widen(v, of))
                                  : aie::widen(v, of);
    for (Scale &scale : scales)
      for (Value factor : scale.factors)
        scale.start =
            scale.start ? aie::multiplyAdd(v, factor, offset, scale.start)
                        : v.mulf(aie::widen(v, factor), aie::widen(v, offset));
    return scales;
  }

  /// Integers from `offset` on times numbers of the rows, which are in two
  /// parts from `of` on behind the integers; in two parts.
  std::pair<Value, Value> loadScaled(Value at, int64_t offset, Value row,
                                     int64_t of) {
    Value integers = loadIntegers(at, offset);
    Value product = v.mulf(aie::widen(v, integers),
                           aie::widen(v, loadBf16(row, kScales + of)));
    Value rest = loadBf16(row, kScales + of + kBlockRows);
    return aie::split(v, aie::multiplyAdd(v, integers, rest, product));
  }

  /// Of numbers of 16 rows, those of each tile, again and again.
  SmallVector<Value> replicate(Value rows) {
    SmallVector<Value> result{rows};
    // Parts beside themselves: of N lanes, then of twice as many, up to halves.
    for (int64_t step = tile.n; step < kHalfRows; step *= 2) {
      SmallVector<Value> next;
      for (Value of : result)
        for (int64_t half = 0; half < 2; ++half) {
          SmallVector<int64_t> mask;
          for (int64_t lane = 0; lane < kHalfRows; ++lane) {
            int64_t at = half * kHalfRows + lane;
            mask.push_back(at / (2 * step) * step + at % step);
          }
          next.push_back(v.shuffle(of, mask));
        }
      result = next;
    }
    SmallVector<int64_t> twice;
    for (int64_t lane = 0; lane < kWeights; ++lane)
      twice.push_back(lane % kHalfRows);
    for (Value &of : result)
      of = v.shuffle(of, twice);
    return result;
  }

  //===-- Memory ----------------------------------------------------------===//

  Value lanes(Value from, int64_t first, int64_t count) {
    return vector::ExtractStridedSliceOp::create(
        v.b, v.loc, from, ArrayRef<int64_t>{first}, ArrayRef<int64_t>{count},
        ArrayRef<int64_t>{1});
  }
  /// 16 bf16 from the one numbered `at + offset` of the block on.
  Value loadBf16(Value at, int64_t offset) {
    return v.loadAs(w, v.add(start, v.mul(v.add(at, offset), 2)), 2 * kHalfRows,
                    kHalfRows, bf16);
  }
  Value loadIntegers(Value at, int64_t offset) {
    return aie::integersToBf16(
        v, v.load(w, v.add(start, v.add(at, offset)), kHalfRows));
  }

  VectorBuilder &v;
  StringRef format;
  aie::TileShape tile;
  int64_t columns;
  BlockLayout layout;
  Value w, out, part, start;
  Type bf16;
};

} // namespace

LogicalResult aie::buildDequantize(VectorBuilder &v, StringRef format,
                                   TileShape tile, int64_t columns,
                                   func::FuncOp function) {
  auto sizeOf = [&](unsigned number) {
    return cast<MemRefType>(function.getArgumentTypes()[number])
        .getNumElements();
  };
  if (columns <= 0 || columns % kGroupColumns || kPieceColumns % columns)
    return function.emitOpError("expected 32, 64 or 128 columns, but got ")
           << columns;
  int64_t bytes = getPieceLayout(format)->bytes, blocks = sizeOf(0) / bytes;
  if (blocks * bytes != sizeOf(0) || blocks * kBlockRows * columns != sizeOf(1))
    return function.emitOpError("expected b blocks of ")
           << bytes << " bytes and b x " << kBlockRows * columns
           << " weights, but got " << sizeOf(0) << " and " << sizeOf(1);
  Dequantize(v, format, tile, columns, function.getArguments()).build(blocks);
  return success();
}
