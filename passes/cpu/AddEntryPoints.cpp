//===- AddEntryPoints.cpp - exported signatures of the kernels ------------===//

#include "passes/cpu/Passes.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace headrace::cpu {
#define GEN_PASS_DEF_CPUADDENTRYPOINTS
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::cpu;

namespace {

/// The workgroup id: the last arguments of a kernel.
constexpr unsigned kIds = 3;

struct CpuAddEntryPoints
    : headrace::cpu::impl::CpuAddEntryPointsBase<CpuAddEntryPoints> {
  using Base::Base;

  void runOnOperation() override {
    if (abi != "plan" && abi != "iree") {
      getOperation()->emitError()
          << "cpu-add-entry-points: expected abi of plan or iree, but got '"
          << abi << "'";
      return signalPassFailure();
    }
    for (auto function : llvm::make_early_inc_range(
             getOperation().getOps<LLVM::LLVMFuncOp>())) {
      if (!function->hasAttr(kKernelAttr))
        continue;
      if (function.getNumArguments() < kIds) {
        function.emitOpError("cpu-add-entry-points: expected a kernel with a "
                             "workgroup id; run cpu-bind-workgroup-ids first");
        return signalPassFailure();
      }
      auto info = function->getAttrOfType<DictionaryAttr>(kKernelAttr);
      auto sizes = info ? info.getAs<DenseI64ArrayAttr>(kElementBytes)
                        : DenseI64ArrayAttr();
      unsigned bindings = function.getNumArguments() - kIds;
      if (abi == "iree" && (!sizes || sizes.size() != bindings)) {
        function.emitOpError()
            << "cpu-add-entry-points: expected " << kElementBytes << " of "
            << bindings << " bindings in " << kKernelAttr
            << "; run cpu-form-kernels first";
        return signalPassFailure();
      }
      std::string name = function.getName().str();
      function.setName(name + "_body");
      function.setLinkage(LLVM::Linkage::Internal);
      function.setVisibility(SymbolTable::Visibility::Private);
      if (abi == "plan")
        addPlanEntry(function, name);
      else
        addIreeEntry(function, name + "_iree");
    }
  }

private:
  static OpBuilder startEntry(LLVM::LLVMFuncOp body, StringRef name,
                              ArrayRef<Type> types, LLVM::LLVMFuncOp &entry) {
    OpBuilder b(body.getContext());
    b.setInsertionPointAfter(body);
    auto type = LLVM::LLVMFunctionType::get(
        LLVM::LLVMVoidType::get(body.getContext()), types);
    entry = LLVM::LLVMFuncOp::create(b, body.getLoc(), name, type);
    entry->setAttr(kKernelAttr, body->getAttr(kKernelAttr));
    body->removeAttr(kKernelAttr);
    b.setInsertionPointToStart(entry.addEntryBlock(b));
    return b;
  }

  static void finishEntry(OpBuilder &b, LLVM::LLVMFuncOp body,
                          ValueRange arguments) {
    LLVM::CallOp::create(b, body.getLoc(), body, arguments);
    LLVM::ReturnOp::create(b, body.getLoc(), ValueRange{});
  }

  /// (bindings, constants, workgroup): pointers and ids are loaded from arrays.
  static void addPlanEntry(LLVM::LLVMFuncOp body, StringRef name) {
    auto pointer = LLVM::LLVMPointerType::get(body.getContext());
    LLVM::LLVMFuncOp entry;
    OpBuilder b = startEntry(body, name, {pointer, pointer, pointer}, entry);
    Location loc = body.getLoc();
    auto element = [&](Value array, Type type, unsigned i) -> Value {
      Value at = LLVM::GEPOp::create(b, loc, pointer, type, array,
                                     ArrayRef<LLVM::GEPArg>{int32_t(i)});
      return LLVM::LoadOp::create(b, loc, type, at);
    };
    SmallVector<Value> arguments;
    unsigned bindings = body.getNumArguments() - kIds;
    for (unsigned i = 0; i < bindings; ++i)
      arguments.push_back(element(entry.getArgument(0), pointer, i));
    for (unsigned i = 0; i < kIds; ++i) {
      Value id = element(entry.getArgument(2), b.getI32Type(), i);
      arguments.push_back(LLVM::ZExtOp::create(b, loc, b.getI64Type(), id));
    }
    finishEntry(b, body, arguments);
  }

  /// (pointer, offset in elements) for each binding, then the ids.
  static void addIreeEntry(LLVM::LLVMFuncOp body, StringRef name) {
    auto pointer = LLVM::LLVMPointerType::get(body.getContext());
    unsigned bindings = body.getNumArguments() - kIds;
    auto info = body->getAttrOfType<DictionaryAttr>(kKernelAttr);
    auto sizes = info.getAs<DenseI64ArrayAttr>(kElementBytes);
    LLVM::LLVMFuncOp entry;
    Type i64 = IntegerType::get(body.getContext(), 64);
    SmallVector<Type> types;
    for (unsigned i = 0; i < bindings; ++i)
      types.append({pointer, i64});
    types.append(kIds, i64);
    OpBuilder b = startEntry(body, name, types, entry);
    Location loc = body.getLoc();
    SmallVector<Value> arguments;
    for (unsigned i = 0; i < bindings; ++i) {
      Value size =
          LLVM::ConstantOp::create(b, loc, i64, b.getI64IntegerAttr(sizes[i]));
      Value offset =
          LLVM::MulOp::create(b, loc, entry.getArgument(2 * i + 1), size);
      arguments.push_back(LLVM::GEPOp::create(b, loc, pointer, b.getI8Type(),
                                              entry.getArgument(2 * i),
                                              ArrayRef<LLVM::GEPArg>{offset}));
    }
    for (unsigned i = 0; i < kIds; ++i)
      arguments.push_back(entry.getArgument(2 * bindings + i));
    finishEntry(b, body, arguments);
  }
};

} // namespace
