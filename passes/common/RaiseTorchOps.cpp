//===- RaiseTorchOps.cpp - calls of PyTorch operators to our operations ---===//

#include "passes/common/TorchCall.h"

#include "passes/common/LinalgBuilders.h"
#include "passes/common/Passes.h"

#include "dialects/QLinear/QLinear.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/StringSwitch.h"

#include <cmath>

namespace headrace::common {
#define GEN_PASS_DEF_RAISETORCHOPS
#include "passes/common/Passes.h.inc"
} // namespace headrace::common

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qattn;
using namespace headrace::qlinear;

//===----------------------------------------------------------------------===//
// Operators
//===----------------------------------------------------------------------===//

// Each returns the results; none if the call is to stay, failure after an
// error.
using Raised = FailureOr<SmallVector<Value>>;

/// headrace.linear(x, weight; rows, cols, format, activations)
static Raised raiseLinear(TorchCall &call) {
  if (failed(call.expect(/*operands=*/2, /*arguments=*/4)))
    return failure();
  FailureOr<int64_t> rows = call.integer(0), cols = call.integer(1);
  FailureOr<StringRef> written = call.string(2), activations = call.string(3);
  if (failed(rows) || failed(cols) || failed(written) || failed(activations))
    return failure();
  auto format = dyn_cast_or_null<QuantFormatAttrInterface>(
      parseAttribute(*written, call.b.getContext()));
  if (!format)
    return call.error() << "expected a format of qlinear, but got '" << *written
                        << "'";
  if (*activations != "f32" && *activations != "bf16" && *activations != "i8")
    return call.error() << "expected activations f32, bf16 or i8, but got '"
                        << *activations << "'";
  OpBuilder &b = call.b;
  Location loc = call.loc();
  FailureOr<RankedTensorType> x = call.tensor(0, 2);
  FailureOr<RankedTensorType> bytes = call.tensor(1, 1);
  if (failed(x) || failed(bytes))
    return failure();
  if (*rows < 1 || *cols < 1)
    return call.error() << "expected rows and columns, but got " << *rows << "x"
                        << *cols;
  int64_t paddedRows = *rows, paddedCols = *cols;
  if (format.padsToBlock()) {
    paddedRows = llvm::alignTo(*rows, format.getBlockRows());
    paddedCols = llvm::alignTo(*cols, format.getBlockCols());
  }
  PackedType type =
      PackedType::getChecked([&] { return call.error(); }, b.getContext(),
                             *rows, *cols, format, paddedRows, paddedCols);
  if (!type)
    return failure();
  Value weight = FromBytesOp::create(b, loc, type, call.operand(1));
  Value tokens = call.operand(0);
  if (*activations == "i8") {
    QuantFormatAttrInterface int8 = ActI8FormatAttr::get(b.getContext());
    auto i8 = PackedType::getChecked([&] { return call.error(); },
                                     b.getContext(), x->getDimSize(0), *cols,
                                     int8, x->getDimSize(0), *cols);
    if (!i8)
      return failure();
    tokens = QuantizeOp::create(b, loc, i8, tokens, Value()).getResult();
  }
  Value init = empty(b, loc, {x->getDimSize(0), *rows}, b.getF32Type());
  return SmallVector<Value>{
      MatmulOp::create(b, loc, init.getType(), weight, tokens, init)
          ->getResult(0)};
}

/// headrace.attention(q, k, v; causal, window, scale, softcap)
static Raised raiseAttention(TorchCall &call) {
  if (failed(call.expect(3, 4)))
    return failure();
  FailureOr<bool> causal = call.boolean(0);
  FailureOr<CallOptions> options = call.options(1);
  for (unsigned i : {0, 1, 2})
    if (failed(call.tensor(i, 3)))
      return failure();
  if (failed(causal) || failed(options))
    return failure();
  PlainAttention attention{
      call.operand(0), call.operand(1), call.operand(2), {}};
  attention.visible.mask = *causal ? Mask::Causal : Mask::Bidirectional;
  attention.visible.window = options->window;
  attention.scale = options->scale;
  attention.softcap = options->softcap;
  return SmallVector<Value>{createPrefill(call.b, call.loc(), attention)};
}

