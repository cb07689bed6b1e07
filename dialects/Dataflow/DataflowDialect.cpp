//===- DataflowDialect.cpp - registration and the stream type -------------===//

#include "dialects/Dataflow/Dataflow.h"

#include "mlir/IR/DialectImplementation.h"
#include "mlir/Interfaces/FoldInterfaces.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace headrace::dataflow;

#include "dialects/Dataflow/DataflowDialect.cpp.inc"
#include "dialects/Dataflow/DataflowEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Dataflow/DataflowAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Dataflow/DataflowTypes.cpp.inc"

namespace {

/// Constants stay in their task, which sees nothing from outside but streams.
struct ConstantsInTasks : DialectFoldInterface {
  using DialectFoldInterface::DialectFoldInterface;

  bool shouldMaterializeInto(Region *region) const final {
    return isa<TaskOp>(region->getParentOp());
  }
};

} // namespace

void DataflowDialect::initialize() {
  addInterfaces<ConstantsInTasks>();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Dataflow/DataflowAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/Dataflow/DataflowTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Dataflow/DataflowOps.cpp.inc"
      >();
}

LogicalResult StreamType::verify(function_ref<InFlightDiagnostic()> emitError,
                                 MemRefType element) {
  if (element.hasStaticShape() && element.getLayout().isIdentity() &&
      element.getNumElements() > 0 && element.getElementType().isIntOrFloat())
    return success();
  return emitError() << "stream: expected elements of a static, contiguous "
                        "memref of numbers, but got "
                     << element << "; allowed: for example memref<256xbf16>";
}
