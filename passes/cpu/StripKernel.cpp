//===- StripKernel.cpp - products with strips of 16 rows ------------------===//
//
// Lanes run along the rows of a strip: there is no sum across lanes, and four
// activations in a 32-bit lane of their own serve all rows. Bytes are read in
// the order in which they lie.
//
//===----------------------------------------------------------------------===//

#include "passes/cpu/ProductKernel.h"
#include "passes/cpu/StripDecoder.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::PackedType;

namespace {

constexpr int64_t kRows = 16;

class StripKernel : public ProductKernel {
public:
  StripKernel(PackedType weight, DotKind dot, Bf16Kind bf16,
              std::unique_ptr<StripDecoder> decoder)
      : weight(weight), dot(dot), bf16(bf16), decoder(std::move(decoder)) {}

  int64_t unitRows() const override { return kRows; }
  int64_t unitTokens() const override { return 6; }
  bool wantsFloatSums() const override { return decoder->hasOffsets(); }

  void allocate(VectorBuilder &v) override {
    int64_t groups = decoder->chunks() * decoder->chunkGroups();
    auto type = MemRefType::get(
        {(decoder->hasOffsets() ? 2 : 1) * groups, kRows}, v.f32());
    numbers = memref::AllocaOp::create(v.b, v.loc, type,
                                       v.b.getI64IntegerAttr(kCacheLine));
  }

  SmallVector<SmallVector<Value>> compute(VectorBuilder &v, Value bytes,
                                          const Activations &x, Value row,
                                          Value token,
                                          int64_t tokens) const override {
    SmallVector<Value> tokenIndices;
    for (int64_t t = 0; t < tokens; ++t)
      tokenIndices.push_back(v.add(token, t));
    // A row index times this is the byte index of its strip.
    Value base = v.mul(row, weight.getBlockRowBytes() / kRows);
    int64_t cols = decoder->pieceCols();
    int64_t whole = weight.getCols() / cols, rest = weight.getCols() % cols;

    SmallVector<Value> sums(tokens, v.splat(v.vec(kRows, v.f32()), 0));
    auto accumulate = [&](Value index, int64_t cols, ValueRange carried) {
      Value at = v.add(base, v.mul(index, decoder->pieceBytes()));
      Piece piece{decoder->open(v, bytes, at, cols), index, tokenIndices};
      return addPiece(v, piece, x, carried);
    };
    if (whole > 0)
      sums = v.loop(v.index(0), v.index(whole), 1, sums,
                    [&](Value index, ValueRange carried) {
                      return accumulate(index, cols, carried);
                    });
    if (rest > 0)
      sums = accumulate(v.index(whole), rest, sums);
    SmallVector<SmallVector<Value>> results;
    for (Value sum : sums)
      results.push_back({sum});
    return results;
  }

private:
  struct Piece {
    StripPiece strip;
    Value index;
    ArrayRef<Value> tokens;
  };
  /// Where a chunk is.
  struct Chunk {
    Value index;
    Value col;      // its first column
    Value of32;     // the group of 32 columns that has it
    int64_t groups; // of which there are true columns
  };
  /// Sums of products of one group of columns, a value for each token. There
  /// are two, to shorten the chain of additions or because high nibbles are
  /// used where they are, as codes times 16.
  struct Products {
    SmallVector<Value> sums[2];
    /// What the zero point takes off, where activations do not bring the sums
    /// that say it.
    SmallVector<Value> zeros;
  };

  /// Computes the scales and offsets of a piece, in the order of chunks.
  void storeNumbers(VectorBuilder &v, const Piece &piece,
                    const Activations &x) const {
    int64_t groups = decoder->chunkGroups(), all = decoder->chunks() * groups;
    for (int64_t i = 0; i < all; ++i) {
      int64_t group = decoder->groupOf(i / groups, i % groups);
      if (group * decoder->groupCols() >= piece.strip.cols)
        continue;
      Value scale = decoder->scale(v, piece.strip, group);
      int64_t shift = x.isI8() ? decoder->groupShift(i % groups) : 0;
      if (shift)
        scale =
            v.mulf(scale, v.splat(v.vec(kRows, v.f32()), 1.0 / (1 << shift)));
      v.store(scale, numbers, {v.index(i), v.index(0)});
      if (decoder->hasOffsets())
        v.store(decoder->offset(v, piece.strip, group), numbers,
                {v.index(all + i), v.index(0)});
    }
  }

