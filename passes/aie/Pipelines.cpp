//===- Pipelines.cpp - the checks of the AIE target -----------------------===//

#include "passes/aie/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"

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

} // namespace

void headrace::aie::addCheckPasses(OpPassManager &pm, StringRef devices) {
  std::string path = devices.str();
  // What is missing altogether first: the messages behind it would follow.
  pm.addPass(createAieCheckTiles({path}));
  pm.addPass(createAieCheckChannels({path}));
  pm.addPass(createAieCheckMemory({path}));
  pm.addPass(createAieCheckDescriptors({path}));
  pm.addPass(createAieCheckLocks({path}));
  pm.addPass(createAieCheckAccessPatterns({path}));
  // Before the feed, which counts what cores that release do.
  pm.addPass(createAieCheckReleases());
  pm.addPass(createAieCheckFeed());
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
    return true;
  }();
  (void)done;
}
