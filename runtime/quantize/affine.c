//===- affine.c - q2_k, q4_k, q5_k ----------------------------------------===//
//
// Blocks of 256 values with a scale and a minimum for each group; see affine.h
// for how they are chosen. The layouts are drawn in headrace/formats.
//
//===----------------------------------------------------------------------===//

#include "affine.h"
#include "families.h"

#define BLOCK 256

/// 6-bit sc[8], m[8] to 12 bytes: the upper two bits of the last four are
/// above the 6 bits of the first four.
static void pack_six_bits(uint8_t *out, const int32_t *sc, const int32_t *m) {
  for (int j = 0; j < 4; ++j) {
    out[j] = (uint8_t)(sc[j] | (sc[j + 4] >> 4 << 6));
    out[j + 4] = (uint8_t)(m[j] | (m[j + 4] >> 4 << 6));
    out[j + 8] = (uint8_t)((sc[j + 4] & 15) | ((m[j + 4] & 15) << 4));
  }
}

/// Scales of a tile as integers, lane by lane.
typedef struct {
  int32_t d[LANES], dmin[LANES], sc[LANES], m[LANES];
} stored;

INLINE stored store_scales(const affine_scales *scales) {
  stored s;
  store_lanes(s.d, scales->d_bits);
  store_lanes(s.dmin, scales->dmin_bits);
  store_lanes(s.sc, to_int(scales->sc));
  store_lanes(s.m, to_int(scales->m));
  return s;
}

static void pack_q2_k(uint8_t *out, const uint8_t *codes, const stored *s) {
  for (int j = 0; j < 16; ++j)
    out[j] = (uint8_t)(s->sc[j] | (s->m[j] << 4));
  pack_two_bits(out + 16, codes);
  store_half(out + 80, s->d[0]);
  store_half(out + 82, s->dmin[0]);
}

static void pack_q4_k(uint8_t *out, const uint8_t *codes, const int32_t *sc,
                      const int32_t *m, int32_t d, int32_t dmin) {
  store_half(out, d);
  store_half(out + 2, dmin);
  pack_six_bits(out + 4, sc, m);
  for (int c = 0; c < 4; ++c)
    for (int i = 0; i < 32; ++i)
      out[16 + 32 * c + i] =
          (uint8_t)(codes[64 * c + i] | (codes[64 * c + 32 + i] << 4));
}

static void pack_q5_k(uint8_t *out, const uint8_t *codes, const int32_t *sc,
                      const int32_t *m, int32_t d, int32_t dmin) {
  store_half(out, d);
  store_half(out + 2, dmin);
  pack_six_bits(out + 4, sc, m);
  for (int i = 0; i < 32; ++i) {
    int upper = 0;
    for (int g = 0; g < 8; ++g)
      upper |= codes[32 * g + i] >> 4 << g;
    out[16 + i] = (uint8_t)upper;
  }
  for (int c = 0; c < 4; ++c)
    for (int i = 0; i < 32; ++i)
      out[48 + 32 * c + i] = (uint8_t)((codes[64 * c + i] & 15) |
                                       ((codes[64 * c + 32 + i] & 15) << 4));
}

void FOR_ISA(encode_q2_k)(const run *r) {
  const affine_form form = {.group = 16,
                            .share = 16,
                            .levels = 3,
                            .most = 15,
                            .insets = 5,
                            .first_inset = -0.3f};
  for (int64_t block = 0; block < r->blocks; ++block) {
    tile t;
    vf values[16];
    uint8_t codes[LANES * 16];
    load_tile(&t, r, block, form.share, form.group);
    affine_scales scales = affine_fit_tile(&t, form, values);
    store_codes(codes, values, form.group);
    stored s = store_scales(&scales);
    pack_q2_k(r->out + block * 84, codes, &s);
  }
}

void FOR_ISA(encode_q4_k)(const run *r) {
  const affine_form form = {.group = 32,
                            .share = 8,
                            .levels = 15,
                            .most = 63,
                            .insets = 7,
                            .first_inset = -0.6f};
  for (int64_t first = 0; first < r->blocks; first += 2) {
    tile t;
    vf values[32];
    uint8_t codes[LANES * 32];
    load_tile(&t, r, first, form.share, form.group);
    affine_scales scales = affine_fit_tile(&t, form, values);
    store_codes(codes, values, form.group);
    stored s = store_scales(&scales);
    for (int i = 0; i < tile_blocks(r, first, form.share); ++i)
      pack_q4_k(r->out + (first + i) * 144, codes + BLOCK * i, s.sc + 8 * i,
                s.m + 8 * i, s.d[8 * i], s.dmin[8 * i]);
  }
}

void FOR_ISA(encode_q5_k)(const run *r) {
  const affine_form form = {.group = 32,
                            .share = 8,
                            .levels = 31,
                            .most = 63,
                            .insets = 7,
                            .first_inset = -0.6f};
  for (int64_t first = 0; first < r->blocks; first += 2) {
    tile t;
    vf values[32];
    uint8_t codes[LANES * 32];
    load_tile(&t, r, first, form.share, form.group);
    affine_scales scales = affine_fit_tile(&t, form, values);
    store_codes(codes, values, form.group);
    stored s = store_scales(&scales);
    for (int i = 0; i < tile_blocks(r, first, form.share); ++i)
      pack_q5_k(r->out + (first + i) * 176, codes + BLOCK * i, s.sc + 8 * i,
                s.m + 8 * i, s.d[8 * i], s.dmin[8 * i]);
  }
}
