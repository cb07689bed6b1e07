//===- KernelInfo.cpp - which operations have kernels, and how they are cut
//===//

#include "passes/cpu/KernelInfo.h"

#include "dialects/QAttn/QAttn.h"
#include "dialects/QLinear/QLinear.h"
#include "dialects/QLinear/StripLayout.h"
#include "passes/cpu/CacheTokens.h"
#include "passes/cpu/FloatMatmul.h"
#include "passes/cpu/Passes.h"
#include "passes/cpu/PrefillRows.h"
#include "passes/cpu/TileMatmul.h"
#include "passes/cpu/ZigzagSlices.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::common::precision;
using Shape = headrace::common::KernelShape;
using namespace headrace::qlinear;
using namespace headrace::qattn;

/// Most heads of a workgroup of latent attention, without and with parts: many,
/// as each workgroup decodes all tokens that it sees.
static constexpr int64_t kMlaHeads = 64, kMlaHeadsOfPart = 128;

/// Rows of a workgroup of a product: enough work to hide a launch, few enough
/// to balance two threads on small matrices; a multiple of the block height of
/// every format but those that come in bands.
static constexpr int64_t kRowsPerWorkgroup = 32;

static int64_t rowsPerWorkgroup(PackedType weight) {
  int64_t band = sliceWorkgroupRows(weight);
  return band ? band : kRowsPerWorkgroup;
}

/// Pieces of columns whose centroids a workgroup searches.
static constexpr int64_t kPiecesPerWorkgroup = 256;
/// Most rows of table lookup whose sums stay in registers, and of a workgroup
/// where groups share lines of tables.
static constexpr int64_t kMostTileRows = 512;
static constexpr int64_t kMostLookupRows = 2048;

int64_t headrace::cpu::lookupTileRows(CodebookFormatAttr format) {
  // Groups are multiples of 8 rows, so that a byte of indices is of one tile.
  int64_t tile = std::min(format.getGroup(), kMostTileRows);
  while (format.getGroup() % tile || tile % 8)
    --tile;
  return tile;
}

int64_t headrace::cpu::headsOfWorkgroup(MlaDecodeOp op) {
  int64_t heads = cast<ShapedType>(op.getQ().getType()).getDimSize(0);
  int64_t size = std::min(heads, op.getSplits() ? kMlaHeadsOfPart : kMlaHeads);
  while (heads % size)
    --size;
  // Rather all heads in one than many workgroups of few, while memory for their
  // queries is on the stack.
  return size < 16 && heads <= 512 ? heads : size;
}

/// As many tiles as an even number of workgroups can have, all the same.
static int64_t lookupRowsPerWorkgroup(PackedType weight) {
  auto format = cast<CodebookFormatAttr>(weight.getFormat());
  int64_t tile = headrace::cpu::lookupTileRows(format);
  int64_t tiles = llvm::divideCeil(weight.getRows(), tile);
  int64_t most = format.getSplit() ? kMostLookupRows : kMostTileRows;
  for (int64_t count = most / tile; count > 1; --count)
    if (tiles % (2 * count) == 0)
      return count * tile;
  return kMostTileRows / tile * tile;
}

