//===- host.h - Calling a kernel with what it is launched on --------------===//

#ifndef HEADRACE_MSL_HOST_H
#define HEADRACE_MSL_HOST_H

#include "simd.h"

namespace metal_shim {

/// What Python reads about an argument (python/headrace/sim/msl.py).
struct Argument {
  int space;    // 1 device, 3 threadgroup, 4 constant; 0: not in memory
  int writable; // what it refers to
  ulong size;   // of an object that a reference is to; 0 for pointers
};

template <class F, int I> struct ParameterOf;
template <class R, class P, class... Rest>
struct ParameterOf<R (*)(P, Rest...), 0> {
  using Type = P;
};
template <class R, class P, class... Rest, int I>
struct ParameterOf<R (*)(P, Rest...), I> : ParameterOf<R (*)(Rest...), I - 1> {
};
template <class F, int I> using Parameter = typename ParameterOf<F, I>::Type;

template <class P> struct Space {
  static constexpr int number = 0;
};
template <class T> struct Space<MSL_DEVICE T> {
  static constexpr int number = 1;
};
template <class T> struct Space<MSL_THREADGROUP T> {
  static constexpr int number = 3;
};
template <class T> struct Space<MSL_CONSTANT T> {
  static constexpr int number = 4;
};

template <class P> constexpr Argument describe() {
  using T = metal::remove_pointer_t<metal::remove_reference_t<P>>;
  constexpr int space = Space<T>::number;
  if constexpr (!metal::is_pointer_v<P> && !metal::is_reference_v<P>)
    return {0, 0, 0};
  else
    return {space,
            space != Space<MSL_CONSTANT int>::number && !metal::is_const_v<T>,
            metal::is_reference_v<P> ? sizeof(T) : 0};
}

/// A pointer or reference to memory of the launch.
template <class P> METAL_FUNC P memory(void *address) {
  static_assert(describe<P>().space != 0,
                "an argument in memory is device, constant or threadgroup");
  if constexpr (metal::is_reference_v<P>)
    return *(metal::remove_reference_t<P> *)address;
  else
    return (P)address;
}

/// An id, as the type that the kernel wants.
template <class P> METAL_FUNC P id(uint value) { return P(value); }
template <class P> METAL_FUNC P id(simt::Coordinates at) {
  using V = metal::remove_const_t<P>;
  uint parts[3] = {at.x, at.y, at.z};
  if constexpr (Vector<V>::is) {
    V result;
    for (int i = 0; i < Vector<V>::size; ++i)
      result[i] = typename Vector<V>::Element(parts[i]);
    return result;
  } else {
    return P(at.x);
  }
}
METAL_FUNC simt::Coordinates gridPosition(const simt::Ids *ids) {
  return {ids->workgroup.x * ids->threads.x + ids->thread.x,
          ids->workgroup.y * ids->threads.y + ids->thread.y,
          ids->workgroup.z * ids->threads.z + ids->thread.z};
}
METAL_FUNC simt::Coordinates gridSize(const simt::Ids *ids) {
  return {ids->workgroups.x * ids->threads.x,
          ids->workgroups.y * ids->threads.y,
          ids->workgroups.z * ids->threads.z};
}
} // namespace metal_shim

#endif // HEADRACE_MSL_HOST_H
