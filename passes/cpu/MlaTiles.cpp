//===- MlaTiles.cpp - products of latent attention in tiles ---------------===//

#include "passes/cpu/MlaTiles.h"

#include "passes/cpu/AttentionBlocks.h"
#include "passes/cpu/Transpose.h"

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qattn;

static constexpr int64_t kLanes = kAttentionLanes;

/// As many sums as fit: 16 of 32 registers of 512 bits, or 12 of 16 narrow
/// ones, of which a vector takes two.
static MlaTileSizes sizesOf(int64_t heads, int64_t vectorBits) {
  if (vectorBits < 512)
    return {/*vectors=*/1, /*tokens=*/6, /*heads=*/6, /*chunks=*/1};
  int64_t vectors = heads > kLanes ? 2 : 1;
  return {vectors, /*tokens=*/16 / vectors, /*heads=*/4, /*chunks=*/4};
}

MlaTiles::MlaTiles(VectorBuilder &v, MlaDecodeOp op, Value bytes,
                   Value firstHead, int64_t heads, int64_t block,
                   int64_t vectorBits)
    : v(v), op(op), cache(op.getCache().getType()), bytes(bytes),
      firstHead(firstHead), heads(heads), sizes(sizesOf(heads, vectorBits)),
      block(llvm::alignTo(block, sizes.tokens)),
      tiles(llvm::divideCeil(heads, sizes.vectors * kLanes)),
      content(cache.getContent()), columns(content + cache.getRope()) {
  auto buffer = [&](ArrayRef<int64_t> shape) {
    return kernelBuffer(v, op, shape, v.f32());
  };
  query = buffer({tiles, columns, sizes.vectors * kLanes});
  // Vectors are stored whole.
  int64_t row = content + llvm::alignTo(cache.getRope(), kLanes);
  keys =
      buffer({this->block, static_cast<int64_t>(llvm::alignTo(row, kLanes))});
  scores = buffer({this->block, vectors() * kLanes});
}

/// The row of the query, or the last one, for what fills vectors up.
Value MlaTiles::headOf(Value number) {
  return v.add(firstHead, v.min(number, v.index(heads - 1)));
}

void MlaTiles::loadQuery(Value factor) {
  transposeQuery(op.getQ(), content, 0, factor);
  transposeQuery(op.getQRope(), cache.getRope(), content, factor);
}

void MlaTiles::transposeQuery(Value from, int64_t size, int64_t column,
                              Value factor) {
  bool codes = cast<MemRefType>(from.getType()).getElementType().isInteger(8);
  auto transpose = [&](Value vector, Value col, int64_t count) {
    Value first = v.mul(vector, kLanes);
    SmallVector<Value> rows;
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      SmallVector<Value> at{headOf(v.add(first, lane)), col};
      rows.push_back(codes
                         ? loadNumbers(v, from, at, CacheDtype::FP8E4M3, count)
                         : v.loadFirst(from, at, kLanes, count));
      if (factor)
        rows.back() = v.mulf(rows.back(), v.broadcast(factor, kLanes));
    }
    transpose16(v, rows);
    Value tile =
        arith::DivUIOp::create(v.b, v.loc, vector, v.index(sizes.vectors));
    Value lane = v.sub(first, v.mul(tile, sizes.vectors * kLanes));
    for (int64_t i = 0; i < count; ++i)
      v.store(rows[i], query, {tile, v.add(col, column + i), lane});
  };
  v.loop(v.index(0), v.index(vectors()), 1, {},
         [&](Value vector, ValueRange) -> SmallVector<Value> {
           loopVectors(v, size, [&](Value col, int64_t count) {
             transpose(vector, col, count);
           });
           return {};
         });
}

void MlaTiles::decode(Value slots, Value count, Value scales) {
  // As many rows as tiles of scores read.
  Value end = v.mul(
      arith::CeilDivUIOp::create(v.b, v.loc, count, v.index(sizes.tokens)),
      sizes.tokens);
  v.loop(v.index(0), end, 1, {},
         [&](Value token, ValueRange) -> SmallVector<Value> {
           Value slot = loadScalar(v, slots, token), factor;
           if (cache.hasScales()) {
             Value scale = v.loadScalarAs(bytes, latentScaleAt(v, cache, slot),
                                          4, v.f32());
             if (scales)
               storeScalar(v, scale, scales, token);
             else
               factor = v.broadcast(scale, kLanes);
           }
           // What the content's last vector has behind it is then overwritten.
           decodePart(contentAt(v, cache, slot), token, 0, factor);
           decodePart(ropeAt(v, cache, slot), token, content, factor);
           return {};
         });
}

void MlaTiles::decodePart(LatentPart part, Value row, int64_t column,
                          Value scale) {
  loopVectors(v, part.count, [&](Value col, int64_t count) {
    Value at = v.add(part.at, v.mul(col, numberBytes(part.dtype)));
    Value numbers = loadNumbers(v, bytes, at, part.dtype, count);
    if (scale)
      numbers = v.mulf(numbers, scale);
    v.store(numbers, keys, {row, v.add(col, column)});
  });
}

