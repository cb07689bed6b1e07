//===- simdgroup_matrix.h - metal_simdgroup_matrix ------------------------===//
//
// Matrices of 8 rows and 8 columns that the lanes of a simdgroup hold together:
// each has two elements next to each other. Which ones is not in the language's
// specification; kernels that ask (`thread_elements`) know it from devices, and
// so it is here.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_MSL_SIMDGROUP_MATRIX_H
#define HEADRACE_MSL_SIMDGROUP_MATRIX_H

#include "simd.h"

namespace metal {
template <class T, int C, int R> struct simdgroup_matrix {
  static_assert(C == 8 && R == 8, "simdgroup matrices are of 8x8");
  vec<T, 2> elements = {};

  simdgroup_matrix() = default;
  explicit simdgroup_matrix(T value) {
    uint lane = headrace_simt_lane();
    for (int i = 0; i < 2; ++i)
      elements[i] = row(lane) == column(lane) + i ? value : T(0);
  }
  vec<T, 2> &thread_elements() { return elements; }

  static uint row(uint lane) { return (lane / 4 & 4) + lane / 2 % 4; }
  static uint column(uint lane) { return (lane / 4 & 2) * 2 + lane % 2 * 2; }
};
typedef simdgroup_matrix<float, 8, 8> simdgroup_float8x8;
typedef simdgroup_matrix<half, 8, 8> simdgroup_half8x8;
typedef simdgroup_matrix<bfloat, 8, 8> simdgroup_bfloat8x8;

template <class T, int C, int R>
METAL_FUNC simdgroup_matrix<T, C, R>
make_filled_simdgroup_matrix(typename metal_shim::NoDeduction<T>::Type value) {
  simdgroup_matrix<T, C, R> m;
  m.elements = value;
  return m;
}

/// Where in memory an element of the running lane is.
METAL_FUNC ulong simdgroup_matrix_offset(uint part, ulong stride, ulong2 origin,
                                         bool transpose) {
  uint lane = headrace_simt_lane();
  ulong row = simdgroup_float8x8::row(lane);
  ulong column = simdgroup_float8x8::column(lane) + part;
  return transpose ? (origin.y + column) * stride + origin.x + row
                   : (origin.y + row) * stride + origin.x + column;
}
#define MSL_MEMORY(space)                                                      \
  template <class T, class U>                                                  \
  METAL_FUNC void simdgroup_load(                                              \
      simdgroup_matrix<T, 8, 8> &m, const space U *from, ulong stride = 8,     \
      ulong2 origin = ulong2(0), bool transpose = false, MSL_HERE) {           \
    headrace_simt_subgroup_barrier(simt::fenceNone, site);                     \
    for (uint i = 0; i < 2; ++i)                                               \
      m.elements[i] =                                                          \
          from[simdgroup_matrix_offset(i, stride, origin, transpose)];         \
  }                                                                            \
  template <class T, class U>                                                  \
  METAL_FUNC void simdgroup_store(simdgroup_matrix<T, 8, 8> m, space U *to,    \
                                  ulong stride = 8, ulong2 origin = ulong2(0), \
                                  bool transpose = false, MSL_HERE) {          \
    headrace_simt_subgroup_barrier(simt::fenceNone, site);                     \
    for (uint i = 0; i < 2; ++i)                                               \
      to[simdgroup_matrix_offset(i, stride, origin, transpose)] =              \
          m.elements[i];                                                       \
  }
MSL_MEMORY(MSL_DEVICE)
MSL_MEMORY(MSL_THREADGROUP)
#undef MSL_MEMORY
} // namespace metal

namespace metal_shim {
template <class D, class A, class B, class C> struct Product {
  metal::simdgroup_matrix<A, 8, 8> a;
  metal::simdgroup_matrix<B, 8, 8> b;
  metal::simdgroup_matrix<C, 8, 8> c;
  metal::simdgroup_matrix<D, 8, 8> d;
};
/// d = a b + c, summed in f32 from the first column on.
template <class P> void multiplyLanes(void *const *lanes) {
  using Matrix = metal::simdgroup_float8x8;
  float a[8][8], b[8][8];
  for (unsigned lane = 0; lane < subgroupSize; ++lane) {
    if (!lanes[lane])
      headrace_simt_no_such_lane(0, lane);
    auto *part = static_cast<P *>(lanes[lane]);
    for (unsigned i = 0; i < 2; ++i) {
      a[Matrix::row(lane)][Matrix::column(lane) + i] = part->a.elements[i];
      b[Matrix::row(lane)][Matrix::column(lane) + i] = part->b.elements[i];
    }
  }
  for (unsigned lane = 0; lane < subgroupSize; ++lane) {
    auto *part = static_cast<P *>(lanes[lane]);
    for (unsigned i = 0; i < 2; ++i) {
      float sum = part->c.elements[i];
      for (unsigned k = 0; k < 8; ++k)
        sum += a[Matrix::row(lane)][k] * b[k][Matrix::column(lane) + i];
      part->d.elements[i] = sum;
    }
  }
}
} // namespace metal_shim

namespace metal {
template <class D, class A, class B, class C>
METAL_FUNC void simdgroup_multiply_accumulate(simdgroup_matrix<D, 8, 8> &d,
                                              simdgroup_matrix<A, 8, 8> a,
                                              simdgroup_matrix<B, 8, 8> b,
                                              simdgroup_matrix<C, 8, 8> c,
                                              MSL_HERE) {
  using Product = metal_shim::Product<D, A, B, C>;
  Product product = {a, b, c, {}};
  headrace_simt_subgroup(metal_shim::multiplyLanes<Product>, &product, site);
  d = product.d;
}
template <class D, class A, class B>
METAL_FUNC void simdgroup_multiply(simdgroup_matrix<D, 8, 8> &d,
                                   simdgroup_matrix<A, 8, 8> a,
                                   simdgroup_matrix<B, 8, 8> b, MSL_HERE) {
  simdgroup_multiply_accumulate(d, a, b, simdgroup_matrix<D, 8, 8>(), site);
}
} // namespace metal

#endif // HEADRACE_MSL_SIMDGROUP_MATRIX_H
