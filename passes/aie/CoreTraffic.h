//===- CoreTraffic.h - the elements that a core takes and gives -*- C++ -*-===//

#ifndef HEADRACE_PASSES_AIE_CORETRAFFIC_H
#define HEADRACE_PASSES_AIE_CORETRAFFIC_H

#include "dialects/AIE/AIE.h"

#include "llvm/ADT/MapVector.h"

namespace headrace::aie {

/// An end of a fifo in a core: its name and the port.
using PortKey = std::pair<llvm::StringRef, uint32_t>;

/// Elements that a core takes of a fifo (acquires anew) or gives (releases to
/// consumers): `base + n * rate` with n iterations of its endless loop.
struct PortTraffic {
  int64_t base = 0;
  int64_t rate = 0;
  /// The operation where branches take different numbers; null otherwise.
  mlir::Operation *differs = nullptr;
};

struct CoreTraffic {
  /// Whether there is an endless loop; without one, every rate is 0.
  bool endless = false;
  llvm::MapVector<PortKey, PortTraffic> ports;
};

/// Trips of a loop with constant bounds; none if they are not constant.
std::optional<int64_t> getTripCount(mlir::Operation *loop);

/// Loops of at least as many iterations are taken to be endless: at one
/// iteration in a nanosecond, it would run for seconds.
constexpr int64_t kEndless = int64_t(1) << 31;

/// Follows a core with the number of elements that it holds. Reports an error
/// where these numbers cannot be right: a release of elements that it does not
/// hold, branches that end with different numbers, a loop that takes elements
/// and never gives any back, a core that ends while it holds some.
mlir::FailureOr<CoreTraffic> followCore(CoreOp core);

} // namespace headrace::aie

#endif // HEADRACE_PASSES_AIE_CORETRAFFIC_H
