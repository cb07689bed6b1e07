//===- types.h - Types of the Metal Shading Language ----------------------===//
//
// MSL is C++ with vectors, matrices and address spaces. Vectors are clang's
// ext_vector_type and address spaces clang's own, so that a pointer of the
// wrong one is an error as it is in MSL. What C++ has no form for is rewritten
// before (python/headrace/sim/msl_source.py):
//
//   device, constant, threadgroup, thread  ->  DEVICE, CONSTANT, ...
//   float4(a, b)                           ->  metal_shim::make<float4>(a, b)
//   (float4)x                              ->  metal_shim::cast<float4>() ->* x
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_MSL_TYPES_H
#define HEADRACE_MSL_TYPES_H

// The numbers are those of AMD's GPUs, for which inner loops are counted.
#define MSL_DEVICE __attribute__((address_space(1)))
#define MSL_CONSTANT __attribute__((address_space(4)))
#define MSL_THREADGROUP __attribute__((address_space(3)))
#define MSL_THREAD

#define METAL_FUNC inline __attribute__((always_inline))
#define METAL_CONST __attribute__((const))

typedef _Float16 half;
typedef __bf16 bfloat;
typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long int64_t;
typedef unsigned long uint64_t;
typedef unsigned long size_t;
typedef long ptrdiff_t;
typedef unsigned long uintptr_t;
typedef long intptr_t;

namespace metal {
template <class T, int N> using vec = T __attribute__((ext_vector_type(N)));
}

#define MSL_VECTORS(T)                                                         \
  typedef metal::vec<T, 2> T##2;                                               \
  typedef metal::vec<T, 3> T##3;                                               \
  typedef metal::vec<T, 4> T##4;                                               \
  namespace metal {                                                            \
  using ::T##2;                                                                \
  using ::T##3;                                                                \
  using ::T##4;                                                                \
  }
MSL_VECTORS(bool)
MSL_VECTORS(char)
MSL_VECTORS(uchar)
MSL_VECTORS(short)
MSL_VECTORS(ushort)
MSL_VECTORS(int)
MSL_VECTORS(uint)
MSL_VECTORS(long)
MSL_VECTORS(ulong)
MSL_VECTORS(half)
MSL_VECTORS(bfloat)
MSL_VECTORS(float)
#undef MSL_VECTORS

// Aligned as one element. Those of three have no form here: clang gives them
// the size of four.
#define MSL_PACKED(T)                                                          \
  typedef T packed_##T##2                                                      \
      __attribute__((ext_vector_type(2), aligned(sizeof(T))));                 \
  typedef T packed_##T##4                                                      \
      __attribute__((ext_vector_type(4), aligned(sizeof(T))));
MSL_PACKED(char)
MSL_PACKED(uchar)
MSL_PACKED(short)
MSL_PACKED(ushort)
MSL_PACKED(int)
MSL_PACKED(uint)
MSL_PACKED(half)
MSL_PACKED(bfloat)
MSL_PACKED(float)
MSL_PACKED(long)
#undef MSL_PACKED

namespace metal {
using ::bfloat;
using ::half;
using ::int16_t;
using ::int32_t;
using ::int64_t;
using ::int8_t;
using ::ptrdiff_t;
using ::size_t;
using ::uchar;
using ::uint;
using ::uint16_t;
using ::uint32_t;
using ::uint64_t;
using ::uint8_t;
using ::ulong;
using ::ushort;
} // namespace metal

namespace metal_shim {
template <class V> struct Vector {
  using Element = V;
  static constexpr int size = 1;
  static constexpr bool is = false;
};
template <class T, int N> struct Vector<metal::vec<T, N>> {
  using Element = T;
  static constexpr int size = N;
  static constexpr bool is = true;
};

/// An element-wise conversion, as all conversions of vectors are in MSL.
template <class V, class U> METAL_FUNC constexpr V convert(U from) {
  static_assert(Vector<V>::size == Vector<U>::size,
                "vectors of different sizes do not convert");
  V to = {};
  for (int i = 0; i < Vector<V>::size; ++i)
    to[i] = static_cast<typename Vector<V>::Element>(from[i]);
  return to;
}

template <class V, class P>
METAL_FUNC constexpr void place(V &to, int &at, P part) {
  using Element = typename Vector<V>::Element;
  if constexpr (Vector<P>::is)
    for (int i = 0; i < Vector<P>::size; ++i)
      to[at++] = static_cast<Element>(part[i]);
  else
    to[at++] = static_cast<Element>(part);
}

/// V(parts...): one scalar for all elements, or as many elements as V has.
template <class V, class... P> METAL_FUNC constexpr V make(P... parts) {
  constexpr int given = (0 + ... + Vector<P>::size);
  V result = {};
  if constexpr (sizeof...(P) == 1 && !(Vector<P>::is || ...)) {
    for (int i = 0; i < Vector<V>::size; ++i)
      result[i] = static_cast<typename Vector<V>::Element>((parts, ...));
  } else {
    static_assert(given == 0 || given == Vector<V>::size,
                  "as many elements as the vector has");
    int at = 0;
    (place(result, at, parts), ...);
  }
  return result;
}

/// (V)x. `->*` binds closest among the operators that can be written.
template <class V> struct cast {
  template <class U> METAL_FUNC constexpr V operator->*(U from) const {
    return make<V>(from);
  }
};

template <class T> struct NoDeduction {
  using Type = T;
};
} // namespace metal_shim

// 1.5h, 2bf
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wuser-defined-literals"
#pragma clang diagnostic ignored "-Wreserved-user-defined-literal"
constexpr half operator""h(long double value) { return half(value); }
constexpr half operator""h(unsigned long long value) { return half(value); }
constexpr half operator"" H(long double value) { return half(value); }
constexpr bfloat operator"" bf(long double value) {
  return bfloat(float(value));
}
constexpr bfloat operator"" bf(unsigned long long value) {
  return bfloat(float(value));
}
#pragma clang diagnostic pop

namespace metal {
template <class T, class U> METAL_FUNC constexpr T as_type(U value) {
  static_assert(sizeof(T) == sizeof(U), "as_type keeps the size");
  return __builtin_bit_cast(T, value);
}
} // namespace metal
using metal::as_type; // a keyword in MSL

#endif // HEADRACE_MSL_TYPES_H
