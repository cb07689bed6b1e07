//===- Pipelines.cpp - the CPU target, from qlinear to the llvm dialect ---===//

#include "passes/common/Passes.h"
#include "passes/cpu/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace {

struct CpuPipelineOptions : PassPipelineOptions<CpuPipelineOptions> {
  Option<std::string> capabilities{
      *this, "capabilities",
      llvm::cl::desc("Path of the capability table; none: not checked"),
      llvm::cl::init("")};
  Option<std::string> dot{
      *this, "dot",
      llvm::cl::desc("Instructions for 8-bit products: vnni, avx2, i8mm, "
                     "dotprod, neon or portable"),
      llvm::cl::init("portable")};
  Option<std::string> lookup{
      *this, "lookup",
      llvm::cl::desc(
          "Instructions to look up bytes: avx512, avx2, neon or portable"),
      llvm::cl::init("portable")};
  Option<std::string> bf16{
      *this, "bf16",
      llvm::cl::desc(
          "Instructions for products of bf16: avx512, neon or portable"),
      llvm::cl::init("portable")};
  Option<bool> fastBf16{
      *this, "fast-bf16",
      llvm::cl::desc("Whether sums of pairs of bf16 are faster than of f32"),
      llvm::cl::init(true)};
  Option<bool> gfni{
      *this, "gfni",
      llvm::cl::desc("Whether there are GFNI's instructions for 64 bytes"),
      llvm::cl::init(false)};
  Option<int64_t> vectorBits{
      *this, "vector-bits",
      llvm::cl::desc("Bits of the widest vector registers"),
      llvm::cl::init(128)};
  Option<std::string> abi{*this, "abi",
                          llvm::cl::desc("Who calls the kernels: plan or iree"),
                          llvm::cl::init("plan")};
  Option<bool> poisonScratch{
      *this, "poison-scratch",
      llvm::cl::desc("Whether scratch memory of kernels starts as NaN"),
      llvm::cl::init(false)};
};

void buildCpuPipeline(OpPassManager &pm, const CpuPipelineOptions &options) {
  // Refuse early: everything below may assume a claimed cell.
  if (!options.capabilities.empty())
    pm.addPass(headrace::common::createVerifyTargetLegality(
        {options.capabilities.getValue()}));
  // A private function that nothing public calls has no part in any plan.
  pm.addPass(createSymbolDCEPass());
  pm.addPass(headrace::cpu::createCpuFormKernels());

  // Kernels become vector code while weights still have their packed type.
  pm.addPass(headrace::cpu::createCpuLowerQuantize());
  pm.addPass(headrace::cpu::createCpuLowerDequantize());
  pm.addPass(headrace::cpu::createCpuLowerRepack());
  pm.addPass(headrace::cpu::createCpuLowerProducts(
      {options.dot.getValue(), options.bf16.getValue(),
       options.fastBf16.getValue(), options.gfni.getValue()}));
  pm.addPass(headrace::cpu::createCpuLowerRows());
  pm.addPass(headrace::cpu::createCpuLowerRope());
  pm.addPass(headrace::cpu::createCpuLowerAppend());
  pm.addPass(headrace::cpu::createCpuLowerFetch());
  pm.addPass(headrace::cpu::createCpuLowerDecode({options.dot.getValue()}));
  pm.addPass(headrace::cpu::createCpuLowerMergePartials());
  pm.addPass(headrace::cpu::createCpuLowerQuantizeKv());
  pm.addPass(headrace::cpu::createCpuLowerAppendMla());
  pm.addPass(headrace::cpu::createCpuLowerFetchMla());
  pm.addPass(
      headrace::cpu::createCpuLowerMlaDecode({options.vectorBits.getValue()}));
  pm.addPass(
      headrace::cpu::createCpuLowerSelect({options.vectorBits.getValue()}));
  pm.addPass(headrace::cpu::createCpuLowerSparse(
      {options.lookup.getValue(), options.dot.getValue()}));
  pm.addPass(headrace::cpu::createCpuLowerPrefill(
      {options.vectorBits.getValue(), options.dot.getValue(),
       options.fastBf16 ? options.bf16.getValue() : "portable"}));
  pm.addPass(headrace::cpu::createCpuLowerAssign());
  pm.addPass(headrace::cpu::createCpuLowerLookup({options.lookup.getValue()}));
  pm.addPass(createCanonicalizerPass());
  if (options.poisonScratch)
    pm.addPass(headrace::cpu::createCpuPoisonScratch());
  pm.addPass(createCSEPass());
  pm.addPass(headrace::cpu::createCpuApproximateMath());
  pm.addPass(headrace::cpu::createCpuBindWorkgroupIds());

  // Upstream conversions. Static shapes and bare pointers: a memref costs
  // nothing but its address.
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertIndexToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  ConvertFuncToLLVMPassOptions func;
  func.useBarePtrCallConv = true;
  pm.addPass(createConvertFuncToLLVMPass(func));
  pm.addPass(createReconcileUnrealizedCastsPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(headrace::cpu::createCpuAddEntryPoints({options.abi.getValue()}));
}

} // namespace

void headrace::cpu::registerCpuPipelines() {
  // Hosts may register everything more than once.
  static bool done = [] {
    PassPipelineRegistration<CpuPipelineOptions>(
        "headrace-cpu-pipeline",
        "From qlinear operations to CPU kernels in the llvm dialect",
        buildCpuPipeline);
    return true;
  }();
  (void)done;
}
