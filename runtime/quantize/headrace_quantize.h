//===- headrace_quantize.h - C ABI of libheadrace_quantize.so -------------===//
//
// Quantizers of GGUF's block formats that are worth a search: float32 rows to
// their bytes. The bytes depend on nothing but the input: every instruction set
// computes the same, in the same order.
//
// No function allocates, starts a thread or keeps state. Called through ctypes.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_QUANTIZE_H
#define HEADRACE_QUANTIZE_H

#include <stdint.h>

#define HR_EXPORT __attribute__((visibility("default")))

/// Changes when a function below or the meaning of a number does.
enum { HR_QUANTIZE_ABI = 1 };

/// Formats, by the numbers that `hr_quantize` takes.
enum {
  HR_Q2_K = 0,
  HR_Q3_K = 1,
  HR_Q4_K = 2,
  HR_Q5_K = 3,
  HR_Q6_K = 4,
  HR_IQ4_NL = 5,
  HR_FORMATS = 6
};

/// What `hr_quantize` returns besides 0 and row numbers.
enum {
  HR_BAD_REQUEST = -1,    ///< unknown format, or a shape it cannot hold
  HR_BAD_IMPORTANCE = -2, ///< an importance outside of 0 .. 2^126
  HR_NO_SUCH_CPU = -3     ///< an instruction set that this machine lacks
};

HR_EXPORT int hr_quantize_abi(void);

/// Values of one block, bytes of one block, and the largest magnitude that a
/// format can hold; 0 for an unknown format.
HR_EXPORT int64_t hr_quantize_block_values(int format);
HR_EXPORT int64_t hr_quantize_block_bytes(int format);
HR_EXPORT float hr_quantize_largest(int format);

/// Instruction sets that the library was built for, the fastest first (null
/// past the end), and whether this machine has one.
HR_EXPORT const char *hr_quantize_isa_name(int isa);
HR_EXPORT int hr_quantize_isa_runs(int isa);

/// Quantizes values [rows, cols], contiguous, to `out`, which has the bytes of
/// rows * cols / block values blocks.
///
/// importance: weights of the columns' squared errors [cols], each from 0 to
///             2^126, or null where all columns are alike. Only ratios
///             inside a block matter.
/// isa:        an instruction set, or -1 for the best of this machine
///
/// Returns 0, a negative number above, or 1 + the first row with a value that
/// is NaN, infinite or larger than `hr_quantize_largest`; then `out` is as it
/// was.
HR_EXPORT int64_t hr_quantize(int format, const float *values, int64_t rows,
                              int64_t cols, const float *importance,
                              uint8_t *out, int isa);

#endif // HEADRACE_QUANTIZE_H
