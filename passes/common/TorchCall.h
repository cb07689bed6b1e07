//===- TorchCall.h - a call that stands for a PyTorch operator --*- C++ -*-===//

#ifndef HEADRACE_PASSES_COMMON_TORCHCALL_H
#define HEADRACE_PASSES_COMMON_TORCHCALL_H

#include "dialects/QLinear/OpVerification.h"
#include "passes/common/AttentionMask.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace headrace::common {

/// On the declaration that is called: the operator's name, and its arguments
/// that are no tensors, in order; unit stands for None.
inline constexpr llvm::StringLiteral kTorchOperator = "headrace.operator";
inline constexpr llvm::StringLiteral kTorchArguments = "headrace.arguments";

/// What operators of attention say beside the operands; 0 means none for window
/// and softcap.
struct CallOptions {
  std::optional<int64_t> window;
  float scale = 1;
  std::optional<float> softcap;
};

/// Operands and arguments, with errors that say what was expected.
struct TorchCall {
  mlir::func::CallOp op;
  llvm::StringRef name;
  mlir::ArrayAttr arguments;
  mlir::OpBuilder &b;

  mlir::Location loc() { return op.getLoc(); }
  mlir::Value operand(unsigned i) { return op.getOperand(i); }
  unsigned numOperands() { return op.getNumOperands(); }
  mlir::InFlightDiagnostic error() {
    return op.emitOpError() << "of " << name << ": ";
  }

  mlir::LogicalResult expect(unsigned operands, unsigned count) {
    if (op.getNumOperands() == operands && arguments.size() == count &&
        op.getNumResults() == 1)
      return mlir::success();
    return error() << "expected " << operands << " tensors, " << count
                   << " arguments and 1 result, but got " << op.getNumOperands()
                   << ", " << arguments.size() << " and " << op.getNumResults();
  }

  /// The type of operand `i`, a static tensor of this rank that is not empty.
  mlir::FailureOr<mlir::RankedTensorType> tensor(unsigned i, int64_t rank) {
    auto type = mlir::dyn_cast<mlir::RankedTensorType>(operand(i).getType());
    if (type && qlinear::isCountable(type) && type.getRank() == rank)
      return type;
    return error() << "expected tensor " << i << " to have " << rank
                   << " static, positive dimensions, but got "
                   << operand(i).getType();
  }

  template <typename Attr>
  mlir::FailureOr<Attr> argument(unsigned i, llvm::StringRef what) {
    if (auto value = mlir::dyn_cast<Attr>(arguments[i]))
      return value;
    return error() << "expected argument " << i << " to be " << what
                   << ", but got " << arguments[i];
  }
  mlir::FailureOr<int64_t> integer(unsigned i) {
    auto value = argument<mlir::IntegerAttr>(i, "an integer");
    if (failed(value))
      return mlir::failure();
    if (!value->getType().isSignlessInteger(64))
      return error() << "expected argument " << i << " to be of i64, but got "
                     << *value;
    return value->getInt();
  }
  mlir::FailureOr<bool> boolean(unsigned i) {
    auto value = argument<mlir::BoolAttr>(i, "true or false");
    if (failed(value))
      return mlir::failure();
    return value->getValue();
  }
  mlir::FailureOr<llvm::StringRef> string(unsigned i) {
    auto value = argument<mlir::StringAttr>(i, "a string");
    if (failed(value))
      return mlir::failure();
    return value->getValue();
  }
  /// A float; `none` where there is none.
  mlir::FailureOr<double> real(unsigned i,
                               std::optional<double> none = std::nullopt) {
    if (none && mlir::isa<mlir::UnitAttr>(arguments[i]))
      return *none;
    auto value = argument<mlir::FloatAttr>(i, "a float");
    if (failed(value))
      return mlir::failure();
    return value->getValueAsDouble();
  }

  /// Window, scale and softcap, from argument `first` on.
  mlir::FailureOr<CallOptions> options(unsigned first) {
    mlir::FailureOr<int64_t> window = integer(first);
    mlir::FailureOr<double> scale = real(first + 1), softcap = real(first + 2);
    if (failed(window) || failed(scale) || failed(softcap))
      return mlir::failure();
    CallOptions found;
    if (*window != 0)
      found.window = *window;
    found.scale = static_cast<float>(*scale);
    if (*softcap != 0)
      found.softcap = static_cast<float>(*softcap);
    return found;
  }

  /// Operand `i` as the cache whose type is written in argument `text`.
  mlir::FailureOr<mlir::Value> cache(unsigned i, unsigned text) {
    mlir::FailureOr<llvm::StringRef> written = string(text);
    if (failed(written))
      return mlir::failure();
    auto type = mlir::dyn_cast_or_null<qattn::KVCacheType>(
        mlir::parseType(*written, b.getContext()));
    if (!type)
      return error() << "expected argument " << text
                     << " to be a type !qattn.kv_cache, but got " << *written;
    auto bytes = tensor(i, 1);
    if (failed(bytes))
      return mlir::failure();
    return mlir::Value(
        qattn::CacheFromBytesOp::create(b, loc(), type, operand(i)));
  }
};

} // namespace headrace::common

#endif // HEADRACE_PASSES_COMMON_TORCHCALL_H
