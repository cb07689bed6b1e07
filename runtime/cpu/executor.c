//===- executor.c - Plan executor and parked thread pool ------------------===//
//
// Linked into every CPU artifact. The artifact is linked without a libc, so its
// undefined symbols are resolved, without symbol versions, by whatever process
// loads it. That limits what may be used here: plain libc functions whose
// oldest version is still good. `pthread_cond_*` (an old, incompatible version
// exists) and `pthread_atfork` (not in libc.so) are out; futexes and a
// process-id check take their place. On AArch64 build with
// -mno-outline-atomics, since the helpers would come from libgcc.
//
//===----------------------------------------------------------------------===//

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "headrace_plan.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/// How long a waiting thread spins before it sleeps. Longer than the gap
/// between two steps or two calls of a loop that copies activations in and
/// results out, far shorter than a scheduler tick: waking takes 35 to 65 us, an
/// idle process burns nothing.
#define SPIN_NS 200000
/// The same between the steps of a job, where others are computing or about to
/// wake: a thread that sleeps here may wake on the CPU of the one that wakes it
/// and share that from then on. Only where each thread can have a CPU.
#define JOB_SPIN_NS 400000

//===----------------------------------------------------------------------===//
// Gate: a counter that threads wait on
//===----------------------------------------------------------------------===//

typedef struct {
  alignas(64) _Atomic uint32_t value; ///< the futex word
  _Atomic uint32_t sleepers;
} gate_t;

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");
#endif
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void gate_open(gate_t *gate) {
  atomic_fetch_add(&gate->value, 1);
  // Sequentially consistent against gate_wait: either this load sees the
  // sleeper or the sleeper's futex call sees the new value.
  if (atomic_load(&gate->sleepers))
    syscall(SYS_futex, &gate->value, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL,
            0);
}

