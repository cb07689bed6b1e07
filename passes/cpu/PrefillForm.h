//===- PrefillForm.h - how a prefill holds what it multiplies ---*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_PREFILLFORM_H
#define HEADRACE_PASSES_CPU_PREFILLFORM_H

#include "passes/cpu/PrefillRows.h"
#include "passes/cpu/ProductKernel.h"

namespace headrace::cpu {

/// Operands of products are f32, rounded where there is a precision, or words
/// of several where the CPU multiplies them so.
struct PrefillForm {
  std::optional<qattn::Precision> precision;
  /// Numbers of a 32-bit lane: 1 (f32), 2 (bf16) or 4 (8 bits).
  int64_t perWord = 1;

  static PrefillForm of(qattn::PrefillOp op, DotKind dot, Bf16Kind bf16) {
    PrefillForm form{op.getPrecision()};
    if (form.isI8() && dot == DotKind::Vnni)
      form.perWord = 4;
    else if (form.precision == qattn::Precision::BF16 &&
             bf16 == Bf16Kind::Avx512)
      form.perWord = 2;
    return form;
  }

  bool isI8() const { return precision == qattn::Precision::I8; }
  /// Whether sums are integers.
  bool sumsIntegers() const { return perWord == 4; }
  int64_t words(int64_t numbers) const {
    return llvm::divideCeil(numbers, perWord);
  }
  mlir::Type wordType(VectorBuilder &v) const {
    return perWord == 1 ? v.f32() : v.i32();
  }
  mlir::Type sumType(VectorBuilder &v) const {
    return sumsIntegers() ? v.i32() : v.f32();
  }
  /// `sum` plus products of the numbers of words; of 8 bits the first have no
  /// sign.
  mlir::Value multiply(VectorBuilder &v, mlir::Value lhs, mlir::Value rhs,
                       mlir::Value sum) const {
    if (perWord == 1)
      return v.fma(lhs, rhs, sum);
    mlir::Type element = perWord == 4 ? v.i8() : v.b.getBF16Type();
    mlir::Value a = v.cast(lhs, kPrefillLanes * perWord, element);
    mlir::Value b = v.cast(rhs, kPrefillLanes * perWord, element);
    return perWord == 4 ? dot4(v, DotKind::Vnni, a, b, sum)
                        : dot2(v, Bf16Kind::Avx512, a, b, sum);
  }
};

/// Scratch memory of a workgroup. A word is a number where the form has one in
/// each.
struct PrefillBuffers {
  mlir::Value queries;   // [part][word of columns][row], with the scale
  mlir::Value sums;      // [part][column][row]
  mlir::Value largest;   // [part][row], the largest score so far
  mlir::Value total;     // [part][row], sum of weights
  mlir::Value firstSeen; // [part][row], i32, null where all is seen
  mlir::Value countSeen; // [part][row], i32, keys from there on
  mlir::Value keys;      // [key of the block][word of columns]
  mlir::Value values;    // [word of keys of the block][column]
  mlir::Value scores;    // [key of the block][row], then weights
  mlir::Value keep;      // [row], what earlier sums are multiplied with
  // With a precision:
  mlir::Value column;       // [column][row], queries before they are rounded
  mlir::Value queryFactors; // [part][row], what scores are multiplied with,
  mlir::Value keyFactors;   // [key of the block], and this
  mlir::Value keyInverses, valueInverses; // [key of the block], to round
  mlir::Value valueScales;                // [key of the block], in 8 bits
  mlir::Value unit;    // [row], what sums of the block are multiplied with
  mlir::Value start;   // [part][row], i32, what sums of scores start from
  mlir::Value weights; // [word of keys of the block][row], where not f32
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_PREFILLFORM_H