/// headrace.append_kv(k, v, cache, position; type of the cache)
static Raised raiseAppend(TorchCall &call) {
  if (failed(call.expect(4, 1)))
    return failure();
  FailureOr<Value> cache = call.cache(2, 0);
  if (failed(cache) || failed(call.tensor(0, 3)) || failed(call.tensor(1, 3)))
    return failure();
  Value stored =
      AppendKVOp::create(call.b, call.loc(), cache->getType(), call.operand(0),
                         call.operand(1), *cache, call.operand(3), Value())
          .getResult();
  return SmallVector<Value>{CacheToBytesOp::create(
      call.b, call.loc(), call.operand(2).getType(), stored)};
}

/// headrace.decode(q, cache, length; type of the cache, window, scale, softcap)
static Raised raiseDecode(TorchCall &call) {
  if (failed(call.expect(3, 4)))
    return failure();
  FailureOr<Value> cache = call.cache(1, 0);
  FailureOr<CallOptions> options = call.options(1);
  FailureOr<RankedTensorType> q = call.tensor(0, 2);
  if (failed(cache) || failed(options) || failed(q))
    return failure();
  OpBuilder &b = call.b;
  Location loc = call.loc();
  IntegerAttr window;
  if (options->window)
    window = b.getI64IntegerAttr(*options->window);
  FloatAttr softcap;
  if (options->softcap)
    softcap = b.getF32FloatAttr(*options->softcap);
  Value init = empty(b, loc, q->getShape(), b.getF32Type());
  Value lse = empty(b, loc, {q->getDimSize(0)}, b.getF32Type());
  return SmallVector<Value>{
      DecodeOp::create(b, loc, TypeRange{init.getType(), lse.getType()},
                       call.operand(0), *cache, call.operand(2), Value(), init,
                       lse, b.getF32FloatAttr(options->scale), window, softcap,
                       IntegerAttr())
          ->getResult(0)};
}