  SmallVector<Value> addPiece(VectorBuilder &v, const Piece &piece,
                              const Activations &x, ValueRange carried) const {
    storeNumbers(v, piece, x);
    // True groups of a chunk; chunks that have all of them come first.
    auto groupsOf = [&](int64_t chunk) {
      int64_t groups = 0;
      while (groups < decoder->chunkGroups() &&
             decoder->groupOf(chunk, groups) * decoder->groupCols() <
                 piece.strip.cols)
        ++groups;
      return groups;
    };
    int64_t whole = 0;
    while (whole < decoder->chunks() &&
           groupsOf(whole) == decoder->chunkGroups())
      ++whole;
    SmallVector<Value> sums(carried);
    if (whole == 1)
      sums = addChunk(v, piece, v.index(0), decoder->chunkGroups(), x, sums);
    else if (whole > 1)
      sums = v.loop(v.index(0), v.index(whole), 1, sums,
                    [&](Value index, ValueRange inner) {
                      return addChunk(v, piece, index, decoder->chunkGroups(),
                                      x, inner);
                    });
    for (int64_t chunk = whole; chunk < decoder->chunks(); ++chunk)
      if (int64_t groups = groupsOf(chunk))
        sums = addChunk(v, piece, v.index(chunk), groups, x, sums);
    return sums;
  }

  SmallVector<Value> addChunk(VectorBuilder &v, const Piece &piece, Value index,
                              int64_t groups, const Activations &x,
                              ValueRange carried) const {
    SmallVector<Value> sums(carried);
    SmallVector<StripWord> words =
        decoder->chunk(v, piece.strip, index, groups);
    // Chunks share the lines of the numbers before them.
    int64_t bytes = decoder->pieceBytes() / decoder->chunks();
    Value at = v.add(piece.strip.at, v.mul(index, bytes));
    for (int64_t line = 0; line < bytes; line += kCacheLine)
      prefetchAhead(v, piece.strip.bytes, v.add(at, line));
    Value col = v.add(v.mul(piece.index, decoder->pieceCols()),
                      decoder->firstCol(v, index));
    Chunk chunk{index, col, v.shr(col, 5), groups};
    SmallVector<Products> products(groups);
    for (const StripWord &word : words)
      if (x.isI8())
        addIntegers(v, piece, chunk, word, x, products[word.group]);
      else
        addFloats(v, piece, chunk, word, x, products[word.group]);
    for (int64_t group = 0; group < groups; ++group)
      if (x.isI8())
        finishIntegers(v, piece, chunk, group, products[group], x, sums);
      else
        finishFloats(v, piece, chunk, group, products[group], x, sums);
    return sums;
  }

  Value number(VectorBuilder &v, const Piece &piece, const Chunk &chunk,
               int64_t group, bool offset) const {
    int64_t groups = decoder->chunkGroups();
    int64_t first = (offset ? decoder->chunks() * groups : 0) + group;
    Value line = v.add(v.mul(chunk.index, groups), first);
    return v.load(numbers, {line, v.index(0)}, kRows);
  }

  /// The group of 32 columns that has those of a group of the chunk. Groups of
  /// 16 columns are in groups of 32 that follow each other.
  Value groupOf32(VectorBuilder &v, const Chunk &chunk, int64_t group) const {
    return v.add(chunk.of32, group);
  }

  //===-- Packed activations ----------------------------------------------===//

  void addIntegers(VectorBuilder &v, const Piece &piece, const Chunk &chunk,
                   const StripWord &word, const Activations &x,
                   Products &products) const {
    bool first = products.sums[0].empty() && products.sums[1].empty();
    int64_t shift = decoder->codeShift(word) - decoder->groupShift(word.group);
    SmallVector<Value> &sums = products.sums[shift ? 1 : 0];
    if (sums.empty())
      sums.resize(piece.tokens.size());
    bool ownSums = decoder->zeroPoint() && decoder->groupCols() != 32;
    if (ownSums && first)
      products.zeros.resize(piece.tokens.size());
    Value codes = decoder->codes(v, word);
    Value col = v.add(chunk.col, word.col);
    for (auto [t, token] : llvm::enumerate(piece.tokens)) {
      if (first && decoder->zeroPoint() && !ownSums)
        sums[t] = zeroPointSum(v, chunk, word, x, token);
      Value xs = spreadWord(v, x.quants(v, token, col, 4));
      sums[t] = dot4(v, dot, codes, xs, sums[t]);
      if (!ownSums)
        continue;
      if (dot == DotKind::Vnni) {
        Value zero = v.splat(v.vec(4 * kRows, v.i8()), decoder->zeroPoint());
        products.zeros[t] = dot4(v, dot, zero, xs, products.zeros[t]);
      } else if (first) {
        Value own = v.extS(x.quants(v, token, col, 16), v.i32());
        Value zero = v.splat(v.vec(kRows, v.i32()), decoder->zeroPoint());
        products.zeros[t] = v.mulI(v.broadcast(v.sumI(own), kRows), zero);
      }
    }
  }

