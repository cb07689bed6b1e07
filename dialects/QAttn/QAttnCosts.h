//===- QAttnCosts.h - bytes and operations of qattn -------------*- C++ -*-===//

#ifndef HEADRACE_DIALECTS_QATTN_QATTNCOSTS_H
#define HEADRACE_DIALECTS_QATTN_QATTNCOSTS_H

#include "dialects/QAttn/QAttn.h"

#include <optional>

namespace headrace::qattn {

/// Tokens that a query behind `length` tokens sees of `cache`: those that have
/// a slot, within `window`. `length` may be `CostAssumptions::kFull`. `table`
/// is the table of pages of a paged cache, or null.
int64_t seenTokens(mlir::Type cache, mlir::Value table, int64_t length,
                   std::optional<int64_t> window = std::nullopt);

} // namespace headrace::qattn

#endif // HEADRACE_DIALECTS_QATTN_QATTNCOSTS_H
