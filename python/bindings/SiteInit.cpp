//===- SiteInit.cpp - what every MLIR context of the package knows --------===//

#include "CAPI/Headrace.h"

#include "mlir-c/RegisterEverything.h"
#include "mlir/Bindings/Python/Nanobind.h"
#include "mlir/Bindings/Python/NanobindAdaptors.h"

NB_MODULE(_site_initialize_0, m) {
  mlirRegisterAllPasses();
  headraceRegisterPasses();
  m.def("register_dialects", [](MlirDialectRegistry registry) {
    mlirRegisterAllDialects(registry);
    headraceRegisterDialects(registry);
  });
  m.def("context_init_hook",
        [](MlirContext context) { mlirRegisterAllLLVMTranslations(context); });
}
