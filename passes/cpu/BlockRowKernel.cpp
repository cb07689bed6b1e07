//===- BlockRowKernel.cpp - products with rows of blocks (GGUF) -----------===//
//
// Lanes run along the columns of one row. The weight is read once, in the order
// in which it lies in memory, and each piece is decoded once for all tokens.
//
//===----------------------------------------------------------------------===//

#include "passes/cpu/BlockDecoder.h"
#include "passes/cpu/ProductKernel.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::PackedType;

namespace {

/// Bytes ahead where lines are asked for that are asked for twice.
constexpr int64_t kFarther = 16384;

class BlockRowKernel : public ProductKernel {
public:
  BlockRowKernel(PackedType weight, DotKind dot,
                 std::unique_ptr<BlockDecoder> decoder)
      : weight(weight), dot(dot), decoder(std::move(decoder)) {}

  int64_t unitRows() const override { return 1; }
  /// AArch64 has room for eight sums.
  int64_t unitTokens() const override { return isNeon(dot) ? 3 : 6; }
  bool wantsFloatSums() const override { return decoder->hasOffsets(); }

  void prepare(VectorBuilder &v, Activations &x,
               int64_t tokens) const override {
    if (!x.isI8() || tokens != 1)
      return;
    if (PieceOrder order = orderOf(); !order.columns.empty()) {
      x.prepareOrdered(v, dot, order);
      if (x.ordered(order))
        return;
    }
    if (decoder->hasOffsets() && usesGroupSums())
      x.prepareScaledSums(v);
    if (decoder->hasHalves())
      x.prepareHalves(v, dot, decoder->zeroPoint());
  }

  SmallVector<SmallVector<Value>> compute(VectorBuilder &v, Value bytes,
                                          const Activations &x, Value row,
                                          Value token,
                                          int64_t tokens) const override {
    SmallVector<Value> tokenIndices;
    for (int64_t t = 0; t < tokens; ++t)
      tokenIndices.push_back(v.add(token, t));
    Value base = v.mul(row, weight.getBlockRowBytes());
    int64_t whole = weight.getCols() / kPieceCols;
    int64_t restGroups = weight.getCols() % kPieceCols / 32;

    SmallVector<Value> sums(tokens * chains(x, tokens),
                            v.splat(v.vec(16, v.f32()), 0));
    auto prefetch = [&](Value at, int64_t first, int64_t last) {
      for (int64_t line = first; line < last; ++line) {
        prefetchAhead(v, bytes, v.add(at, line * kCacheLine));
        if (decoder->asksTwice())
          v.prefetch(bytes, v.add(at, line * kCacheLine + kFarther), 2);
      }
    };
    auto pieceAt = [&](Value piece) {
      return v.add(base, v.mul(piece, decoder->pieceBytes()));
    };
    auto accumulate = [&](Value piece, int64_t groups, ValueRange carried) {
      prefetch(pieceAt(piece), 0,
               llvm::divideCeil(decoder->pieceBytes(), kCacheLine));
      Piece open = decoder->open(v, bytes, base, piece, groups);
      Value col = v.mul(piece, kPieceCols);
      if (x.isI8())
        return integers(v, open, x, tokenIndices, piece, col, carried);
      if (canScaleGroups(x))
        return scaledGroups(v, open, x, piece, col, carried);
      return floats(v, open, x, tokenIndices, col, carried);
    };
    const OrderedActivations *ordered =
        tokens == 1 && x.isI8() ? x.ordered(orderOf()) : nullptr;
    // `count` pieces in order. Several of them share lines.
    auto addInOrder = [&](Value piece, int64_t count, ValueRange carried) {
      SmallVector<Value> sums(carried);
      Value at = pieceAt(piece);
      Cursor xs = ordered->at(v, piece);
      int64_t lines =
          llvm::divideCeil(count * decoder->pieceBytes(), kCacheLine);
      for (int64_t i = 0; i < count; ++i) {
        prefetch(at, i * lines / count, (i + 1) * lines / count);
        Value index = v.add(piece, i);
        Piece closed = decoder->locate(v, bytes, base, index, 8);
        sums = inOrder(v, closed, *ordered, xs, i, sums);
      }
      return sums;
    };
    auto addPieces = [&](int64_t first, int64_t last, int64_t step) {
      if (first == last)
        return;
      sums = v.loop(v.index(first), v.index(last), step, sums,
                    [&](Value piece, ValueRange carried) {
                      return ordered ? addInOrder(piece, step, carried)
                                     : accumulate(piece, 8, carried);
                    });
    };
    int64_t together = ordered ? piecesTogether() : 1;
    int64_t even = whole / together * together;
    addPieces(0, even, together);
    addPieces(even, whole, 1);
    if (ordered)
      sums[1] = onlyOffsets(v, ordered->order(), sums[1]);
    if (restGroups > 0)
      sums = accumulate(v.index(whole), restGroups, sums);
    return reduce(v, sums, tokens);
  }

private:
  /// Whether the sums that activations bring for groups of 32 serve the groups
  /// of the weight.
  bool usesGroupSums() const { return decoder->groupCols() == 32; }

