//===- Pipelines.cpp - the AIE target, from qlinear to checked designs ----===//

#include "passes/aie/Passes.h"

#include "passes/dataflow/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace headrace::aie;

namespace {

struct CheckOptions : PassPipelineOptions<CheckOptions> {
  Option<std::string> devices{
      *this, "devices",
      llvm::cl::desc("File that describes devices: targets/aie/devices.json "
                     "of the package"),
      llvm::cl::init("")};
};

struct DesignOptions : CheckOptions {
  Option<std::string> device{*this, "device",
                             llvm::cl::desc("Name of the device"),
                             llvm::cl::init("npu2")};
  Option<int64_t> columns{*this, "columns",
                          llvm::cl::desc("Columns of the device"),
                          llvm::cl::init(8)};
  Option<int64_t> rows{*this, "rows", llvm::cl::desc("Cores of a column"),
                       llvm::cl::init(4)};
  Option<int64_t> channels{
      *this, "channels",
      llvm::cl::desc(
          "Channels of a column that read memory, and that write it"),
      llvm::cl::init(2)};
  Option<int64_t> coreMemory{*this, "core-memory",
                             llvm::cl::desc("Bytes of memory of a core"),
                             llvm::cl::init(65536)};
  Option<int64_t> stack{*this, "stack",
                        llvm::cl::desc("Bytes of that memory for the stack"),
                        llvm::cl::init(3328)};
  Option<int64_t> multiplyTokens{
      *this, "multiply-tokens",
      llvm::cl::desc("Tokens of the tiles that cores multiply, of 8 columns"),
      llvm::cl::init(8)};
  Option<int64_t> multiplyRows{*this, "multiply-rows",
                               llvm::cl::desc("Rows of weights of these tiles"),
                               llvm::cl::init(8)};
};

void buildDesignPipeline(OpPassManager &pm, const DesignOptions &options) {
  headrace::dataflow::PartitionProductsOptions partition;
  partition.columns = options.columns;
  partition.rows = options.rows;
  partition.channels = options.channels;
  partition.coreMemory = options.coreMemory;
  partition.stack = options.stack;
  pm.addPass(headrace::dataflow::createPartitionProducts(partition));
  headrace::dataflow::PartitionMatmulOptions matmul;
  matmul.columns = options.columns;
  matmul.rows = options.rows;
  matmul.channels = options.channels;
  matmul.coreMemory = options.coreMemory;
  matmul.stack = options.stack;
  matmul.multiplyTokens = options.multiplyTokens;
  matmul.multiplyRows = options.multiplyRows;
  pm.addPass(headrace::dataflow::createPartitionMatmul(matmul));

  AiePlaceOptions place;
  place.columns = options.columns;
  place.rows = options.rows;
  place.channels = options.channels;
  pm.addPass(createAiePlace(place));
  AieAssignObjectFifosOptions fifos;
  fifos.device = options.device;
  fifos.stack = options.stack;
  pm.addPass(createAieAssignObjectFifos(fifos));
  pm.addPass(createAieUnrollShortLoops());
  pm.addPass(createAieAssignDma());
  // When no task calls them any more: their declarations go.
  pm.addPass(createAieGenerateCores());
  // Nothing changes a design behind its checks.
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  if (!options.devices.empty())
    addCheckPasses(pm, options.devices);
}

} // namespace

void headrace::aie::addCheckPasses(OpPassManager &pm, StringRef devices) {
  std::string path = devices.str();
  // What is missing altogether first: the messages behind it would follow.
  pm.addPass(createAieCheckTiles({path}));
  pm.addPass(createAieCheckChannels({path}));
  pm.addPass(createAieCheckMemory({path}));
  pm.addPass(createAieCheckAlignment({path}));
  pm.addPass(createAieCheckDescriptors({path}));
  pm.addPass(createAieCheckLocks({path}));
  pm.addPass(createAieCheckAccessPatterns({path}));
  // Before the feed, which counts what cores that release do.
  pm.addPass(createAieCheckReleases());
  pm.addPass(createAieCheckFeed());
  pm.addPass(createAieCheckProgress());
  pm.addPass(createAieCheckArguments());
  pm.addPass(createAieCheckProgramMemory({path}));
}

void headrace::aie::registerAiePipelines() {
  // Hosts may register everything more than once.
  static bool done = [] {
    PassPipelineRegistration<CheckOptions>(
        "headrace-aie-check",
        "Whether a design fits its device and cannot hang",
        [](OpPassManager &pm, const CheckOptions &options) {
          addCheckPasses(pm, options.devices);
        });
    PassPipelineRegistration<DesignOptions>(
        "headrace-aie-pipeline",
        "From qlinear products to designs in aie and the functions of cores",
        buildDesignPipeline);
    return true;
  }();
  (void)done;
}
