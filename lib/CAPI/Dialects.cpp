//===- Dialects.cpp - C API of the dialects and passes --------------------===//

#include "CAPI/Headrace.h"

#include "headrace/Registration.h"

#include "mlir/CAPI/IR.h"
#include "mlir/CAPI/Registration.h"
#include "mlir/IR/OperationSupport.h"

#include <type_traits>

using namespace mlir;
using namespace headrace::qlinear;

MLIR_DEFINE_CAPI_DIALECT_REGISTRATION(QLinear, qlinear,
                                      headrace::qlinear::QLinearDialect)

void headraceRegisterPasses() { headrace::registerPasses(); }

void headraceRegisterDialects(MlirDialectRegistry registry) {
  headrace::registerDialects(*unwrap(registry));
}

void headraceOperationFingerprint(MlirOperation op, MlirStringCallback output,
                                  void *outputData) {
  OperationFingerPrint fingerprint(unwrap(op));
  static_assert(std::is_trivially_copyable_v<OperationFingerPrint>,
                "its bytes are the hash");
  output(mlirStringRefCreate(reinterpret_cast<const char *>(&fingerprint),
                             sizeof(fingerprint)),
         outputData);
}

static PackedType packed(MlirType type) {
  return cast<PackedType>(unwrap(type));
}

bool headraceTypeIsAPacked(MlirType type) {
  return isa<PackedType>(unwrap(type));
}
MlirTypeID headracePackedTypeGetTypeID() {
  return wrap(PackedType::getTypeID());
}
MlirType headracePackedTypeGetChecked(MlirLocation location, int64_t rows,
                                      int64_t cols, MlirAttribute format) {
  Location loc = unwrap(location);
  auto emitError = [&] { return mlir::emitError(loc); };
  auto attribute = dyn_cast<QuantFormatAttrInterface>(unwrap(format));
  if (!attribute) {
    emitError() << "packed type: expected a storage format, but got "
                << unwrap(format);
    return wrap(Type());
  }
  int64_t paddedRows = rows, paddedCols = cols;
  // Sizes that verification refuses must not reach the padding rule.
  if (rows > 0 && cols > 0 && attribute.padsToBlock()) {
    paddedRows = llvm::alignTo(rows, attribute.getBlockRows());
    paddedCols = llvm::alignTo(cols, attribute.getBlockCols());
  }
  return wrap(
      Type(PackedType::getChecked(emitError, loc.getContext(), rows, cols,
                                  attribute, paddedRows, paddedCols)));
}
int64_t headracePackedTypeGetRows(MlirType type) {
  return packed(type).getRows();
}
int64_t headracePackedTypeGetCols(MlirType type) {
  return packed(type).getCols();
}
int64_t headracePackedTypeGetPaddedRows(MlirType type) {
  return packed(type).getPaddedRows();
}
int64_t headracePackedTypeGetPaddedCols(MlirType type) {
  return packed(type).getPaddedCols();
}
int64_t headracePackedTypeGetStorageBytes(MlirType type) {
  return packed(type).getStorageBytes();
}
MlirAttribute headracePackedTypeGetFormat(MlirType type) {
  return wrap(Attribute(packed(type).getFormat()));
}
bool headraceAttributeIsAFormat(MlirAttribute attribute) {
  return isa<QuantFormatAttrInterface>(unwrap(attribute));
}
MlirStringRef headraceFormatGetName(MlirAttribute format) {
  return wrap(cast<QuantFormatAttrInterface>(unwrap(format)).getFormatName());
}
