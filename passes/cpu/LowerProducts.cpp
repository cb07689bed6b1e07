//===- LowerProducts.cpp - matvec, matmul and gated_matvec as vectors -----===//

#include "passes/cpu/FloatMatmul.h"
#include "passes/cpu/GateFunction.h"
#include "passes/cpu/Passes.h"
#include "passes/cpu/ProductKernel.h"
#include "passes/cpu/TileMatmul.h"
#include "passes/cpu/Workgroup.h"
#include "passes/cpu/ZigzagProducts.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/StringSwitch.h"

namespace headrace::cpu {
#define GEN_PASS_DEF_CPULOWERPRODUCTS
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qlinear;

namespace {

/// What the three operations have in common.
struct Product {
  Operation *op;
  SmallVector<TypedValue<PackedType>, 2> weights; // one, or gate and up
  Value x;
  Value init;
  int64_t tokens;
};

using Rows = SmallVector<SmallVector<Value>>; // [token][part of the unit]
using Epilogue = function_ref<Value(VectorBuilder &, ArrayRef<Value>)>;

/// Stores one part (an f32, or f32 x 16 of which rows behind `rows` are void).
void storePart(VectorBuilder &v, Value part, Value init, Value token, Value row,
               int64_t rows) {
  auto type = cast<MemRefType>(init.getType());
  SmallVector<Value> at;
  if (type.getRank() == 2)
    at.push_back(token);
  at.push_back(row);
  auto vector = dyn_cast<VectorType>(part.getType());
  if (!vector) {
    memref::StoreOp::create(v.b, v.loc, part, init, at);
  } else if (rows % 32 == 0) {
    v.store(part, init, at);
  } else {
    // Past the end the count is negative, which create_mask takes for none.
    Value left = v.sub(v.index(rows), row);
    Value mask = vector::CreateMaskOp::create(
        v.b, v.loc, v.vec(vector.getNumElements(), v.b.getI1Type()), left);
    vector::MaskedStoreOp::create(v.b, v.loc, init, at, mask, part);
  }
}

/// All rows of the workgroup for `tokens` tokens from `token`.
void computeUnit(VectorBuilder &v, const Product &product,
                 ArrayRef<std::unique_ptr<ProductKernel>> kernels,
                 const Activations &x, Value row, Value token, int64_t tokens,
                 Epilogue epilogue) {
  PackedType weight = product.weights[0].getType();
  SmallVector<Rows> results;
  for (auto [kernel, packed] : llvm::zip(kernels, product.weights)) {
    Value bytes = packed.getDefiningOp<FromBytesOp>().getBytes();
    results.push_back(kernel->compute(v, bytes, x, row, token, tokens));
  }
  int64_t unit = kernels[0]->unitRows();
  for (int64_t t = 0; t < tokens; ++t) {
    int64_t parts = static_cast<int64_t>(results[0][t].size());
    for (int64_t part = 0; part < parts; ++part) {
      SmallVector<Value> values;
      for (const Rows &rows : results)
        values.push_back(rows[t][part]);
      storePart(v, epilogue(v, values), product.init, v.add(token, t),
                v.add(row, part * (unit / parts)), weight.getRows());
    }
  }
}

/// Whether a kernel can read `value`: a memref, or a packed view of one.
bool isReadable(Value value) {
  if (!isa<PackedType>(value.getType()))
    return isa<MemRefType>(value.getType());
  auto view = value.getDefiningOp<FromBytesOp>();
  return view && isa<MemRefType>(view.getBytes().getType());
}

/// Whether many tokens are multiplied as f32.
bool isForFloats(const Product &product, DotKind dot, bool fastPairs) {
  PackedType weight = product.weights[0].getType();
  Type x = product.x.getType();
  if (!isa<MatmulOp>(product.op) ||
      !canFloatMatmul(weight, x, product.tokens, dot))
    return false;
  auto plain = dyn_cast<PlainFormatAttr>(weight.getFormat());
  bool isBF16 = !plain || plain.getKind() == PlainKind::BF16; // strips are
  bool pairs = isBF16 && getElementTypeOrSelf(x).isBF16();
  return !pairs || !fastPairs;
}

LogicalResult lower(const Product &product, DotKind dot, Bf16Kind bf16,
                    bool fastPairs, bool gfni, Epilogue epilogue) {
  Operation *op = product.op;
  OpBuilder builder(op);
  VectorBuilder v{builder, op->getLoc()};
  SmallVector<std::unique_ptr<ProductKernel>> kernels;
  if (!isReadable(product.x) || !llvm::all_of(product.weights, isReadable))
    return op->emitOpError("expected packed operands from qlinear.from_bytes "
                           "of a memref; run cpu-form-kernels first");
  PackedType first = product.weights[0].getType();
  if (canMultiplyZigzag(first)) {
    PackedType last = product.weights.back().getType();
    if (last != first)
      return op->emitOpError()
             << "expected gate and up in bands of one format, but got "
             << first.getFormat() << " and " << last.getFormat();
    FailureOr<RowRange> range = workgroupRows(v, op, first.getRows());
    if (failed(range))
      return failure();
    if (isa<MatmulOp>(op))
      emitZigzagTokens(v, product.weights[0], product.x, product.init,
                       product.tokens, dot, *range);
    else
      emitZigzagVector(v, product.weights, product.x, product.init, dot, *range,
                       epilogue);
    op->erase();
    return success();
  }
  for (auto weight : product.weights) {
    kernels.push_back(ProductKernel::create(weight.getType(), dot, bf16, gfni,
                                            product.tokens));
    if (!kernels.back())
      return op->emitOpError()
             << "has no CPU kernel for " << weight.getType().getFormat();
    if (isa<PackedType>(product.x.getType()) && !kernels.back()->takesI8())
      return op->emitOpError()
             << "has no CPU kernel for " << weight.getType().getFormat()
             << " with packed activations; allowed: f32, bf16";
    // Rows advance by the unit of the first kernel.
    if (kernels.back()->unitRows() != kernels[0]->unitRows())
      return op->emitOpError()
             << "expected gate and up in formats of one block height, but got "
             << product.weights[0].getType().getFormat() << " and "
             << weight.getType().getFormat();
  }
  FailureOr<RowRange> range =
      workgroupRows(v, op, product.weights[0].getType().getRows());
  if (failed(range))
    return failure();
  if (isa<MatmulOp>(op) && canTileMatmul(product.weights[0].getType(),
                                         product.x.getType(), product.tokens)) {
    emitTileMatmul(v, product.weights[0], product.x, product.init,
                   product.tokens, dot, *range);
    op->erase();
    return success();
  }
  if (isForFloats(product, dot, fastPairs)) {
    emitFloatMatmul(v, product.weights[0], product.x, product.init,
                    product.tokens, dot, *range);
    op->erase();
    return success();
  }
  int64_t tile = std::min(kernels[0]->unitTokens(), product.tokens);
  int64_t whole = product.tokens / tile * tile;
  Activations x(product.x, product.weights[0].getType().getCols());
  if (kernels[0]->wantsFloatSums())
    x.prepareFloatSums(v);
  for (auto &kernel : kernels) {
    kernel->prepare(v, x, product.tokens);
    kernel->allocate(v);
  }
  v.loop(range->first, range->last, kernels[0]->unitRows(), {},
         [&](Value row, ValueRange) -> SmallVector<Value> {
           auto compute = [&](Value token, int64_t tokens) {
             computeUnit(v, product, kernels, x, row, token, tokens, epilogue);
           };
           if (whole == tile)
             compute(v.index(0), tile);
           else
             v.loop(v.index(0), v.index(whole), tile, {},
                    [&](Value token, ValueRange) -> SmallVector<Value> {
                      compute(token, tile);
                      return {};
                    });
           if (whole < product.tokens)
             compute(v.index(whole), product.tokens - whole);
           return {};
         });
  op->erase();
  return success();
}

struct CpuLowerProducts
    : headrace::cpu::impl::CpuLowerProductsBase<CpuLowerProducts> {
  using Base::Base;

  void runOnOperation() override {
    std::optional<DotKind> kind =
        llvm::StringSwitch<std::optional<DotKind>>(dot)
            .Case("vnni", DotKind::Vnni)
            .Case("avx2", DotKind::Avx2)
            .Case("neon", DotKind::Neon)
            .Case("dotprod", DotKind::Dotprod)
            .Case("i8mm", DotKind::I8mm)
            .Case("portable", DotKind::Portable)
            .Default(std::nullopt);
    if (!kind) {
      getOperation()->emitError()
          << "cpu-lower-products: expected dot of vnni, avx2, i8mm, dotprod, "
             "neon or portable, but got '"
          << dot << "'";
      return signalPassFailure();
    }
    Bf16Kind pairs = Bf16Kind::Portable;
    if (bf16 == "avx512")
      pairs = Bf16Kind::Avx512;
    else if (bf16 == "neon")
      pairs = Bf16Kind::Neon;
    else if (bf16 != "portable") {
      getOperation()->emitError() << "cpu-lower-products: expected bf16 of "
                                     "avx512, neon or portable, but got '"
                                  << bf16 << "'";
      return signalPassFailure();
    }
    bool fastPairs = pairs != Bf16Kind::Portable && fastBf16;
    auto plain = [](VectorBuilder &, ArrayRef<Value> values) {
      return values[0];
    };
    WalkResult result = getOperation()->walk([&](Operation *op) {
      LogicalResult lowered = success();
      if (auto matvec = dyn_cast<MatvecOp>(op)) {
        lowered = lower(
            {op, {matvec.getWeight()}, matvec.getX(), matvec.getInit(), 1},
            *kind, pairs, fastPairs, gfni, plain);
      } else if (auto matmul = dyn_cast<MatmulOp>(op)) {
        int64_t tokens =
            cast<ShapedType>(matmul.getInit().getType()).getDimSize(0);
        lowered = lower(
            {op, {matmul.getWeight()}, matmul.getX(), matmul.getInit(), tokens},
            *kind, pairs, fastPairs, gfni, plain);
      } else if (auto gated = dyn_cast<GatedMatvecOp>(op)) {
        Activation activation = gated.getActivation();
        lowered = lower({op,
                         {gated.getGate(), gated.getUp()},
                         gated.getX(),
                         gated.getInit(),
                         1},
                        *kind, pairs, fastPairs, gfni,
                        [&](VectorBuilder &v, ArrayRef<Value> values) {
                          return v.mulf(activate(v, activation, values[0]),
                                        values[1]);
                        });
      }
      return failed(lowered) ? WalkResult::interrupt() : WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
