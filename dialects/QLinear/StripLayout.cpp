//===- StripLayout.cpp - strips of 16 rows --------------------------------===//

#include "dialects/QLinear/StripLayout.h"

using namespace headrace::qlinear;

/// Two blocks of 32 columns: the numbers of both, then their codes. `shared`
/// are the sizes of the numbers at the start of a block; numbers of 2 bytes are
/// floats.
static StripLayout pairOfBlocks(llvm::ArrayRef<int64_t> shared,
                                int64_t codeBytes) {
  int64_t blockBytes = codeBytes;
  for (int64_t size : shared)
    blockBytes += size;
  StripLayout layout{64, {}};
  int64_t from = 0;
  for (int64_t size : shared) {
    layout.runs.push_back({from, size, size});
    layout.runs.push_back({blockBytes + from, size, size});
    from += size;
  }
  layout.runs.push_back({from, codeBytes, 4});
  layout.runs.push_back({blockBytes + from, codeBytes, 4});
  return layout;
}

/// d, scales, then for each 16 columns of a half of 128: their high bits, and
/// the two times 16 bytes of low bits of the columns that share those.
static StripLayout piecesOfQ6K() {
  StripLayout layout{256, {{208, 2, 2}, {192, 16, 4}}};
  for (int64_t half = 0; half < 2; ++half)
    for (int64_t part = 0; part < 2; ++part) {
      int64_t high = 128 + 32 * half + 16 * part;
      int64_t low = 64 * half + 16 * part;
      layout.runs.append({{high, 16, 4}, {low, 16, 4}, {low + 32, 16, 4}});
    }
  return layout;
}

/// Groups of integers that fill 256 columns: their scales, their zero points,
/// then their codes.
static std::optional<StripLayout> piecesOfAffine(AffineFormatAttr format) {
  constexpr int64_t kCols = 256;
  int64_t bits = format.getBits(), group = format.getGroup();
  if (bits == 2 || format.getActOrder() || group < 32 || kCols % group)
    return std::nullopt;
  int64_t codes = group * bits / 8;
  int64_t scale = format.getScale() == ScaleKind::F32 ? 4 : 2;
  int64_t zero = format.getGroupBytes() - scale;
  StripLayout layout{kCols, {}, /*splitsNibbles=*/bits == 4};
  auto addRuns = [&](int64_t from, int64_t bytes, int64_t unit) {
    for (int64_t i = 0; bytes != 0 && i < kCols / group; ++i)
      layout.runs.push_back({i * format.getBlockBytes() + from, bytes, unit});
  };
  addRuns(codes, scale, scale);
  addRuns(codes + scale, zero, zero);
  addRuns(0, codes, 4);
  return layout;
}

std::optional<StripLayout>
headrace::qlinear::stripLayoutOf(QuantFormatAttrInterface format) {
  if (auto affine = llvm::dyn_cast<AffineFormatAttr>(format))
    return piecesOfAffine(affine);
  auto plain = llvm::dyn_cast<PlainFormatAttr>(format);
  if (plain && plain.getKind() == PlainKind::BF16) // pairs of columns
    return StripLayout{32, {{0, 64, 4}}};
  auto gguf = llvm::dyn_cast<GgufFormatAttr>(format);
  if (!gguf)
    return std::nullopt;
  switch (gguf.getKind()) {
  case GgufKind::Q4_0:
  case GgufKind::IQ4_NL:
    return pairOfBlocks({2}, 16);
  case GgufKind::Q4_1:
    return pairOfBlocks({2, 2}, 16);
  case GgufKind::Q5_0:
    return pairOfBlocks({2, 4}, 16);
  case GgufKind::Q5_1:
    return pairOfBlocks({2, 2, 4}, 16);
  case GgufKind::Q8_0:
    return pairOfBlocks({2}, 32);
  case GgufKind::Q2_K: // d, dmin, scales, codes
    return StripLayout{256, {{80, 2, 2}, {82, 2, 2}, {0, 16, 4}, {16, 64, 4}}};
  case GgufKind::Q3_K: // d, scales, high bits, codes
    return StripLayout{256,
                       {{108, 2, 2}, {96, 12, 4}, {0, 32, 4}, {32, 64, 4}}};
  case GgufKind::Q4_K: // d, dmin, scales, codes
    return StripLayout{256, {{0, 2, 2}, {2, 2, 2}, {4, 12, 4}, {16, 128, 4}}};
  case GgufKind::Q5_K: // d, dmin, scales, fifth bits, codes
    return StripLayout{256, {{0, 2, 2}, {2, 2, 2}, {4, 12, 4}, {16, 160, 4}}};
  case GgufKind::Q6_K:
    return piecesOfQ6K();
  }
  llvm_unreachable("unknown gguf kind");
}
