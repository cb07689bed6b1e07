//===- probe.c - Read bandwidth, core distance and peak rates -------------===//
//
// What a memory-bound kernel can hope for on this machine, measured in the same
// run as the kernels. The best access pattern differs between machines (and the
// placement of virtual cores can change between runs), so several are committed
// here and the caller takes the best. Measuring threads are pinned to the CPUs
// of the process's affinity mask and live for one call.
//
// Built as libheadrace_probe.so; all functions are for ctypes.
//
//===----------------------------------------------------------------------===//

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "headrace_probe.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

#define MAX_THREADS 256

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");
#endif
}

//===----------------------------------------------------------------------===//
// Pinned threads
//===----------------------------------------------------------------------===//

typedef struct team team_t;
typedef void (*body_t)(team_t *team, int thread);

struct team {
  body_t body;
  int threads;
  const char *data; ///< bytes read by the read patterns
  size_t bytes;
  int choice; ///< pattern or instruction kind
  long repeats;
  _Atomic int ready;
  double begin[MAX_THREADS], end[MAX_THREADS]; ///< seconds
};

typedef struct {
  team_t *team;
  int thread, cpu;
} member_t;

/// Writes the CPUs this process may use and returns how many there are.
static int allowed_cpus(int cpus[MAX_THREADS]) {
  cpu_set_t set;
  int count = 0;
  if (sched_getaffinity(0, sizeof(set), &set) != 0)
    return 0;
  for (int cpu = 0; cpu < CPU_SETSIZE && count < MAX_THREADS; ++cpu)
    if (CPU_ISSET(cpu, &set))
      cpus[count++] = cpu;
  return count;
}

