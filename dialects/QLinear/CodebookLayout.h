//===- CodebookLayout.h - where the parts of codebooks are ------*- C++ -*-===//

#ifndef HEADRACE_DIALECTS_QLINEAR_CODEBOOKLAYOUT_H
#define HEADRACE_DIALECTS_QLINEAR_CODEBOOKLAYOUT_H

#include <cstdint>

namespace headrace::qlinear {

/// One part of all blocks of a codebook format: its first byte, and how many
/// bytes it is from one group of rows, piece of columns, and row of a table to
/// the next.
struct CodebookPart {
  int64_t first = 0, perGroup = 0, perPiece = 0, perActivation = 0;
};

/// A padded matrix in bytes.
struct CodebookLayout {
  int64_t activations = 0; // centroids of all pieces, f32
  CodebookPart tables, indices, centroids;
  int64_t end = 0;
};

} // namespace headrace::qlinear

#endif // HEADRACE_DIALECTS_QLINEAR_CODEBOOKLAYOUT_H
