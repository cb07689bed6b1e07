//===- symmetric.h - Scales of groups without a minimum: the search -------===//
//
// For q3_k and q6_k: value = (d sc) q, with d in half precision for a block and
// a whole sc, of either sign, for each of its 16 groups of 16 values.
//
// Codes reach one step further down than up, so a group's best scale may have
// either sign. The three parts are those of affine.h.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_QUANTIZE_SYMMETRIC_H
#define HEADRACE_QUANTIZE_SYMMETRIC_H

#include "tile.h"

#define GROUP 16
#define SHARE 16

/// A format of this family; always a constant.
typedef struct {
  int half;            ///< codes are -half .. half - 1
  int most;            ///< sc is -most .. most - 1
  float first, spread; ///< magnitudes at which the largest value is tried
  int tries;
} symmetric_form;

typedef struct {
  vf qq, rq, rr;
} symmetric_sums;

typedef struct {
  vf scale, error;
} symmetric_fit;

typedef struct {
  vi d_bits;
  vf d, sc, error;
} symmetric_scales;

INLINE vf symmetric_code(symmetric_form f, vf x, vf per_scale) {
  return clamp(nearest(x * per_scale), (float)-f.half, (float)(f.half - 1));
}

/// Sums for the codes nearest to x / scale; r is what scale q leaves.
INLINE symmetric_sums symmetric_codes(const tile *t, symmetric_form f,
                                      vf scale) {
  symmetric_sums s = {splat(0), splat(0), splat(0)};
  vf per_scale = inverse(scale);
  for (int i = 0; i < GROUP; ++i) {
    vf q = symmetric_code(f, t->x[i], per_scale);
    vf r = t->x[i] - scale * q;
    vf wq = t->w[i] * q, wr = t->w[i] * r;
    s.qq += wq * q;
    s.rq += wr * q;
    s.rr += wr * r;
  }
  return s;
}

INLINE void symmetric_try(const tile *t, symmetric_form f, vf scale,
                          symmetric_fit *best) {
  symmetric_sums s = symmetric_codes(t, f, scale);
  vi some = s.qq > 1e-12f;
  vf more = s.rq / select(some, s.qq, splat(1));
  more = select(some, more, splat(0));
  vf error = s.rr - more * s.rq;
  vi better = error < best->error;
  best->scale = select(better, scale + more, best->scale);
  best->error = select(better, error, best->error);
}

#define ROUNDS 3

/// Part 1. `tight` becomes the scale that takes the extreme value to -half: the
/// least that clips nothing.
static symmetric_fit symmetric_search(const tile *t, symmetric_form f,
                                      vf *tight) {
  vf low = splat(0), high = splat(0);
  for (int i = 0; i < GROUP; ++i) {
    low = min_of(low, t->x[i]);
    high = max_of(high, t->x[i]);
  }
  vf size = max_of(-low, high);
  *tight = select(high > -low, high, low) * (-1.0f / (float)f.half);
  symmetric_fit best = {*tight, splat(0x1p60f)};
  float reach = f.first;
  for (int k = 0; k < f.tries; ++k, reach += f.spread) {
    vf scale = size / splat(reach);
    symmetric_try(t, f, scale, &best);
    symmetric_try(t, f, -scale, &best);
  }
  for (int round = 0; round < ROUNDS; ++round)
    symmetric_try(t, f, best.scale, &best);
  return best;
}

/// The squared error of the codes nearest to x / scale.
INLINE vf symmetric_error(const tile *t, symmetric_form f, vf scale) {
  vf error = splat(0);
  vf per_scale = inverse(scale);
  for (int i = 0; i < GROUP; ++i) {
    vf r = t->x[i] - scale * symmetric_code(f, t->x[i], per_scale);
    error += t->w[i] * r * r;
  }
  return error;
}

/// The whole scale nearest to `scale` / d; not 0: 1 can represent all that 0
/// can.
INLINE vf symmetric_whole(symmetric_form f, vf scale, vf per_d) {
  vf sc = nearest(scale * per_d);
  sc = clamp(sc, (float)-f.most, (float)(f.most - 1));
  return select(sc == 0.0f, splat(1), sc);
}

/// The scale of largest magnitude of the block, with its sign.
INLINE vf symmetric_extreme(vf scale) {
  vf size = max_of_block(absolute(scale), SHARE);
  vf negative = select(scale == -size, splat(1), splat(0));
  return select(max_of_block(negative, SHARE) > 0.0f, -size, size);
}

