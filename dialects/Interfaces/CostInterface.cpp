//===- CostInterface.cpp - what an operation moves and computes -----------===//

#include "dialects/Interfaces/CostInterface.h"

#include "mlir/IR/BuiltinTypeInterfaces.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

#include "dialects/Interfaces/CostInterface.cpp.inc"

double headrace::shapedBytes(TypeRange types) {
  double bytes = 0;
  for (Type type : types) {
    auto shaped = cast<ShapedType>(type);
    bytes += static_cast<double>(shaped.getNumElements()) *
             static_cast<double>(
                 llvm::divideCeil(shaped.getElementTypeBitWidth(), 8));
  }
  return bytes;
}
