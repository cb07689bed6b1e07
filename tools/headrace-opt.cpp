//===- headrace-opt.cpp - mlir-opt with Headrace's dialects and passes ----===//

#include "headrace/Registration.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

// In a wheel the tool is a stub over the one library that holds MLIR.
#ifdef HEADRACE_OPT_IN_CAPI
extern "C" __attribute__((visibility("default"))) int
headraceOptMain(int argc, char **argv) {
#else
int main(int argc, char **argv) {
#endif
  mlir::registerAllPasses();
  headrace::registerPasses();
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  headrace::registerDialects(registry);
  return mlir::asMainReturnCode(mlir::MlirOptMain(
      argc, argv, "Headrace modular optimizer driver\n", registry));
}