/// Part 2. Tries d such that the extreme scale is -most, -most + 1, ... or
/// most - 1, most - 2, ... steps of it. With one large value in a group nearly
/// any scale is as good for the group, and the tight one best for the others.
static symmetric_scales symmetric_round(const tile *t, symmetric_form f,
                                        symmetric_fit fit, vf tight) {
  enum { TRIES = 10 };
  vf per_unit = 1.0f / t->unit;
  vf extremes[2] = {symmetric_extreme(fit.scale), symmetric_extreme(tight)};
  vf least = splat(0x1p60f);
  symmetric_scales best = {.error = splat(0)};
  for (int k = 0; k < 4 * TRIES; ++k) {
    int step = k >> 1, steps = step - f.most;
    if (step >= TRIES)
      steps = f.most - 1 - (step - TRIES);
    vi bits = half_bits_up(extremes[k & 1] / splat((float)steps) * t->unit);
    vf d = half_value(bits) * per_unit;
    vf sc = symmetric_whole(f, fit.scale, inverse(d));
    vf other = symmetric_whole(f, tight, inverse(d));
    vf error = symmetric_error(t, f, d * sc);
    vf other_error = symmetric_error(t, f, d * other);
    vi swap = other_error < error;
    sc = select(swap, other, sc);
    error = select(swap, other_error, error);
    vf total = sum_of_block(error, SHARE);
    vi better = total < least;
    least = select(better, total, least);
    best.d_bits = select_int(better, bits, best.d_bits);
    best.sc = select(better, sc, best.sc);
    best.error = select(better, error, best.error);
  }
  best.d = half_value(best.d_bits) * per_unit;
  return best;
}

/// Neighbours of sc, by the error of the codes that belong to them.
INLINE void symmetric_settle(const tile *t, symmetric_form f,
                             symmetric_scales *best) {
  vf middle = best->sc;
  best->error = splat(0x1p60f);
  for (int k = 0; k < 3; ++k) {
    vf sc = middle + (float)(k == 2 ? -1 : k);
    sc = clamp(sc, (float)-f.most, (float)(f.most - 1));
    sc = select(sc == 0.0f, middle, sc);
    vf error = symmetric_error(t, f, best->d * sc);
    vi better = error < best->error;
    best->sc = select(better, sc, best->sc);
    best->error = select(better, error, best->error);
  }
}

/// Part 3.
static void symmetric_refit(const tile *t, symmetric_form f,
                            symmetric_scales *best) {
  symmetric_sums s = symmetric_codes(t, f, best->d * best->sc);
  vf dd = sum_of_block(best->sc * best->sc * s.qq, SHARE);
  vf rd = sum_of_block(best->sc * s.rq, SHARE);
  vi some = dd > 1e-12f;
  vf more = select(some, rd / select(some, dd, splat(1)), splat(0));
  symmetric_scales next = *best;
  next.d_bits = half_bits((best->d + more) * t->unit);
  next.d = half_value(next.d_bits) * (1.0f / t->unit);
  symmetric_settle(t, f, &next);
  vi better =
      sum_of_block(next.error, SHARE) < sum_of_block(best->error, SHARE);
  best->d_bits = select_int(better, next.d_bits, best->d_bits);
  best->d = select(better, next.d, best->d);
  best->sc = select(better, next.sc, best->sc);
  best->error = select(better, next.error, best->error);
}

#define REFITS 2

/// The scales of a tile, and its codes.
INLINE symmetric_scales symmetric_fit_tile(const tile *t, symmetric_form f,
                                           vf *codes) {
  vf tight;
  symmetric_fit fit = symmetric_search(t, f, &tight);
  symmetric_scales scales = symmetric_round(t, f, fit, tight);
  symmetric_settle(t, f, &scales);
  for (int i = 0; i < REFITS; ++i)
    symmetric_refit(t, f, &scales);
  // A block of zeros has no scale.
  vi some = (scales.d_bits & 0x7fff) != 0;
  scales.d_bits = select_int(some, scales.d_bits, splat_int(0));
  scales.sc = select(some, scales.sc, splat(0));
  vf per_scale = inverse(select(some, scales.d * scales.sc, splat(0)));
  for (int i = 0; i < GROUP; ++i)
    codes[i] = symmetric_code(f, t->x[i], per_scale);
  return scales;
}

#endif // HEADRACE_QUANTIZE_SYMMETRIC_H
