//===- KernelChoice.h - what was decided about a product --------*- C++ -*-===//
//
// Attributes on products of qlinear, by which a choice is told to the passes
// that carry it out.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_COMMON_KERNELCHOICE_H
#define HEADRACE_PASSES_COMMON_KERNELCHOICE_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Operation.h"

namespace headrace::common {

/// "dense", "sparse" or "lut"; without it each pass does what it can.
inline constexpr llvm::StringLiteral kKernelAttribute = "headrace.kernel";
/// An f32: activations of at most this magnitude are left out.
inline constexpr llvm::StringLiteral kThresholdAttribute = "headrace.threshold";
/// A number from 0 to 1: the share of the columns that is expected to be left.
inline constexpr llvm::StringLiteral kDensityAttribute = "headrace.density";
/// An integer: in how many parts `split-kv` decodes.
inline constexpr llvm::StringLiteral kSplitsAttribute = "headrace.splits";
/// What `annotate-costs` and `choose-kernel` found; no longer true once the
/// operation is changed.
inline constexpr llvm::StringLiteral kCostAttribute = "headrace.cost";
inline constexpr llvm::StringLiteral kTimesAttribute = "headrace.modelled_us";

/// The attributes of `op` that an operation in its place must have too.
inline mlir::DictionaryAttr choicesOf(mlir::Operation *op) {
  mlir::NamedAttrList attributes(op->getDiscardableAttrDictionary());
  attributes.erase(kCostAttribute);
  attributes.erase(kTimesAttribute);
  return attributes.getDictionary(op->getContext());
}

/// The kernel chosen for `op`, empty if there is no choice; emits an error for
/// what is no kernel.
inline mlir::FailureOr<llvm::StringRef> chosenKernel(mlir::Operation *op) {
  mlir::Attribute attribute = op->getDiscardableAttr(kKernelAttribute);
  if (!attribute)
    return llvm::StringRef();
  auto name = mlir::dyn_cast<mlir::StringAttr>(attribute);
  if (name && (name == "dense" || name == "sparse" || name == "lut"))
    return name.getValue();
  return op->emitOpError() << "expected " << kKernelAttribute
                           << " to be \"dense\", \"sparse\" or \"lut\", but "
                              "got "
                           << attribute;
}

} // namespace headrace::common

#endif // HEADRACE_PASSES_COMMON_KERNELCHOICE_H
