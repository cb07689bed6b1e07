//===- aie.hpp - the part of aie_api that emitted core functions use ------===//
//
// For a host with clang, in place of the header of that name of the vendor: a
// core function compiles with either. Products and sums are those of f32 with
// one rounding, which the device makes of smaller steps: where it multiplies
// f32 or divides, its last bits may differ.
//
// Compile with -std=c++20 -ffp-contract=off.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_AIE_API_AIE_HPP
#define HEADRACE_AIE_API_AIE_HPP

#include "types.h"

#include <cmath>
#include <type_traits>
#include <utility>

namespace aie {

inline void set_rounding(rounding_mode mode) { detail::rounding = mode; }

template <unsigned Elems, class T> vector<T, Elems> load_v(const T *pointer) {
  vector<T, Elems> result;
  result.load(pointer);
  return result;
}
template <class T, unsigned Elems>
void store_v(T *pointer, const vector<T, Elems> &lanes) {
  lanes.store(pointer);
}

template <class T, unsigned Elems> vector<T, Elems> broadcast(T value) {
  vector<T, Elems> result;
  for (unsigned i = 0; i < Elems; ++i)
    result.set(value, i);
  return result;
}
template <class T, unsigned Elems> vector<T, Elems> zeros() {
  return vector<T, Elems>();
}

/// Lanes moved down by `count`, the first ones to the end.
template <class T, unsigned Elems>
vector<T, Elems> shuffle_down_rotate(const vector<T, Elems> &from,
                                     unsigned count) {
  vector<T, Elems> result;
  for (unsigned i = 0; i < Elems; ++i)
    result.set(from.get((i + count) % Elems), i);
  return result;
}

/// `step` lanes of `a`, as many of `b`, the next of `a` and so on: the first
/// half of them, and the second.
template <class T, unsigned Elems>
std::pair<vector<T, Elems>, vector<T, Elems>>
interleave_zip(const vector<T, Elems> &a, const vector<T, Elems> &b,
               unsigned step) {
  std::pair<vector<T, Elems>, vector<T, Elems>> result;
  for (unsigned i = 0; i < 2 * Elems; ++i) {
    unsigned part = i / step;
    const auto &from = part % 2 ? b : a;
    auto &to = i < Elems ? result.first : result.second;
    to.set(from.get(part / 2 * step + i % step), i % Elems);
  }
  return result;
}
/// The lanes of `b` behind those of `a`.
template <class T, unsigned Elems>
vector<T, 2 * Elems> concat(const vector<T, Elems> &a,
                            const vector<T, Elems> &b) {
  vector<T, 2 * Elems> result;
  for (unsigned i = 0; i < Elems; ++i) {
    result.set(a.get(i), i);
    result.set(b.get(i), Elems + i);
  }
  return result;
}
/// Rows and columns of a matrix of `rows` by `columns` exchanged.
template <class T, unsigned Elems>
vector<T, Elems> transpose(const vector<T, Elems> &from, unsigned rows,
                           unsigned columns) {
  assert(rows * columns == Elems);
  vector<T, Elems> result;
  for (unsigned i = 0; i < Elems; ++i)
    result.set(from.get(i % rows * columns + i / rows), i);
  return result;
}
/// Every other lane, from the first or the second on.
template <class T, unsigned Elems>
vector<T, Elems / 2> filter_even(const vector<T, Elems> &from) {
  vector<T, Elems / 2> result;
  for (unsigned i = 0; i < Elems / 2; ++i)
    result.set(from.get(2 * i), i);
  return result;
}
template <class T, unsigned Elems>
vector<T, Elems / 2> filter_odd(const vector<T, Elems> &from) {
  vector<T, Elems / 2> result;
  for (unsigned i = 0; i < Elems / 2; ++i)
    result.set(from.get(2 * i + 1), i);
  return result;
}

namespace detail {

template <class T, unsigned Elems, class Function>
vector<T, Elems> each(const vector<T, Elems> &a, const vector<T, Elems> &b,
                      Function function) {
  vector<T, Elems> result;
  for (unsigned i = 0; i < Elems; ++i)
    result.set(function(a.get(i), b.get(i)), i);
  return result;
}
template <class Tag, unsigned Elems, class Function>
accum<Tag, Elems> each(const accum<Tag, Elems> &a, const accum<Tag, Elems> &b,
                       Function function) {
  accum<Tag, Elems> result;
  for (unsigned i = 0; i < Elems; ++i)
    result.lanes[i] = function(a.lanes[i], b.lanes[i]);
  return result;
}

} // namespace detail

/// Of two vectors, or of two accumulators.
template <class T> T add(const T &a, const T &b) {
  return detail::each(a, b, [](auto x, auto y) { return x + y; });
}
template <class T> T sub(const T &a, const T &b) {
  return detail::each(a, b, [](auto x, auto y) { return x - y; });
}
template <class T, unsigned Elems>
vector<T, Elems> bit_or(T bits, const vector<T, Elems> &lanes) {
  return detail::each(lanes, lanes, [&](T x, T) { return T(x | bits); });
}
template <class T, unsigned Elems>
vector<T, Elems> upshift(const vector<T, Elems> &lanes, unsigned count) {
  return detail::each(lanes, lanes, [&](T x, T) {
    return T(std::make_unsigned_t<T>(x) << count);
  });
}
template <unsigned Elems>
vector<float, Elems> neg(const vector<float, Elems> &lanes) {
  return detail::each(lanes, lanes, [](float x, float) { return -x; });
}

template <class Tag, class T, unsigned Elems>
accum<Tag, Elems> mac(const accum<Tag, Elems> &sum, const vector<T, Elems> &a,
                      const vector<T, Elems> &b) {
  accum<Tag, Elems> result;
  for (unsigned i = 0; i < Elems; ++i)
    result.lanes[i] = std::fma(float(a.get(i)), float(b.get(i)), sum.lanes[i]);
  return result;
}
template <class Tag, class T, unsigned Elems>
accum<Tag, Elems> mul(const vector<T, Elems> &a, const vector<T, Elems> &b) {
  accum<Tag, Elems> result;
  for (unsigned i = 0; i < Elems; ++i)
    result.lanes[i] = float(a.get(i)) * float(b.get(i));
  return result;
}
template <unsigned Elems>
accum<accfloat, Elems> div(const vector<float, Elems> &a,
                           const vector<float, Elems> &b) {
  accum<accfloat, Elems> result;
  for (unsigned i = 0; i < Elems; ++i)
    result.lanes[i] = a.get(i) / b.get(i);
  return result;
}

/// Products of matrices of M x K and K x N numbers, row by row, on sums of
/// M x N. Here products are added one by one, in the order of K and with one
/// rounding each.
template <unsigned M, unsigned K, unsigned N, class A, class B, class Tag>
class mmul {
  static_assert(M == 4 && K == 8 && N == 4, "XDNA multiplies bf16 as 4x8x4");

public:
  explicit mmul(const accum<accfloat, M * N> &sums) : sums(sums) {}
  void mac(const vector<A, M * K> &a, const vector<B, K * N> &b) {
    for (unsigned i = 0; i < M; ++i)
      for (unsigned k = 0; k < K; ++k)
        for (unsigned j = 0; j < N; ++j)
          sums.lanes[i * N + j] =
              std::fma(float(a.get(i * K + k)), float(b.get(k * N + j)),
                       sums.lanes[i * N + j]);
  }
  accum<accfloat, M * N> to_accum() const { return sums; }

private:
  accum<accfloat, M * N> sums;
};

template <class T, unsigned Elems>
mask<Elems> lt(const vector<T, Elems> &a, const vector<T, Elems> &b) {
  mask<Elems> result;
  for (unsigned i = 0; i < Elems; ++i)
    result.lanes[i] = a.get(i) < b.get(i);
  return result;
}
template <class T, unsigned Elems>
mask<Elems> gt(const vector<T, Elems> &a, const vector<T, Elems> &b) {
  return lt(b, a);
}
/// `b` where the mask is set, `a` elsewhere.
template <class T, unsigned Elems>
vector<T, Elems> select(const vector<T, Elems> &a, const vector<T, Elems> &b,
                        const mask<Elems> &which) {
  vector<T, Elems> result;
  for (unsigned i = 0; i < Elems; ++i)
    result.set((which.lanes[i] ? b : a).get(i), i);
  return result;
}

/// The nearest whole numbers, which those of an emitted function may not depend
/// on beyond that; what is none becomes 0.
template <class T, unsigned Elems>
vector<T, Elems> to_fixed(const vector<float, Elems> &lanes) {
  vector<T, Elems> result;
  for (unsigned i = 0; i < Elems; ++i) {
    float x = lanes.get(i);
    result.set(std::fabs(x) < 0x1p31f ? T(std::nearbyint(x)) : T(0), i);
  }
  return result;
}
template <class To = float, class T, unsigned Elems>
vector<To, Elems> to_float(const vector<T, Elems> &lanes) {
  vector<To, Elems> result;
  for (unsigned i = 0; i < Elems; ++i)
    result.set(To(lanes.get(i)), i);
  return result;
}

} // namespace aie

/// Products of 8 x 8 numbers, row by row, and as many column by column: what is
/// multiplied shares its exponents. In the order of `aie::mmul`.
inline aie::accum<accfloat, 64>
mac_8x8_8x8T(const aie::block_vector<bfp16ebs8, 64> &a,
             const aie::block_vector<bfp16ebs8, 64> &b,
             aie::accum<accfloat, 64> sums) {
  for (unsigned i = 0; i < 8; ++i)
    for (unsigned k = 0; k < 8; ++k)
      for (unsigned j = 0; j < 8; ++j)
        sums.lanes[i * 8 + j] =
            std::fma(a.get(i * 8 + k), b.get(j * 8 + k), sums.lanes[i * 8 + j]);
  return sums;
}

#endif // HEADRACE_AIE_API_AIE_HPP
