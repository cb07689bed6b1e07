//===- Headrace.h - C API of the dialects, passes and code emission -------===//

#ifndef HEADRACE_CAPI_H
#define HEADRACE_CAPI_H

#include "mlir-c/IR.h"
#include "mlir-c/Support.h"

#ifdef __cplusplus
extern "C" {
#endif

MLIR_DECLARE_CAPI_DIALECT_REGISTRATION(QLinear, qlinear);

MLIR_CAPI_EXPORTED void headraceRegisterPasses(void);
MLIR_CAPI_EXPORTED void headraceRegisterDialects(MlirDialectRegistry registry);

//===-- !qlinear.packed ---------------------------------------------------===//

MLIR_CAPI_EXPORTED bool headraceTypeIsAPacked(MlirType type);
MLIR_CAPI_EXPORTED MlirTypeID headracePackedTypeGetTypeID(void);
/// Null, after a diagnostic at `location`, if the shape does not fit the
/// format.
MLIR_CAPI_EXPORTED MlirType headracePackedTypeGetChecked(MlirLocation location,
                                                         int64_t rows,
                                                         int64_t cols,
                                                         MlirAttribute format);
MLIR_CAPI_EXPORTED int64_t headracePackedTypeGetRows(MlirType type);
MLIR_CAPI_EXPORTED int64_t headracePackedTypeGetCols(MlirType type);
MLIR_CAPI_EXPORTED int64_t headracePackedTypeGetPaddedRows(MlirType type);
MLIR_CAPI_EXPORTED int64_t headracePackedTypeGetPaddedCols(MlirType type);
MLIR_CAPI_EXPORTED int64_t headracePackedTypeGetStorageBytes(MlirType type);
MLIR_CAPI_EXPORTED MlirAttribute headracePackedTypeGetFormat(MlirType type);
MLIR_CAPI_EXPORTED bool headraceAttributeIsAFormat(MlirAttribute attribute);
MLIR_CAPI_EXPORTED MlirStringRef headraceFormatGetName(MlirAttribute format);

//===-- Operations --------------------------------------------------------===//

/// 20 bytes that differ where an operation, or one in it, was changed since.
MLIR_CAPI_EXPORTED void headraceOperationFingerprint(MlirOperation op,
                                                     MlirStringCallback output,
                                                     void *outputData);

//===-- Code emission -----------------------------------------------------===//

typedef enum HeadraceEmit {
  HeadraceEmitObject = 0,
  HeadraceEmitAssembly = 1,
  HeadraceEmitLLVMIR = 2,
} HeadraceEmit;

/// Compiles a module in the llvm dialect for one CPU and hands the result, an
/// ELF object or text, to `output`. On failure says why through `error`.
MLIR_CAPI_EXPORTED bool headraceEmit(MlirOperation module, MlirStringRef triple,
                                     MlirStringRef cpu, MlirStringRef features,
                                     int optLevel, HeadraceEmit kind,
                                     MlirStringCallback output,
                                     void *outputData, MlirStringCallback error,
                                     void *errorData);

/// Assembles what `headraceEmit` gave as text for the same CPU and hands the
/// ELF object to `output`. On failure says why through `error`.
MLIR_CAPI_EXPORTED bool
headraceAssemble(MlirStringRef text, MlirStringRef triple, MlirStringRef cpu,
                 MlirStringRef features, MlirStringCallback output,
                 void *outputData, MlirStringCallback error, void *errorData);

/// Links ELF objects to a shared library in this process. Not reentrant.
MLIR_CAPI_EXPORTED bool headraceLinkShared(intptr_t count,
                                           const MlirStringRef *objects,
                                           MlirStringRef output,
                                           MlirStringCallback error,
                                           void *errorData);

//===-- Descriptions of CPUs ----------------------------------------------===//

/// Called once for each name; `enabled` tells whether the CPU has the feature.
typedef void (*HeadraceFeatureCallback)(MlirStringRef name, bool enabled,
                                        void *userData);

MLIR_CAPI_EXPORTED void headraceHostTriple(MlirStringCallback callback,
                                           void *userData);
MLIR_CAPI_EXPORTED void headraceHostCpu(MlirStringCallback callback,
                                        void *userData);
MLIR_CAPI_EXPORTED void headraceHostFeatures(HeadraceFeatureCallback callback,
                                             void *userData);
/// False if the triple or the CPU is unknown.
MLIR_CAPI_EXPORTED bool headraceCpuFeatures(MlirStringRef triple,
                                            MlirStringRef cpu,
                                            HeadraceFeatureCallback callback,
                                            void *userData);
/// One callback for each CPU name; false if the triple is unknown.
MLIR_CAPI_EXPORTED bool headraceCpuNames(MlirStringRef triple,
                                         MlirStringCallback callback,
                                         void *userData);

#ifdef __cplusplus
}
#endif

#endif // HEADRACE_CAPI_H
