//===- AIEDialect.cpp - the aie dialect, its attributes and types ---------===//

#include "dialects/AIE/AIE.h"

#include "mlir/IR/DialectImplementation.h"
#include "mlir/Interfaces/FoldInterfaces.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace headrace::aie;

using EmitError = llvm::function_ref<InFlightDiagnostic()>;

#include "dialects/AIE/AIEDialect.cpp.inc"

#include "dialects/AIE/AIEEnums.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/AIE/AIETypes.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/AIE/AIEAttrs.cpp.inc"

namespace {

/// Constants stay in the program of a core: in the device around it, they would
/// belong to none.
struct AIEFoldInterface : DialectFoldInterface {
  using DialectFoldInterface::DialectFoldInterface;

  bool shouldMaterializeInto(Region *region) const final {
    return isa<CoreOp>(region->getParentOp());
  }
};

} // namespace

void AIEDialect::initialize() {
  addInterfaces<AIEFoldInterface>();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/AIE/AIETypes.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/AIE/AIEAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/AIE/AIEOps.cpp.inc"
      >();
}

int64_t headrace::aie::getValueBytes(MemRefType type) {
  return llvm::divideCeil(type.getElementTypeBitWidth(), 8);
}

int64_t headrace::aie::getBytes(MemRefType type) {
  return type.getNumElements() * getValueBytes(type);
}

/// More values than any tile can hold, so that their bytes can be counted.
constexpr int64_t kMostValues = int64_t(1) << 24;

static LogicalResult verifyElement(EmitError emitError, StringRef name,
                                   MemRefType element) {
  if (!element.hasStaticShape() || !element.getLayout().isIdentity() ||
      !element.getElementType().isIntOrFloat())
    return emitError() << name
                       << ": expected a memref of static shape of integers or "
                          "floats, without a layout, but got "
                       << element;
  int64_t values = 1;
  for (int64_t size : element.getShape())
    if (llvm::MulOverflow(values, size, values) || values > kMostValues)
      return emitError() << name << ": expected at most " << kMostValues
                         << " values, but got " << element;
  if (values == 0)
    return emitError() << name << ": expected a memref that is not empty";
  return success();
}

LogicalResult ObjectFifoType::verify(EmitError emitError, MemRefType element) {
  return verifyElement(emitError, "objectfifo", element);
}

LogicalResult ObjectFifoSubviewType::verify(EmitError emitError,
                                            MemRefType element) {
  return verifyElement(emitError, "objectfifosubview", element);
}
