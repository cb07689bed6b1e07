//===- nonlinear.c - iq4_nl -----------------------------------------------===//
//
// Blocks of 32 values: value = d table[q], with d in half precision and sixteen
// table entries that lie denser near zero. Sixteen blocks are the lanes of a
// tile. The search is the one of symmetric.h with the table for its steps; d is
// not quantized further.
//
//===----------------------------------------------------------------------===//

#include "families.h"

#define GROUP 32

// GGUF's table (a fact of the format).
static const float table[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                1,    13,   25,  38,  53,  69,  89,  113};

typedef struct {
  vf tt, rt, rr;
} sums;

/// The table entry nearest to x.
INLINE vf entry_of(vf x) {
  vf entry = splat(table[0]);
  for (int k = 1; k < 16; ++k) {
    vi above = x > 0.5f * (table[k - 1] + table[k]);
    entry = select(above, splat(table[k]), entry);
  }
  return entry;
}

/// Its index.
INLINE vf code_of(vf x) {
  vi code = splat_int(0);
  for (int k = 1; k < 16; ++k)
    code -= x > 0.5f * (table[k - 1] + table[k]);
  return to_float(code);
}

static sums sums_of(const tile *t, vf d) {
  sums s = {splat(0), splat(0), splat(0)};
  vf per_d = inverse(d);
  for (int i = 0; i < GROUP; ++i) {
    vf entry = entry_of(t->x[i] * per_d);
    vf r = t->x[i] - d * entry;
    vf we = t->w[i] * entry, wr = t->w[i] * r;
    s.tt += we * entry;
    s.rt += wr * entry;
    s.rr += wr * r;
  }
  return s;
}

typedef struct {
  vf d, error;
} fit;

INLINE void try_scale(const tile *t, vf d, fit *best) {
  sums s = sums_of(t, d);
  vf more = s.rt / s.tt; // no entry is zero
  vf error = s.rr - more * s.rt;
  vi better = error < best->error;
  best->d = select(better, d + more, best->d);
  best->error = select(better, error, best->error);
}

/// A half for each block, and the error it leaves.
typedef struct {
  vi bits;
  vf error;
} choice;

INLINE void try_half(const tile *t, vi bits, vi allowed, choice *best) {
  vf error = sums_of(t, half_value(bits) / t->unit).rr;
  vi better = allowed & (error < best->error);
  best->bits = select_int(better, bits, best->bits);
  best->error = select(better, error, best->error);
}

/// The halves d of a tile's blocks.
static vi fit_tile(const tile *t) {
  enum { TRIES = 20, ROUNDS = 3, COARSE = 24 };
  vf size = splat(0);
  for (int i = 0; i < GROUP; ++i)
    size = max_of(size, absolute(t->x[i]));
  fit best = {size * (1.0f / -127.0f), splat(0x1p60f)};
  for (int k = 0; k < TRIES; ++k) {
    vf d = size * (1.0f / (74.0f + 3.2f * (float)k));
    try_scale(t, d, &best);
    try_scale(t, -d, &best);
  }
  for (int round = 0; round < ROUNDS; ++round)
    try_scale(t, best.d, &best);

  vi some = size > 0.0f, near = half_bits(best.d * t->unit);
  choice chosen = {near, splat(0x1p60f)};
  try_half(t, near, some, &chosen);
  try_half(t, half_away(near, 1), some, &chosen);
  try_half(t, half_away(near, -1), some, &chosen);
  // Where halves are this coarse the rounded one may be far from the best.
  vi coarse = some & ((near & 0x7fff) < COARSE);
  int32_t lanes[LANES], any = 0;
  store_lanes(lanes, coarse);
  for (int lane = 0; lane < LANES; ++lane)
    any |= lanes[lane];
  for (int k = 1; any && k <= COARSE; ++k) {
    try_half(t, splat_int(k), coarse, &chosen);
    try_half(t, splat_int(k | 0x8000), coarse, &chosen);
  }
  some &= (chosen.bits & 0x7fff) != 0; // so that zero is never negative
  return select_int(some, chosen.bits, splat_int(0));
}

void FOR_ISA(encode_iq4_nl)(const run *r) {
  for (int64_t first = 0; first < r->blocks; first += LANES) {
    tile t;
    vf values[GROUP];
    uint8_t codes[LANES * GROUP];
    int32_t d[LANES];
    load_tile(&t, r, first, 1, GROUP);
    vi bits = fit_tile(&t);
    vf per_d = inverse(half_value(bits) / t.unit);
    for (int i = 0; i < GROUP; ++i)
      values[i] = code_of(t.x[i] * per_d);
    store_codes(codes, values, GROUP);
    store_lanes(d, bits);
    for (int block = 0; block < tile_blocks(r, first, 1); ++block) {
      uint8_t *out = r->out + (first + block) * 18;
      const uint8_t *q = codes + GROUP * block;
      store_half(out, d[block]);
      for (int i = 0; i < 16; ++i)
        out[2 + i] = (uint8_t)(q[i] | (q[i + 16] << 4));
    }
  }
}
