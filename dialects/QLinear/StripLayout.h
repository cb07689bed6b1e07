//===- StripLayout.h - strips of 16 rows ------------------------*- C++ -*-===//
//
// A strip is 16 rows, cut into pieces of 64 or 256 columns. The bytes of a
// piece are those of its blocks, in the order in which a kernel with a lane for
// each row consumes them.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_DIALECTS_QLINEAR_STRIPLAYOUT_H
#define HEADRACE_DIALECTS_QLINEAR_STRIPLAYOUT_H

#include "dialects/QLinear/QLinear.h"

#include <optional>

namespace headrace::qlinear {

constexpr int64_t kStripRows = 16;

/// Bytes of a row that are stored in units of `unit`: the first unit of the 16
/// rows, then the second, and so on.
struct StripRun {
  int64_t from;  // offset in the row's blocks
  int64_t bytes; // of one row
  int64_t unit;
};

/// The layout of a piece: its runs follow each other.
struct StripLayout {
  int64_t cols;
  llvm::SmallVector<StripRun, 6> runs;
  /// Whether nibbles move within their 16 bytes before the runs: byte j of a
  /// row holds columns 2j and 2j + 1, of a strip columns j and j + 16.
  bool splitsNibbles = false;

  /// Bytes of one row.
  int64_t rowBytes() const {
    int64_t bytes = 0;
    for (const StripRun &run : runs)
      bytes += run.bytes;
    return bytes;
  }
};

/// How `format` is laid out in strips; none if it is not.
std::optional<StripLayout> stripLayoutOf(QuantFormatAttrInterface format);

} // namespace headrace::qlinear

#endif // HEADRACE_DIALECTS_QLINEAR_STRIPLAYOUT_H
