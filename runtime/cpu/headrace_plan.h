//===- headrace_plan.h - C ABI of a compiled CPU artifact -----------------===//
//
// A plan is a list of steps. A step launches one kernel over a static 3-D grid
// of workgroups. Every CPU artifact links the executor that runs plans, so one
// `dlopen` gives a caller the kernels, the executor and its threads.
//
// Threads: one call of `hr_plan_run` runs at a time, further callers wait. The
// calling thread takes the first share of the workgroups; the others go to
// threads that are started once and sleep between calls. A child process after
// fork() starts its own. Because of those threads the library must never be
// unloaded once `hr_plan_run` was called.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PLAN_H
#define HEADRACE_PLAN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HR_EXPORT __attribute__((visibility("default")))
#else
#define HR_EXPORT
#endif

/// Raised when a structure or function below changes its meaning.
#define HR_ABI_VERSION 1u
/// More threads than this are never used, however many are asked for.
#define HR_MAX_THREADS 256u
/// The most bindings one kernel may take.
#define HR_MAX_BINDINGS 64u

/// Results of `hr_plan_run`.
enum {
  HR_OK = 0,
  HR_INVALID_PLAN = 1, ///< null kernel, too many bindings, a grid of more than
                       ///< UINT32_MAX workgroups, or no threads asked.
  HR_NO_THREADS = 2    ///< the system refused to start a thread; nothing ran.
};

/// One workgroup of a kernel. `bindings` are the kernel's memory arguments in
/// order, `constants` its 32-bit push constants, `workgroup` is x, y, z.
typedef void (*hr_kernel)(void *const *bindings, const int32_t *constants,
                          const uint32_t workgroup[3]);

/// One launch. Binding `i` is `(char *)slots[slots[i]] + offsets[i]` (bytes),
/// where the outer slots are those given to `hr_plan_run`.
typedef struct {
  hr_kernel kernel;
  uint32_t grid[3];
  uint32_t num_bindings;
  const uint32_t *slots;
  const int64_t *offsets;
  const int32_t *constants;
} hr_step;

/// Runs the steps in order on up to `threads` threads, one after the other:
/// a step sees everything that earlier steps wrote. Workgroups of a step run in
/// any order. Each thread has one contiguous range of them, x fastest, and
/// takes from the end of another's when it is through with its own.
HR_EXPORT int32_t hr_plan_run(const hr_step *steps, uint32_t num_steps,
                              void *const *slots, uint32_t threads);

/// The `HR_ABI_VERSION` this executor was built with.
HR_EXPORT uint32_t hr_abi_version(void);

#ifdef __cplusplus
}
#endif

#endif // HEADRACE_PLAN_H
