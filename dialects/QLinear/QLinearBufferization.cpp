//===- QLinearBufferization.cpp - bufferization of qlinear operations -----===//

#include "dialects/QLinear/InterfaceModels.h"

void headrace::qlinear::registerBufferizationModels(mlir::DialectRegistry &) {}
