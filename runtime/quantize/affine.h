//===- affine.h - Scales and minima of groups: the search -----------------===//
//
// For q2_k, q4_k and q5_k: value = (d sc) q - (dmin m), with d and dmin in half
// precision for a block, and whole sc, m for each of its groups.
//
// 1. Each group alone: ranges that begin and end a little inside or outside of
//    the values, and some with a code for zero; for each the nearest codes and
//    then, by least squares, the scale and offset for those codes. The best
//    goes on for a few rounds.
// 2. The block: candidates of d and dmin are judged by the squared error that
//    rounding the groups' scales and offsets to them adds, the codes fixed.
// 3. With d and dmin as stored: neighbouring sc, m and new codes by their true
//    error; then d and dmin by least squares for these, as long as it helps.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_QUANTIZE_AFFINE_H
#define HEADRACE_QUANTIZE_AFFINE_H

#include "tile.h"

/// A format of this family; always a constant, so that all loops specialise.
typedef struct {
  int group;  ///< values of a group
  int share;  ///< groups of a block
  int levels; ///< the largest code
  int most;   ///< the largest sc and m
  int insets; ///< ranges begin, and end, at so many places
  float first_inset;
} affine_form;

/// Weighted sums over a group for some codes q; r is what scale q + offset
/// leaves of the values.
typedef struct {
  vf q, qq, r, rq, rr;
} affine_sums;

typedef struct {
  vf scale, offset, error;
} affine_fit;

/// How a block is stored: d, dmin as halves and their values (in units of the
/// tile), sc and m as whole floats, and the squared error of each group.
typedef struct {
  vi d_bits, dmin_bits;
  vf d, dmin, sc, m, error;
} affine_scales;

INLINE affine_sums affine_codes(const tile *t, affine_form f, vf scale,
                                vf offset) {
  affine_sums s = {splat(0), splat(0), splat(0), splat(0), splat(0)};
  vf per_scale = inverse(scale);
  for (int i = 0; i < f.group; ++i) {
    vf above = t->x[i] - offset;
    vf q = clamp(nearest(above * per_scale), 0, (float)f.levels);
    vf r = above - scale * q;
    vf wq = t->w[i] * q, wr = t->w[i] * r;
    s.q += wq;
    s.qq += wq * q;
    s.r += wr;
    s.rq += wr * q;
    s.rr += wr * r;
  }
  return s;
}

/// The least-squares scale and offset <= 0 for the codes of (scale, offset).
INLINE affine_fit affine_improve(const tile *t, affine_form f, vf scale,
                                 vf offset) {
  affine_sums s = affine_codes(t, f, scale, offset);
  vf det = t->weight * s.qq - s.q * s.q;
  vi flat = det <= t->weight * s.qq * 1e-6f;
  vf per_det = inverse(select(flat, splat(0), det));
  vf more = (t->weight * s.rq - s.q * s.r) * per_det;
  vf shift = (s.qq * s.r - s.q * s.rq) * per_det;
  // An offset above 0 cannot be stored.
  vi clipped = offset + shift > 0.0f;
  vi some = s.qq > 1e-12f;
  vf at_zero = (s.rq + s.q * offset) / select(some, s.qq, splat(1));
  shift = select(clipped, -offset, shift);
  more = select(clipped, select(some, at_zero, splat(0)), more);
  vi bad = scale + more <= 0.0f;
  more = select(bad, splat(0), more);
  shift = select(bad, splat(0), shift);
  vf gain = more * (2.0f * s.rq - more * s.qq - 2.0f * shift * s.q) +
            shift * (2.0f * s.r - shift * t->weight);
  return (affine_fit){scale + more, offset + shift, s.rr - gain};
}

/// Of scales about as good the smaller is kept: the largest of a block makes d
/// coarser for all. (With one large value in a group there are many.)
INLINE void affine_keep(affine_fit *best, affine_fit other, vf per_step) {
  other.error *= 1.0f + 0.1f * (other.scale * per_step);
  vi better = other.error < best->error;
  best->scale = select(better, other.scale, best->scale);
  best->offset = select(better, other.offset, best->offset);
  best->error = select(better, other.error, best->error);
}

// Between the places where ranges begin or end, in steps of a code. The first
// is outside of the values, the last inside.
#define INSET 0.3f
#define ROUNDS 3

