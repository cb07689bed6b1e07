//===- QAttnBufferization.cpp - bufferization of qattn operations ---------===//

#include "dialects/QAttn/InterfaceModels.h"

void headrace::qattn::registerBufferizationModels(mlir::DialectRegistry &) {}
