//===- StripKernel.cpp - products with strips of 16 rows ------------------===//

#include "passes/cpu/StripKernel.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::PackedType;

void StripKernel::prepare(VectorBuilder &v, Activations &x,
                          int64_t tokens) const {
  if (x.isI8() && tokens == 1 && decoder->hasOffsets())
    x.prepareScaledSums(v);
  if (x.isI8() && hasOwnSums())
    x.prepareZeroSums(v, dot, decoder->zeroPoint(), tokens);
}

void StripKernel::allocate(VectorBuilder &v) {
  int64_t groups = decoder->chunks() * decoder->chunkGroups();
  auto type = MemRefType::get({(decoder->hasOffsets() ? 2 : 1) * groups, kRows},
                              v.f32());
  numbers = memref::AllocaOp::create(v.b, v.loc, type,
                                     v.b.getI64IntegerAttr(kCacheLine));
}

SmallVector<SmallVector<Value>>
StripKernel::compute(VectorBuilder &v, Value bytes, const Activations &x,
                     Value row, Value token, int64_t tokens) const {
  Values tokenIndices;
  for (int64_t t = 0; t < tokens; ++t)
    tokenIndices.push_back(v.add(token, t));
  // A row index times this is the byte index of its strip.
  Value base = v.mul(row, weight.getBlockRowBytes() / kRows);
  int64_t cols = decoder->pieceCols();
  int64_t whole = weight.getCols() / cols, rest = weight.getCols() % cols;

  Values sums(tokens, v.splat(v.vec(kRows, v.f32()), 0));
  auto accumulate = [&](Value index, int64_t cols, ValueRange carried) {
    Value at = v.add(base, v.mul(index, decoder->pieceBytes()));
    // Others than AVX-512 have too few registers for that.
    Piece piece{decoder->open(v, bytes, at, cols), index, tokenIndices,
                dot == DotKind::Vnni};
    return piece.single() ? addSinglePiece(v, piece, x, carried)
                          : addPiece(v, piece, x, carried);
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

//===----------------------------------------------------------------------===//
// Pieces
//===----------------------------------------------------------------------===//

/// Computes the scales and offsets of a piece, in the order of chunks.
void StripKernel::storeNumbers(VectorBuilder &v, const Piece &piece,
                               const Activations &x) const {
  int64_t groups = decoder->chunkGroups(), all = decoder->chunks() * groups;
  for (int64_t i = 0; i < all; ++i) {
    int64_t group = decoder->groupOf(i / groups, i % groups);
    if (group * decoder->groupCols() >= piece.strip.cols)
      continue;
    Value scale = decoder->scale(v, piece.strip, group);
    int64_t shift = x.isI8() ? groupShift(i % groups) : 0;
    if (shift)
      scale = v.mulf(scale, v.splat(v.vec(kRows, v.f32()), 1.0 / (1 << shift)));
    v.store(scale, numbers, {v.index(i), v.index(0)});
    if (decoder->hasOffsets())
      v.store(decoder->offset(v, piece.strip, group), numbers,
              {v.index(all + i), v.index(0)});
  }
}

/// The scale or the offset of a group of a chunk, of a single token without the
/// factor that all of the piece have.
Value StripKernel::number(VectorBuilder &v, const Piece &piece,
                          const Chunk &chunk, int64_t group, bool offset,
                          const Activations &x) const {
  int64_t groups = decoder->chunkGroups();
  if (!piece.single()) {
    int64_t first = (offset ? decoder->chunks() * groups : 0) + group;
    Value line = v.add(v.mul(chunk.index, groups), first);
    return v.load(numbers, {line, v.index(0)}, kRows);
  }
  int64_t ofPiece = decoder->groupOf(chunk.number, group);
  if (offset)
    return decoder->groupOffset(v, piece.strip, ofPiece);
  Value scale = decoder->groupScale(v, piece.strip, ofPiece);
  int64_t shift = x.isI8() ? groupShift(group) : 0;
  return shift
             ? v.mulf(scale, v.splat(v.vec(kRows, v.f32()), 1.0 / (1 << shift)))
             : scale;
}

/// True groups of a chunk; chunks that have all of them come first.
int64_t StripKernel::groupsOf(int64_t chunk, const Piece &piece) const {
  int64_t groups = 0;
  while (groups < decoder->chunkGroups() &&
         decoder->groupOf(chunk, groups) * decoder->groupCols() <
             piece.strip.cols)
    ++groups;
  return groups;
}

SmallVector<Value> StripKernel::addPiece(VectorBuilder &v, const Piece &piece,
                                         const Activations &x,
                                         ValueRange carried) const {
  storeNumbers(v, piece, x);
  int64_t whole = 0;
  while (whole < decoder->chunks() &&
         groupsOf(whole, piece) == decoder->chunkGroups())
    ++whole;
  auto add = [&](Value index, int64_t groups, ValueRange inner) {
    Totals totals{Values(inner), {}};
    addChunk(v, piece, index, /*number=*/0, groups, x, totals);
    return totals.sums;
  };
  Values sums(carried);
  if (whole > 0)
    sums = v.loop(v.index(0), v.index(whole), 1, sums,
                  [&](Value index, ValueRange inner) {
                    return add(index, decoder->chunkGroups(), inner);
                  });
  for (int64_t chunk = whole; chunk < decoder->chunks(); ++chunk)
    if (int64_t groups = groupsOf(chunk, piece))
      sums = add(v.index(chunk), groups, sums);
  return sums;
}

SmallVector<Value> StripKernel::addSinglePiece(VectorBuilder &v,
                                               const Piece &piece,
                                               const Activations &x,
                                               ValueRange carried) const {
  bool factors = decoder->hasFactors();
  Value zero = v.splat(v.vec(kRows, v.f32()), 0);
  Totals totals;
  totals.sums = factors ? Values{zero} : Values(carried);
  if (factors && decoder->hasOffsets())
    totals.offsets = {zero};
  for (int64_t chunk = 0; chunk < decoder->chunks(); ++chunk)
    if (int64_t groups = groupsOf(chunk, piece))
      addChunk(v, piece, v.index(chunk), chunk, groups, x, totals);
  if (!factors)
    return totals.sums;
  Value sum =
      v.fma(totals.sums[0], decoder->scaleFactor(v, piece.strip), carried[0]);
  if (!totals.offsets.empty())
    sum = v.fma(totals.offsets[0], decoder->offsetFactor(v, piece.strip), sum);
  return {sum};
}

void StripKernel::addChunk(VectorBuilder &v, const Piece &piece, Value index,
                           int64_t number, int64_t groups, const Activations &x,
                           Totals &totals) const {
  SmallVector<StripWord> words = decoder->chunk(v, piece.strip, index, groups);
  Value col = v.add(v.mul(piece.index, decoder->pieceCols()),
                    decoder->firstCol(v, index));
  Chunk chunk{index, col, v.shr(col, 5), number, groups, {}, {}, {}};
  if (piece.single() && x.isI8()) {
    chunk.quants = x.quantsAt(v, piece.tokens[0], col);
    chunk.scales = x.scalesAt(v, piece.tokens[0], chunk.of32);
    if (x.hasFloatSums())
      chunk.scaledSums = x.floatSumsAt(v, chunk.of32);
  }
  // Chunks share the lines of the numbers before them.
  int64_t bytes = decoder->pieceBytes() / decoder->chunks();
  int64_t lines = llvm::divideCeil(bytes, kCacheLine);
  int64_t count = static_cast<int64_t>(words.size());
  Value at = v.add(piece.strip.at, v.mul(index, bytes));
  if (piece.single())
    keepOrder(v);
  else
    prefetchLines(v, piece, at, 0, lines);
  SmallVector<Products> products(groups);
  for (auto [i, word] : llvm::enumerate(words)) {
    if (x.isI8())
      addIntegers(v, piece, chunk, word, x, products[word.group]);
    else
      addFloats(v, piece, chunk, word, x, products[word.group]);
    if (piece.single())
      prefetchLines(v, piece, at, i * lines / count, (i + 1) * lines / count);
  }
  // The weights push activations out of the first cache before the next strip
  // reads them.
  constexpr int64_t kColumns = 512;
  if (piece.single())
    x.prefetchColumns(v, piece.tokens[0], v.add(col, kColumns),
                      decoder->pieceCols() / decoder->chunks());
  for (int64_t group = 0; group < groups; ++group)
    if (x.isI8())
      finishIntegers(v, piece, chunk, group, products[group], x, totals);
    else
      finishFloats(v, piece, chunk, group, products[group], x, totals);
}

/// Keeps LLVM's scheduler from moving loads and prefetches over this point.
void StripKernel::keepOrder(VectorBuilder &v) {
  LLVM::FenceOp::create(v.b, v.loc, LLVM::AtomicOrdering::acq_rel,
                        v.b.getStringAttr("singlethread"));
}

/// Asks for lines [first, last) of a chunk at byte `at` of a later one: far
/// ahead for the second cache, which can wait for more lines of memory at once
/// than the first; and from there. With one token they are spread over the
/// arithmetic; many at once would wait for each other.
void StripKernel::prefetchLines(VectorBuilder &v, const Piece &piece, Value at,
                                int64_t first, int64_t last) {
  constexpr int64_t kFar = 16384, kNear = 4608;
  for (int64_t line = first; line < last; ++line) {
    v.prefetch(piece.strip.bytes, v.add(at, line * kCacheLine + kFar), 2);
    v.prefetch(piece.strip.bytes, v.add(at, line * kCacheLine + kNear), 3);
  }
  if (piece.single() && first < last)
    keepOrder(v);
}

void StripKernel::addOffset(VectorBuilder &v, Value offset, Value xSum,
                            size_t t, Totals &totals) {
  Value &total = totals.offsets.empty() ? totals.sums[t] : totals.offsets[t];
  total = v.fma(offset, v.repeat(xSum, 0, 1, kRows), total);
}

//===----------------------------------------------------------------------===//
// Packed activations
//===----------------------------------------------------------------------===//

void StripKernel::addIntegers(VectorBuilder &v, const Piece &piece,
                              const Chunk &chunk, const StripWord &word,
                              const Activations &x, Products &products) const {
  bool first = products.sums[0].empty() && products.sums[1].empty();
  int64_t shift = codeShift(word) - groupShift(word.group);
  Values &sums = products.sums[shift ? 1 : 0];
  if (sums.empty())
    sums.resize(piece.tokens.size());
  Value codes = decoder->codes(v, word);
  if (isNeon(dot))
    codes = v.shr(codes, decoder->codeShift(word));
  int64_t largest = ((1 << decoder->codeBits()) - 1) << codeShift(word);
  for (auto [t, token] : llvm::enumerate(piece.tokens)) {
    if (first && decoder->zeroPoint())
      sums[t] = zeroPointSum(v, chunk, word, x, token);
    Value xs = spreadWord(v, xQuants(v, chunk, word, x, token));
    sums[t] = dot4(v, dot, codes, xs, sums[t], largest);
  }
}

/// The four integers that a word is multiplied with.
Value StripKernel::xQuants(VectorBuilder &v, const Chunk &chunk,
                           const StripWord &word, const Activations &x,
                           Value token) {
  if (chunk.quants)
    return chunk.quants->load(v, word.col, 4, v.i8());
  return x.quants(v, token, v.add(chunk.col, word.col), 4);
}

/// The scale of the activations of a group of the chunk, f32 x 1.
Value StripKernel::xScale(VectorBuilder &v, const Chunk &chunk, int64_t group,
                          const Activations &x, Value token) {
  if (chunk.scales)
    return chunk.scales->load(v, 4 * group, 1, v.f32());
  return x.scales(v, token, v.add(chunk.of32, group), 1);
}

/// What the zero point takes off the products of a group that starts with
/// `word`.
Value StripKernel::zeroPointSum(VectorBuilder &v, const Chunk &chunk,
                                const StripWord &word, const Activations &x,
                                Value token) const {
  int64_t factor = decoder->zeroPoint() << codeShift(word);
  Value sum;
  if (hasOwnSums()) {
    Value col = v.add(chunk.col, word.col);
    if (Value prepared = x.zeroSum(v, token, col))
      return v.repeat(prepared, 0, 1, kRows);
    sum = v.sumI(v.extS(x.quants(v, token, col, 16), v.i32()));
    sum = v.broadcast(sum, 1);
  } else {
    sum = x.sums(v, token, groupOf32(v, chunk, word.group), 1);
  }
  sum = v.mulI(sum, v.splat(v.vec(1, v.i32()), static_cast<double>(-factor)));
  return v.repeat(sum, 0, 1, kRows);
}

void StripKernel::finishIntegers(VectorBuilder &v, const Piece &piece,
                                 const Chunk &chunk, int64_t group,
                                 const Products &products, const Activations &x,
                                 Totals &totals) const {
  auto &[plain, shifted] = products.sums;
  Value scale = number(v, piece, chunk, group, /*offset=*/false, x);
  Value offset;
  if (decoder->hasOffsets())
    offset = number(v, piece, chunk, group, /*offset=*/true, x);
  Value of32 = groupOf32(v, chunk, group);
  for (auto [t, token] : llvm::enumerate(piece.tokens)) {
    Value total = plain[t];
    if (!shifted.empty()) {
      // A multiple of 16.
      Value four = v.splat(v.vec(kRows, v.i32()), 4);
      total =
          v.add(total, arith::ShRSIOp::create(v.b, v.loc, shifted[t], four));
    }
    Value xScale = this->xScale(v, chunk, group, x, token);
    totals.sums[t] =
        v.fma(v.toFloat(total), v.mulf(scale, v.repeat(xScale, 0, 1, kRows)),
              totals.sums[t]);
    if (!offset)
      continue;
    Value xSum = chunk.scaledSums
                     ? chunk.scaledSums->load(v, 4 * group, 1, v.f32())
                 : x.hasFloatSums()
                     ? x.floatSums(v, of32, 1)
                     : v.mulf(v.toFloat(x.sums(v, token, of32, 1)), xScale);
    addOffset(v, offset, xSum, t, totals);
  }
}

std::unique_ptr<ProductKernel>
headrace::cpu::createStripKernel(PackedType weight, DotKind dot, Bf16Kind bf16,
                                 bool gfni) {
  auto decoder = StripDecoder::create(weight, dot, gfni);
  if (!decoder)
    return nullptr;
  return std::make_unique<StripKernel>(weight, dot, bf16, std::move(decoder));
}
