//===- ElementFunction.h - evaluate what computes an element ----*- C++ -*-===//
//
// Masks and the unpacking of codes are written in endless ways, but they are
// small functions: what they mean is found by evaluating them.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_COMMON_ELEMENTFUNCTION_H
#define HEADRACE_PASSES_COMMON_ELEMENTFUNCTION_H

#include "passes/common/ElementTracer.h"

#include <functional>
#include <vector>

namespace headrace::common {

/// An element as a function of its coordinates and of one element of a tensor
/// of bytes.
class ElementFunction {
public:
  /// Fails if something in it is not understood, or too large to be a mask or
  /// an unpacking. With `allowInput` one element of one tensor of i8 may be
  /// read.
  static std::optional<ElementFunction>
  get(const ElementTracer &tracer, const Element &element, bool allowInput);

  /// The value; integers are signed, i1 is 0 or 1. `input` is the byte read.
  double evaluate(llvm::ArrayRef<int64_t> coordinates, uint8_t input = 0) const;

  /// The byte read: the element of the tensor of bytes; none if it reads none.
  const std::optional<Element> &getInput() const { return input; }

  /// Each index that it depends on, as an expression of the coordinates.
  llvm::SmallVector<mlir::AffineExpr> getIndices() const;

private:
  struct Number {
    int64_t integer = 0;
    double real = 0;
  };
  using Operation = std::function<Number(llvm::ArrayRef<Number>)>;
  struct Node {
    enum Kind { Table, Input, Index, Choice, Apply } kind;
    mlir::AffineExpr index;     // Table, Index, Choice
    std::vector<Number> values; // Table; of Choice the starts of its parts
    llvm::SmallVector<unsigned> parts; // Choice, Apply
    Operation operation;               // Apply
  };

  std::optional<unsigned> build(const ElementTracer &tracer,
                                const Element &element, bool allowInput);
  std::optional<unsigned> buildTensor(const ElementTracer &tracer,
                                      const Element &element, bool allowInput);
  Number run(unsigned node, llvm::ArrayRef<int64_t> coordinates,
             uint8_t byte) const;
  static Operation operationOf(mlir::Operation *op);
  static bool numbersOf(mlir::Attribute value, std::vector<Number> &out);

  std::vector<Node> nodes;
  std::optional<Element> input;
  bool isReal = false;
};

} // namespace headrace::common

#endif // HEADRACE_PASSES_COMMON_ELEMENTFUNCTION_H
