//===- Tiling.cpp - how rows are shared out on a GPU ----------------------===//

#include "passes/simt/Tiling.h"

#include "passes/simt/RowDecoder.h"

#include "llvm/Support/MathExtras.h"

using namespace headrace::simt;

std::optional<Tiling> headrace::simt::tileProduct(qlinear::PackedType weight,
                                                  int64_t weights) {
  std::unique_ptr<RowDecoder> decoder = RowDecoder::create(weight);
  if (!decoder)
    return std::nullopt;
  Tiling tiling = decoder->tiling();
  // Gate and up take turns with the registers of one.
  int64_t unit = decoder->unitRows();
  tiling.rows = std::max(tiling.rows / weights, unit);
  // Few rows leave no subgroup without one.
  auto rows = static_cast<uint64_t>(weight.getRows());
  tiling.rows =
      std::min(tiling.rows,
               std::max(unit, static_cast<int64_t>(llvm::PowerOf2Ceil(rows))));
  tiling.subgroups = std::min(
      tiling.subgroups,
      static_cast<int64_t>(llvm::divideCeil(weight.getRows(), tiling.rows)));
  return tiling;
}
