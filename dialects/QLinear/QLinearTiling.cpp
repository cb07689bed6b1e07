//===- QLinearTiling.cpp - tiling of qlinear operations -------------------===//

#include "dialects/QLinear/InterfaceModels.h"

void headrace::qlinear::registerTilingModels(mlir::DialectRegistry &) {}