namespace {

/// `_7x1152`.
std::string sizesOf(Type type) {
  std::string text = "_";
  llvm::raw_string_ostream stream(text);
  llvm::interleave(cast<ShapedType>(type).getShape(), stream, "x");
  return text;
}

/// What a kernel on a cache of `dtype` is said to be of.
std::string cacheFormat(CacheDtype dtype) {
  return "kv_" + stringifyCacheDtype(dtype).str();
}

std::string latentFormat(CacheDtype dtype) {
  return "mla_" + stringifyCacheDtype(dtype).str();
}

/// An operation on a cache of latents; its name has the sizes of `value`.
Shape latentsOf(MlaCacheType cache, int64_t rows, Value value) {
  Shape shape;
  shape.rows = rows;
  shape.format = latentFormat(cache.getDtype());
  shape.suffix = "_" + shape.format + sizesOf(value.getType()) + "_of_" +
                 std::to_string(cache.getSlots()) + "x" +
                 std::to_string(cache.getContent()) + "x" +
                 std::to_string(cache.getRope());
  return shape;
}

/// An operation on rows ([K] or [N, K]), one for each workgroup.
Shape rowsOf(Value init) {
  auto type = cast<ShapedType>(init.getType());
  Shape shape;
  shape.rows = type.getRank() > 1 ? type.getDimSize(0) : 1;
  shape.suffix = sizesOf(type);
  return shape;
}

/// An operation on a matrix with tables; `results` are [N, ...] or of one
/// token.
Shape tablesOf(PackedType weight, ShapedType results) {
  Shape shape;
  shape.matrix = weight;
  if (results.getRank() == 2) {
    shape.tokens = results.getDimSize(0);
    shape.suffix = "_n" + std::to_string(shape.tokens);
  }
  return shape;
}

} // namespace

