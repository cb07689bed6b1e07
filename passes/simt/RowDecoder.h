//===- RowDecoder.h - weights of a row, lane by lane ------------*- C++ -*-===//
//
// Formats whose rows are independent. The lanes of a subgroup share out the
// blocks of a row: a block is of one or several lanes next to each other, so
// that what a subgroup loads at a time lies together.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_SIMT_ROWDECODER_H
#define HEADRACE_PASSES_SIMT_ROWDECODER_H

#include "dialects/QLinear/QLinear.h"
#include "passes/simt/SimtBuilder.h"
#include "passes/simt/Tiling.h"

#include <memory>
#include <utility>

namespace headrace::simt {

/// The activations of a lane in one block: vectors of four in the order of the
/// codes, each times the power of two that its mask needs, and what depends on
/// them alone.
struct LaneInputs {
  llvm::SmallVector<mlir::Value> x;
  /// Where sums of products start (f32 x 4): what zero points take off.
  llvm::SmallVector<mlir::Value> starts;
  /// Sums of the columns of each group, f32, for formats with offsets.
  llvm::SmallVector<mlir::Value> sums;
};

/// What a lane has summed up for a unit of rows.
using LaneSums = llvm::SmallVector<mlir::Value, 4>;
/// Where a unit of rows is in a weight.
using RowPlace = llvm::SmallVector<mlir::Value, 2>;

/// Emits the decoding of one matrix.
class RowDecoder {
public:
  virtual ~RowDecoder() = default;
  /// Null if there is no decoder for the format.
  static std::unique_ptr<RowDecoder> create(qlinear::PackedType weight);

  /// Columns of a block, and how many lanes share it.
  virtual int64_t blockCols() const = 0;
  virtual int64_t blockLanes() const = 0;
  /// Rows that are decoded together.
  virtual int64_t unitRows() const { return 1; }
  /// Rows for a subgroup with which registers last, and subgroups.
  virtual Tiling tiling() const = 0;

  /// Before the loop: `lane` is which of the block's lanes this is.
  virtual void open(SimtBuilder &v, mlir::Value bytes, mlir::Value lane) = 0;
  /// Where the unit that starts with row `row` is.
  virtual RowPlace place(SimtBuilder &v, mlir::Value row) const = 0;
  /// Loads the activations for block `block` of any row.
  virtual LaneInputs inputs(SimtBuilder &v, mlir::Value x,
                            mlir::Value block) const = 0;
  /// Sums of nothing.
  virtual LaneSums zeros(SimtBuilder &v) const = 0;
  /// `sums` with the products of this lane in a block of a unit.
  virtual LaneSums multiply(SimtBuilder &v, const LaneInputs &inputs,
                            const RowPlace &place, mlir::Value block,
                            LaneSums sums) const = 0;
  /// The f32 that a lane adds to each row of a unit.
  virtual LaneSums finish(SimtBuilder &v, const LaneSums &sums) const = 0;
};

/// Rows are at multiples of two bytes, and so are the parts of a block: words
/// of 16 bits are the unit. A lane sums up its products as f32 x 4, and what to
/// take off at the end as f32.
class WordDecoder : public RowDecoder {
public:
  explicit WordDecoder(qlinear::PackedType weight);

  /// Whether something is taken off at the end.
  virtual bool hasOffsets() const { return false; }
  void open(SimtBuilder &v, mlir::Value bytes, mlir::Value which) override;
  RowPlace place(SimtBuilder &v, mlir::Value row) const override {
    return {v.mul(row, rowWords)};
  }
  LaneSums zeros(SimtBuilder &v) const override;
  LaneSums finish(SimtBuilder &v, const LaneSums &sums) const override;

protected:
  mlir::Value blockAt(SimtBuilder &v, const RowPlace &place,
                      mlir::Value block) const {
    return v.named(v.add(place[0], v.mul(block, blockWords)), "at");
  }

  int64_t rowWords, blockWords;
  mlir::Value words, halves, lane; // i16 and f16 of the weight
};

/// GGUF's blocks of 32 columns, of 256 columns, integers with scales behind
/// them, and q4nx; null for others.
std::unique_ptr<RowDecoder> createSmallDecoder(qlinear::GgufKind kind,
                                               qlinear::PackedType weight);
std::unique_ptr<RowDecoder> createKQuantDecoder(qlinear::GgufKind kind,
                                                qlinear::PackedType weight);
std::unique_ptr<RowDecoder> createAffineDecoder(qlinear::PackedType weight);
std::unique_ptr<RowDecoder> createQ4nxDecoder(qlinear::PackedType weight);

//===-- What decoders share -----------------------------------------------===//

/// Loads the even and the odd ones of the eight columns from `first` on; `sum`
/// gets the sum of both added, lane by lane.
std::pair<mlir::Value, mlir::Value> eightColumns(SimtBuilder &v, mlir::Value x,
                                                 mlir::Value first,
                                                 mlir::Value &sum);

/// The eight columns from `first` on for words that have two of them each: to
/// `x` the even and the odd ones, times `factor`, and the odd ones divided by
/// 2^8 as well, since that is how masks leave codes. `sum` gets the sum of
/// both, without the factors.
void nibbleInputs(SimtBuilder &v, mlir::Value x, mlir::Value first,
                  double factor, llvm::SmallVectorImpl<mlir::Value> &inputs,
                  mlir::Value &sum);

/// The masks of the four nibbles of a word: of even and odd columns in the low
/// nibbles, and in the high ones.
constexpr int64_t kNibbleMasks[] = {0x000F, 0x0F00, 0x00F0, 0xF000};

/// Words of 16 bits have a code in each of their nibbles, from the lowest on.
/// `lowParts` are the 4, 8, 12 and 16 lowest bits of each word as floats; each
/// has all codes up to one. So products with codes are sums of products with
/// low parts, and the last part, which is the word, needs no mask.
llvm::SmallVector<mlir::Value> lowParts(SimtBuilder &v, mlir::Value words);
/// What low parts are multiplied with, from the activations of the codes.
llvm::SmallVector<mlir::Value> lowPartInputs(SimtBuilder &v,
                                             llvm::ArrayRef<mlir::Value> x);

} // namespace headrace::simt

#endif // HEADRACE_PASSES_SIMT_ROWDECODER_H
