//===- CoreBlockFloat.cpp - numbers that share exponents in eights --------===//
//
// Cores of XDNA 2 multiply matrices of bfp16: eight numbers share an exponent,
// and have 8 bits each with the sign. One such number is off by a hundredth, so
// a bf16 is taken as the sum of two, which is off by less than 2^-14 of the
// largest of the eight.
//
// How the device rounds the first hardly matters, as the second is what it
// left. Here it is to the nearest even.
//
//===----------------------------------------------------------------------===//

#include "passes/aie/CoreFunctions.h"
#include "passes/aie/CoreMatmul.h"

#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace headrace;
using common::VectorBuilder;

/// Numbers that share an exponent, and bits of each behind the first.
constexpr int64_t kShared = 8, kMoreBits = 6;
/// Bits of f32: of 2^127, which are those of a power of two and its inverse
/// together, and of 2^-127.
constexpr int64_t kLargest = 0x7F000000, kSmallest = 0x00400000;

/// The largest of each eight lanes, in all of them.
static Value findLargest(VectorBuilder &v, Value lanes) {
  for (int64_t distance = 1; distance < kShared; distance *= 2) {
    SmallVector<int64_t> mask;
    for (int64_t lane = 0; lane < v.lanes(lanes); ++lane)
      mask.push_back(lane ^ distance);
    lanes = arith::MaxUIOp::create(v.b, v.loc, lanes, v.shuffle(lanes, mask));
  }
  return lanes;
}

/// bf16 of f32 lanes that need no more bits.
static Value cutExact(VectorBuilder &v, Value x) {
  int64_t lanes = v.lanes(x);
  Value high = v.shr(v.cast(x, lanes, v.i32()), 16);
  Value bits = arith::TruncIOp::create(v.b, v.loc, v.vec(lanes, v.i16()), high);
  return v.cast(bits, lanes, v.b.getBF16Type());
}

/// bf16 lanes rounded to what eight of them can share.
static Value roundBlocks(VectorBuilder &v, Value x) {
  int64_t lanes = v.lanes(x);
  auto vector = [&](Type type) { return v.vec(lanes, type); };
  auto constant = [&](int64_t bits) {
    return v.splat(vector(v.i32()), static_cast<double>(bits));
  };
  auto number = [&](Value bits) {
    return v.cast(arith::MaxUIOp::create(v.b, v.loc, bits, constant(kSmallest)),
                  lanes, v.f32());
  };
  Value largest = findLargest(v, v.andI(v.cast(x, lanes, v.i16()), 0x7FFF));
  // One step of bf16 more, which is half of one here: what is rounded up to the
  // next power of two has the exponent of that.
  Value more = v.add(largest, v.splat(vector(v.i16()), 1));
  Value exponent = v.shl(v.extU(v.andI(more, 0x7F80), v.i32()), 16);
  Value scale = number(exponent);
  Value inverse = number(v.sub(constant(kLargest), exponent));
  // Sums with this have the bits that numbers below two may keep.
  Value round = v.splat(vector(v.f32()), 1.5 * (1 << (23 - kMoreBits)));
  Value scaled = v.mulf(aie::widen(v, x), inverse);
  Value rounded = v.subf(v.addf(scaled, round), round);
  return cutExact(v, v.mulf(rounded, scale));
}

func::FuncOp aie::getSplitBlocks(ModuleOp cores, Location loc) {
  if (auto known = cores.lookupSymbol<func::FuncOp>(kSplitBlocks))
    return known;
  OpBuilder builder = OpBuilder::atBlockBegin(cores.getBody());
  auto type = VectorType::get({64}, builder.getBF16Type());
  auto function = func::FuncOp::create(
      builder, loc, kSplitBlocks, builder.getFunctionType(type, {type, type}));
  function.setPrivate();
  builder.setInsertionPointToStart(function.addEntryBlock());
  VectorBuilder v{builder, loc};
  Value x = function.getArgument(0), first = roundBlocks(v, x);
  Value rest = cutExact(v, v.subf(widen(v, x), widen(v, first)));
  func::ReturnOp::create(builder, loc, ValueRange{first, roundBlocks(v, rest)});
  return function;
}