  bool canScaleGroups(const Activations &x) const {
    return x.isVector() && usesGroupSums() &&
           (!decoder->hasOffsets() || x.hasFloatSums());
  }

  /// Separate sums of one token, which shorten the chains of dependent
  /// additions; several tokens with integers have enough to do without.
  static int64_t chains(const Activations &x, int64_t tokens) {
    return x.isI8() && tokens > 2 ? 1 : 2;
  }

  /// Each weight as f32, exactly as the format defines it.
  SmallVector<Value> floats(VectorBuilder &v, const Piece &piece,
                            const Activations &x, ArrayRef<Value> tokens,
                            Value col, ValueRange carried) const {
    SmallVector<Value> sums(carried);
    int64_t chains = sums.size() / tokens.size();
    for (int64_t atom = 0; atom < 2 * piece.groups; ++atom) {
      Value weights = decoder->weights(v, piece, atom);
      Value at = v.add(col, 16 * atom);
      for (auto [t, token] : llvm::enumerate(tokens)) {
        Value &sum = sums[t * chains + atom % chains];
        sum = v.fma(weights, x.lanes(v, token, at, 16), sum);
      }
    }
    return sums;
  }

  /// One token: scaling the sum of a group is less work than scaling its
  /// weights.
  SmallVector<Value> scaledGroups(VectorBuilder &v, const Piece &piece,
                                  const Activations &x, Value index, Value col,
                                  ValueRange carried) const {
    SmallVector<Value> sums(carried);
    Value token = v.index(0);
    for (int64_t group = 0; group < piece.groups; ++group) {
      Value first = x.lanes(v, token, v.add(col, 32 * group), 16);
      Value second = x.lanes(v, token, v.add(col, 32 * group + 16), 16);
      Value products = v.mulf(decoder->unscaled(v, piece, 2 * group), first);
      products =
          v.fma(decoder->unscaled(v, piece, 2 * group + 1), second, products);
      Value &sum = sums[group % sums.size()];
      sum = v.fma(products, v.repeat(piece.scales, group, 1, 16), sum);
    }
    if (piece.offsets) {
      Value xSums = x.floatSums(v, v.mul(index, 8), piece.groups);
      sums[0] =
          v.fma(v.padZero(piece.offsets, 16), v.padZero(xSums, 16), sums[0]);
    }
    return sums;
  }

  /// So many pieces that they end with a line, if those are few, or one where
  /// that does not save half a line of each to ask for.
  int64_t piecesTogether() const {
    int64_t count = 1, rest = decoder->pieceBytes() % kCacheLine;
    if (rest > kCacheLine / 2)
      return 1;
    while (count < 4 && count * decoder->pieceBytes() % kCacheLine)
      count *= 2;
    return count;
  }

  /// The order of pieces where there are instructions for them.
  PieceOrder orderOf() const {
    return dot == DotKind::Vnni ? decoder->order() : PieceOrder();
  }

