//===- integer.h - metal_integer and metal_pack ---------------------------===//

#ifndef HEADRACE_MSL_INTEGER_H
#define HEADRACE_MSL_INTEGER_H

#include "math.h"

namespace metal {

// A function of one integer and of vectors of them.
#define MSL_UNARY(name, expression)                                            \
  template <class T>                                                           \
  METAL_FUNC constexpr enable_if_t<is_integral_v<T>, T> name(T x) {            \
    using U = make_unsigned_t<T>;                                              \
    constexpr int bits = sizeof(T) * 8;                                        \
    return T(expression);                                                      \
  }                                                                            \
  template <class T, int N> METAL_FUNC vec<T, N> name(vec<T, N> x) {           \
    for (int i = 0; i < N; ++i)                                                \
      x[i] = name(x[i]);                                                       \
    return x;                                                                  \
  }
MSL_UNARY(popcount, (bits, __builtin_popcountll(U(x))))
MSL_UNARY(clz, x == 0 ? bits : __builtin_clzll(U(x)) - (64 - bits))
MSL_UNARY(ctz, x == 0 ? bits : __builtin_ctzll(U(x)))
MSL_UNARY(reverse_bits, __builtin_bitreverse64(U(x)) >> (64 - bits))
#undef MSL_UNARY

template <class T>
METAL_FUNC constexpr T extract_bits(T x, uint at, uint bits) {
  constexpr uint width = sizeof(T) * 8;
  if (bits == 0)
    return 0;
  return T(T(make_unsigned_t<T>(x) << (width - at - bits)) >> (width - bits));
}
template <class T>
METAL_FUNC constexpr T insert_bits(T x, T insert, uint at, uint bits) {
  using U = make_unsigned_t<T>;
  if (bits == 0)
    return x;
  U mask = U(U(~U(0)) >> (sizeof(T) * 8 - bits)) << at;
  return T((U(x) & ~mask) | (U(insert) << at & mask));
}
template <class T> METAL_FUNC constexpr T rotate(T x, T by) {
  constexpr uint width = sizeof(T) * 8;
  using U = make_unsigned_t<T>;
  uint n = uint(by) % width;
  return n ? T(U(x) << n | U(x) >> (width - n)) : x;
}
METAL_FUNC constexpr int mulhi(int x, int y) { return long(x) * y >> 32; }
METAL_FUNC constexpr uint mulhi(uint x, uint y) { return ulong(x) * y >> 32; }
METAL_FUNC constexpr int mul24(int x, int y) { return x * y; }
METAL_FUNC constexpr uint mul24(uint x, uint y) { return x * y; }
METAL_FUNC constexpr int mad24(int x, int y, int z) { return x * y + z; }
METAL_FUNC constexpr uint mad24(uint x, uint y, uint z) { return x * y + z; }
template <class T> METAL_FUNC constexpr T madhi(T x, T y, T z) {
  return mulhi(x, y) + z;
}
template <class T> METAL_FUNC constexpr make_unsigned_t<T> absdiff(T x, T y) {
  using U = make_unsigned_t<T>;
  return x < y ? U(U(y) - U(x)) : U(U(x) - U(y));
}
template <class T> METAL_FUNC constexpr T addsat(T x, T y) {
  return __builtin_elementwise_add_sat(x, y);
}
template <class T> METAL_FUNC constexpr T subsat(T x, T y) {
  return __builtin_elementwise_sub_sat(x, y);
}

METAL_FUNC float4 unpack_unorm4x8_to_float(uint x) {
  return float4{float(x & 255), float(x >> 8 & 255), float(x >> 16 & 255),
                float(x >> 24)} /
         255.0f;
}
METAL_FUNC float4 unpack_snorm4x8_to_float(uint x) {
  float4 bytes = {float(char(x)), float(char(x >> 8)), float(char(x >> 16)),
                  float(char(x >> 24))};
  return max(bytes / 127.0f, float4(-1.0f));
}
METAL_FUNC uint pack_float_to_unorm4x8(float4 x) {
  float4 bytes = rint(saturate(x) * 255.0f);
  return uint(bytes.x) | uint(bytes.y) << 8 | uint(bytes.z) << 16 |
         uint(bytes.w) << 24;
}
} // namespace metal

#endif // HEADRACE_MSL_INTEGER_H