/// Returns once the gate's value is no longer `old`.
static void gate_wait(gate_t *gate, uint32_t old, int64_t spin_ns) {
  int64_t deadline = 0;
  for (;;) {
    for (int i = 0; i < 64; ++i) {
      if (atomic_load_explicit(&gate->value, memory_order_acquire) != old)
        return;
      relax();
    }
    int64_t now = now_ns();
    if (!deadline)
      deadline = now + spin_ns;
    else if (now >= deadline)
      break;
  }
  atomic_fetch_add(&gate->sleepers, 1);
  while (atomic_load(&gate->value) == old)
    syscall(SYS_futex, &gate->value, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
  atomic_fetch_sub(&gate->sleepers, 1);
}

//===----------------------------------------------------------------------===//
// Pool
//===----------------------------------------------------------------------===//

typedef struct {
  const hr_step *steps;
  uint32_t num_steps;
  void *const *slots;
  uint32_t threads;
} job_t;

/// The workgroups of the current step that a thread has still to run: from
/// `begin` (low 32 bits) to `end` (high 32 bits). Its owner takes them from the
/// front, as one stream through memory; a thread that has none left takes them
/// from the back.
typedef struct {
  alignas(64) _Atomic uint64_t range;
} share_t;

/// CPUs as the kernel numbers them; threads on later ones are left alone.
#define MAX_CPUS 1024
typedef struct {
  uint64_t words[MAX_CPUS / 64];
} cpus_t;

/// Where a thread of the pool is.
typedef struct {
  pid_t id;        ///< the kernel's
  _Atomic int cpu; ///< the last one before it waited
  bool moved;      ///< it was given one CPU, and takes `allowed` back
  cpus_t allowed;
} place_t;

static struct {
  pthread_mutex_t lock; ///< held for the whole of one hr_plan_run
  uint32_t started;     ///< threads 1 .. started exist (0 is the caller)
  uint32_t cpus;        ///< how many the process may use
  job_t job;            ///< published to thread i by opening calls[i]
  place_t places[HR_MAX_THREADS];
  share_t shares[HR_MAX_THREADS]; ///< of the step that runs
  alignas(64) _Atomic uint32_t arrived;
  gate_t barrier;
  gate_t calls[HR_MAX_THREADS]; ///< opened once for each job of that thread
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

/// The process the pool's threads live in; its negative while that process is
/// making the pool its own.
static _Atomic int pool_owner;

/// After fork() none of the threads exist and the lock may be held by a thread
/// of the parent: forget all of it.
static void adopt_pool(void) {
  int self = (int)getpid();
  for (;;) {
    int owner = atomic_load(&pool_owner);
    if (owner == self)
      return;
    if (owner == -self) {
      sched_yield(); // another thread of this process is just doing it
    } else if (atomic_compare_exchange_strong(&pool_owner, &owner, -self)) {
      memset(&pool, 0, sizeof(pool));
      pthread_mutex_init(&pool.lock, NULL);
      atomic_store(&pool_owner, self);
      return;
    }
  }
}

/// How many workgroups a step has; more than `UINT32_MAX` if it has too many.
static uint64_t workgroups(const hr_step *step) {
  const uint64_t plane = (uint64_t)step->grid[0] * step->grid[1];
  if (plane > UINT32_MAX && step->grid[2])
    return plane;
  return plane * step->grid[2];
}

/// The workgroups before those of `thread`, rounded up: a single one is the
/// caller's, who need not wait for anybody to wake.
static uint64_t first_of(uint64_t total, uint32_t thread, uint32_t threads) {
  return total / threads * thread +
         (total % threads * thread + threads - 1) / threads;
}

/// Gives each thread its share of a step. Nobody runs workgroups meanwhile.
static void share_out(const hr_step *step, uint32_t threads) {
  const uint64_t total = workgroups(step);
  for (uint32_t i = 0; i < threads; ++i)
    atomic_store_explicit(&pool.shares[i].range,
                          first_of(total, i + 1, threads) << 32 |
                              first_of(total, i, threads),
                          memory_order_relaxed);
}

/// Takes a workgroup from the front or the back of a share.
static bool take(share_t *share, bool front, uint64_t *workgroup) {
  uint64_t range = atomic_load_explicit(&share->range, memory_order_relaxed);
  for (;;) {
    const uint64_t begin = (uint32_t)range, end = range >> 32;
    if (begin >= end)
      return false;
    const uint64_t rest = front ? range + 1 : range - ((uint64_t)1 << 32);
    if (atomic_compare_exchange_weak_explicit(&share->range, &range, rest,
                                              memory_order_relaxed,
                                              memory_order_relaxed)) {
      *workgroup = front ? begin : end - 1;
      return true;
    }
  }
}

/// Runs this thread's share of one step, then what others have left: one that
/// still wakes, or whose CPU or memory is slower just now.
static void run_step(const hr_step *step, void *const *slots, uint32_t thread,
                     uint32_t threads) {
  void *bindings[HR_MAX_BINDINGS];
  for (uint32_t i = 0; i < step->num_bindings; ++i)
    bindings[i] = (char *)slots[step->slots[i]] + step->offsets[i];

  const uint64_t x = step->grid[0], y = step->grid[1];
  uint64_t taken;
  for (uint32_t i = 0; i < threads; ++i)
    while (take(&pool.shares[(thread + i) % threads], i == 0, &taken)) {
      const uint32_t workgroup[3] = {(uint32_t)(taken % x),
                                     (uint32_t)(taken / x % y),
                                     (uint32_t)(taken / x / y)};
      step->kernel(bindings, step->constants, workgroup);
    }
}

/// Waits until all threads of the job have run the step before `next`, which is
/// null behind the last step: there a thread other than the caller only reports
/// that it is done and must not touch the job afterwards.
static void arrive(const job_t *job, uint32_t thread, const hr_step *next) {
  uint32_t phase = atomic_load(&pool.barrier.value);
  if (atomic_fetch_add(&pool.arrived, 1) + 1 == job->threads) {
    atomic_store(&pool.arrived, 0);
    if (next)
      share_out(next, job->threads);
    gate_open(&pool.barrier);
  } else if (next || thread == 0) {
    gate_wait(&pool.barrier, phase,
              job->threads <= pool.cpus ? JOB_SPIN_NS : SPIN_NS);
  }
}

static void run_job(const job_t *shared, uint32_t thread) {
  const job_t job = *shared;
  for (uint32_t i = 0; i < job.num_steps; ++i) {
    const hr_step *next = i + 1 < job.num_steps ? &job.steps[i + 1] : NULL;
    run_step(&job.steps[i], job.slots, thread, job.threads);
    arrive(&job, thread, next);
  }
}

//===----------------------------------------------------------------------===//
// Places
//===----------------------------------------------------------------------===//

static void add_cpu(cpus_t *set, int cpu) {
  if (cpu >= 0 && cpu < MAX_CPUS)
    set->words[cpu / 64] |= (uint64_t)1 << (cpu % 64);
}

static void set_affinity(pid_t thread, const cpus_t *set) {
  syscall(SYS_sched_setaffinity, thread, sizeof(*set), set);
}

static bool has_cpu(const cpus_t *set, int cpu) {
  return cpu >= 0 && cpu < MAX_CPUS && (set->words[cpu / 64] >> (cpu % 64) & 1);
}

/// Lets a sleeping thread wake on a CPU that is not in `taken`: where it slept,
/// or the first that it may run on.
static void place_thread(place_t *place, cpus_t *taken) {
  cpus_t allowed = {{0}};
  if (syscall(SYS_sched_getaffinity, place->id, sizeof(allowed), &allowed) < 0)
    return;
  int chosen = place->cpu;
  if (!has_cpu(&allowed, chosen) || has_cpu(taken, chosen))
    for (chosen = 0; chosen < MAX_CPUS; ++chosen)
      if (has_cpu(&allowed, chosen) && !has_cpu(taken, chosen))
        break;
  if (chosen == MAX_CPUS)
    return;
  add_cpu(taken, chosen);
  cpus_t only = {{0}};
  add_cpu(&only, chosen);
  place->allowed = allowed;
  place->moved = true;
  set_affinity(place->id, &only);
}

/// Wakes the threads of a job. Left alone, Linux may wake a thread on the CPU
/// of the caller, which does not wait but computes, and leave both there for
/// several milliseconds: the whole job.
static void wake_threads(uint32_t threads) {
  cpus_t taken = {{0}};
  add_cpu(&taken, sched_getcpu());
  for (uint32_t i = 1; i < threads; ++i) {
    place_t *place = &pool.places[i];
    if (!atomic_load(&pool.calls[i].sleepers))
      add_cpu(&taken, place->cpu); // it spins there
    else
      place_thread(place, &taken);
    gate_open(&pool.calls[i]);
  }
}

static void *thread_main(void *index) {
  const uint32_t thread = (uint32_t)(uintptr_t)index;
  place_t *place = &pool.places[thread];
  prctl(PR_SET_NAME, "headrace", 0, 0, 0);
  for (uint32_t calls = 0;; ++calls) {
    place->cpu = sched_getcpu();
    place->id = (pid_t)syscall(SYS_gettid);
    gate_wait(&pool.calls[thread], calls, SPIN_NS);
    if (place->moved) {
      place->moved = false;
      set_affinity(0, &place->allowed);
    }
    run_job(&pool.job, thread);
  }
  return NULL;
}

/// Starts threads until `1 .. last` exist.
static bool start_threads(uint32_t last) {
  if (pool.started >= last)
    return true;
  cpus_t allowed = {{0}};
  syscall(SYS_sched_getaffinity, 0, sizeof(allowed), &allowed);
  pool.cpus = 0;
  for (int cpu = 0; cpu < MAX_CPUS; ++cpu)
    pool.cpus += has_cpu(&allowed, cpu);
  // Signals are for the process's own threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (pool.started < last) {
    pthread_t thread;
    void *index = (void *)(uintptr_t)(pool.started + 1);
    if (pthread_create(&thread, NULL, thread_main, index) != 0)
      break;
    pthread_detach(thread);
    ++pool.started;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return pool.started >= last;
}

//===----------------------------------------------------------------------===//
// Interface
//===----------------------------------------------------------------------===//

/// Checks the plan and returns the size of its largest grid, or 0 if it is not
/// valid. More threads than workgroups would only wait.
static uint64_t largest_grid(const hr_step *steps, uint32_t num_steps) {
  uint64_t largest = 1;
  for (uint32_t i = 0; i < num_steps; ++i) {
    if (!steps[i].kernel || steps[i].num_bindings > HR_MAX_BINDINGS)
      return 0;
    const uint64_t total = workgroups(&steps[i]);
    if (total > UINT32_MAX)
      return 0;
    largest = total > largest ? total : largest;
  }
  return largest;
}

int32_t hr_plan_run(const hr_step *steps, uint32_t num_steps,
                    void *const *slots, uint32_t threads) {
  const uint64_t useful = largest_grid(steps, num_steps);
  if (!useful || !threads)
    return HR_INVALID_PLAN;
  threads = threads < HR_MAX_THREADS ? threads : HR_MAX_THREADS;
  threads = threads < useful ? threads : (uint32_t)useful;

  adopt_pool();
  pthread_mutex_lock(&pool.lock);
  int32_t result = HR_NO_THREADS;
  if (start_threads(threads - 1)) {
    pool.job = (job_t){steps, num_steps, slots, threads};
    if (num_steps) {
      share_out(&steps[0], threads);
      wake_threads(threads);
    }
    run_job(&pool.job, 0);
    result = HR_OK;
  }
  pthread_mutex_unlock(&pool.lock);
  return result;
}

uint32_t hr_abi_version(void) { return HR_ABI_VERSION; }
