//===- ProductKernel.h - dot products with packed weights -------*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_PRODUCTKERNEL_H
#define HEADRACE_PASSES_CPU_PRODUCTKERNEL_H

#include "dialects/QLinear/QLinear.h"
#include "passes/cpu/Cursor.h"
#include "passes/cpu/VectorBuilder.h"

#include <memory>

namespace headrace::cpu {

/// How four products of 8-bit numbers are summed into 32 bits.
enum class DotKind {
  Portable, // vector arithmetic that every LLVM target has
  Avx2,     // AVX2: two instructions for 32 products
  Vnni,     // AVX-512 VNNI: one instruction for 64 products
  Neon,     // AArch64: four instructions for 16 products
  Dotprod,  // AArch64 FEAT_DotProd: one for 16, of signed numbers
  I8mm,     // AArch64 FEAT_I8MM: one for 16
};

/// Whether products of this kind are of AArch64, in vectors of 16 bytes.
inline bool isNeon(DotKind kind) { return kind >= DotKind::Neon; }

/// How two products of bf16 are summed into f32.
enum class Bf16Kind {
  Portable, // each as f32
  Avx512,   // AVX-512 BF16: one instruction for 32 products
  Neon,     // AArch64 FEAT_BF16: one for 8
};

/// 16 sums of 4 products each, added to `sum` (i32 x 16) if there is one: `q`
/// is unsigned i8 x 64 with values of at most `largest`, `x` signed i8 x 64
/// with values of at least -127, so that a product fits 16 bits.
mlir::Value dot4(VectorBuilder &v, DotKind kind, mlir::Value q, mlir::Value x,
                 mlir::Value sum = {}, int64_t largest = 255);

/// 16 sums of 2 products of bf16 x 32 each, added to `sum` (f32 x 16), by
/// instructions for it.
mlir::Value dot2(VectorBuilder &v, Bf16Kind kind, mlir::Value w, mlir::Value x,
                 mlir::Value sum);

/// The 4 bytes of `lanes` in each 32-bit lane of a vector of 512 bits.
mlir::Value spreadWord(VectorBuilder &v, mlir::Value lanes);

struct PieceOrder;
class OrderedActivations;

/// The activations of a product as a kernel reads them: tokens x columns of
/// f32 or bf16, or rows of `act_i8`.
class Activations {
public:
  /// `value` is the operand of the product: a memref, or a packed view of one.
  Activations(mlir::Value value, int64_t cols);

  bool isI8() const { return rowBytes != 0; }
  bool isBF16() const {
    return mlir::getElementTypeOrSelf(data.getType()).isBF16();
  }
  /// One token of f32 or bf16.
  bool isVector() const {
    return !isI8() &&
           mlir::cast<mlir::MemRefType>(data.getType()).getRank() == 1;
  }
  /// Adds up the groups of 32 columns of such a token before the rows are
  /// computed, at the insertion point; does nothing if there are more columns
  /// than fit a small buffer.
  void prepareFloatSums(VectorBuilder &v);
  bool hasFloatSums() const { return static_cast<bool>(floatSumBuffer); }
  /// The prepared sums of `lanes` groups from `group`.
  mlir::Value floatSums(VectorBuilder &v, mlir::Value group,
                        int64_t lanes) const {
    return v.load(floatSumBuffer, {group}, lanes);
  }
  /// For one packed token, at the insertion point: the sums of its groups as
  /// what they stand for, so that `floatSums` has them, and ...
  void prepareScaledSums(VectorBuilder &v);
  /// ... each 128 columns in the order of `BlockDecoder::halves`, with what
  /// `zeroPoint` takes off them. Both do nothing for more columns than fit.
  void prepareHalves(VectorBuilder &v, DotKind dot, int64_t zeroPoint);
  bool hasHalves() const { return static_cast<bool>(halfBuffer); }
  /// Half 0 or 1 of 128 columns: i8 x 64.
  mlir::Value half(VectorBuilder &v, mlir::Value quad, int64_t which) const;
  /// What `zeroPoint` takes off them, i32 x 16; null if it was another one that
  /// was prepared.
  mlir::Value start(VectorBuilder &v, mlir::Value quad,
                    int64_t zeroPoint) const;
  /// The two halves of 128 columns that lie in `low` and `high` (i8 x 64).
  static mlir::Value halfOf(VectorBuilder &v, mlir::Value low, mlir::Value high,
                            int64_t which);
  /// For packed tokens, at the insertion point: what `zeroPoint` takes off the
  /// products of each 16 columns; does nothing for more columns than fit.
  void prepareZeroSums(VectorBuilder &v, DotKind dot, int64_t zeroPoint,
                       int64_t tokens);
  /// That of the columns from `col`, i32 x 1; null if it was not prepared.
  mlir::Value zeroSum(VectorBuilder &v, mlir::Value token,
                      mlir::Value col) const;

  /// For one packed token, at the insertion point: what a product with pieces
  /// of a weight in this order needs. Does nothing for more columns than fit.
  void prepareOrdered(VectorBuilder &v, DotKind dot, const PieceOrder &order);
  /// What was prepared for this order, or null.
  const OrderedActivations *ordered(const PieceOrder &order) const;

