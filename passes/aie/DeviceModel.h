//===- DeviceModel.h - what a device of the array has -----------*- C++ -*-===//

#ifndef HEADRACE_PASSES_AIE_DEVICEMODEL_H
#define HEADRACE_PASSES_AIE_DEVICEMODEL_H

#include "dialects/AIE/AIE.h"

namespace headrace::aie {

/// Of a declaration of a function that cores call: bytes of its code.
inline constexpr llvm::StringLiteral kCodeBytes = "code_bytes";

/// Tiles of one kind. What a kind does not have is 0.
struct TileModel {
  int64_t rows = 0;
  int64_t memoryBytes = 0;
  int64_t banks = 0;
  int64_t programBytes = 0;
  int64_t locks = 0;
  int64_t descriptors = 0;
  int64_t channelsIn = 0;
  int64_t channelsOut = 0;
  /// Of the access pattern of one descriptor: dimensions, and bits of a size
  /// and of a step, which count granules.
  int64_t dimensions = 0;
  int64_t wrapBits = 0;
  int64_t stepBits = 0;
  /// Even channels use one half of the descriptors, odd ones the other.
  bool descriptorsByParity = false;
  /// Of a shim tile: most iterations of a descriptor, tasks that a channel
  /// holds.
  int64_t iterations = 0;
  int64_t queue = 0;
};

/// How the bytes of a core's program are estimated.
struct ProgramModel {
  int64_t operation = 0;
  int64_t call = 0;
  int64_t lock = 0;
  int64_t start = 0;
  int64_t function = 0;
};

struct DeviceModel {
  std::string name;
  int64_t columns = 0;
  TileModel shim, memory, core;
  /// Most repetitions of a task.
  int64_t repeat = 0;
  /// Bytes that a DMA moves at least, and of which all it moves is a multiple.
  int64_t granule = 0;
  /// The largest value of a lock.
  int64_t lockValue = 0;
  /// Bytes of the widest load of a core.
  int64_t loadBytes = 0;
  ProgramModel program;

  int64_t rows() const { return shim.rows + memory.rows + core.rows; }
  const TileModel &of(TileOp tile) const;
};

/// The entry of `device` in the description at `path` (the file
/// targets/aie/devices.json of the package), with an error where it has none.
mlir::FailureOr<DeviceModel> readDeviceModel(llvm::StringRef path,
                                             DeviceOp device);

/// Calls `check(device, model)`, which reports errors and returns false for
/// them, for each device of a module; false if there is an error.
bool forEachDevice(
    mlir::ModuleOp module, llvm::StringRef path,
    llvm::function_ref<bool(DeviceOp, const DeviceModel &)> check);

} // namespace headrace::aie

#endif // HEADRACE_PASSES_AIE_DEVICEMODEL_H
