//===- simd.h - metal_simdgroup, metal_compute and metal_atomic -----------===//

#ifndef HEADRACE_MSL_SIMD_H
#define HEADRACE_MSL_SIMD_H

#include "integer.h"
#include "simt/simt.h"

// Where a function is called, as its last argument.
#define MSL_HERE                                                               \
  ::simt::Site site = {__builtin_FILE(), __builtin_LINE(), __builtin_COLUMN()}

namespace metal {

enum class mem_flags : uint {
  mem_none = 0,
  mem_device = 1,
  mem_threadgroup = 2,
  mem_texture = 4,
  mem_threadgroup_imageblock = 8,
  mem_object_data = 16,
};
METAL_FUNC constexpr mem_flags operator|(mem_flags a, mem_flags b) {
  return mem_flags(uint(a) | uint(b));
}
METAL_FUNC constexpr mem_flags operator&(mem_flags a, mem_flags b) {
  return mem_flags(uint(a) & uint(b));
}
static_assert(uint(mem_flags::mem_device) == simt::fenceDevice &&
              uint(mem_flags::mem_threadgroup) == simt::fenceWorkgroup);

METAL_FUNC void threadgroup_barrier(mem_flags flags, MSL_HERE) {
  headrace_simt_barrier(uint(flags), site);
}
METAL_FUNC void simdgroup_barrier(mem_flags flags, MSL_HERE) {
  headrace_simt_subgroup_barrier(uint(flags), site);
}
} // namespace metal

namespace metal_shim {
using simt::subgroupSize;

struct Add {
  template <class T> static T apply(T a, T b) { return T(a + b); }
};
struct Multiply {
  template <class T> static T apply(T a, T b) { return T(a * b); }
};
struct Larger {
  template <class T> static T apply(T a, T b) { return metal::max(a, b); }
};
struct Smaller {
  template <class T> static T apply(T a, T b) { return metal::min(a, b); }
};
struct And {
  template <class T> static T apply(T a, T b) { return T(a & b); }
};
struct Or {
  template <class T> static T apply(T a, T b) { return T(a | b); }
};
struct Xor {
  template <class T> static T apply(T a, T b) { return T(a ^ b); }
};

/// Combines neighbours, then pairs of these, and so on; lanes that are not
/// there take no part.
template <class T, class F, unsigned width>
void combineLanes(void *const *lanes) {
  for (unsigned first = 0; first < subgroupSize; first += width) {
    T values[width];
    bool valid[width];
    for (unsigned i = 0; i < width; ++i)
      if ((valid[i] = lanes[first + i]))
        values[i] = *static_cast<T *>(lanes[first + i]);
    for (unsigned step = 1; step < width; step *= 2)
      for (unsigned i = 0; i < width; i += 2 * step)
        if (valid[i] && valid[i + step])
          values[i] = F::template apply<T>(values[i], values[i + step]);
    for (unsigned i = 0; i < width; ++i)
      if (lanes[first + i])
        *static_cast<T *>(lanes[first + i]) = values[0];
  }
}
#ifdef __AMDGCN__
// For `inner_loop`, which counts instructions and runs none: lanes exchange a
// word of 32 bits by one, and combine in as many steps as lanes have bits.
METAL_FUNC uint lane() { return __builtin_amdgcn_mbcnt_lo(~0u, 0u); }
template <class T> METAL_FUNC T exchange(T value, uint source, simt::Site) {
  int words[(sizeof(T) + 3) / 4] = {};
  __builtin_memcpy(words, &value, sizeof(T));
  for (int &word : words)
    word = __builtin_amdgcn_ds_bpermute(int(4 * source), word);
  __builtin_memcpy(&value, words, sizeof(T));
  return value;
}
template <class F, unsigned width = subgroupSize, class T>
METAL_FUNC T combine(T value, simt::Site site) {
  for (uint step = 1; step < width; step *= 2)
    value = F::template apply<T>(value, exchange(value, lane() ^ step, site));
  return value;
}
#else
METAL_FUNC uint lane() { return headrace_simt_lane(); }
template <class F, unsigned width = subgroupSize, class T>
METAL_FUNC T combine(T value, simt::Site site) {
  static_assert(!metal::is_same_v<T, bfloat>, "bfloat is no type for this");
  headrace_simt_subgroup(combineLanes<T, F, width>, &value, site);
  return value;
}
#endif

template <class T> struct Scanned {
  T value, before;
};
template <class T, class F> void scanLanes(void *const *lanes) {
  const T *sum = nullptr;
  for (unsigned i = 0; i < subgroupSize; ++i) {
    if (!lanes[i])
      continue;
    auto *lane = static_cast<Scanned<T> *>(lanes[i]);
    if (sum) {
      lane->before = *sum;
      lane->value = F::template apply<T>(*sum, lane->value);
    }
    sum = &lane->value;
  }
}
template <class F, class T>
METAL_FUNC Scanned<T> scan(T value, T neutral, simt::Site site) {
  Scanned<T> lane = {value, neutral};
  headrace_simt_subgroup(scanLanes<T, F>, &lane, site);
  return lane;
}

template <class T> struct Exchanged {
  T value, result;
  uint source;
};
template <class T> void exchangeLanes(void *const *lanes) {
  for (unsigned i = 0; i < subgroupSize; ++i) {
    if (!lanes[i])
      continue;
    auto *lane = static_cast<Exchanged<T> *>(lanes[i]);
    if (lane->source >= subgroupSize || !lanes[lane->source])
      headrace_simt_no_such_lane(i, lane->source);
    lane->result = static_cast<Exchanged<T> *>(lanes[lane->source])->value;
  }
}
#ifndef __AMDGCN__
template <class T>
METAL_FUNC T exchange(T value, uint source, simt::Site site) {
  Exchanged<T> lane = {value, value, source};
  headrace_simt_subgroup(exchangeLanes<T>, &lane, site);
  return lane.result;
}
#endif
} // namespace metal_shim

