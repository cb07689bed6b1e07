//===- InterfaceModels.cpp - interfaces of qlinear operations -------------===//

#include "dialects/QLinear/InterfaceModels.h"

void headrace::qlinear::registerInterfaceModels(
    mlir::DialectRegistry &registry) {
  registerTilingModels(registry);
  registerBufferizationModels(registry);
  registerCostModels(registry);
}