  /// A whole piece of one token: integer dot products of all vectors whose
  /// lanes are of the same groups, scaled at once. The second sum has offsets
  /// in the lanes of offsets and anything in others. `xs` is where `x` has the
  /// activations of this piece, as that with index `index` there.
  SmallVector<Value> inOrder(VectorBuilder &v, const Piece &piece,
                             const OrderedActivations &x, const Cursor &xs,
                             int64_t index, ValueRange carried) const {
    SmallVector<Value> sums(carried);
    const PieceOrder &order = x.order();
    auto [codes, numbers] = decoder->decodeInOrder(v, piece);
    Value scaled = v.mulf(numbers, x.factors(v, xs, index));
    for (auto [i, vectors] : llvm::enumerate(order.sums())) {
      Value product = x.start(v, xs, index, i);
      for (int64_t vector : vectors)
        product = dot4(v, dot, codes[vector], x.quants(v, xs, index, vector),
                       product, order.largest);
      Value scale =
          v.shuffle(scaled, order.scaleLanes(order.groupsOf(vectors[0])));
      sums[0] = v.fma(v.toFloat(product), scale, sums[0]);
    }
    if (order.hasOffsets())
      sums[1] = v.addf(sums[1], scaled);
    return sums;
  }

  static Value onlyOffsets(VectorBuilder &v, const PieceOrder &order,
                           Value sum) {
    Value none = v.splat(v.vec(16, v.f32()), 0);
    SmallVector<int64_t> mask;
    for (auto [lane, number] : llvm::enumerate(order.numbers))
      mask.push_back(number.offset ? lane : 16 + lane);
    return v.shuffle(sum, none, mask);
  }

  /// Integer dot products of each group, scaled once a group.
  SmallVector<Value> integers(VectorBuilder &v, const Piece &piece,
                              const Activations &x, ArrayRef<Value> tokens,
                              Value index, Value col,
                              ValueRange carried) const {
    SmallVector<Value> sums(carried);
    int64_t chains = sums.size() / tokens.size();
    auto sumOf = [&](size_t token, int64_t part) -> Value & {
      return sums[token * chains + part % chains];
    };
    Value group = v.mul(index, 8);
    SmallVector<Value> scales, zeroSums(tokens.size());
    for (auto [t, token] : llvm::enumerate(tokens)) {
      Value scale = v.padZero(x.scales(v, token, group, piece.groups), 8);
      if (!usesGroupSums()) {
        scales.push_back(v.repeat(scale, 0, 8, 2));
        continue;
      }
      scales.push_back(v.mulf(piece.scales, scale));
      Value xSums = v.padZero(x.sums(v, token, group, piece.groups), 8);
      if (piece.offsets) {
        Value scaled = x.hasFloatSums()
                           ? v.padZero(x.floatSums(v, group, piece.groups), 8)
                           : v.mulf(scale, v.toFloat(xSums));
        Value &sum = sumOf(t, 1);
        sum = v.fma(v.padZero(piece.offsets, 16), v.padZero(scaled, 16), sum);
      }
      if (piece.zeros) {
        Value none = v.splat(v.vec(8, v.i32()), 0);
        zeroSums[t] = v.mulI(xSums, v.sub(none, piece.zeros));
      }
    }
    int64_t largest = decoder->largest();
    int64_t quads = decoder->hasHalves() ? piece.groups / 4 : 0;
    for (int64_t quad = 0; quad < quads; ++quad) {
      auto [first, last] = decoder->halves(v, piece, quad);
      Value at = v.add(col, 128 * quad);
      for (auto [t, token] : llvm::enumerate(tokens)) {
        Value firstX, lastX, product;
        if (x.hasHalves()) {
          Value which = v.add(v.mul(index, 2), quad);
          firstX = x.half(v, which, 0);
          lastX = x.half(v, which, 1);
          product = x.start(v, which, decoder->zeroPoint());
        } else {
          Value low = x.quants(v, token, at, 64);
          Value high = x.quants(v, token, v.add(at, 64), 64);
          firstX = Activations::halfOf(v, low, high, 0);
          lastX = Activations::halfOf(v, low, high, 1);
        }
        if (!product)
          product = startSum(v, zeroSums[t], 4 * quad, 4);
        product = dot4(v, dot, first, firstX, product, largest);
        product = dot4(v, dot, last, lastX, product, largest);
        Value scale = v.repeat(scales[t], 4 * quad, 4, 4);
        Value &sum = sumOf(t, quad);
        sum = v.fma(v.toFloat(product), scale, sum);
      }
    }
    for (int64_t step = 2 * quads; step * 2 < piece.groups; ++step) {
      Value quants = decoder->quants(v, piece, step);
      int64_t lanes = step * 2 + 1 == piece.groups ? 32 : 64;
      Value at = v.add(col, 64 * step);
      for (auto [t, token] : llvm::enumerate(tokens)) {
        Value xs = v.padZero(x.quants(v, token, at, lanes), 64);
        if (usesGroupSums()) {
          Value product = dot4(v, dot, quants, xs,
                               startSum(v, zeroSums[t], 2 * step, 2), largest);
          Value scale = v.repeat(scales[t], 2 * step, 2, 8);
          Value &sum = sumOf(t, step);
          sum = v.fma(v.toFloat(product), scale, sum);
        } else {
          addSixteens(v, piece, step, quants, xs, scales[t], sumOf(t, step));
        }
      }
    }
    return sums;
  }

