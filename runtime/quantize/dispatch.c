//===- dispatch.c - The C ABI: checks, and the best instruction set -------===//

#include "headrace_quantize.h"

#include "families.h"

typedef void (*encoder)(const run *);

typedef struct {
  int64_t values, bytes;
  float largest; ///< whose scales fit half precision whatever the other values
} format;

static const format formats[HR_FORMATS] = {
    [HR_Q2_K] = {256, 84, 0x1p19f},  [HR_Q3_K] = {256, 110, 0x1p22f},
    [HR_Q4_K] = {256, 144, 0x1p21f}, [HR_Q5_K] = {256, 176, 0x1p21f},
    [HR_Q6_K] = {256, 210, 0x1p27f}, [HR_IQ4_NL] = {32, 18, 0x1p22f},
};

typedef struct {
  const char *name;
  encoder encoders[HR_FORMATS];
} instructions;

#define ENCODERS(isa)                                                          \
  {                                                                            \
      [HR_Q2_K] = PASTE(encode_q2_k, isa),                                     \
      [HR_Q3_K] = PASTE(encode_q3_k, isa),                                     \
      [HR_Q4_K] = PASTE(encode_q4_k, isa),                                     \
      [HR_Q5_K] = PASTE(encode_q5_k, isa),                                     \
      [HR_Q6_K] = PASTE(encode_q6_k, isa),                                     \
      [HR_IQ4_NL] = PASTE(encode_iq4_nl, isa)}

DECLARE_ENCODERS(baseline)
#ifdef __x86_64__
DECLARE_ENCODERS(avx2)
DECLARE_ENCODERS(avx512)
#endif

static const instructions sets[] = {
#ifdef __x86_64__
    {"avx512", ENCODERS(avx512)},
    {"avx2", ENCODERS(avx2)},
#endif
    {"baseline", ENCODERS(baseline)},
};
#define SETS ((int)(sizeof(sets) / sizeof(sets[0])))

int hr_quantize_abi(void) { return HR_QUANTIZE_ABI; }

int64_t hr_quantize_block_values(int format) {
  return format >= 0 && format < HR_FORMATS ? formats[format].values : 0;
}

int64_t hr_quantize_block_bytes(int format) {
  return format >= 0 && format < HR_FORMATS ? formats[format].bytes : 0;
}

float hr_quantize_largest(int format) {
  return format >= 0 && format < HR_FORMATS ? formats[format].largest : 0;
}

const char *hr_quantize_isa_name(int isa) {
  return isa >= 0 && isa < SETS ? sets[isa].name : 0;
}

int hr_quantize_isa_runs(int isa) {
  if (isa < 0 || isa >= SETS)
    return 0;
#ifdef __x86_64__
  __builtin_cpu_init();
  if (isa == 0) // as in CMakeLists.txt
    return __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
  if (isa == 1)
    return __builtin_cpu_supports("avx2") != 0;
#endif
  return 1;
}

/// Whether all are of magnitude `largest` or less, NaN not.
static int all_within(const float *values, int64_t count, float largest) {
  int32_t limit, most = 0;
  memcpy(&limit, &largest, sizeof(limit));
  for (int64_t i = 0; i < count; ++i) {
    int32_t bits;
    memcpy(&bits, values + i, sizeof(bits));
    bits &= 0x7fffffff; // magnitudes are ordered as integers, NaN above all
    most = bits > most ? bits : most;
  }
  return most <= limit;
}

int64_t hr_quantize(int format, const float *values, int64_t rows, int64_t cols,
                    const float *importance, uint8_t *out, int isa) {
  int64_t block = hr_quantize_block_values(format);
  if (!block || rows < 0 || cols < block || cols % block || isa < -1 ||
      isa >= SETS)
    return HR_BAD_REQUEST;
  if (isa < 0)
    for (isa = 0; !hr_quantize_isa_runs(isa);)
      ++isa;
  else if (!hr_quantize_isa_runs(isa))
    return HR_NO_SUCH_CPU;
  if (importance)
    for (int64_t i = 0; i < cols; ++i)
      if (!(importance[i] >= 0) || !all_within(importance + i, 1, 0x1p126f))
        return HR_BAD_IMPORTANCE;
  for (int64_t row = 0; row < rows; ++row)
    if (!all_within(values + row * cols, cols, formats[format].largest))
      return row + 1;
  run r = {values, importance, rows * (cols / block), cols / block, out};
  sets[isa].encoders[format](&r);
  return 0;
}
