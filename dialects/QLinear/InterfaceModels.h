//===- InterfaceModels.h - interfaces of qlinear operations -----*- C++ -*-===//
//
// Tiling and bufferization need dialects and analyses that the operations
// themselves do not, so these interfaces are attached as external models.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_DIALECTS_QLINEAR_INTERFACEMODELS_H
#define HEADRACE_DIALECTS_QLINEAR_INTERFACEMODELS_H

#include "mlir/IR/DialectRegistry.h"

namespace headrace::qlinear {

/// Attaches all of the models below when the dialect is loaded.
void registerInterfaceModels(mlir::DialectRegistry &registry);

void registerTilingModels(mlir::DialectRegistry &registry);
void registerBufferizationModels(mlir::DialectRegistry &registry);
void registerCostModels(mlir::DialectRegistry &registry);

} // namespace headrace::qlinear

#endif // HEADRACE_DIALECTS_QLINEAR_INTERFACEMODELS_H