  /// The same for groups of 16, which are finer than the sums of the
  /// activations. `xScales` has a scale for each 16 columns.
  void addSixteens(VectorBuilder &v, const Piece &piece, int64_t step,
                   Value quants, Value xs, Value xScales, Value &sum) const {
    auto spread = [&](Value numbers) {
      return v.repeat(v.mulf(numbers, xScales), 4 * step, 4, 4);
    };
    auto times = [&](int64_t number) {
      Value factors = v.splat(v.vec(64, v.i8()), static_cast<double>(number));
      return dot4(v, dot, factors, xs, {}, number);
    };
    Value product = dot4(v, dot, quants, xs, {}, decoder->largest());
    if (piece.zeros)
      product = v.sub(product, times(decoder->zeroPoint()));
    sum = v.fma(v.toFloat(product), spread(piece.scales), sum);
    if (piece.offsets)
      sum = v.fma(v.toFloat(times(1)), spread(piece.offsets), sum);
  }

  /// What the zero point takes off `groups` groups from `first`, as i32 x 16
  /// with one lane for each group; null if there is nothing to take off.
  static Value startSum(VectorBuilder &v, Value zeroSums, int64_t first,
                        int64_t groups) {
    if (!zeroSums)
      return {};
    Value none = v.splat(v.vec(8, v.i32()), 0);
    SmallVector<int64_t> mask(16, 8);
    for (int64_t group = 0; group < groups; ++group)
      mask[group * (16 / groups)] = first + group;
    return v.shuffle(zeroSums, none, mask);
  }

  SmallVector<SmallVector<Value>> reduce(VectorBuilder &v, ArrayRef<Value> sums,
                                         int64_t tokens) const {
    SmallVector<SmallVector<Value>> results;
    int64_t chains = sums.size() / tokens;
    for (int64_t t = 0; t < tokens; ++t) {
      Value total = sums[t * chains];
      for (int64_t chain = 1; chain < chains; ++chain)
        total = v.addf(total, sums[t * chains + chain]);
      results.push_back({v.sum(total)});
    }
    return results;
  }

  PackedType weight;
  DotKind dot;
  std::unique_ptr<BlockDecoder> decoder;
};

} // namespace

std::unique_ptr<ProductKernel>
headrace::cpu::createBlockRowKernel(PackedType weight, DotKind dot, bool gfni) {
  auto decoder = BlockDecoder::create(weight, dot, gfni);
  if (!decoder)
    return nullptr;
  return std::make_unique<BlockRowKernel>(weight, dot, std::move(decoder));
}