namespace metal {
#define MSL_REDUCTION(name, function)                                          \
  template <class T> METAL_FUNC T simd_##name(T value, MSL_HERE) {             \
    return metal_shim::combine<metal_shim::function>(value, site);             \
  }                                                                            \
  template <class T> METAL_FUNC T quad_##name(T value, MSL_HERE) {             \
    return metal_shim::combine<metal_shim::function, 4>(value, site);          \
  }
MSL_REDUCTION(sum, Add)
MSL_REDUCTION(product, Multiply)
MSL_REDUCTION(max, Larger)
MSL_REDUCTION(min, Smaller)
MSL_REDUCTION(and, And)
MSL_REDUCTION(or, Or)
MSL_REDUCTION(xor, Xor)
#undef MSL_REDUCTION

#define MSL_SCAN(name, function, neutral)                                      \
  template <class T>                                                           \
  METAL_FUNC T simd_prefix_inclusive_##name(T value, MSL_HERE) {               \
    return metal_shim::scan<metal_shim::function>(value, T(neutral), site)     \
        .value;                                                                \
  }                                                                            \
  template <class T>                                                           \
  METAL_FUNC T simd_prefix_exclusive_##name(T value, MSL_HERE) {               \
    return metal_shim::scan<metal_shim::function>(value, T(neutral), site)     \
        .before;                                                               \
  }
MSL_SCAN(sum, Add, 0)
MSL_SCAN(product, Multiply, 1)
#undef MSL_SCAN

// A lane without a lane to take from keeps its value (up, down) or goes round.
#define MSL_SHUFFLE(name, type, source)                                        \
  template <class T> METAL_FUNC T name(T value, type n, MSL_HERE) {            \
    uint lane = metal_shim::lane();                                            \
    return metal_shim::exchange(value, uint(source), site);                    \
  }
MSL_SHUFFLE(simd_shuffle, ushort, (lane, n))
MSL_SHUFFLE(simd_broadcast, ushort, (lane, n))
MSL_SHUFFLE(simd_shuffle_xor, ushort, lane ^ n)
MSL_SHUFFLE(simd_shuffle_down, ushort,
            lane + n < simt::subgroupSize ? lane + n : lane)
MSL_SHUFFLE(simd_shuffle_up, ushort, lane >= n ? lane - n : lane)
MSL_SHUFFLE(simd_shuffle_rotate_down, ushort, (lane + n) % simt::subgroupSize)
MSL_SHUFFLE(simd_shuffle_rotate_up, ushort, (lane - n) % simt::subgroupSize)
MSL_SHUFFLE(quad_shuffle, ushort, (lane & ~3u) + n)
MSL_SHUFFLE(quad_broadcast, ushort, (lane & ~3u) + n)
MSL_SHUFFLE(quad_shuffle_xor, ushort, (lane & ~3u) + ((lane ^ n) & 3))
#undef MSL_SHUFFLE
template <class T> METAL_FUNC T simd_broadcast_first(T value, MSL_HERE) {
  return metal_shim::exchange(value, 0u, site);
}
template <class T>
METAL_FUNC T simd_shuffle_and_fill_down(T value, T fill, ushort n, MSL_HERE) {
  uint lane = metal_shim::lane();
  bool own = lane + n < simt::subgroupSize;
  T down = metal_shim::exchange(value, own ? lane + n : lane, site);
  T next = metal_shim::exchange(fill, (lane + n) % simt::subgroupSize, site);
  return own ? down : next;
}
template <class T>
METAL_FUNC T simd_shuffle_and_fill_up(T value, T fill, ushort n, MSL_HERE) {
  uint lane = metal_shim::lane();
  bool own = lane >= n;
  T up = metal_shim::exchange(value, own ? lane - n : lane, site);
  T next = metal_shim::exchange(fill, (lane - n) % simt::subgroupSize, site);
  return own ? up : next;
}

