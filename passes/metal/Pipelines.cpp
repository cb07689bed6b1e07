//===- Pipelines.cpp - the Metal target, from qlinear to code of a lane ---===//

#include "passes/metal/Passes.h"

#include "passes/common/Passes.h"
#include "passes/simt/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace {

struct MetalPipelineOptions : PassPipelineOptions<MetalPipelineOptions> {
  Option<std::string> capabilities{
      *this, "capabilities",
      llvm::cl::desc("Path of the capability table; none: not checked"),
      llvm::cl::init("")};
  Option<int64_t> subgroupWidth{*this, "subgroup-width",
                                llvm::cl::desc("Threads of a simdgroup"),
                                llvm::cl::init(32)};
  Option<int64_t> maxThreads{*this, "max-threads",
                             llvm::cl::desc("Most threads of a threadgroup"),
                             llvm::cl::init(1024)};
  Option<int64_t> sharedMemory{
      *this, "shared-memory",
      llvm::cl::desc("Bytes of memory that a threadgroup may have"),
      llvm::cl::init(32768)};
  Option<int64_t> maxBuffers{*this, "max-buffers",
                             llvm::cl::desc("Most buffers of a kernel"),
                             llvm::cl::init(31)};
  Option<int64_t> maxBufferBytes{*this, "max-buffer-bytes",
                                 llvm::cl::desc("Most bytes of a buffer"),
                                 llvm::cl::init((int64_t(1) << 31) - 1)};
  Option<int64_t> cores{*this, "cores",
                        llvm::cl::desc("Cores of the GPU; 0: any number"),
                        llvm::cl::init(0)};
  Option<double> readBandwidth{
      *this, "read-bandwidth",
      llvm::cl::desc("1e9 bytes a second that kernels read"),
      llvm::cl::init(100)};
  Option<double> overhead{
      *this, "overhead-us",
      llvm::cl::desc("Microseconds that a kernel takes to start"),
      llvm::cl::init(0)};
};

void buildMetalPipeline(OpPassManager &pm,
                        const MetalPipelineOptions &options) {
  // Refuse early: everything below may assume a claimed cell.
  if (!options.capabilities.empty())
    pm.addPass(headrace::common::createVerifyTargetLegality(
        {options.capabilities.getValue()}));
  // A private function that nothing public calls has no part in any plan.
  pm.addPass(createSymbolDCEPass());
  // While operations are on tensors: parts need memory for their results.
  if (options.cores > 0) {
    pm.addPass(headrace::simt::createSimtChooseSplits(
        {options.subgroupWidth.getValue(), options.cores.getValue()}));
    pm.addPass(headrace::common::createSplitKV());
  }
  pm.addPass(headrace::simt::createSimtFormKernels(
      {options.subgroupWidth.getValue(), options.cores.getValue()}));

  // While a kernel still is one operation, and the plan says who computes what.
  pm.addPass(headrace::simt::createSimtSplitColumns(
      {options.cores.getValue(), options.readBandwidth.getValue(),
       options.overhead.getValue()}));
  pm.addPass(headrace::simt::createSimtFuseSelection());

  // Kernels become code of one lane while weights still have their packed type.
  pm.addPass(headrace::simt::createSimtLowerZigzag(
      {options.subgroupWidth.getValue()}));
  pm.addPass(headrace::simt::createSimtLowerMatmul(
      {options.subgroupWidth.getValue()}));
  pm.addPass(headrace::simt::createSimtLowerProducts(
      {options.subgroupWidth.getValue()}));
  pm.addPass(headrace::simt::createSimtLowerSelect(
      {options.subgroupWidth.getValue()}));
  // Behind the selection, which computes the rows that it selects of.
  pm.addPass(
      headrace::simt::createSimtLowerRows({options.subgroupWidth.getValue()}));
  pm.addPass(headrace::simt::createSimtLowerSparse(
      {options.subgroupWidth.getValue()}));
  pm.addPass(headrace::simt::createSimtLowerDecode(
      {options.subgroupWidth.getValue()}));
  pm.addPass(headrace::simt::createSimtLowerMergePartials(
      {options.subgroupWidth.getValue()}));
  pm.addPass(headrace::simt::createSimtLowerAppend(
      {options.subgroupWidth.getValue()}));
  pm.addPass(
      headrace::simt::createSimtLowerFetch({options.subgroupWidth.getValue()}));
  pm.addPass(
      headrace::simt::createSimtLowerRope({options.subgroupWidth.getValue()}));
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  // Before any text is printed, when all memory is known.
  pm.addPass(headrace::simt::createSimtVerifyLimits(
      {options.maxThreads.getValue(), options.sharedMemory.getValue(),
       options.maxBuffers.getValue(), options.maxBufferBytes.getValue()}));
}

} // namespace

void headrace::metal::registerMetalPipelines() {
  // Hosts may register everything more than once.
  static bool done = [] {
    PassPipelineRegistration<MetalPipelineOptions>(
        "headrace-metal-pipeline",
        "From qlinear operations to Metal kernels in gpu, scf, vector and "
        "arith",
        buildMetalPipeline);
    return true;
  }();
  (void)done;
}