static void *member_main(void *argument) {
  const member_t *member = argument;
  team_t *team = member->team;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(member->cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
  // All start together. More threads than CPUs would need a yield to get there.
  atomic_fetch_add(&team->ready, 1);
  while (atomic_load(&team->ready) < team->threads)
    sched_yield();
  team->begin[member->thread] = now();
  team->body(team, member->thread);
  team->end[member->thread] = now();
  return NULL;
}

/// Runs the team's body on its threads; returns seconds from the first start to
/// the last end, or a negative number if the threads could not be started.
static double run_team(team_t *team) {
  int cpus[MAX_THREADS];
  const int num_cpus = allowed_cpus(cpus);
  pthread_t threads[MAX_THREADS];
  member_t members[MAX_THREADS];
  if (num_cpus == 0 || team->threads < 1 || team->threads > MAX_THREADS)
    return -1;
  atomic_store(&team->ready, 0);
  int started = 0;
  for (; started < team->threads; ++started) {
    members[started] = (member_t){team, started, cpus[started % num_cpus]};
    if (pthread_create(&threads[started], NULL, member_main,
                       &members[started]) != 0)
      break;
  }
  // Let those that run go on, so that they can be joined.
  if (started < team->threads)
    atomic_fetch_add(&team->ready, team->threads - started);
  double first = 1e300, last = 0;
  for (int i = 0; i < started; ++i) {
    pthread_join(threads[i], NULL);
    first = team->begin[i] < first ? team->begin[i] : first;
    last = team->end[i] > last ? team->end[i] : last;
  }
  return started == team->threads ? last - first : -1;
}

//===----------------------------------------------------------------------===//
// Read patterns
//===----------------------------------------------------------------------===//

/// One cache line; compiles to the widest loads the function's target allows.
typedef uint64_t line_t __attribute__((vector_size(64), aligned(64)));

static volatile uint64_t sink;

/// Reads 8 lines back to back, prefetching `AHEAD` bytes further with locality
/// `HINT` (3: all cache levels, 0: non-temporal). `AHEAD` 0: no prefetch.
#define READ_LOOP(NAME, TARGET, AHEAD, HINT)                                   \
  TARGET static void NAME(const char *data, size_t bytes) {                    \
    line_t a = {0}, b = {0}, c = {0}, d = {0};                                 \
    for (size_t i = 0; i + 512 <= bytes; i += 512) {                           \
      const line_t *p = (const line_t *)(data + i);                            \
      if (AHEAD)                                                               \
        for (int j = 0; j < 8; ++j)                                            \
          __builtin_prefetch(data + i + AHEAD + 64 * j, 0, HINT);              \
      a ^= p[0], b ^= p[1], c ^= p[2], d ^= p[3];                              \
      a ^= p[4], b ^= p[5], c ^= p[6], d ^= p[7];                              \
    }                                                                          \
    a ^= b ^ c ^ d;                                                            \
    sink = sink + (a[0] ^ a[1] ^ a[2] ^ a[3] ^ a[4] ^ a[5] ^ a[6] ^ a[7]);     \
  }

#define ANY_TARGET
READ_LOOP(read_plain, ANY_TARGET, 0, 0)
READ_LOOP(read_t0_2048, ANY_TARGET, 2048, 3)
READ_LOOP(read_t0_4608, ANY_TARGET, 4608, 3)
READ_LOOP(read_t0_6912, ANY_TARGET, 6912, 3)
READ_LOOP(read_nta_4608, ANY_TARGET, 4608, 0)

#if defined(__x86_64__)
#define WIDE_TARGET __attribute__((target("avx512f")))
READ_LOOP(read_wide, WIDE_TARGET, 0, 0)
READ_LOOP(read_wide_t0_2048, WIDE_TARGET, 2048, 3)
READ_LOOP(read_wide_t0_4608, WIDE_TARGET, 4608, 3)
READ_LOOP(read_wide_t0_6912, WIDE_TARGET, 6912, 3)
READ_LOOP(read_wide_nta_2048, WIDE_TARGET, 2048, 0)
READ_LOOP(read_wide_nta_4608, WIDE_TARGET, 4608, 0)
READ_LOOP(read_wide_nta_6912, WIDE_TARGET, 6912, 0)
#endif

typedef struct {
  const char *name;
  void (*read)(const char *data, size_t bytes);
} pattern_t;

// The patterns any CPU of the architecture can run come first.
static const pattern_t patterns[] = {
    {"sequential", read_plain},
    {"sequential, prefetch t0 +2048", read_t0_2048},
    {"sequential, prefetch t0 +4608", read_t0_4608},
    {"sequential, prefetch t0 +6912", read_t0_6912},
    {"sequential, prefetch nta +4608", read_nta_4608},
#if defined(__x86_64__)
    {"avx512", read_wide},
    {"avx512, prefetch t0 +2048", read_wide_t0_2048},
    {"avx512, prefetch t0 +4608", read_wide_t0_4608},
    {"avx512, prefetch t0 +6912", read_wide_t0_6912},
    {"avx512, prefetch nta +2048", read_wide_nta_2048},
    {"avx512, prefetch nta +4608", read_wide_nta_4608},
    {"avx512, prefetch nta +6912", read_wide_nta_6912},
#endif
};
#define NUM_PLAIN 5

int hr_probe_patterns(void) {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx512f"))
    return NUM_PLAIN;
#endif
  return (int)(sizeof(patterns) / sizeof(patterns[0]));
}

const char *hr_probe_pattern_name(int pattern) {
  return pattern >= 0 && pattern < hr_probe_patterns() ? patterns[pattern].name
                                                       : NULL;
}

static void read_body(team_t *team, int thread) {
  const size_t share = team->bytes / (size_t)team->threads / 512 * 512;
  patterns[team->choice].read(team->data + share * (size_t)thread, share);
}

double hr_probe_read(const void *data, size_t bytes, int pattern, int threads) {
  if (!hr_probe_pattern_name(pattern) || threads < 1 || threads > MAX_THREADS)
    return -1;
  const size_t skip = (64 - (uintptr_t)data % 64) % 64;
  if (bytes < skip || (bytes - skip) / (size_t)threads < 512)
    return -1;
  team_t team = {.body = read_body,
                 .threads = threads,
                 .data = (const char *)data + skip,
                 .bytes = bytes - skip,
                 .choice = pattern};
  const double seconds = run_team(&team);
  if (seconds <= 0)
    return -1;
  const size_t share = team.bytes / (size_t)threads / 512 * 512;
  return (double)(share * (size_t)threads) / seconds * 1e-9;
}

//===----------------------------------------------------------------------===//
// Core-to-core latency
//===----------------------------------------------------------------------===//

static _Alignas(128) _Atomic long ball;

static void ping_pong(team_t *team, int thread) {
  for (long i = 0; i < team->repeats; ++i) {
    while (atomic_load_explicit(&ball, memory_order_acquire) != 2 * i + thread)
      relax();
    atomic_store_explicit(&ball, 2 * i + thread + 1, memory_order_release);
  }
}

double hr_probe_core_latency_ns(void) {
  int cpus[MAX_THREADS];
  if (allowed_cpus(cpus) < 2)
    return -1;
  double best = -1;
  for (int attempt = 0; attempt < 5; ++attempt) {
    atomic_store(&ball, 0);
    team_t team = {.body = ping_pong, .threads = 2, .repeats = 5000};
    const double seconds = run_team(&team);
    const double ns = seconds * 1e9 / (2.0 * (double)team.repeats);
    if (seconds > 0 && (best < 0 || ns < best))
      best = ns;
  }
  return best;
}

//===----------------------------------------------------------------------===//
// Peak arithmetic
//===----------------------------------------------------------------------===//

/// Issues TEXT once on each of twelve independent registers per round: more
/// than latency times issue width. %0 accumulates, %1 is the other input.
#define STEP(TEXT, R)                                                          \
  __asm__ volatile(TEXT : "+" REGISTER(R) : REGISTER(x) : SCRATCH)
#define RATE_LOOP(NAME, TARGET, BYTES, TEXT)                                   \
  TARGET static void NAME(long rounds) {                                       \
    typedef float vector_t __attribute__((vector_size(BYTES)));                \
    vector_t x = {0}, a = x, b = x, c = x, d = x, e = x, f = x;                \
    vector_t g = x, h = x, i = x, j = x, k = x, l = x;                         \
    for (long round = 0; round < rounds; ++round) {                            \
      STEP(TEXT, a);                                                           \
      STEP(TEXT, b);                                                           \
      STEP(TEXT, c);                                                           \
      STEP(TEXT, d);                                                           \
      STEP(TEXT, e);                                                           \
      STEP(TEXT, f);                                                           \
      STEP(TEXT, g);                                                           \
      STEP(TEXT, h);                                                           \
      STEP(TEXT, i);                                                           \
      STEP(TEXT, j);                                                           \
      STEP(TEXT, k);                                                           \
      STEP(TEXT, l);                                                           \
    }                                                                          \
  }
#define CHAINS 12

#if defined(__x86_64__)
#define REGISTER "v"
#define SCRATCH "xmm15"
#define TARGET(FEATURES) __attribute__((target(FEATURES)))
RATE_LOOP(f32_avx512, TARGET("avx512f"), 64, "vfmadd231ps %1, %1, %0")
RATE_LOOP(f32_fma, TARGET("avx2,fma"), 32, "vfmadd231ps %1, %1, %0")
RATE_LOOP(f32_sse2, ANY_TARGET, 16,
          "movaps %1, %%xmm15\n\tmulps %1, %%xmm15\n\taddps %%xmm15, %0")
RATE_LOOP(int8_avx512, TARGET("avx512f,avx512vnni"), 64, "vpdpbusd %1, %1, %0")
RATE_LOOP(int8_avxvnni, TARGET("avx2,avxvnni"), 32,
          "%{vex%} vpdpbusd %1, %1, %0")
RATE_LOOP(int8_avx2, TARGET("avx2"), 32,
          "vpmaddubsw %1, %1, %%ymm15\n\tvpmaddwd %1, %%ymm15, %%ymm15\n\t"
          "vpaddd %%ymm15, %0, %0")
RATE_LOOP(int8_sse2, ANY_TARGET, 16,
          "movaps %1, %%xmm15\n\tpmaddwd %1, %%xmm15\n\tpaddd %%xmm15, %0")
RATE_LOOP(bf16_avx512, TARGET("avx512f,avx512bf16"), 64, "vdpbf16ps %1, %1, %0")
#define IF(FEATURE) __builtin_cpu_supports(FEATURE)
#elif defined(__aarch64__)
#define REGISTER "w"
#define SCRATCH "v31"
RATE_LOOP(f32_neon, ANY_TARGET, 16, "fmla %0.4s, %1.4s, %1.4s")
RATE_LOOP(int8_dot, ANY_TARGET, 16,
          ".arch_extension dotprod\n\tsdot %0.4s, %1.16b, %1.16b")
RATE_LOOP(int8_neon, ANY_TARGET, 16,
          "smull v31.8h, %1.8b, %1.8b\n\tsadalp %0.4s, v31.8h")
#else
#error "the probe supports x86_64 and aarch64"
#endif

typedef struct {
  double ops; ///< per STEP
  void (*run)(long rounds);
} rate_t;

/// The widest loop of the kind that this CPU can run; `run` is null if none.
static rate_t best_rate(int kind) {
#if defined(__x86_64__)
  const bool avx2 = IF("avx2") && IF("fma");
  if (kind == HR_PEAK_F32)
    return IF("avx512f") ? (rate_t){32, f32_avx512}
           : avx2        ? (rate_t){16, f32_fma}
                         : (rate_t){8, f32_sse2};
  if (kind == HR_PEAK_INT8)
    return IF("avx512vnni") ? (rate_t){128, int8_avx512}
           : IF("avxvnni")  ? (rate_t){64, int8_avxvnni}
           : avx2           ? (rate_t){64, int8_avx2}
                            : (rate_t){16, int8_sse2};
  if (kind == HR_PEAK_BF16 && IF("avx512bf16"))
    return (rate_t){64, bf16_avx512};
#elif defined(__aarch64__)
  if (kind == HR_PEAK_F32)
    return (rate_t){8, f32_neon};
  if (kind == HR_PEAK_INT8)
    return getauxval(AT_HWCAP) & HWCAP_ASIMDDP ? (rate_t){32, int8_dot}
                                               : (rate_t){16, int8_neon};
#endif
  return (rate_t){0, NULL};
}

static void rate_body(team_t *team, int thread) {
  (void)thread;
  best_rate(team->choice).run(team->repeats);
}

double hr_probe_peak_gops(int kind, int threads) {
  const rate_t rate = best_rate(kind);
  if (!rate.run || threads < 1 || threads > MAX_THREADS)
    return -1;
  // The best of several short runs (about 2 ms each): the first ones also wake
  // the wide units and the clock up.
  double best = -1;
  for (int attempt = 0; attempt < 6; ++attempt) {
    team_t team = {.body = rate_body,
                   .threads = threads,
                   .choice = kind,
                   .repeats = 500000};
    const double seconds = run_team(&team);
    const double ops = rate.ops * CHAINS * (double)team.repeats * threads;
    if (seconds > 0 && ops / seconds * 1e-9 > best)
      best = ops / seconds * 1e-9;
  }
  return best;
}
