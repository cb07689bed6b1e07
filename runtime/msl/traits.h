//===- traits.h - metal_type_traits and metal_limits ----------------------===//

#ifndef HEADRACE_MSL_TRAITS_H
#define HEADRACE_MSL_TRAITS_H

#include "types.h"

namespace metal {
template <class T, T V> struct integral_constant {
  static constexpr T value = V;
  using value_type = T;
  using type = integral_constant;
  constexpr operator T() const { return V; }
};
template <bool B> using bool_constant = integral_constant<bool, B>;
using true_type = bool_constant<true>;
using false_type = bool_constant<false>;

template <bool B, class T = void> struct enable_if {};
template <class T> struct enable_if<true, T> {
  using type = T;
};
template <bool B, class T = void>
using enable_if_t = typename enable_if<B, T>::type;
template <bool B, class T, class F> struct conditional {
  using type = T;
};
template <class T, class F> struct conditional<false, T, F> {
  using type = F;
};
template <bool B, class T, class F>
using conditional_t = typename conditional<B, T, F>::type;

template <class T> using remove_cv_t = __remove_cv(T);
template <class T> struct remove_cv {
  using type = remove_cv_t<T>;
};
template <class T> using remove_const_t = __remove_const(T);
template <class T> struct remove_const {
  using type = remove_const_t<T>;
};
template <class T> using remove_volatile_t = __remove_volatile(T);
template <class T> using remove_reference_t = __remove_reference_t(T);
template <class T> struct remove_reference {
  using type = remove_reference_t<T>;
};
template <class T> using remove_pointer_t = __remove_pointer(T);
template <class T> struct remove_pointer {
  using type = remove_pointer_t<T>;
};
template <class T> struct remove_addrspace {
  using type = T;
};
template <class T> struct remove_addrspace<MSL_DEVICE T> {
  using type = T;
};
template <class T> struct remove_addrspace<MSL_CONSTANT T> {
  using type = T;
};
template <class T> struct remove_addrspace<MSL_THREADGROUP T> {
  using type = T;
};
template <class T>
using remove_addrspace_t = typename remove_addrspace<T>::type;
template <class T> using decay_t = __decay(T);
template <class T> using make_unsigned_t = __make_unsigned(T);
template <class T> struct make_unsigned {
  using type = make_unsigned_t<T>;
};
template <class T> using make_signed_t = __make_signed(T);
template <class T> struct make_signed {
  using type = make_signed_t<T>;
};

template <class T> constexpr bool is_floating_point_v = false;
template <> constexpr bool is_floating_point_v<float> = true;
template <> constexpr bool is_floating_point_v<half> = true;
template <> constexpr bool is_floating_point_v<bfloat> = true;
template <class T>
constexpr bool is_floating_point_v<const T> = is_floating_point_v<T>;
template <class T, class U> constexpr bool is_same_v = __is_same(T, U);
template <class T> constexpr bool is_integral_v = __is_integral(T);
template <class T> constexpr bool is_void_v = __is_void(T);
template <class T> constexpr bool is_const_v = __is_const(T);
template <class T> constexpr bool is_pointer_v = __is_pointer(T);
template <class T> constexpr bool is_reference_v = __is_reference(T);
template <class T> constexpr bool is_enum_v = __is_enum(T);
template <class T> constexpr bool is_class_v = __is_class(T);
template <class T> constexpr bool is_union_v = __is_union(T);
template <class T> constexpr bool is_unsigned_v = __is_unsigned(T);
template <class T>
constexpr bool is_signed_v = __is_signed(T) || is_floating_point_v<T>;
template <class T>
constexpr bool is_arithmetic_v = is_integral_v<T> || is_floating_point_v<T>;
template <class T>
constexpr bool is_scalar_v =
    is_arithmetic_v<T> || is_enum_v<T> || is_pointer_v<T>;
template <class T>
constexpr bool is_trivially_copyable_v = __is_trivially_copyable(T);
template <class T, class U> constexpr bool is_base_of_v = __is_base_of(T, U);
template <class T, class U>
constexpr bool is_convertible_v = __is_convertible(T, U);

template <class T, class U> struct is_same : bool_constant<is_same_v<T, U>> {};
template <class T, class U>
struct is_base_of : bool_constant<is_base_of_v<T, U>> {};
template <class T, class U>
struct is_convertible : bool_constant<is_convertible_v<T, U>> {};
#define MSL_TRAIT(name)                                                        \
  template <class T> struct name : bool_constant<name##_v<T>> {};
MSL_TRAIT(is_floating_point)
MSL_TRAIT(is_integral)
MSL_TRAIT(is_void)
MSL_TRAIT(is_const)
MSL_TRAIT(is_pointer)
MSL_TRAIT(is_reference)
MSL_TRAIT(is_enum)
MSL_TRAIT(is_class)
MSL_TRAIT(is_union)
MSL_TRAIT(is_unsigned)
MSL_TRAIT(is_signed)
MSL_TRAIT(is_arithmetic)
MSL_TRAIT(is_scalar)
MSL_TRAIT(is_trivially_copyable)
#undef MSL_TRAIT

template <class T> remove_reference_t<T> &&declval();

template <class T> METAL_FUNC constexpr remove_reference_t<T> &&move(T &&x) {
  return static_cast<remove_reference_t<T> &&>(x);
}

template <class T> struct make_scalar {
  using type = typename metal_shim::Vector<T>::Element;
};
template <class T> using make_scalar_t = typename make_scalar<T>::type;

template <class T> struct numeric_limits {
  static constexpr bool is_specialized = false;
};
#define MSL_INTEGER_LIMITS(T)                                                  \
  template <> struct numeric_limits<T> {                                       \
    static constexpr bool is_specialized = true;                               \
    static constexpr bool is_integer = true;                                   \
    static constexpr bool is_signed = T(-1) < T(0);                            \
    static constexpr int digits = sizeof(T) * 8 - is_signed;                   \
    static constexpr T max() {                                                 \
      return is_signed ? T((1ul << (digits - 1)) - 1 + (1ul << (digits - 1)))  \
                       : T(-1);                                                \
    }                                                                          \
    static constexpr T min() { return is_signed ? T(-max() - 1) : T(0); }      \
    static constexpr T lowest() { return min(); }                              \
  };
MSL_INTEGER_LIMITS(char)
MSL_INTEGER_LIMITS(int8_t)
MSL_INTEGER_LIMITS(uchar)
MSL_INTEGER_LIMITS(short)
MSL_INTEGER_LIMITS(ushort)
MSL_INTEGER_LIMITS(int)
MSL_INTEGER_LIMITS(uint)
MSL_INTEGER_LIMITS(long)
MSL_INTEGER_LIMITS(ulong)
#undef MSL_INTEGER_LIMITS
template <> struct numeric_limits<bool> {
  static constexpr bool is_specialized = true;
  static constexpr bool max() { return true; }
  static constexpr bool min() { return false; }
  static constexpr bool lowest() { return false; }
};
#define MSL_FLOAT_LIMITS(T, Max, Min, Epsilon, Digits)                         \
  template <> struct numeric_limits<T> {                                       \
    static constexpr bool is_specialized = true;                               \
    static constexpr bool is_integer = false;                                  \
    static constexpr bool is_signed = true;                                    \
    static constexpr bool has_infinity = true;                                 \
    static constexpr int digits = Digits;                                      \
    static constexpr T max() { return T(Max); }                                \
    static constexpr T min() { return T(Min); }                                \
    static constexpr T lowest() { return T(-Max); }                            \
    static constexpr T epsilon() { return T(Epsilon); }                        \
    static constexpr T infinity() { return T(__builtin_inff()); }              \
    static constexpr T quiet_NaN() { return T(__builtin_nanf("")); }           \
    static constexpr T signaling_NaN() { return T(__builtin_nanf("")); }       \
  };
MSL_FLOAT_LIMITS(float, 0x1.fffffep127f, 0x1p-126f, 0x1p-23f, 24)
MSL_FLOAT_LIMITS(half, 65504.0f, 0x1p-14f, 0x1p-10f, 11)
MSL_FLOAT_LIMITS(bfloat, 0x1.fep127f, 0x1p-126f, 0x1p-7f, 8)
#undef MSL_FLOAT_LIMITS
} // namespace metal

