//===- math.h - metal_math, metal_common and metal_geometric --------------===//
//
// Numbers are those of the C library, in f32; half is rounded to from there,
// and of bfloat the language knows the f32 only. `fast` and `precise` are the
// same here: what a device may do with fast math is for its vendor to say.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_MSL_MATH_H
#define HEADRACE_MSL_MATH_H

#include "traits.h"

namespace metal {

// A function of one number, for each float type and its vectors.
#define MSL_UNARY(name, expression)                                            \
  METAL_FUNC float name(float x) { return expression; }                        \
  METAL_FUNC half name(half h) {                                               \
    float x = float(h);                                                        \
    return half(expression);                                                   \
  }                                                                            \
  METAL_FUNC float name(bfloat b) { return name(float(b)); }                   \
  template <class T, int N> METAL_FUNC vec<T, N> name(vec<T, N> x) {           \
    for (int i = 0; i < N; ++i)                                                \
      x[i] = name(x[i]);                                                       \
    return x;                                                                  \
  }
#define MSL_FAST_UNARY(X)                                                      \
  X(acos, __builtin_acosf(x))                                                  \
  X(acosh, __builtin_acoshf(x))                                                \
  X(asin, __builtin_asinf(x))                                                  \
  X(asinh, __builtin_asinhf(x))                                                \
  X(atan, __builtin_atanf(x))                                                  \
  X(atanh, __builtin_atanhf(x))                                                \
  X(ceil, __builtin_ceilf(x))                                                  \
  X(cos, __builtin_cosf(x))                                                    \
  X(cosh, __builtin_coshf(x))                                                  \
  X(cospi, __builtin_cosf(x *M_PI_F))                                          \
  X(exp, __builtin_expf(x))                                                    \
  X(exp10, __builtin_powf(10.0f, x))                                           \
  X(exp2, __builtin_exp2f(x))                                                  \
  X(fabs, __builtin_fabsf(x))                                                  \
  X(floor, __builtin_floorf(x))                                                \
  X(fract, __builtin_fminf(x - __builtin_floorf(x), 0x1.fffffep-1f))           \
  X(log, __builtin_logf(x))                                                    \
  X(log10, __builtin_log10f(x))                                                \
  X(log2, __builtin_log2f(x))                                                  \
  X(rint, __builtin_rintf(x))                                                  \
  X(round, __builtin_roundf(x))                                                \
  X(rsqrt, 1.0f / __builtin_sqrtf(x))                                          \
  X(sin, __builtin_sinf(x))                                                    \
  X(sinh, __builtin_sinhf(x))                                                  \
  X(sinpi, __builtin_sinf(x *M_PI_F))                                          \
  X(sqrt, __builtin_sqrtf(x))                                                  \
  X(tan, __builtin_tanf(x))                                                    \
  X(tanh, __builtin_tanhf(x))                                                  \
  X(trunc, __builtin_truncf(x))
MSL_FAST_UNARY(MSL_UNARY)
MSL_UNARY(saturate, __builtin_fminf(__builtin_fmaxf(x, 0.0f), 1.0f))
MSL_UNARY(sign, x > 0 ? 1.0f : x < 0 ? -1.0f : x == 0 ? x : 0.0f)
#undef MSL_UNARY

// Of two numbers. A vector goes with a vector of its type.
#define MSL_BINARY(name, expression)                                           \
  METAL_FUNC float name(float x, float y) { return expression; }               \
  METAL_FUNC half name(half a, half b) {                                       \
    float x = float(a), y = float(b);                                          \
    return half(expression);                                                   \
  }                                                                            \
  METAL_FUNC float name(bfloat a, bfloat b) {                                  \
    return name(float(a), float(b));                                           \
  }                                                                            \
  template <class T, int N>                                                    \
  METAL_FUNC vec<T, N> name(vec<T, N> x, vec<T, N> y) {                        \
    for (int i = 0; i < N; ++i)                                                \
      x[i] = name(x[i], y[i]);                                                 \
    return x;                                                                  \
  }
#define MSL_FAST_BINARY(X)                                                     \
  X(atan2, __builtin_atan2f(x, y))                                             \
  X(copysign, __builtin_copysignf(x, y))                                       \
  X(divide, x / y)                                                             \
  X(fdim, __builtin_fdimf(x, y))                                               \
  X(fmax, __builtin_fmaxf(x, y))                                               \
  X(fmin, __builtin_fminf(x, y))                                               \
  X(fmod, __builtin_fmodf(x, y))                                               \
  X(pow, __builtin_powf(x, y))                                                 \
  X(powr, __builtin_powf(x, y))
MSL_FAST_BINARY(MSL_BINARY)
MSL_BINARY(step, y < x ? 0.0f : 1.0f)
MSL_BINARY(max, __builtin_fmaxf(x, y))
MSL_BINARY(min, __builtin_fminf(x, y))
MSL_BINARY(nextafter, __builtin_nextafterf(x, y))
#undef MSL_BINARY

#define MSL_INTEGER(T)                                                         \
  METAL_FUNC constexpr T max(T x, T y) { return x < y ? y : x; }               \
  METAL_FUNC constexpr T min(T x, T y) { return y < x ? y : x; }
MSL_INTEGER(char)
MSL_INTEGER(uchar)
MSL_INTEGER(short)
MSL_INTEGER(ushort)
MSL_INTEGER(int)
MSL_INTEGER(uint)
MSL_INTEGER(long)
MSL_INTEGER(ulong)
#undef MSL_INTEGER

#define MSL_TERNARY(name, expression)                                          \
  METAL_FUNC float name(float x, float y, float z) { return expression; }      \
  METAL_FUNC half name(half a, half b, half c) {                               \
    float x = float(a), y = float(b), z = float(c);                            \
    return half(expression);                                                   \
  }                                                                            \
  METAL_FUNC float name(bfloat a, bfloat b, bfloat c) {                        \
    return name(float(a), float(b), float(c));                                 \
  }                                                                            \
  template <class T, int N>                                                    \
  METAL_FUNC vec<T, N> name(vec<T, N> x, vec<T, N> y, vec<T, N> z) {           \
    for (int i = 0; i < N; ++i)                                                \
      x[i] = name(x[i], y[i], z[i]);                                           \
    return x;                                                                  \
  }
MSL_TERNARY(fma, __builtin_fmaf(x, y, z))
MSL_TERNARY(fmax3, __builtin_fmaxf(__builtin_fmaxf(x, y), z))
MSL_TERNARY(fmin3, __builtin_fminf(__builtin_fminf(x, y), z))
MSL_TERNARY(max3, __builtin_fmaxf(__builtin_fmaxf(x, y), z))
MSL_TERNARY(min3, __builtin_fminf(__builtin_fminf(x, y), z))
MSL_TERNARY(mix, x + (y - x) * z)
#undef MSL_TERNARY

template <class T> METAL_FUNC T clamp(T x, T low, T high) {
  return min(max(x, low), high);
}
template <class T, int N>
METAL_FUNC vec<T, N> clamp(vec<T, N> x, T low, T high) {
  return clamp(x, vec<T, N>(low), vec<T, N>(high));
}
METAL_FUNC float smoothstep(float low, float high, float x) {
  float t = saturate((x - low) / (high - low));
  return t * t * (3.0f - 2.0f * t);
}
METAL_FUNC float ldexp(float x, int e) { return __builtin_ldexpf(x, e); }
METAL_FUNC half ldexp(half x, int e) {
  return half(__builtin_ldexpf(float(x), e));
}
METAL_FUNC int ilogb(float x) { return __builtin_ilogbf(x); }

template <class T> METAL_FUNC enable_if_t<is_integral_v<T>, T> abs(T x) {
  return x < T(0) ? T(-x) : x;
}
METAL_FUNC float abs(float x) { return fabs(x); }
METAL_FUNC half abs(half x) { return fabs(x); }
METAL_FUNC float abs(bfloat x) { return fabs(x); }
template <class T, int N> METAL_FUNC vec<T, N> abs(vec<T, N> x) {
  for (int i = 0; i < N; ++i)
    x[i] = abs(x[i]);
  return x;
}

// --- relational --------------------------------------------------------------

#define MSL_TEST(name, expression)                                             \
  METAL_FUNC bool name(float x) { return expression; }                         \
  METAL_FUNC bool name(half h) {                                               \
    float x = float(h);                                                        \
    return expression;                                                         \
  }                                                                            \
  METAL_FUNC bool name(bfloat b) {                                             \
    float x = float(b);                                                        \
    return expression;                                                         \
  }
MSL_TEST(isnan, __builtin_isnan(x))
MSL_TEST(isinf, __builtin_isinf(x))
MSL_TEST(isfinite, __builtin_isfinite(x))
MSL_TEST(isnormal, __builtin_isnormal(x))
MSL_TEST(signbit, __builtin_signbit(x))
#undef MSL_TEST

template <class T> METAL_FUNC constexpr T select(T no, T yes, bool which) {
  return which ? yes : no;
}
/// which: what a comparison gives, or a vector of bool.
template <class T, int N, class M>
METAL_FUNC vec<T, N> select(vec<T, N> no, vec<T, N> yes, vec<M, N> which) {
  for (int i = 0; i < N; ++i)
    no[i] = which[i] ? yes[i] : no[i];
  return no;
}
METAL_FUNC bool any(bool x) { return x; }
METAL_FUNC bool all(bool x) { return x; }
template <class T, int N> METAL_FUNC bool any(vec<T, N> x) {
  bool result = false;
  for (int i = 0; i < N; ++i)
    result |= bool(x[i]);
  return result;
}
template <class T, int N> METAL_FUNC bool all(vec<T, N> x) {
  bool result = true;
  for (int i = 0; i < N; ++i)
    result &= bool(x[i]);
  return result;
}

// --- geometric ---------------------------------------------------------------

template <class T, int N> METAL_FUNC T dot(vec<T, N> x, vec<T, N> y) {
  T sum = x[0] * y[0];
  for (int i = 1; i < N; ++i)
    sum += x[i] * y[i];
  return sum;
}
template <class T, int N> METAL_FUNC T length_squared(vec<T, N> x) {
  return dot(x, x);
}
template <class T, int N> METAL_FUNC T length(vec<T, N> x) {
  return sqrt(dot(x, x));
}
template <class T, int N> METAL_FUNC T distance(vec<T, N> x, vec<T, N> y) {
  return length(x - y);
}
template <class T, int N> METAL_FUNC vec<T, N> normalize(vec<T, N> x) {
  return x * rsqrt(dot(x, x));
}
template <class T> METAL_FUNC vec<T, 3> cross(vec<T, 3> x, vec<T, 3> y) {
  return x.yzx * y.zxy - x.zxy * y.yzx;
}

#define MSL_USING(name, expression) using metal::name;
namespace precise {
MSL_FAST_UNARY(MSL_USING)
MSL_FAST_BINARY(MSL_USING)
using metal::clamp;
using metal::fma;
using metal::max;
using metal::min;
using metal::mix;
using metal::saturate;
} // namespace precise
namespace fast {
using namespace precise;
MSL_FAST_UNARY(MSL_USING)
MSL_FAST_BINARY(MSL_USING)
using metal::clamp;
using metal::fma;
using metal::max;
using metal::min;
using metal::mix;
using metal::saturate;
} // namespace fast
#undef MSL_USING
} // namespace metal

#endif // HEADRACE_MSL_MATH_H
