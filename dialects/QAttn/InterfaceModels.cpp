//===- InterfaceModels.cpp - interfaces of qattn operations ---------------===//

#include "dialects/QAttn/InterfaceModels.h"

void headrace::qattn::registerInterfaceModels(mlir::DialectRegistry &registry) {
  registerTilingModels(registry);
  registerBufferizationModels(registry);
  registerCostModels(registry);
}
