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

std::pair<Value, Value> aie::split(VectorBuilder &v, Value x) {
  Value first = narrow(v, x);
  return {first, narrow(v, v.subf(x, widen(v, first)))};
}

/// Numbers of a 1-D memref.
static int64_t sizeOf(Value memref) {
  return cast<MemRefType>(memref.getType()).getNumElements();
}

void aie::buildZero(VectorBuilder &v, ValueRange arguments) {
  Value y = arguments[0];
  Value zero = v.splat(v.vec(kLanes, v.f32()), 0);
  for (int64_t at = 0; at < sizeOf(y); at += kLanes)
    v.store(zero, y, v.index(at));
}

void aie::buildSumGroups(VectorBuilder &v, StringRef format,
                         ValueRange arguments) {
  // Codes are multiplied as 128 + code; of q4_0, 8 stands for zero.
  double excess = format == "q4_0" ? 136 : 128;
  Value x = arguments[0], bias = arguments[1], parts = arguments[2];
  int64_t groups = sizeOf(bias);
  v.loop(v.index(0), v.index(groups), 1, {}, [&](Value group, ValueRange) {
    Value at = v.mul(group, kGroupColumns);
    Value sum = v.addf(widen(v, v.load(x, at, kLanes)),
                       widen(v, v.load(x, v.add(at, kLanes), kLanes)));
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
    store(v.mulf(sum, scale), bias, group);
    auto [first, second] = split(v, sum);
    store(first, parts, group);
    store(second, parts, v.add(group, groups));
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