/// Part 1.
static affine_fit affine_search(const tile *t, affine_form f) {
  vf low = splat(0), high = t->x[0];
  for (int i = 0; i < f.group; ++i) {
    low = min_of(low, t->x[i]);
    high = max_of(high, t->x[i]);
  }
  high = select(high > low, high, splat(0)); // one negative value many times
  vf step = (high - low) * (1.0f / (float)f.levels);
  vf per_step = inverse(step);
  affine_fit best = {step, low, splat(0x1p60f)};
  for (int a = 0; a < f.insets; ++a) {
    vf begin = low + step * (f.first_inset + INSET * (float)a);
    begin = min_of(begin, splat(0));
    for (int b = 0; b < f.insets; ++b) {
      vf end = high - step * (f.first_inset + INSET * (float)b);
      vf scale = (end - begin) * (1.0f / (float)f.levels);
      scale = select(scale > 0.0f, scale, step);
      affine_keep(&best, affine_improve(t, f, scale, begin), per_step);
    }
  }
  // Ranges with a code for zero, where most values of a group may be.
  vf middle = nearest(low * -per_step);
  for (int k = -1; k <= 1; ++k) {
    vf below = clamp(middle + (float)k, 0, (float)f.levels);
    vf above = (float)f.levels - below;
    vf scale = max_of(low * -inverse(below), high * inverse(above));
    scale = select(scale > 0.0f, scale, step);
    affine_keep(&best, affine_improve(t, f, scale, scale * -below), per_step);
  }
  for (int round = 0; round < ROUNDS; ++round)
    affine_keep(&best, affine_improve(t, f, best.scale, best.offset), per_step);
  return best;
}

/// Part 2. Tries d such that the largest scale of the block is `most`,
/// `most` - 1, ... steps of it, and dmin likewise.
static affine_scales affine_round(const tile *t, affine_form f,
                                  affine_fit fit) {
  enum { TRIES = 10 };
  affine_sums s = affine_codes(t, f, fit.scale, fit.offset);
  // What a group of zeros would add: the most that need be.
  vf zeros = splat(0);
  for (int i = 0; i < f.group; ++i)
    zeros += t->w[i] * t->x[i] * t->x[i];
  zeros = zeros - s.rr;
  vf largest = max_of_block(fit.scale, f.share);
  vf deepest = max_of_block(-fit.offset, f.share);
  vf per_weight = 1.0f / t->weight;
  vf per_unit = 1.0f / t->unit;
  affine_scales best = {.error = splat(0x1p60f)};
  for (int a = 0; a < TRIES; ++a) {
    vf steps = splat((float)(f.most - a));
    vi d_bits = half_bits_up(largest / steps * t->unit);
    vf d = half_value(d_bits) * per_unit;
    vf exact = fit.scale * inverse(d);
    // A scale of at least 1 can represent all that 0 can.
    vf sc[2], more[2], offset[2], added[2];
    sc[0] = clamp(nearest(exact), 1, (float)f.most);
    sc[1] = sc[0] + select(exact < sc[0], splat(-1), splat(1));
    sc[1] = clamp(sc[1], 1, (float)f.most);
    for (int k = 0; k < 2; ++k) {
      more[k] = d * sc[k] - fit.scale;
      vf shift = (s.r - more[k] * s.q) * per_weight;
      offset[k] = fit.offset + shift;
      // The error at this scale with the best offset, less s.rr.
      added[k] =
          more[k] * (more[k] * s.qq - 2.0f * s.rq) - shift * shift * t->weight;
    }
    for (int b = 0; b < TRIES; ++b) {
      vi dmin_bits =
          half_bits_up(deepest / splat((float)(f.most - b)) * t->unit);
      vf dmin = half_value(dmin_bits) * per_unit;
      vf per_dmin = inverse(dmin);
      vf m[2], error[2];
      for (int k = 0; k < 2; ++k) {
        m[k] = clamp(nearest(offset[k] * -per_dmin), 0, (float)f.most);
        vf off = m[k] * -dmin - offset[k];
        error[k] = added[k] + off * off * t->weight;
      }
      vi second = error[1] < error[0];
      vf added_here = select(second, error[1], error[0]);
      vi hopeless = zeros < added_here;
      vf total = sum_of_block(min_of(zeros, added_here), f.share);
      vi better = total < best.error;
      best.error = select(better, total, best.error);
      best.d_bits = select_int(better, d_bits, best.d_bits);
      best.dmin_bits = select_int(better, dmin_bits, best.dmin_bits);
      vf sc_here = select(hopeless, splat(1), select(second, sc[1], sc[0]));
      vf m_here = select(hopeless, splat(0), select(second, m[1], m[0]));
      best.sc = select(better, sc_here, best.sc);
      best.m = select(better, m_here, best.m);
    }
  }
  best.d = half_value(best.d_bits) * per_unit;
  best.dmin = half_value(best.dmin_bits) * per_unit;
  return best;
}

