//===- Machine.h - what code is generated for -------------------*- C++ -*-===//

#ifndef HEADRACE_CAPI_MACHINE_H
#define HEADRACE_CAPI_MACHINE_H

#include "llvm/ADT/StringRef.h"

#include <memory>
#include <string>

namespace llvm {
class TargetMachine;
} // namespace llvm

namespace headrace::capi {

/// The machine that code is generated for, or null after saying why.
std::unique_ptr<llvm::TargetMachine>
createMachine(llvm::StringRef triple, llvm::StringRef cpu,
              llvm::StringRef features, int optLevel, std::string &error);

} // namespace headrace::capi

#endif // HEADRACE_CAPI_MACHINE_H
