//===- families.h - The encoders, once for each instruction set -----------===//

#ifndef HEADRACE_QUANTIZE_FAMILIES_H
#define HEADRACE_QUANTIZE_FAMILIES_H

#include "tile.h"

// The sources of the families are compiled once for each instruction set, with
// HR_ISA naming it; dispatch.c chooses at run time.
#define PASTE_(name, isa) hr_##name##_##isa
#define PASTE(name, isa) PASTE_(name, isa)
#define FOR_ISA(name) PASTE(name, HR_ISA)

#define DECLARE_ENCODERS(isa)                                                  \
  void PASTE(encode_q2_k, isa)(const run *r);                                  \
  void PASTE(encode_q3_k, isa)(const run *r);                                  \
  void PASTE(encode_q4_k, isa)(const run *r);                                  \
  void PASTE(encode_q5_k, isa)(const run *r);                                  \
  void PASTE(encode_q6_k, isa)(const run *r);                                  \
  void PASTE(encode_iq4_nl, isa)(const run *r);

#ifdef HR_ISA
DECLARE_ENCODERS(HR_ISA)
#endif

/// The lower two bits of 256 codes to 64 bytes: for each half of 128, byte i
/// holds values i, i + 32, i + 64, i + 96, the first lowest.
INLINE void pack_two_bits(uint8_t *out, const uint8_t *codes) {
  for (int half = 0; half < 2; ++half)
    for (int i = 0; i < 32; ++i) {
      const uint8_t *q = codes + 128 * half + i;
      out[32 * half + i] = (uint8_t)((q[0] & 3) | ((q[32] & 3) << 2) |
                                     ((q[64] & 3) << 4) | ((q[96] & 3) << 6));
    }
}

#endif // HEADRACE_QUANTIZE_FAMILIES_H