/// The squared error of the codes nearest to (x - offset) / scale.
INLINE vf affine_error(const tile *t, affine_form f, vf scale, vf offset) {
  vf error = splat(0);
  vf per_scale = inverse(scale);
  for (int i = 0; i < f.group; ++i) {
    vf above = t->x[i] - offset;
    vf q = clamp(nearest(above * per_scale), 0, (float)f.levels);
    vf r = above - scale * q;
    error += t->w[i] * r * r;
  }
  return error;
}

// How many neighbours on either side are tried.
#define NEAR_SC 3
#define NEAR_M 4

/// Neighbours of sc, and for each those of its best m, by the error of the
/// codes that belong to them.
static void affine_settle(const tile *t, affine_form f, affine_scales *best) {
  vf sc = best->sc, m = best->m;
  affine_sums s = affine_codes(t, f, best->d * sc, -(best->dmin * m));
  vf per_weight = 1.0f / t->weight, per_dmin = inverse(best->dmin);
  best->error = splat(0x1p60f);
  for (int k = -NEAR_SC; k <= NEAR_SC; ++k) {
    vf tried = clamp(sc + (float)k, 1, (float)f.most);
    vf shift = (s.r - (tried - sc) * best->d * s.q) * per_weight;
    vf middle = clamp(nearest(m - shift * per_dmin), 0, (float)f.most);
    for (int j = -NEAR_M; j <= NEAR_M; ++j) {
      vf with = clamp(middle + (float)j, 0, (float)f.most);
      vf error = affine_error(t, f, best->d * tried, -(best->dmin * with));
      vi better = error < best->error;
      best->sc = select(better, tried, best->sc);
      best->m = select(better, with, best->m);
      best->error = select(better, error, best->error);
    }
  }
}

/// Part 3: d and dmin of least squares for the codes that are there.
static void affine_refit(const tile *t, affine_form f, affine_scales *best) {
  affine_sums s =
      affine_codes(t, f, best->d * best->sc, -(best->dmin * best->m));
  vf dd = sum_of_block(best->sc * best->sc * s.qq, f.share);
  vf dm = sum_of_block(best->sc * best->m * s.q, f.share);
  vf mm = sum_of_block(best->m * best->m * t->weight, f.share);
  vf rd = sum_of_block(best->sc * s.rq, f.share);
  vf rm = sum_of_block(best->m * s.r, f.share);
  vf det = dd * mm - dm * dm;
  vi flat = det <= dd * mm * 1e-6f;
  vf per_det = inverse(select(flat, splat(0), det));
  // Without minima, d alone.
  vi alone = (mm == 0.0f) & (dd > 1e-12f);
  vf more = (rd * mm - rm * dm) * per_det;
  more = select(alone, rd / select(alone, dd, splat(1)), more);
  affine_scales next = *best;
  vf d = best->d + more;
  vf dmin = best->dmin + (rd * dm - rm * dd) * per_det;
  next.d_bits = half_bits(max_of(d, splat(0)) * t->unit);
  next.dmin_bits = half_bits(max_of(dmin, splat(0)) * t->unit);
  vf per_unit = 1.0f / t->unit;
  next.d = half_value(next.d_bits) * per_unit;
  next.dmin = half_value(next.dmin_bits) * per_unit;
  affine_settle(t, f, &next);
  vi better =
      sum_of_block(next.error, f.share) < sum_of_block(best->error, f.share);
  best->d_bits = select_int(better, next.d_bits, best->d_bits);
  best->dmin_bits = select_int(better, next.dmin_bits, best->dmin_bits);
  best->d = select(better, next.d, best->d);
  best->dmin = select(better, next.dmin, best->dmin);
  best->sc = select(better, next.sc, best->sc);
  best->m = select(better, next.m, best->m);
  best->error = select(better, next.error, best->error);
}

#define REFITS 2

/// The scales of a tile, and its codes.
INLINE affine_scales affine_fit_tile(const tile *t, affine_form f, vf *codes) {
  affine_scales scales = affine_round(t, f, affine_search(t, f));
  affine_settle(t, f, &scales);
  for (int i = 0; i < REFITS; ++i)
    affine_refit(t, f, &scales);
  // A block of zeros has no scale.
  vi some = scales.d_bits != 0;
  scales.sc = select(some, scales.sc, splat(0));
  scales.m = select(scales.dmin_bits != 0, scales.m, splat(0));
  vf scale = scales.d * scales.sc, offset = -(scales.dmin * scales.m);
  vf per_scale = inverse(scale);
  for (int i = 0; i < f.group; ++i)
    codes[i] =
        clamp(nearest((t->x[i] - offset) * per_scale), 0, (float)f.levels);
  return scales;
}

#endif // HEADRACE_QUANTIZE_AFFINE_H