  /// Columns [col, col + lanes) of a token as f32.
  mlir::Value lanes(VectorBuilder &v, mlir::Value token, mlir::Value col,
                    int64_t lanes) const;
  /// The same as they are stored, f32 or bf16.
  mlir::Value stored(VectorBuilder &v, mlir::Value token, mlir::Value col,
                     int64_t lanes) const;
  /// Columns `col` and `col + 1` of a token as f32, each in 16 lanes.
  void spreadPair(VectorBuilder &v, mlir::Value token, mlir::Value col,
                  mlir::Value (&xs)[2]) const;
  /// Integers of columns [col, col + lanes).
  mlir::Value quants(VectorBuilder &v, mlir::Value token, mlir::Value col,
                     int64_t lanes) const;
  /// Scales of `lanes` groups of 32 from `group`.
  mlir::Value scales(VectorBuilder &v, mlir::Value token, mlir::Value group,
                     int64_t lanes) const;
  /// Sums of the integers of the same groups, i32.
  mlir::Value sums(VectorBuilder &v, mlir::Value token, mlir::Value group,
                   int64_t lanes) const;
  /// Where the integers of a token lie from `col` on, the scales from `group`
  /// on and the prepared sums from `group` on.
  Cursor quantsAt(VectorBuilder &v, mlir::Value token, mlir::Value col) const;
  Cursor scalesAt(VectorBuilder &v, mlir::Value token, mlir::Value group) const;
  Cursor floatSumsAt(VectorBuilder &v, mlir::Value group) const {
    return Cursor(v, floatSumBuffer, v.mul(group, 4));
  }
  /// Asks for columns [col, col + count) of a token, for the first cache.
  void prefetchColumns(VectorBuilder &v, mlir::Value token, mlir::Value col,
                       int64_t count) const;
  /// What 256 columns need is in as many cache lines: four of integers, one of
  /// scales, one of sums.
  static constexpr int64_t kLines = 6;
  /// Asks for line `line` (index) of what the columns from `col` need of a
  /// token, for the second cache.
  void prefetchLine(VectorBuilder &v, mlir::Value token, mlir::Value col,
                    mlir::Value line) const;

private:
  mlir::Value words(VectorBuilder &v, mlir::Value token, mlir::Value group,
                    int64_t first, int64_t lanes, mlir::Type element) const;

  mlir::Value data; // memref of f32, bf16 or bytes
  llvm::SmallVector<std::shared_ptr<OrderedActivations>> orders;
  mlir::Value floatSumBuffer; // memref of f32, one for each group, or null
  mlir::Value halfBuffer;     // memref of i8 [quad, 128], or null
  mlir::Value startBuffer;    // memref of i32 [quad, 16], or null
  mlir::Value zeroSumBuffer;  // memref of i32 [token, 16 columns], or null
  int64_t startZero = 0;      // the zero point of `startBuffer`
  int64_t cols;               // K
  int64_t rowBytes = 0;       // bytes of a token in act_i8, else 0
};

/// Computes some rows of `weight * x` for some tokens.
class ProductKernel {
public:
  virtual ~ProductKernel() = default;
  static std::unique_ptr<ProductKernel> create(qlinear::PackedType weight,
                                               DotKind dot, Bf16Kind bf16,
                                               bool gfni, int64_t tokens);

  /// Rows that are computed together; a row index is a multiple of it.
  virtual int64_t unitRows() const = 0;
  /// Tokens worth computing together.
  virtual int64_t unitTokens() const = 0;
  /// Whether activations may be packed.
  virtual bool takesI8() const { return true; }
  /// Whether `Activations::prepareFloatSums` serves this kernel.
  virtual bool wantsFloatSums() const { return false; }

  /// Prepares activations of `tokens` tokens; called once, outside of loops.
  virtual void prepare(VectorBuilder &v, Activations &x, int64_t tokens) const {
  }

  /// Allocates what `compute` needs beside its results; called once, outside of
  /// loops.
  virtual void allocate(VectorBuilder &v) {}

  /// The results of one unit of rows from `row` for `tokens` tokens from
  /// `token`: for each token its rows in order, as one f32 or as vectors of
  /// f32 x 16. Rows behind the end of the weight hold anything.
  virtual llvm::SmallVector<llvm::SmallVector<mlir::Value>>
  compute(VectorBuilder &v, mlir::Value bytes, const Activations &x,
          mlir::Value row, mlir::Value token, int64_t tokens) const = 0;
};

std::unique_ptr<ProductKernel> createBlockRowKernel(qlinear::PackedType weight,
                                                    DotKind dot, bool gfni);
/// Null if `weight` is not in strips.
std::unique_ptr<ProductKernel> createStripKernel(qlinear::PackedType weight,
                                                 DotKind dot, Bf16Kind bf16,
                                                 bool gfni);
/// Null if `weight` is not in 16-bit floats.
std::unique_ptr<ProductKernel> createFloatKernel(qlinear::PackedType weight,
                                                 DotKind dot, Bf16Kind bf16,
                                                 int64_t tokens);
/// Null if `weight` is not in strips of bf16.
std::unique_ptr<ProductKernel>
createFloatStripKernel(qlinear::PackedType weight, DotKind dot, Bf16Kind bf16);
std::unique_ptr<ProductKernel> createQ4NXKernel(qlinear::PackedType weight,
                                                DotKind dot);

constexpr int64_t kCacheLine = 64;

/// For each line of a weight that is read from front to back: asks for a line
/// `far` bytes ahead of byte `at`, for the second cache, which can wait for
/// more lines of memory at once than the first; and for one `near` bytes ahead
/// from there.
void prefetchAhead(VectorBuilder &v, mlir::Value bytes, mlir::Value at,
                   int64_t near = 2048, int64_t far = 8192);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_PRODUCTKERNEL_H