  /// What the zero point takes off the products of a group.
  Value zeroPointSum(VectorBuilder &v, const Chunk &chunk,
                     const StripWord &word, const Activations &x,
                     Value token) const {
    Value sum = x.sums(v, token, groupOf32(v, chunk, word.group), 1);
    int64_t factor = decoder->zeroPoint() << decoder->codeShift(word);
    sum = v.mulI(sum, v.splat(v.vec(1, v.i32()), static_cast<double>(-factor)));
    return v.repeat(sum, 0, 1, kRows);
  }

  void finishIntegers(VectorBuilder &v, const Piece &piece, const Chunk &chunk,
                      int64_t group, const Products &products,
                      const Activations &x,
                      SmallVectorImpl<Value> &sums) const {
    auto &[plain, shifted] = products.sums;
    Value scale = number(v, piece, chunk, group, /*offset=*/false);
    Value offset;
    if (decoder->hasOffsets())
      offset = number(v, piece, chunk, group, /*offset=*/true);
    Value of32 = groupOf32(v, chunk, group);
    for (auto [t, token] : llvm::enumerate(piece.tokens)) {
      Value total = plain[t];
      if (!shifted.empty()) {
        // A multiple of 16.
        Value four = v.splat(v.vec(kRows, v.i32()), 4);
        total =
            v.add(total, arith::ShRSIOp::create(v.b, v.loc, shifted[t], four));
      }
      if (!products.zeros.empty())
        total = v.sub(total, products.zeros[t]);
      Value xScale = x.scales(v, token, of32, 1);
      sums[t] = v.fma(v.toFloat(total),
                      v.mulf(scale, v.repeat(xScale, 0, 1, kRows)), sums[t]);
      if (!offset)
        continue;
      Value xSum = v.mulf(v.toFloat(x.sums(v, token, of32, 1)), xScale);
      sums[t] = v.fma(offset, v.repeat(xSum, 0, 1, kRows), sums[t]);
    }
  }

  //===-- Float activations -----------------------------------------------===//

  void addFloats(VectorBuilder &v, const Piece &piece, const Chunk &chunk,
                 const StripWord &word, const Activations &x,
                 Products &products) const {
    bool pairs =
        x.isBF16() && bf16 == Bf16Kind::Avx512 && decoder->codeBits() == 4;
    for (int64_t first = 0; first < 4; first += 2) {
      Value both, weights[2];
      if (pairs)
        both = pairOfColumns(v, word, first);
      else
        for (int64_t i : {0, 1})
          weights[i] = floats(v, word, first + i);
      for (auto [t, token] : llvm::enumerate(piece.tokens)) {
        Value col = v.add(chunk.col, word.col + first);
        if (pairs) {
          Value &sum = sumOf(v, products, piece, first / 2, t);
          sum = dot2(v, bf16, both,
                     spreadWord(v, x.stored(v, token, col, 2)), sum);
          continue;
        }
        Value xs[2];
        activations(v, x, token, col, xs);
        for (int64_t i : {0, 1}) {
          Value &sum = sumOf(v, products, piece, i, t);
          sum = v.fma(weights[i], xs[i], sum);
        }
      }
    }
  }

  /// The sum of a token; a single one has two, `chain` says which.
  static Value &sumOf(VectorBuilder &v, Products &products, const Piece &piece,
                      int64_t chain, size_t token) {
    size_t count = piece.tokens.size();
    SmallVector<Value> &sums = products.sums[count == 1 ? chain : 0];
    if (sums.empty())
      sums.assign(count, v.splat(v.vec(kRows, v.f32()), 0));
    return sums[token];
  }

  /// Two columns of activations, each in every lane.
  static void activations(VectorBuilder &v, const Activations &x, Value token,
                          Value col, Value (&xs)[2]) {
    if (!x.isBF16()) {
      for (int64_t i : {0, 1})
        xs[i] = v.repeat(x.lanes(v, token, v.add(col, i), 1), 0, 1, kRows);
      return;
    }
    // bf16 is the upper half of an f32.
    Value both =
        v.cast(spreadWord(v, x.stored(v, token, col, 2)), kRows, v.i32());
    xs[0] = v.cast(v.shl(both, 16), kRows, v.f32());
    xs[1] = v.cast(v.andI(both, -65536), kRows, v.f32());
  }

