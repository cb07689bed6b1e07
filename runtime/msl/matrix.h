//===- matrix.h - metal_matrix --------------------------------------------===//

#ifndef HEADRACE_MSL_MATRIX_H
#define HEADRACE_MSL_MATRIX_H

#include "math.h"

namespace metal {
/// Columns of vectors. Made and used in a thread's own memory: clang calls no
/// function of a class on an object of another address space.
template <class T, int C, int R> struct matrix {
  vec<T, R> columns[C];

  matrix() = default;
  /// On the diagonal.
  explicit matrix(T value) {
    for (int c = 0; c < C; ++c)
      for (int r = 0; r < R; ++r)
        columns[c][r] = c == r ? value : T(0);
  }
  template <class... V, class = enable_if_t<sizeof...(V) + 1 == C && (C > 1)>>
  matrix(vec<T, R> first, V... rest) : columns{first, rest...} {}
  template <class U> explicit matrix(const matrix<U, C, R> &other) {
    for (int c = 0; c < C; ++c)
      columns[c] = metal_shim::convert<vec<T, R>>(other.columns[c]);
  }
  vec<T, R> &operator[](int column) { return columns[column]; }
  const vec<T, R> &operator[](int column) const { return columns[column]; }
};

template <class T, int C, int R>
METAL_FUNC vec<T, R> operator*(const matrix<T, C, R> &m, vec<T, C> v) {
  vec<T, R> sum = m.columns[0] * v[0];
  for (int c = 1; c < C; ++c)
    sum += m.columns[c] * v[c];
  return sum;
}
template <class T, int C, int R>
METAL_FUNC vec<T, C> operator*(vec<T, R> v, const matrix<T, C, R> &m) {
  vec<T, C> result;
  for (int c = 0; c < C; ++c)
    result[c] = dot(v, m.columns[c]);
  return result;
}
template <class T, int C, int R>
METAL_FUNC matrix<T, C, R> operator*(matrix<T, C, R> m, T s) {
  for (int c = 0; c < C; ++c)
    m.columns[c] *= s;
  return m;
}
template <class T, int C, int R>
METAL_FUNC matrix<T, C, R> operator+(matrix<T, C, R> m,
                                     const matrix<T, C, R> &n) {
  for (int c = 0; c < C; ++c)
    m.columns[c] += n.columns[c];
  return m;
}
} // namespace metal

#define MSL_MATRICES(T, C)                                                     \
  typedef metal::matrix<T, C, 2> T##C##x2;                                     \
  typedef metal::matrix<T, C, 3> T##C##x3;                                     \
  typedef metal::matrix<T, C, 4> T##C##x4;
MSL_MATRICES(float, 2)
MSL_MATRICES(float, 3)
MSL_MATRICES(float, 4)
MSL_MATRICES(half, 2)
MSL_MATRICES(half, 3)
MSL_MATRICES(half, 4)
#undef MSL_MATRICES

#endif // HEADRACE_MSL_MATRIX_H
