//===- plugin.cpp - Headrace in a stock mlir-opt --------------------------===//
//
// mlir-opt-22 --load-dialect-plugin=HeadracePlugin.so --pass-pipeline='...'
//
//===----------------------------------------------------------------------===//

#include "headrace/Registration.h"

#include "mlir/Tools/Plugins/DialectPlugin.h"
#include "mlir/Tools/Plugins/PassPlugin.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/Compiler.h"

// The passes are registered by whichever entry point the host calls first.
static void registerPassesOnce() {
  static bool done = (headrace::registerPasses(), true);
  (void)done;
}

extern "C" LLVM_ATTRIBUTE_WEAK
    __attribute__((visibility("default"))) ::mlir::DialectPluginLibraryInfo
    mlirGetDialectPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "Headrace", LLVM_VERSION_STRING,
          [](::mlir::DialectRegistry *registry) {
            headrace::registerDialects(*registry);
            registerPassesOnce();
          }};
}

extern "C" LLVM_ATTRIBUTE_WEAK
    __attribute__((visibility("default"))) ::mlir::PassPluginLibraryInfo
    mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "Headrace", LLVM_VERSION_STRING,
          [] { registerPassesOnce(); }};
}