  /// Columns `first` and `first + 1` of the word as bf16 x 32, without scale
  /// (and offset).
  Value pairOfColumns(VectorBuilder &v, const StripWord &word,
                      int64_t first) const {
    // A table look-up reads the lowest five bits of each 16-bit lane. Those of
    // a code are four; the one above them does not matter.
    SmallVector<int64_t> mask;
    for (int64_t row = 0; row < kRows; ++row)
      for (int64_t i : {0, 0, 1, 1})
        mask.push_back(4 * row + first + i);
    Value lanes = v.cast(v.shuffle(word.low, mask), 2 * kRows, v.i16());
    SmallVector<APFloat> table;
    for (int64_t code = 0; code < 32; ++code)
      table.push_back(APFloat(
          APFloat::BFloat(), std::to_string(code % 16 - decoder->zeroPoint())));
    auto type = v.vec(2 * kRows, v.b.getBF16Type());
    Value values = arith::ConstantOp::create(
        v.b, v.loc, DenseElementsAttr::get(type, ArrayRef<APFloat>(table)));
    auto op = LLVM::CallIntrinsicOp::create(
        v.b, v.loc, v.vec(2 * kRows, v.i16()),
        v.b.getStringAttr("llvm.x86.avx512.permvar.hi.512"),
        ValueRange{v.cast(values, 2 * kRows, v.i16()),
                   v.shr(lanes, word.shift)});
    return v.cast(op.getResult(0), 2 * kRows, v.b.getBF16Type());
  }

  /// A column of the 16 rows without scale (and offset).
  Value floats(VectorBuilder &v, const StripWord &word, int64_t byte) const {
    if (dot != DotKind::Vnni || decoder->codeBits() != 4)
      return v.toFloat(decoder->integers(v, word, byte));
    // A table look-up reads the lowest four bits of each lane.
    SmallVector<float> table;
    for (int64_t code = 0; code < 16; ++code)
      table.push_back(static_cast<float>(code - decoder->zeroPoint()));
    auto type = v.vec(kRows, v.f32());
    Value values = arith::ConstantOp::create(
        v.b, v.loc, DenseElementsAttr::get(type, ArrayRef<float>(table)));
    Value lanes =
        v.shr(v.cast(word.low, kRows, v.i32()), 8 * byte + word.shift);
    auto op = LLVM::CallIntrinsicOp::create(
        v.b, v.loc, type, v.b.getStringAttr("llvm.x86.avx512.permvar.sf.512"),
        ValueRange{values, lanes});
    return op.getResult(0);
  }

  void finishFloats(VectorBuilder &v, const Piece &piece, const Chunk &chunk,
                    int64_t group, const Products &products,
                    const Activations &x, SmallVectorImpl<Value> &sums) const {
    Value scale = number(v, piece, chunk, group, /*offset=*/false);
    for (auto [t, token] : llvm::enumerate(piece.tokens)) {
      Value total = products.sums[0][t];
      if (!products.sums[1].empty())
        total = v.addf(total, products.sums[1][t]);
      sums[t] = v.fma(total, scale, sums[t]);
      if (!decoder->hasOffsets())
        continue;
      Value offset = number(v, piece, chunk, group, /*offset=*/true);
      Value of32 = groupOf32(v, chunk, group);
      Value xSum =
          x.hasFloatSums()
              ? x.floatSums(v, of32, 1)
              : v.broadcast(v.sum(x.lanes(v, token, v.mul(of32, 32), 32)), 1);
      sums[t] = v.fma(offset, v.repeat(xSum, 0, 1, kRows), sums[t]);
    }
  }

  PackedType weight;
  DotKind dot;
  Bf16Kind bf16;
  std::unique_ptr<StripDecoder> decoder;
  /// Of the piece at hand: [scale or offset, chunk, group][row].
  Value numbers;
};

} // namespace

std::unique_ptr<ProductKernel>
headrace::cpu::createStripKernel(PackedType weight, DotKind dot,
                                 Bf16Kind bf16) {
  auto decoder = StripDecoder::create(weight);
  if (!decoder)
    return nullptr;
  return std::make_unique<StripKernel>(weight, dot, bf16, std::move(decoder));
}
