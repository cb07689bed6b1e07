//===- lanes.h - Sixteen groups side by side in a vector ------------------===//
//
// A lane is one group of values (a sub-block): all arithmetic on groups is
// element by element, and sums over lanes have one fixed tree. So the results
// are the same bits with 128, 256 and 512-bit registers. That needs
// -ffp-contract=off; nothing here may be compiled with fast-math.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_QUANTIZE_LANES_H
#define HEADRACE_QUANTIZE_LANES_H

#include <stdint.h>
#include <string.h>

#define LANES 16
#define INLINE static inline __attribute__((always_inline))

typedef float vf __attribute__((vector_size(4 * LANES)));
typedef int32_t vi __attribute__((vector_size(4 * LANES)));

INLINE vf splat(float value) { return value - (vf){0}; }
INLINE vi splat_int(int32_t value) { return value - (vi){0}; }

/// Comparisons give -1 and 0.
INLINE vf select(vi mask, vf yes, vf no) {
  return (vf)((mask & (vi)yes) | (~mask & (vi)no));
}
INLINE vi select_int(vi mask, vi yes, vi no) {
  return (mask & yes) | (~mask & no);
}

INLINE vf min_of(vf a, vf b) { return select(a < b, a, b); }
INLINE vf max_of(vf a, vf b) { return select(a > b, a, b); }
INLINE vf clamp(vf x, float low, float high) {
  return min_of(max_of(x, splat(low)), splat(high));
}
INLINE vf absolute(vf x) { return (vf)((vi)x & 0x7fffffff); }

/// Nearest integer, ties to even, of magnitudes below 2^22.
INLINE vf nearest(vf x) {
  const float magic = 12582912.0f; // 1.5 * 2^23: the fraction has no bits left
  return (x + magic) - magic;
}

/// A whole number of magnitude below 2^22 as an integer.
INLINE vi to_int(vf x) { return (vi)(x + 12582912.0f) - 0x4b400000; }
INLINE vf to_float(vi x) { return (vf)(x + 0x4b400000) - 12582912.0f; }

/// 1 / x, and 0 for 0. Not for denormals.
INLINE vf inverse(vf x) {
  vi zero = x == 0.0f;
  return select(zero, splat(0), 1.0f / select(zero, splat(1), x));
}

//===----------------------------------------------------------------------===//
// Over the lanes of a block
//===----------------------------------------------------------------------===//
// A block is `share` neighbouring lanes: 1, 8 or 16. Each lane gets the result.

#define SHUFFLE(v, ...) __builtin_shufflevector(v, v, __VA_ARGS__)
#define SWAP_1(v)                                                              \
  SHUFFLE(v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)
#define SWAP_2(v)                                                              \
  SHUFFLE(v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)
#define SWAP_4(v)                                                              \
  SHUFFLE(v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11)
#define SWAP_8(v)                                                              \
  SHUFFLE(v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)

INLINE vf sum_of_block(vf v, int share) {
  if (share == 1)
    return v;
  v += SWAP_1(v);
  v += SWAP_2(v);
  v += SWAP_4(v);
  return share == 8 ? v : v + SWAP_8(v);
}

INLINE vf max_of_block(vf v, int share) {
  if (share == 1)
    return v;
  v = max_of(v, SWAP_1(v));
  v = max_of(v, SWAP_2(v));
  v = max_of(v, SWAP_4(v));
  return share == 8 ? v : max_of(v, SWAP_8(v));
}

//===----------------------------------------------------------------------===//
// Half precision
//===----------------------------------------------------------------------===//

/// The bits of the nearest half, ties to even; the largest half where that
/// would be infinite. Not for NaN.
INLINE vi half_bits(vf x) {
  vi bits = (vi)absolute(x);
  vi normal = ((bits + 0xfff + ((bits >> 13) & 1)) >> 13) - (112 << 10);
  // A subnormal half is a count of 2^-24.
  vf count = min_of((vf)bits, splat(0x1p-14f)) * 0x1p24f;
  vi half = select_int((vf)bits < 0x1p-14f, to_int(count), normal);
  half = select_int(half > 0x7bff, splat_int(0x7bff), half);
  return half | (((vi)x >> 16) & 0x8000);
}

INLINE vf half_value(vi half) {
  vi magnitude = half & 0x7fff;
  vf normal = (vf)((magnitude << 13) + (112 << 23));
  vf subnormal = to_float(magnitude & 0x3ff) * 0x1p-24f;
  vf value = select(magnitude < 0x400, subnormal, normal);
  vi sign = -((half >> 15) & 1) & INT32_MIN;
  return (vf)((vi)value | sign);
}

/// The half that `count` steps away from zero is; not beyond the largest.
INLINE vi half_away(vi half, int count) {
  vi magnitude = (half & 0x7fff) + count;
  vi inside = (magnitude <= 0x7bff) & (magnitude >= 0);
  return select_int(inside, magnitude | (half & 0x8000), half);
}

/// The half of least magnitude that is not less than that of x, so that a
/// quantized scale need not be clipped: it matters for subnormals.
INLINE vi half_bits_up(vf x) {
  vi half = half_bits(x);
  vi up = half_away(half, 1);
  return select_int(absolute(half_value(half)) < absolute(x), up, half);
}

#endif // HEADRACE_QUANTIZE_LANES_H
