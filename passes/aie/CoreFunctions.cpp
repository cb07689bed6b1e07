//===- CoreFunctions.cpp - what cores of an array compute -----------------===//

#include "passes/aie/CoreFunctions.h"

#include "passes/common/GateFunction.h"
#include "passes/dataflow/CoreCalls.h"

using namespace mlir;
using namespace headrace;
using common::VectorBuilder;
using dataflow::kGroupColumns;

Value aie::widen(VectorBuilder &v, Value x) {
  return arith::ExtFOp::create(v.b, v.loc, v.vec(v.lanes(x), v.f32()), x);
}

Value aie::narrow(VectorBuilder &v, Value x) {
  return arith::TruncFOp::create(v.b, v.loc,
                                 v.vec(v.lanes(x), v.b.getBF16Type()), x);
}

Value aie::multiplyAdd(VectorBuilder &v, Value a, Value b, Value acc) {
  return v.fma(widen(v, a), widen(v, b), acc);
}

Value aie::integersToBf16(VectorBuilder &v, Value bytes) {
  int64_t lanes = v.lanes(bytes);
  Value bits =
      v.orI(v.extU(bytes, v.i16()), v.splat(v.vec(lanes, v.i16()), k128));
  Value numbers = widen(v, v.cast(bits, lanes, v.b.getBF16Type()));
  return narrow(v, v.subf(numbers, v.splat(v.vec(lanes, v.f32()), 128)));
}

std::pair<Value, Value> aie::split(VectorBuilder &v, Value x) {
  Value first = narrow(v, x);
  return {first, narrow(v, v.subf(x, widen(v, first)))};
}

/// Numbers of a 1-D memref.
static int64_t sizeOf(Value memref) {
  return cast<MemRefType>(memref.getType()).getNumElements();
}

/// Numbers that are set to zero without a loop.
constexpr int64_t kStraight = 4 * aie::kLanes;

void aie::buildZero(VectorBuilder &v, ValueRange arguments) {
  Value y = arguments[0];
  int64_t size = sizeOf(y);
  Value zero = v.splat(v.vec(kLanes, v.f32()), 0);
  int64_t rest = size <= kStraight ? size : size % kStraight;
  if (rest < size)
    v.loop(v.index(0), v.index(size - rest), kStraight, {},
           [&](Value from, ValueRange) {
             for (int64_t at = 0; at < kStraight; at += kLanes)
               v.store(zero, y, v.add(from, at));
             return SmallVector<Value>();
           });
  for (int64_t at = size - rest; at < size; at += kLanes)
    v.store(zero, y, v.index(at));
}

void aie::buildCopy(VectorBuilder &v, ValueRange arguments) {
  Value from = arguments[0], to = arguments[1];
  v.loop(v.index(0), v.index(sizeOf(from)), kCopied, {},
         [&](Value at, ValueRange) {
           v.store(v.load(from, at, kCopied), to, at);
           return SmallVector<Value>();
         });
}

void aie::buildTake(VectorBuilder &v, StringRef format, ValueRange arguments) {
  // Codes are multiplied as 128 + code; of q4_0, 8 stands for zero.
  double excess = format == "q4_0" ? 136 : 128;
  Value piece = arguments[0], x = arguments[1], bias = arguments[2];
  Value parts = arguments[3];
  int64_t groups = sizeOf(piece) / 2 / kGroupColumns, all = sizeOf(bias);
  Value first = v.mul(
      arith::IndexCastOp::create(v.b, v.loc, v.b.getIndexType(), arguments[4]),
      groups);
  v.loop(v.index(0), v.index(groups), 1, {}, [&](Value group, ValueRange) {
    Value number = v.add(first, group);
    Value at = v.mul(group, kGroupColumns);
    Value to = v.mul(number, kGroupColumns);
    auto load = [&](Value from) {
      return v.loadAs(piece, v.mul(from, 2), 2 * kLanes, kLanes,
                      v.b.getBF16Type());
    };
    Value low = load(at), high = load(v.add(at, kLanes));
    v.store(low, x, to);
    v.store(high, x, v.add(to, kLanes));
    Value sum = v.addf(widen(v, low), widen(v, high));
    // Lanes against each other until all of them have the sum.
    for (int64_t distance = kLanes / 2; distance; distance /= 2) {
      SmallVector<int64_t> turned;
      for (int64_t lane = 0; lane < kLanes; ++lane)
        turned.push_back((lane + distance) % kLanes);
      sum = v.addf(sum, v.shuffle(sum, turned));
    }
    auto store = [&](Value vector, Value memref, Value index) {
      memref::StoreOp::create(v.b, v.loc, v.extract(vector, 0), memref, index);
    };
    Value scale = v.splat(v.vec(kLanes, v.f32()), -excess);
    store(v.mulf(sum, scale), bias, number);
    auto [one, rest] = split(v, sum);
    store(one, parts, number);
    store(rest, parts, v.add(number, all));
    return SmallVector<Value>();
  });
}

void aie::buildGate(VectorBuilder &v, qlinear::Activation activation,
                    ValueRange arguments) {
  Value gate = arguments[0], y = arguments[1];
  for (int64_t at = 0; at < sizeOf(y); at += kLanes) {
    Value index = v.index(at);
    Value activated =
        common::activate(v, activation, v.load(gate, index, kLanes));
    v.store(v.mulf(activated, v.load(y, index, kLanes)), y, index);
  }
}
