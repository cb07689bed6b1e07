//===- headrace_probe.h - C ABI of libheadrace_probe.so -------------------===//
//
// Measurements of the machine for benchmarks, called through ctypes. A negative
// result means that the quantity cannot be measured here (unknown pattern, no
// such instruction, fewer than two CPUs) or that threads could not be started.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PROBE_H
#define HEADRACE_PROBE_H

#include <stddef.h>
#include <stdint.h>

#define HR_EXPORT __attribute__((visibility("default")))

/// Instruction kinds of `hr_probe_peak_gops`.
enum { HR_PEAK_F32 = 0, HR_PEAK_INT8 = 1, HR_PEAK_BF16 = 2 };

/// Reads `bytes` once with the given pattern, the range split into one
/// contiguous part per thread; returns GB/s (1e9 bytes per second).
HR_EXPORT double hr_probe_read(const void *data, size_t bytes, int pattern,
                               int threads);

/// How many read patterns this CPU can run, and their names (null if out of
/// range).
HR_EXPORT int hr_probe_patterns(void);
HR_EXPORT const char *hr_probe_pattern_name(int pattern);

/// One-way time in ns for a cache line to get from one CPU to another, between
/// the first two CPUs this process may use.
HR_EXPORT double hr_probe_core_latency_ns(void);

/// Estimated peak rate in 1e9 operations per second (a multiply-add counts two)
/// of the best instruction of that kind on this CPU, over `threads` threads.
HR_EXPORT double hr_probe_peak_gops(int kind, int threads);

#endif // HEADRACE_PROBE_H
