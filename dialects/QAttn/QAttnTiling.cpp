//===- QAttnTiling.cpp - tiling of qattn operations -----------------------===//

#include "dialects/QAttn/InterfaceModels.h"

void headrace::qattn::registerTilingModels(mlir::DialectRegistry &) {}