Value MlaTiles::score(Value count) {
  auto addColumn = [&](Value tile, Value token, Value col, ValueRange sums) {
    SmallVector<Value> heads, next;
    for (int64_t i = 0; i < sizes.vectors; ++i)
      heads.push_back(v.load(query, {tile, col, v.index(i * kLanes)}, kLanes));
    for (int64_t t = 0; t < sizes.tokens; ++t) {
      Value key =
          v.broadcast(loadScalar(v, keys, {v.add(token, t), col}), kLanes);
      for (Value head : heads)
        next.push_back(v.fma(head, key, sums[next.size()]));
    }
    return next;
  };
  v.loop(v.index(0), v.index(tiles), 1, {},
         [&](Value tile, ValueRange) -> SmallVector<Value> {
           v.loop(v.index(0), count, sizes.tokens, {},
                  [&](Value token, ValueRange) -> SmallVector<Value> {
                    SmallVector<Value> sums(sizes.vectors * sizes.tokens,
                                            v.splat(v.vec(kLanes, v.f32()), 0));
                    sums = v.loop(v.index(0), v.index(columns), 1, sums,
                                  [&](Value col, ValueRange carried) {
                                    return addColumn(tile, token, col, carried);
                                  });
                    Value head = v.mul(tile, sizes.vectors * kLanes);
                    for (auto [i, sum] : llvm::enumerate(sums)) {
                      auto number = static_cast<int64_t>(i);
                      v.store(sum, scores,
                              {v.add(token, number / sizes.vectors),
                               v.add(head, number % sizes.vectors * kLanes)});
                    }
                    return {};
                  });
           return {};
         });
  return scores;
}

void MlaTiles::addValues(Value output, ArrayRef<Value> at, Value keep,
                         Value count, Value next) {
  auto addColumns = [&](Value column, int64_t size) {
    forEachRun(v, heads, sizes.heads, [&](Value head, int64_t some) {
      addTile(output, at, keep, count, next, head, some, column, size);
    });
  };
  // Columns outside: the values of a few of them stay in the first-level cache
  // for all heads.
  int64_t size = sizes.chunks * kLanes, whole = content / size * size;
  v.loop(v.index(0), v.index(whole), size, {},
         [&](Value column, ValueRange) -> SmallVector<Value> {
           addColumns(column, size);
           return {};
         });
  if (whole < content)
    addColumns(v.index(whole), content - whole);
}

/// The share of a tile's columns in the bytes of a token.
void MlaTiles::fetchColumns(Value next, Value token, Value column) {
  constexpr int64_t kLineBytes = 64;
  int64_t size = sizes.chunks * kLanes;
  int64_t share = llvm::divideCeil(cache.getSlotBytes() * size, content);
  Value tile = arith::DivUIOp::create(v.b, v.loc, column, v.index(size));
  Value at = v.add(v.add(next, v.mul(token, cache.getSlotBytes())),
                   v.mul(tile, share));
  for (int64_t line = 0; line < share; line += kLineBytes)
    v.prefetch(bytes, v.add(at, line), 2);
}

void MlaTiles::addTile(Value output, ArrayRef<Value> at, Value keep,
                       Value count, Value next, Value head, int64_t heads,
                       Value column, int64_t columns) {
  auto forEach =
      [&](llvm::function_ref<void(Value, Value, int64_t, int64_t)> body) {
        for (int64_t i = 0; i < heads; ++i)
          forEachVector(columns, [&](int64_t col, int64_t lanes) {
            body(v.add(head, i), v.add(column, col), lanes, i);
          });
      };
  auto place = [&](Value number, Value col) {
    SmallVector<Value> indices(at);
    indices.append({v.add(firstHead, number), col});
    return indices;
  };
  SmallVector<Value> state;
  forEach([&](Value number, Value col, int64_t lanes, int64_t) {
    Value old = v.loadFirst(output, place(number, col), kLanes, lanes);
    state.push_back(
        v.mulf(old, v.broadcast(loadScalar(v, keep, number), kLanes)));
  });
  state =
      v.loop(v.index(0), count, 1, state, [&](Value token, ValueRange carried) {
        fetchColumns(next, token, column);
        SmallVector<Value> values, sums;
        forEachVector(columns, [&](int64_t col, int64_t) {
          values.push_back(v.load(keys, {token, v.add(column, col)}, kLanes));
        });
        for (int64_t i = 0; i < heads; ++i) {
          Value weight = v.broadcast(
              loadScalar(v, scores, {token, v.add(head, i)}), kLanes);
          for (Value value : values)
            sums.push_back(v.fma(weight, value, carried[sums.size()]));
        }
        return sums;
      });
  Value *sum = state.begin();
  forEach([&](Value number, Value col, int64_t lanes, int64_t) {
    v.storeFirst(*sum++, output, place(number, col), lanes);
  });
}
