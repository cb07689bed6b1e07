//===- symmetric.c - q3_k, q6_k -------------------------------------------===//
//
// Blocks of 256 values with a scale for each group of 16; see symmetric.h for
// how they are chosen. The layouts are drawn in headrace/formats.
//
//===----------------------------------------------------------------------===//

#include "symmetric.h"
#include "families.h"

#define BLOCK 256

static void pack_q3_k(uint8_t *out, const uint8_t *codes, const int32_t *sc,
                      int32_t d) {
  for (int i = 0; i < 32; ++i) {
    int upper = 0;
    for (int bit = 0; bit < 8; ++bit)
      upper |= codes[32 * bit + i] >> 2 << bit;
    out[i] = (uint8_t)upper;
  }
  pack_two_bits(out + 32, codes);
  // 6-bit scales: the lower four bits of two to a byte, then the upper two of
  // four.
  for (int j = 0; j < 8; ++j)
    out[96 + j] = (uint8_t)((sc[j] & 15) | ((sc[j + 8] & 15) << 4));
  for (int j = 0; j < 4; ++j)
    out[104 + j] = (uint8_t)((sc[j] >> 4) | (sc[j + 4] >> 4 << 2) |
                             (sc[j + 8] >> 4 << 4) | (sc[j + 12] >> 4 << 6));
  store_half(out + 108, d);
}

static void pack_q6_k(uint8_t *out, const uint8_t *codes, const int32_t *sc,
                      int32_t d) {
  for (int half = 0; half < 2; ++half) {
    const uint8_t *q = codes + 128 * half;
    for (int i = 0; i < 64; ++i)
      out[64 * half + i] = (uint8_t)((q[i] & 15) | ((q[i + 64] & 15) << 4));
    for (int i = 0; i < 32; ++i)
      out[128 + 32 * half + i] =
          (uint8_t)((q[i] >> 4) | (q[i + 32] >> 4 << 2) |
                    (q[i + 64] >> 4 << 4) | (q[i + 96] >> 4 << 6));
  }
  for (int j = 0; j < 16; ++j)
    out[192 + j] = (uint8_t)sc[j];
  store_half(out + 208, d);
}

void FOR_ISA(encode_q3_k)(const run *r) {
  const symmetric_form form = {
      .half = 4, .most = 32, .first = 2.4f, .spread = 0.2f, .tries = 12};
  for (int64_t block = 0; block < r->blocks; ++block) {
    tile t;
    vf values[GROUP];
    uint8_t codes[BLOCK];
    int32_t d[LANES], sc[LANES];
    load_tile(&t, r, block, SHARE, GROUP);
    symmetric_scales scales = symmetric_fit_tile(&t, form, values);
    for (int i = 0; i < GROUP; ++i)
      values[i] += 4.0f;
    store_codes(codes, values, GROUP);
    store_lanes(d, scales.d_bits);
    store_lanes(sc, to_int(scales.sc) + 32);
    pack_q3_k(r->out + block * 110, codes, sc, d[0]);
  }
}

void FOR_ISA(encode_q6_k)(const run *r) {
  const symmetric_form form = {
      .half = 32, .most = 128, .first = 30.0f, .spread = 0.3f, .tries = 12};
  for (int64_t block = 0; block < r->blocks; ++block) {
    tile t;
    vf values[GROUP];
    uint8_t codes[BLOCK];
    int32_t d[LANES], sc[LANES];
    load_tile(&t, r, block, SHARE, GROUP);
    symmetric_scales scales = symmetric_fit_tile(&t, form, values);
    for (int i = 0; i < GROUP; ++i)
      values[i] += 32.0f;
    store_codes(codes, values, GROUP);
    store_lanes(d, scales.d_bits);
    store_lanes(sc, to_int(scales.sc));
    pack_q6_k(r->out + block * 210, codes, sc, d[0]);
  }
}
