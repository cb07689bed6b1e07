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

constexpr int64_t kPieceCols = 256;

class BlockRowKernel : public ProductKernel {
public:
  BlockRowKernel(PackedType weight, DotKind dot,
                 std::unique_ptr<BlockDecoder> decoder)
      : weight(weight), dot(dot), decoder(std::move(decoder)) {}

  int64_t unitRows() const override { return 1; }
  int64_t unitTokens() const override { return 6; }

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

    SmallVector<Value> sums = zeros(v, x, tokens);
    auto accumulate = [&](Value piece, int64_t groups, ValueRange carried) {
      Value at = v.add(base, v.mul(piece, decoder->pieceBytes()));
      for (int64_t line = 0; line < decoder->pieceBytes(); line += kCacheLine)
        v.prefetch(bytes, v.add(at, kPrefetchBytes + line));
      Piece open = decoder->open(v, bytes, at, groups);
      Value col = v.mul(piece, kPieceCols);
      return x.isI8() ? integers(v, open, x, tokenIndices, piece, col, carried)
                      : floats(v, open, x, tokenIndices, col, carried);
    };
    if (whole > 0)
      sums = v.loop(v.index(0), v.index(whole), 1, sums,
                    [&](Value piece, ValueRange carried) {
                      return accumulate(piece, 8, carried);
                    });
    if (restGroups > 0)
      sums = accumulate(v.index(whole), restGroups, sums);
    return reduce(v, x, sums, tokens);
  }

private:
  /// Separate sums of one token shorten the chain of dependent additions.
  static constexpr int64_t kChains = 2;

  /// Whether integer kernels keep a second sum, of what each group adds: the
  /// minimum, or the zero point times the scale.
  bool hasGroupSums() const { return decoder->groupCols() == 32; }

  SmallVector<Value> zeros(VectorBuilder &v, const Activations &x,
                           int64_t tokens) const {
    SmallVector<Value> init;
    for (int64_t t = 0; t < tokens; ++t) {
      Value zero = v.splat(v.vec(16, v.f32()), 0);
      init.append(x.isI8() ? 1 : kChains, zero);
      if (x.isI8() && hasGroupSums())
        init.push_back(v.splat(v.vec(8, v.f32()), 0));
    }
    return init;
  }

  /// Each weight as f32, exactly as the format defines it.
  SmallVector<Value> floats(VectorBuilder &v, const Piece &piece,
                            const Activations &x, ArrayRef<Value> tokens,
                            Value col, ValueRange carried) const {
    SmallVector<Value> sums(carried);
    for (int64_t atom = 0; atom < 2 * piece.groups; ++atom) {
      Value weights = decoder->weights(v, piece, atom);
      Value at = v.add(col, 16 * atom);
      for (auto [t, token] : llvm::enumerate(tokens)) {
        Value &sum = sums[t * kChains + atom % kChains];
        sum = v.fma(weights, x.lanes(v, token, at, 16), sum);
      }
    }
    return sums;
  }

  /// Integer dot products of each group, scaled once a group.
  SmallVector<Value> integers(VectorBuilder &v, const Piece &piece,
                              const Activations &x, ArrayRef<Value> tokens,
                              Value index, Value col,
                              ValueRange carried) const {
    SmallVector<Value> sums(carried);
    Value group = v.mul(index, 8);
    int64_t perToken = hasGroupSums() ? 2 : 1;
    SmallVector<Value> scales;
    for (auto [t, token] : llvm::enumerate(tokens)) {
      Value scale = v.padZero(x.scales(v, token, group, piece.groups), 8);
      if (!hasGroupSums()) {
        scales.push_back(v.mulf(piece.scales, v.repeat(scale, 0, 8, 2)));
        continue;
      }
      scales.push_back(v.mulf(piece.scales, scale));
      Value groupSums = v.padZero(x.sums(v, token, group, piece.groups), 8);
      Value &sum = sums[t * perToken + 1];
      sum = v.fma(groupOffsets(v, piece), groupSums, sum);
    }
    for (int64_t step = 0; step * 2 < piece.groups; ++step) {
      Value quants = decoder->quants(v, piece, step);
      int64_t lanes = step * 2 + 1 == piece.groups ? 32 : 64;
      Value at = v.add(col, 64 * step);
      for (auto [t, token] : llvm::enumerate(tokens)) {
        Value xs = v.padZero(x.quants(v, token, at, lanes), 64);
        Value product = dot4(v, dot, quants, xs);
        Value scale;
        if (hasGroupSums()) {
          scale = v.repeat(scales[t], 2 * step, 2, 8);
        } else {
          // Groups of 16 are finer than the sums of the activations.
          Value zero = v.splat(v.vec(64, v.i8()), decoder->zeroPoint());
          product = v.sub(product, dot4(v, dot, zero, xs));
          scale = v.repeat(scales[t], 4 * step, 4, 4);
        }
        Value &sum = sums[t * perToken];
        sum = v.fma(v.toFloat(product), scale, sum);
      }
    }
    return sums;
  }

  Value groupOffsets(VectorBuilder &v, const Piece &piece) const {
    if (piece.offsets)
      return piece.offsets;
    auto type = cast<VectorType>(piece.scales.getType());
    return v.mulf(piece.scales,
                  v.splat(type, -static_cast<double>(decoder->zeroPoint())));
  }

  SmallVector<SmallVector<Value>> reduce(VectorBuilder &v, const Activations &x,
                                         ArrayRef<Value> sums,
                                         int64_t tokens) const {
    SmallVector<SmallVector<Value>> results;
    int64_t perToken = static_cast<int64_t>(sums.size()) / tokens;
    for (int64_t t = 0; t < tokens; ++t) {
      ArrayRef<Value> own = sums.slice(t * perToken, perToken);
      Value total;
      if (!x.isI8())
        total = v.sum(v.addf(own[0], own[1]));
      else if (hasGroupSums())
        total = v.addf(v.sum(own[0]), v.sum(own[1]));
      else
        total = v.sum(own[0]);
      results.push_back({total});
    }
    return results;
  }

  PackedType weight;
  DotKind dot;
  std::unique_ptr<BlockDecoder> decoder;
};

} // namespace

std::unique_ptr<ProductKernel>
headrace::cpu::createBlockRowKernel(PackedType weight, DotKind dot) {
  auto decoder = BlockDecoder::create(weight.getFormat());
  if (!decoder)
    return nullptr;
  return std::make_unique<BlockRowKernel>(weight, dot, std::move(decoder));
}