Shape headrace::cpu::shapeOf(Operation *op) {
  return TypeSwitch<Operation *, Shape>(op)
      .Case([](MatvecOp matvec) -> Shape {
        PackedType weight = matvec.getWeight().getType();
        return {weight.getRows(), rowsPerWorkgroup(weight), weight,
                matvec.getX().getType()};
      })
      .Case([](MatmulOp matmul) -> Shape {
        PackedType weight = matmul.getWeight().getType();
        int64_t tokens =
            cast<ShapedType>(matmul.getInit().getType()).getDimSize(0);
        Type x = matmul.getX().getType();
        bool tiles = canTileMatmul(weight, x, tokens) ||
                     canFloatMatmul(weight, x, tokens, DotKind::Portable);
        int64_t rows = tiles ? tileWorkgroupRows(weight, tokens)
                             : rowsPerWorkgroup(weight);
        return {weight.getRows(), rows,
                weight,           x,
                tokens,           "_n" + std::to_string(tokens)};
      })
      .Case([](GatedMatvecOp gated) -> Shape {
        PackedType weight = gated.getGate().getType();
        return {weight.getRows(),
                rowsPerWorkgroup(weight),
                weight,
                gated.getX().getType(),
                1,
                "_" + stringifyActivation(gated.getActivation()).str()};
      })
      .Case([](SelectColumnsOp select) {
        Type x = select.getX().getType();
        Shape shape;
        shape.suffix = sizesOf(x) + "_" + precision(x).str();
        return shape;
      })
      .Case([](SparseMatvecOp sparse) -> Shape {
        PackedType weight = sparse.getWeight().getType();
        return {weight.getRows(), rowsPerWorkgroup(weight), weight,
                sparse.getX().getType()};
      })
      .Case([](DequantizeOp dequantize) -> Shape {
        PackedType packed = dequantize.getPacked().getType();
        return {packed.getRows(), kRowsPerWorkgroup, packed, {}};
      })
      .Case([](QuantizeOp quantize) -> Shape {
        PackedType packed = quantize.getPackedType();
        return {packed.getRows(), 1, packed, {}};
      })
      .Case([](RepackOp repack) -> Shape {
        PackedType packed = repack.getPackedType();
        StringRef source =
            repack.getPacked().getType().getFormat().getFormatName();
        return {packed.getRows(),       kStripRows, packed, {}, 1,
                "_from_" + source.str()};
      })
      .Case([](AssignCentroidsOp assign) {
        auto type = cast<ShapedType>(assign.getInit().getType());
        Shape shape = tablesOf(assign.getWeight().getType(), type);
        shape.rows = type.getShape().back();
        shape.rowsPerGroup = kPiecesPerWorkgroup;
        return shape;
      })
      .Case([](LutMatvecOp lookup) {
        PackedType weight = lookup.getWeight().getType();
        Shape shape =
            tablesOf(weight, cast<ShapedType>(lookup.getInit().getType()));
        shape.rows = weight.getRows();
        shape.rowsPerGroup = lookupRowsPerWorkgroup(weight);
        return shape;
      })
      .Case<RmsNormOp, LayerNormOp, GatedActivationOp>(
          [](auto row) { return rowsOf(row.getInit()); })
      .Case([](RopeOp rope) { return rowsOf(rope.getInit()); })
      .Case([](DecodeOp decode) {
        KVCacheType cache = decode.getCache().getType();
        Shape shape;
        shape.rows = decode.getSplits().value_or(cache.getHeads());
        shape.format = cacheFormat(cache.getDtype());
        shape.suffix = "_" + shape.format +
                       sizesOf(decode.getInit().getType()) + "_of_" +
                       std::to_string(cache.getSlots()) + "x" +
                       std::to_string(cache.getHeads());
        return shape;
      })
      .Case([](AppendKVOp append) {
        KVCacheType cache = append.getCache().getType();
        Shape shape;
        shape.rows = cache.getHeads();
        shape.format = cacheFormat(cache.getDtype());
        shape.suffix = "_" + shape.format + sizesOf(append.getK().getType()) +
                       "_of_" + std::to_string(cache.getSlots());
        return shape;
      })
      .Case([](FetchKVOp fetch) {
        KVCacheType cache = fetch.getCache().getType();
        Shape shape = rowsOf(fetch.getK());
        shape.format = cacheFormat(cache.getDtype());
        shape.suffix = "_" + shape.format + shape.suffix + "_of_" +
                       std::to_string(cache.getSlots());
        return shape;
      })
      .Case([](PrefillOp prefill) {
        PrefillRows rows(prefill);
        Shape shape;
        shape.rows = rows.heads * rows.blocks();
        shape.suffix = sizesOf(prefill.getQ().getType()) + "_of" +
                       sizesOf(prefill.getV().getType());
        if (std::optional<Precision> precision = prefill.getPrecision()) {
          shape.format = stringifyPrecision(*precision).str();
          shape.suffix += "_" + shape.format;
        }
        return shape;
      })
      .Case([](QuantizeKVOp quantize) {
        Shape shape = rowsOf(quantize.getContent());
        shape.format = latentFormat(CacheDtype::FP8E4M3);
        shape.suffix += sizesOf(quantize.getRope().getType());
        return shape;
      })
      .Case([](AppendMlaOp append) {
        int64_t tokens = rowsOf(append.getContent()).rows;
        return latentsOf(append.getCache().getType(), appendWorkgroups(tokens),
                         append.getContent());
      })
      .Case([](FetchMlaOp fetch) {
        return latentsOf(fetch.getCache().getType(),
                         rowsOf(fetch.getContent()).rows, fetch.getContent());
      })
      .Case([](MlaDecodeOp decode) {
        int64_t heads = cast<ShapedType>(decode.getQ().getType()).getDimSize(0);
        return latentsOf(decode.getCache().getType(),
                         static_cast<int64_t>(decode.getSplits().value_or(1)) *
                             (heads / headsOfWorkgroup(decode)),
                         decode.getInit());
      })
      .Case([](MergePartialsOp merge) {
        auto type = cast<ShapedType>(merge.getPartials().getType());
        Shape shape;
        shape.rows = ShapedType::getNumElements(
            type.getShape().drop_front().drop_back());
        shape.suffix = sizesOf(type);
        return shape;
      });
}

bool headrace::cpu::hasKernel(Operation *op) {
  return isa<MatvecOp, MatmulOp, GatedMatvecOp, DequantizeOp, QuantizeOp,
             RepackOp, RmsNormOp, LayerNormOp, GatedActivationOp, RopeOp,
             DecodeOp, AppendKVOp, FetchKVOp, MergePartialsOp, QuantizeKVOp,
             AppendMlaOp, FetchMlaOp, MlaDecodeOp, PrefillOp, AssignCentroidsOp,
             LutMatvecOp, SelectColumnsOp, SparseMatvecOp>(op);
}
