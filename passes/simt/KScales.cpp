//===- KScales.cpp - the six-bit numbers of q4_k --------------------------===//

#include "passes/simt/KScales.h"

using namespace mlir;
using namespace headrace::simt;

void KScales::open(SimtBuilder &v, Value chunk) {
  // Scales and minimums have six bits, two of each in 16. The upper four
  // groups have four of them in words of their own, and two on top of those
  // of the lower groups.
  Value isUpper = v.notLess(chunk, 2), pair = v.mul(v.rem(chunk, 2), 16);
  auto choose = [&](int64_t upper, int64_t lower) {
    return v.select(isUpper, v.constI32(upper), v.constI32(lower));
  };
  Value first = arith::IndexCastUIOp::create(v.b, v.loc, v.i32(), pair);
  shifts[0] = v.named(v.add(first, choose(2, 0)), "shift");
  shifts[1] = v.named(first, "other_shift");
  shifts[2] = v.named(v.add(first, v.constI32(4)), "other_shift");
  ownMask = v.named(choose(0x3030, 0x3F3F), "mask");
  otherMask = v.named(choose(0x0F0F, 0), "other_mask");
}

Value KScales::scales(SimtBuilder &v, Value header) const {
  return numbers(v, v.extract(header, 1),
                 v.shr(v.extract(header, 3), shifts[1]));
}

Value KScales::minimums(SimtBuilder &v, Value header) const {
  return numbers(v, v.extract(header, 2),
                 v.shr(v.extract(header, 3), shifts[2]));
}

/// From the word of a group's own and the four bits that upper groups have
/// elsewhere.
Value KScales::numbers(SimtBuilder &v, Value own, Value other) const {
  Value bits =
      v.orI(v.andI(v.shr(own, shifts[0]), ownMask), v.andI(other, otherMask));
  Value bytes = v.andI(v.broadcast(bits, 2), v.vectorI32({0x00FF, 0xFF00}));
  return v.named(v.unsignedToFloat(bytes), "numbers");
}