#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
#define HUGE_VALF __builtin_inff()
#define HUGE_VALH half(__builtin_inff())
#define MAXFLOAT 0x1.fffffep127f
#define MAXHALF half(65504.0f)
#define FLT_MAX 0x1.fffffep127f
#define FLT_MIN 0x1p-126f
#define FLT_EPSILON 0x1p-23f
#define HALF_MAX half(65504.0f)
#define HALF_MIN half(0x1p-14f)
#define HALF_EPSILON half(0x1p-10f)
#define CHAR_MAX 127
#define CHAR_MIN (-128)
#define UCHAR_MAX 255
#define SHRT_MAX 32767
#define SHRT_MIN (-32768)
#define USHRT_MAX 65535
#define INT_MAX 2147483647
#define INT_MIN (-2147483647 - 1)
#define UINT_MAX 4294967295u
#define LONG_MAX 9223372036854775807l
#define LONG_MIN (-9223372036854775807l - 1)
#define ULONG_MAX 18446744073709551615ul
#define M_PI_F 3.14159265358979323846f
#define M_PI_2_F 1.57079632679489661923f
#define M_1_PI_F 0.318309886183790671538f
#define M_2_PI_F 0.636619772367581343076f
#define M_2_SQRTPI_F 1.12837916709551257390f
#define M_E_F 2.71828182845904523536f
#define M_LN2_F 0.69314718055994530942f
#define M_LN10_F 2.30258509299404568402f
#define M_LOG2E_F 1.44269504088896340736f
#define M_LOG10E_F 0.43429448190325182765f
#define M_SQRT2_F 1.41421356237309504880f
#define M_SQRT1_2_F 0.70710678118654752440f
#define M_PI_H half(M_PI_F)

#endif // HEADRACE_MSL_TRAITS_H
