//===- static_support.cpp - what a self-contained LLVM must not need ------===//
//
// Linked beside LLVM's archives in static mode only.
//
//===----------------------------------------------------------------------===//

#include "llvm/Plugins/PassPlugin.h"

#include <cstdint>
#include <cstdlib>
#include <sys/random.h>

// LLVM draws random numbers with arc4random, which glibc has only since 2.36.
// This copy lets a wheel run on glibc 2.35.
extern "C" uint32_t arc4random() {
  uint32_t value;
  if (getrandom(&value, sizeof value, 0) != static_cast<ssize_t>(sizeof value))
    abort();
  return value;
}

// Debian builds Polly into LLVM's link-time optimizer, which lld links. We do
// no link-time optimization: an extension that adds no pass stands in for it.
llvm::PassPluginLibraryInfo getPollyPluginInfo() {
  return {LLVM_PLUGIN_API_VERSION, "none", LLVM_VERSION_STRING,
          [](llvm::PassBuilder &) {}};
}
