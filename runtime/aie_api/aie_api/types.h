//===- types.h - numbers, vectors and accumulators of aie_api ------------===//

#ifndef HEADRACE_AIE_API_TYPES_H
#define HEADRACE_AIE_API_TYPES_H

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

using int8 = int8_t;
using uint8 = uint8_t;
using int16 = int16_t;
using uint16 = uint16_t;
using int32 = int32_t;
using uint32 = uint32_t;

/// The upper half of a float.
struct bfloat16 {
  bfloat16() = default;
  /// What a float has too much is cut off: constants and results that are bf16.
  explicit bfloat16(float x) : bits(std::bit_cast<uint32>(x) >> 16) {}
  operator float() const { return std::bit_cast<float>(uint32(bits) << 16); }
  uint16 bits;
};

/// Names of lanes of which two are in a byte, and of lanes of accumulators.
struct uint4;
struct accfloat;
/// The accumulator that products need.
struct accauto;
/// Numbers of which eight share an exponent.
struct bfp16ebs8;

namespace aie {
namespace detail {

template <class T> constexpr unsigned kBits = 8 * sizeof(T);
template <> inline constexpr unsigned kBits<uint4> = 4;

template <class T> struct Value {
  using type = T;
};
template <> struct Value<uint4> {
  using type = uint8;
};

/// What `unpack` makes of a lane.
template <class T> struct Wider;
template <> struct Wider<uint4> {
  using type = uint8;
};
template <> struct Wider<uint8> {
  using type = uint16;
};
template <> struct Wider<int8> {
  using type = int16;
};

} // namespace detail

/// Of data that vectors are loaded from: what XDNA 2 wants for 512 bits.
inline constexpr unsigned vector_decl_align = 64;

enum class rounding_mode { floor, conv_even };

/// Lanes in memory order; sizes are those that registers have.
template <class T, unsigned Elems> class vector {
  static constexpr unsigned kTotal = detail::kBits<T> * Elems;
  static_assert(kTotal == 128 || kTotal == 256 || kTotal == 512 ||
                    kTotal == 1024 || kTotal == 2048,
                "a vector has 128, 256, 512, 1024 or, on XDNA 2, 2048 bits");
  template <class, unsigned> friend class vector;

public:
  using value_type = T;
  using lane = typename detail::Value<T>::type;
  static constexpr unsigned size() { return Elems; }

  lane get(unsigned index) const {
    assert(index < Elems);
    if constexpr (detail::kBits<T> == 4) {
      return (bytes[index / 2] >> (index % 2 * 4)) & 15;
    } else {
      lane value;
      std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
      return value;
    }
  }
  void set(lane value, unsigned index) {
    static_assert(detail::kBits<T> >= 8);
    assert(index < Elems);
    std::memcpy(bytes.data() + index * sizeof(T), &value, sizeof(T));
  }

  /// The same bits as lanes of another type.
  template <class To> auto cast_to() const {
    vector<To, kTotal / detail::kBits<To>> result;
    result.bytes = bytes;
    return result;
  }
  /// Lanes of twice the width.
  auto unpack() const {
    vector<typename detail::Wider<T>::type, Elems> result;
    for (unsigned i = 0; i < Elems; ++i)
      result.set(get(i), i);
    return result;
  }
  /// Part number `index` of those with `Part` lanes.
  template <unsigned Part> vector<T, Part> extract(unsigned index) const {
    assert(index < Elems / Part);
    vector<T, Part> result;
    std::memcpy(result.bytes.data(), bytes.data() + index * result.bytes.size(),
                result.bytes.size());
    return result;
  }

  /// All lanes again and again.
  template <unsigned To> vector<T, To> grow_replicate() const {
    static_assert(To > Elems && To % Elems == 0);
    vector<T, To> result;
    for (unsigned i = 0; i < To; ++i)
      result.set(get(i % Elems), i);
    return result;
  }

  /// The device would round pointers down that are not aligned.
  void load(const T *pointer) {
    assert(isAligned(pointer));
    std::memcpy(bytes.data(), pointer, bytes.size());
  }
  void store(T *pointer) const {
    assert(isAligned(pointer));
    std::memcpy(pointer, bytes.data(), bytes.size());
  }

private:
  static bool isAligned(const T *pointer) {
    constexpr unsigned kAlign = std::min(kTotal / 8, vector_decl_align);
    return reinterpret_cast<uintptr_t>(pointer) % kAlign == 0;
  }
  std::array<uint8, kTotal / 8> bytes{};
};

namespace detail {

/// Of the core, which starts with floor.
inline thread_local rounding_mode rounding = rounding_mode::floor;

inline bfloat16 narrow(float x) {
  bfloat16 result;
  uint32 bits = std::bit_cast<uint32>(x);
  uint32 cut = bits & 0xFFFF;
  result.bits = bits >> 16;
  if (x != x)
    result.bits = 0x7FC0;
  else if (rounding == rounding_mode::conv_even)
    result.bits = (bits + 0x7FFF + (result.bits & 1)) >> 16;
  else if (bits >> 31 && cut) // towards minus infinity
    ++result.bits;
  return result;
}

} // namespace detail

/// 64 numbers as XDNA 2 multiplies them: for each eight the exponent of the
/// largest, and of each a sign and seven bits.
template <class T, unsigned Elems> class block_vector {
  static_assert(std::is_same_v<T, bfp16ebs8> && Elems == 64);

public:
  float get(unsigned index) const {
    return std::ldexp(float(steps[index]), exponents[index / 8] - 6);
  }
  /// The nearest to eight numbers. What is rounded up to a power of two has the
  /// exponent of that.
  void set(const float *numbers, unsigned block) {
    uint32 largest = 0;
    for (unsigned i = 0; i < 8; ++i)
      largest =
          std::max(largest, std::bit_cast<uint32>(numbers[i]) & 0x7FFFFFFF);
    int exponent = int((largest + 0x10000) >> 23) - 127;
    exponents[block] = int16(exponent);
    for (unsigned i = 0; i < 8; ++i) {
      float number = std::nearbyint(std::ldexp(numbers[i], 6 - exponent));
      // There are no infinities, and no NaN.
      steps[8 * block + i] = std::fabs(number) < 128 ? int8(number) : int8(0);
    }
  }

private:
  std::array<int8, Elems> steps{};
  std::array<int16, Elems / 8> exponents{};
};

/// Sums in f32.
template <class Tag, unsigned Elems> class accum {
public:
  accum() = default;
  template <class T> explicit accum(const vector<T, Elems> &from) {
    for (unsigned i = 0; i < Elems; ++i)
      lanes[i] = from.get(i);
  }
  template <class To> auto to_vector() const {
    if constexpr (std::is_same_v<To, bfp16ebs8>) {
      assert(detail::rounding == rounding_mode::conv_even);
      block_vector<To, Elems> result;
      for (unsigned block = 0; block < Elems / 8; ++block)
        result.set(&lanes[8 * block], block);
      return result;
    } else {
      vector<To, Elems> result;
      for (unsigned i = 0; i < Elems; ++i)
        if constexpr (detail::kBits<To> == 16)
          result.set(detail::narrow(lanes[i]), i);
        else
          result.set(lanes[i], i);
      return result;
    }
  }
  std::array<float, Elems> lanes{};
};

template <unsigned Elems> struct mask {
  std::array<bool, Elems> lanes;
};

} // namespace aie

#endif // HEADRACE_AIE_API_TYPES_H
