//===- FormKernels.h - operations to kernels, functions to plans *- C++ -*-===//
//
// What the passes `<target>-form-kernels` have in common. A target says which
// operations have kernels and how their work is cut; the rest is here.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_COMMON_FORMKERNELS_H
#define HEADRACE_PASSES_COMMON_FORMKERNELS_H

#include "dialects/QLinear/QLinear.h"

#include "mlir/IR/BuiltinOps.h"

#include <string>

namespace headrace::common {

/// Attribute of an entry function after kernels are formed: it is a plan.
constexpr llvm::StringLiteral kPlanAttr = "headrace.plan";
/// Attribute of a plan: which results of the function its last arguments are.
constexpr llvm::StringLiteral kOutputsAttr = "headrace.outputs";
/// Attribute of an argument of a plan: a cache that it updates in place, and
/// which result of the function that is.
constexpr llvm::StringLiteral kUpdatedAttr = "headrace.updated";
/// Attribute of a call in a plan: workgroups in x, y, z.
constexpr llvm::StringLiteral kGridAttr = "headrace.grid";
/// Attribute of a kernel: a dictionary of what it computes and costs.
constexpr llvm::StringLiteral kKernelAttr = "headrace.kernel";
/// Entry of that dictionary: rows that one workgroup computes.
constexpr llvm::StringLiteral kWorkgroupRows = "workgroup_rows";
/// Entry of that dictionary: bytes of an element of each binding.
constexpr llvm::StringLiteral kElementBytes = "element_bytes";

/// How the work of an operation is cut, and which words its name has.
struct KernelShape {
  /// Rows that workgroups share, and how many one takes.
  int64_t rows = 1, rowsPerGroup = 1;
  /// The matrix that the operation is about, or null.
  qlinear::PackedType matrix = {};
  /// Activations of a product.
  mlir::Type x = {};
  int64_t tokens = 1;
  /// What sizes and types there are beside the matrix.
  std::string suffix = "";
  /// The format for reports where there is no matrix.
  std::string format = "";
  /// What else the target's passes are to know about the kernel.
  llvm::SmallVector<mlir::NamedAttribute> attributes = {};
};

/// A target that has kernels.
struct KernelTarget {
  /// The pass, for errors, and whose plan it makes ("CPU").
  llvm::StringRef pass, name;
  /// Whether there is a kernel for operations of this kind.
  llvm::function_ref<bool(mlir::Operation *)> hasKernel;
  /// How an operation with a kernel is cut; emits an error if it cannot be.
  llvm::function_ref<mlir::FailureOr<KernelShape>(mlir::Operation *)> shapeOf;
};

/// Moves every operation of the public functions into a kernel, and leaves a
/// plan of each function.
mlir::LogicalResult formKernels(mlir::ModuleOp module,
                                const KernelTarget &target);

/// The buffer that holds a value of `type` (a static tensor, or the bytes of a
/// packed value or a cache), or null if it cannot be held.
mlir::MemRefType bufferType(mlir::Type type);

/// What activations of this type are called: `i8`, `bf16` or `f32`.
llvm::StringRef precision(mlir::Type x);

} // namespace headrace::common

#endif // HEADRACE_PASSES_COMMON_FORMKERNELS_H