/// aten.scaled_dot_product_attention(q, k, v, mask or nothing; dropout, causal,
/// scale, grouped heads), on [batch, heads, tokens, dimension]. The arguments
/// begin with the mask if there is none.
static Raised raiseTorchAttention(TorchCall &call) {
  bool hasMask = call.numOperands() == 4;
  unsigned first = hasMask ? 0 : 1;
  if (failed(call.expect(hasMask ? 4 : 3, first + 4)))
    return failure();
  for (unsigned i : {0, 1, 2})
    if (failed(call.tensor(i, 4)))
      return failure();
  FailureOr<double> dropout = call.real(first, 0);
  FailureOr<bool> causal = call.boolean(first + 1);
  auto shape = [&](unsigned i) {
    return cast<RankedTensorType>(call.operand(i).getType()).getShape();
  };
  FailureOr<double> scale =
      call.real(first + 2, 1 / std::sqrt(double(shape(0)[3])));
  if (failed(dropout) || failed(causal) || failed(scale))
    return failure();
  // Batches are further heads.
  int64_t heads = shape(0)[0] * shape(0)[1], groups = shape(1)[0] * shape(1)[1];
  if (*dropout != 0 || groups == 0 || heads % groups)
    return SmallVector<Value>();
  MLIRContext *context = call.b.getContext();
  auto tokensFirst = [&](unsigned i) {
    ArrayRef<int64_t> from = shape(i);
    SmallVector<int64_t> to = {from[2], from[0] * from[1], from[3]};
    ElementTracer tracer(context, to);
    AffineExpr t = tracer.coordinate(0), h = tracer.coordinate(1),
               d = tracer.coordinate(2);
    Element element = tracer.element(call.operand(i),
                                     {h.floorDiv(from[1]), h % from[1], t, d});
    return arranged(call.b, call.loc(), *tracer.arrange(element, {t, h, d}, to),
                    to);
  };
  PlainAttention attention;
  attention.scale = *scale;
  if (*causal)
    attention.visible.mask = Mask::Causal;
  if (hasMask) {
    auto type = dyn_cast<RankedTensorType>(call.operand(3).getType());
    if (!type)
      return call.error() << "expected a mask of known rank, but got "
                          << call.operand(3).getType();
    ElementTracer tracer(context, {heads, shape(0)[2], shape(1)[2]});
    SmallVector<AffineExpr> indices;
    for (auto [axis, size] : llvm::enumerate(type.getShape())) {
      unsigned last = type.getRank() - 1 - axis;
      if (size != 1 && last > 1)
        return SmallVector<Value>(); // a mask for each head
      if (size != 1 && size != tracer.getExtents()[2 - last])
        return call.error()
               << "expected a mask of queries and keys, " << shape(0)[2] << "x"
               << shape(1)[2] << ", but got " << type;
      indices.push_back(size == 1 ? tracer.number(0)
                                  : tracer.coordinate(2 - last));
    }
    std::optional<VisibleKeys> visible =
        visibleKeys(tracer, tracer.element(call.operand(3), indices),
                    /*inverted=*/false);
    if (!visible)
      return SmallVector<Value>();
    attention.visible = *visible;
  }
  attention.q = tokensFirst(0);
  attention.k = tokensFirst(1);
  attention.v = tokensFirst(2);
  Value result = createPrefill(call.b, call.loc(), attention);
  SmallVector<int64_t> out = {shape(0)[0], shape(0)[1], shape(0)[2],
                              shape(2)[3]};
  Value headsFirst = arranged(call.b, call.loc(), {result, {1, 0, 2}},
                              {heads, out[2], out[3]});
  return SmallVector<Value>{reshaped(call.b, call.loc(), headsFirst, out)};
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

static Raised raise(TorchCall &call, StringRef name) {
  using Function = Raised (*)(TorchCall &);
  auto function =
      llvm::StringSwitch<Function>(name)
          .Case("headrace.linear", raiseLinear)
          .Case("headrace.attention", raiseAttention)
          .Case("headrace.append_kv", raiseAppend)
          .Case("headrace.decode", raiseDecode)
          .Case("aten.scaled_dot_product_attention", raiseTorchAttention)
          .Default(nullptr);
  if (!function)
    return call.error() << "expected an operator that has an operation; "
                           "allowed: headrace.linear, headrace.attention, "
                           "headrace.append_kv, headrace.decode, "
                           "aten.scaled_dot_product_attention";
  return function(call);
}

namespace {

/// The operations that a builder makes.
struct Created : OpBuilder::Listener {
  SmallVector<Operation *> operations;
  void notifyOperationInserted(Operation *op,
                               OpBuilder::InsertPoint previous) override {
    operations.push_back(op);
  }
};

struct RaiseTorchOpsPass
    : headrace::common::impl::RaiseTorchOpsBase<RaiseTorchOpsPass> {
  void runOnOperation() override {
    SmallVector<func::FuncOp> declarations;
    for (func::FuncOp function : getOperation().getOps<func::FuncOp>())
      if (function.isDeclaration() && function->hasAttr(kTorchOperator))
        declarations.push_back(function);
    for (func::FuncOp declaration : declarations)
      if (failed(raiseCalls(declaration)))
        return signalPassFailure();
    // Between operators a cache was bytes.
    getOperation().walk([](CacheFromBytesOp op) {
      auto bytes = op.getBytes().getDefiningOp<CacheToBytesOp>();
      if (!bytes || bytes.getCache().getType() != op.getCache().getType())
        return;
      op.replaceAllUsesWith(bytes.getCache());
      op.erase();
    });
  }

  LogicalResult raiseCalls(func::FuncOp declaration) {
    auto name = declaration->getAttrOfType<StringAttr>(kTorchOperator);
    auto arguments = declaration->getAttrOfType<ArrayAttr>(kTorchArguments);
    if (!name || !arguments)
      return declaration.emitOpError()
             << "expected " << kTorchOperator << " to be a string and "
             << kTorchArguments << " to be an array";
    std::optional<SymbolTable::UseRange> uses =
        declaration.getSymbolUses(getOperation());
    bool allRaised = true;
    for (SymbolTable::SymbolUse use : *uses) {
      auto op = dyn_cast<func::CallOp>(use.getUser());
      if (!op)
        return declaration.emitOpError() << "expected to be called only";
      Created created;
      OpBuilder b(op->getContext(), &created);
      b.setInsertionPoint(op);
      TorchCall call{op, name.getValue(), arguments, b};
      Raised results = raise(call, name.getValue());
      // The arguments may be wrong in ways that verifiers know.
      if (failed(results) ||
          llvm::any_of(created.operations,
                       [](Operation *op) { return failed(verify(op)); }))
        return failure();
      if (results->empty()) {
        allRaised = false;
        continue;
      }
      if (TypeRange(*results) != op->getResultTypes())
        return call.error() << "expected results " << TypeRange(*results)
                            << ", but got " << op->getResultTypes();
      op->replaceAllUsesWith(*results);
      op->erase();
    }
    if (allRaised)
      declaration->erase();
    return success();
  }
};

} // namespace
