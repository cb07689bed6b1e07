//===- tile.h - Blocks of values, transposed into lanes -------------------===//

#ifndef HEADRACE_QUANTIZE_TILE_H
#define HEADRACE_QUANTIZE_TILE_H

#include "lanes.h"

#define MAX_GROUP 32

/// Sixteen groups of up to 32 values: x[i] holds value i of each.
///
/// Values are divided by `unit`, a power of two for each block, so that the
/// largest is in [1, 2) and sums of squares neither overflow nor vanish. A
/// block too small for any code but zero is all zero here.
typedef struct {
  vf x[MAX_GROUP];
  vf w[MAX_GROUP]; ///< importances, at most 1 and more than 0
  vf weight;       ///< sum of w
  vf unit;
} tile;

/// A run of blocks that one call of an encoder works through.
typedef struct {
  const float *values;
  const float *importance; ///< of a row's columns, or null
  int64_t blocks;
  int64_t row_blocks;
  uint8_t *out;
} run;

/// How many blocks a tile that begins at block `first` holds.
INLINE int tile_blocks(const run *r, int64_t first, int share) {
  int64_t left = r->blocks - first;
  return left < LANES / share ? (int)left : LANES / share;
}

/// Loads the groups of `group` values of blocks `first` ... ; lanes without a
/// block are zero.
INLINE void load_tile(tile *t, const run *r, int64_t first, int share,
                      int group) {
  float columns[MAX_GROUP][LANES];
  int used = tile_blocks(r, first, share) * share;
  const float *source = r->values + first * share * group;
  if (used < LANES)
    memset(columns, 0, sizeof(columns));
  for (int lane = 0; lane < used; ++lane)
    for (int i = 0; i < group; ++i)
      columns[i][lane] = source[lane * group + i];
  memcpy(t->x, columns, sizeof(vf) * (size_t)group);

  vf size = splat(0);
  for (int i = 0; i < group; ++i)
    size = max_of(size, absolute(t->x[i]));
  size = max_of_block(size, share);
  // The least half is 2^-24: below half of that all codes are zero.
  vi tiny = size < 0x1p-30f;
  vi exponent = select_int(tiny, splat_int(127 << 23), (vi)size & 0x7f800000);
  t->unit = (vf)exponent;
  vf factor = select(tiny, splat(0), (vf)((254 << 23) - exponent));
  for (int i = 0; i < group; ++i)
    t->x[i] *= factor;

  if (!r->importance) {
    for (int i = 0; i < group; ++i)
      t->w[i] = splat(1);
    t->weight = splat((float)group);
    return;
  }
  for (int lane = 0; lane < LANES; ++lane) {
    int64_t block = (first + lane / share) % r->row_blocks;
    const float *w = r->importance + (block * share + lane % share) * group;
    for (int i = 0; i < group; ++i)
      columns[i][lane] = w[i];
  }
  memcpy(t->w, columns, sizeof(vf) * (size_t)group);
  vf most = splat(0);
  for (int i = 0; i < group; ++i)
    most = max_of(most, t->w[i]);
  most = max_of_block(most, share);
  // Denormal importances are as good as none.
  vi none = most < 0x1p-120f;
  vf per_most = 1.0f / select(none, splat(1), most);
  t->weight = splat(0);
  for (int i = 0; i < group; ++i) {
    // Columns of no importance still get the nearest codes, and a group of
    // nothing else a fit.
    vf w = select(none, splat(1), t->w[i] * per_most);
    t->w[i] = max_of(w, splat(0x1p-20f));
    t->weight += t->w[i];
  }
}

/// Codes, whole numbers as floats, to bytes [LANES][group]: lane by lane, so
/// that the values of a block follow each other.
INLINE void store_codes(uint8_t *out, const vf *codes, int group) {
  int32_t row[LANES];
  for (int i = 0; i < group; ++i) {
    vi whole = to_int(codes[i]);
    memcpy(row, &whole, sizeof(row));
    for (int lane = 0; lane < LANES; ++lane)
      out[lane * group + i] = (uint8_t)row[lane];
  }
}

INLINE void store_lanes(int32_t out[LANES], vi v) {
  memcpy(out, &v, sizeof(v));
}

INLINE void store_half(uint8_t *out, int32_t bits) {
  out[0] = (uint8_t)bits;
  out[1] = (uint8_t)(bits >> 8);
}

#endif // HEADRACE_QUANTIZE_TILE_H