class simd_vote {
public:
  typedef ulong vote_t;
  explicit constexpr simd_vote(vote_t votes = 0) : votes(votes) {}
  explicit constexpr operator vote_t() const { return votes; }
  bool all() const { return votes == 0xffffffff; }
  bool any() const { return votes != 0; }

private:
  vote_t votes;
};
METAL_FUNC simd_vote simd_ballot(bool vote, MSL_HERE) {
  ulong mine = vote ? 1ul << metal_shim::lane() : 0;
  return simd_vote(metal_shim::combine<metal_shim::Or>(mine, site));
}
METAL_FUNC simd_vote simd_active_threads_mask(MSL_HERE) {
  return simd_ballot(true, site);
}
METAL_FUNC bool simd_any(bool vote, MSL_HERE) {
  return metal_shim::combine<metal_shim::Or>(int(vote), site);
}
METAL_FUNC bool simd_all(bool vote, MSL_HERE) {
  return metal_shim::combine<metal_shim::And>(int(vote), site);
}
METAL_FUNC bool simd_is_first() { return metal_shim::lane() == 0; }

// --- atomics -----------------------------------------------------------------

enum memory_order { memory_order_relaxed };
enum thread_scope {
  thread_scope_thread,
  thread_scope_simdgroup,
  thread_scope_threadgroup,
  thread_scope_device
};
/// Between workgroups it orders nothing here.
METAL_FUNC void atomic_thread_fence(mem_flags, memory_order,
                                    thread_scope = thread_scope_device) {}

template <class T> struct _atomic {
  T value;
};
template <class T> using atomic = _atomic<T>;
typedef _atomic<int> atomic_int;
typedef _atomic<uint> atomic_uint;
typedef _atomic<ulong> atomic_ulong;
typedef _atomic<bool> atomic_bool;
typedef _atomic<float> atomic_float;

// One thread runs at a time, so that nothing has to be atomic here; but it is
// to be told from other accesses.
#define MSL_ATOMICS(space)                                                     \
  template <class T>                                                           \
  METAL_FUNC T atomic_load_explicit(const volatile space _atomic<T> *p,        \
                                    memory_order) {                            \
    T old;                                                                     \
    headrace_simt_atomic_load((const volatile void *)p, sizeof(T), &old);      \
    return old;                                                                \
  }                                                                            \
  template <class T>                                                           \
  METAL_FUNC void atomic_store_explicit(                                       \
      volatile space _atomic<T> *p,                                            \
      typename metal_shim::NoDeduction<T>::Type x, memory_order) {             \
    headrace_simt_atomic_store((volatile void *)p, sizeof(T), &x);             \
  }                                                                            \
  template <class T>                                                           \
  METAL_FUNC bool atomic_compare_exchange_weak_explicit(                       \
      volatile space _atomic<T> *p, T *expected,                               \
      typename metal_shim::NoDeduction<T>::Type desired, memory_order order,   \
      memory_order) {                                                          \
    T old = atomic_load_explicit(p, order);                                    \
    bool same = old == *expected;                                              \
    if (same)                                                                  \
      atomic_store_explicit(p, desired, order);                                \
    *expected = old;                                                           \
    return same;                                                               \
  }                                                                            \
  MSL_FETCH(space, exchange, x)                                                \
  MSL_FETCH(space, fetch_add, T(old + x))                                      \
  MSL_FETCH(space, fetch_sub, T(old - x))                                      \
  MSL_FETCH(space, fetch_and, T(old &x))                                       \
  MSL_FETCH(space, fetch_or, T(old | x))                                       \
  MSL_FETCH(space, fetch_xor, T(old ^ x))                                      \
  MSL_FETCH(space, fetch_max, max(old, x))                                     \
  MSL_FETCH(space, fetch_min, min(old, x))
#define MSL_FETCH(space, name, expression)                                     \
  template <class T>                                                           \
  METAL_FUNC T atomic_##name##_explicit(                                       \
      volatile space _atomic<T> *p,                                            \
      typename metal_shim::NoDeduction<T>::Type x, memory_order order) {       \
    T old = atomic_load_explicit(p, order);                                    \
    atomic_store_explicit(p, T(expression), order);                            \
    return old;                                                                \
  }
MSL_ATOMICS(MSL_DEVICE)
MSL_ATOMICS(MSL_THREADGROUP)
#undef MSL_FETCH
#undef MSL_ATOMICS
} // namespace metal

#endif // HEADRACE_MSL_SIMD_H
