//===- CheckReleases.cpp - cores release what they acquire ----------------===//

#include "passes/aie/CoreTraffic.h"
#include "passes/aie/Passes.h"

namespace headrace::aie {
#define GEN_PASS_DEF_AIECHECKRELEASES
#include "passes/aie/Passes.h.inc"
} // namespace headrace::aie

using namespace mlir;
using namespace headrace::aie;

namespace {

struct AieCheckReleases
    : headrace::aie::impl::AieCheckReleasesBase<AieCheckReleases> {
  using Base::Base;

  void runOnOperation() override {
    bool balanced = true;
    getOperation().walk(
        [&](CoreOp core) { balanced &= succeeded(followCore(core)); });
    if (!balanced)
      signalPassFailure();
  }
};

} // namespace
