//===- ElementFunction.cpp - evaluate what computes an element ------------===//

#include "passes/common/ElementFunction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace headrace::common;

// Masks and unpackings have a dozen operations.
static constexpr size_t kMaxNodes = 128;

//===----------------------------------------------------------------------===//
// Operations on scalars
//===----------------------------------------------------------------------===//

static unsigned widthOf(Type type) {
  return type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
}

static uint64_t unsignedOf(int64_t value, unsigned width) {
  return width == 64 ? value : value & ((uint64_t(1) << width) - 1);
}

/// Numbers are kept signed, but i1 is 0 or 1.
static int64_t wrapped(uint64_t value, unsigned width) {
  return width == 1 ? value & 1 : llvm::SignExtend64(value, width);
}

static int64_t signedOf(int64_t value, unsigned width) {
  return width == 1 ? -value : value;
}

/// `value` as a number of this float type.
static double rounded(double value, Type type) {
  APFloat number(value);
  bool losesInfo;
  number.convert(cast<FloatType>(type).getFloatSemantics(),
                 APFloat::rmNearestTiesToEven, &losesInfo);
  number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                 &losesInfo);
  return number.convertToDouble();
}

static bool compare(arith::CmpIPredicate predicate, int64_t lhs, int64_t rhs,
                    unsigned width) {
  return arith::applyCmpPredicate(predicate, APInt(width, lhs, true, true),
                                  APInt(width, rhs, true, true));
}

ElementFunction::Operation ElementFunction::operationOf(mlir::Operation *op) {
  if (op->getNumResults() != 1 || op->getNumOperands() == 0)
    return nullptr;
  Type type = op->getResult(0).getType();
  Type from = op->getOperand(0).getType();
  if (!type.isIntOrIndexOrFloat() || !from.isIntOrIndexOrFloat() ||
      widthOf(type) > 64 || widthOf(from) > 64)
    return nullptr;
  unsigned width = widthOf(type), fromWidth = widthOf(from);
  auto integer = [width](auto function) -> Operation {
    return [width, function](ArrayRef<Number> args) {
      return Number{wrapped(function(args), width), 0};
    };
  };
  auto real = [type](auto function) -> Operation {
    return [type, function](ArrayRef<Number> args) {
      return Number{0, rounded(function(args), type)};
    };
  };
  using Args = ArrayRef<Number>;
  using Result = Operation;
  return TypeSwitch<mlir::Operation *, Result>(op)
      .Case([&](arith::AddIOp) -> Result {
        return integer([](Args a) -> uint64_t {
          return uint64_t(a[0].integer) + uint64_t(a[1].integer);
        });
      })
      .Case([&](arith::SubIOp) -> Result {
        return integer([](Args a) -> uint64_t {
          return uint64_t(a[0].integer) - uint64_t(a[1].integer);
        });
      })
      .Case([&](arith::MulIOp) -> Result {
        return integer([](Args a) -> uint64_t {
          return uint64_t(a[0].integer) * uint64_t(a[1].integer);
        });
      })
      .Case([&](arith::AndIOp) -> Result {
        return integer([](Args a) { return a[0].integer & a[1].integer; });
      })
      .Case([&](arith::OrIOp) -> Result {
        return integer([](Args a) { return a[0].integer | a[1].integer; });
      })
      .Case([&](arith::XOrIOp) -> Result {
        return integer([](Args a) { return a[0].integer ^ a[1].integer; });
      })
      // A shift by the width or more has no value; here it is 0.
      .Case([&](arith::ShLIOp) -> Result {
        return integer([width](Args a) -> uint64_t {
          uint64_t by = unsignedOf(a[1].integer, width);
          return by < width ? uint64_t(a[0].integer) << by : 0;
        });
      })
      .Case([&](arith::ShRUIOp) -> Result {
        return integer([width](Args a) -> uint64_t {
          uint64_t by = unsignedOf(a[1].integer, width);
          return by < width ? unsignedOf(a[0].integer, width) >> by : 0;
        });
      })
      .Case([&](arith::ShRSIOp) -> Result {
        return integer([width](Args a) -> int64_t {
          uint64_t by = unsignedOf(a[1].integer, width);
          return by < width ? signedOf(a[0].integer, width) >> by : 0;
        });
      })
      .Case([&](arith::ExtUIOp) -> Result {
        return integer([fromWidth](Args a) {
          return unsignedOf(a[0].integer, fromWidth);
        });
      })
      .Case<arith::ExtSIOp, arith::IndexCastOp, arith::TruncIOp>(
          [&](auto) -> Result {
            return integer([fromWidth](Args a) {
              return signedOf(a[0].integer, fromWidth);
            });
          })
      .Case([&](math::AbsIOp) -> Result {
        return integer([width](Args a) -> uint64_t {
          int64_t value = signedOf(a[0].integer, width);
          return value < 0 ? -uint64_t(value) : value;
        });
      })
      .Case([&](arith::CmpIOp cmp) -> Result {
        return integer([predicate = cmp.getPredicate(), fromWidth](Args a) {
          return compare(predicate, a[0].integer, a[1].integer, fromWidth);
        });
      })
      .Case([&](arith::CmpFOp cmp) -> Result {
        return integer([predicate = cmp.getPredicate()](Args a) {
          return arith::applyCmpPredicate(predicate, APFloat(a[0].real),
                                          APFloat(a[1].real));
        });
      })
      .Case([&](arith::SelectOp) -> Result {
        return [](Args a) { return a[0].integer ? a[1] : a[2]; };
      })
      .Case([&](arith::SIToFPOp) -> Result {
        return real([fromWidth](Args a) -> double {
          return signedOf(a[0].integer, fromWidth);
        });
      })
      .Case([&](arith::UIToFPOp) -> Result {
        return real([fromWidth](Args a) -> double {
          return unsignedOf(a[0].integer, fromWidth);
        });
      })
      .Case<arith::ExtFOp, arith::TruncFOp>([&](auto) -> Result {
        return real([](Args a) { return a[0].real; });
      })
      .Case([&](arith::AddFOp) -> Result {
        return real([](Args a) { return a[0].real + a[1].real; });
      })
      .Case([&](arith::SubFOp) -> Result {
        return real([](Args a) { return a[0].real - a[1].real; });
      })
      .Case([&](arith::MulFOp) -> Result {
        return real([](Args a) { return a[0].real * a[1].real; });
      })
      .Case([&](arith::NegFOp) -> Result {
        return real([](Args a) { return -a[0].real; });
      })
      .Default(Result());
}

//===----------------------------------------------------------------------===//
// Building
//===----------------------------------------------------------------------===//

bool ElementFunction::numbersOf(Attribute value, std::vector<Number> &out) {
  auto integer = [&](const APInt &v) {
    unsigned width = v.getBitWidth();
    if (width <= 64)
      out.push_back({wrapped(v.getZExtValue(), width), 0});
    return width <= 64;
  };
  auto real = [&](APFloat v) {
    bool losesInfo;
    v.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &losesInfo);
    out.push_back({0, v.convertToDouble()});
    return true;
  };
  return TypeSwitch<Attribute, bool>(value)
      .Case([&](IntegerAttr v) { return integer(v.getValue()); })
      .Case([&](FloatAttr v) { return real(v.getValue()); })
      .Case([&](DenseIntElementsAttr v) {
        if (v.isSplat())
          return integer(v.getSplatValue<APInt>());
        return llvm::all_of(v.getValues<APInt>(), integer);
      })
      .Case([&](DenseFPElementsAttr v) {
        if (v.isSplat())
          return real(v.getSplatValue<APFloat>());
        return llvm::all_of(v.getValues<APFloat>(), real);
      })
      .Case([&](DenseResourceElementsAttr v) {
        auto floats = dyn_cast<DenseF32ResourceElementsAttr>(v);
        std::optional<ArrayRef<float>> data =
            floats ? floats.tryGetAsArrayRef() : std::nullopt;
        for (float number : data.value_or(ArrayRef<float>()))
          out.push_back({0, number});
        return data.has_value();
      })
      .Default(false);
}

std::optional<unsigned>
ElementFunction::buildTensor(const ElementTracer &tracer,
                             const Element &element, bool allowInput) {
  auto type = cast<RankedTensorType>(element.value.getType());
  ArrayRef<AffineExpr> at = element.at.getResults();
  Node node;
  if (auto concat = element.value.getDefiningOp<tensor::ConcatOp>()) {
    node.kind = Node::Choice;
    node.index = at[concat.getDim()];
    int64_t start = 0;
    for (Value part : concat.getInputs()) {
      int64_t size =
          cast<RankedTensorType>(part.getType()).getDimSize(concat.getDim());
      if (ShapedType::isDynamic(size))
        return std::nullopt;
      SmallVector<AffineExpr> indices(at);
      indices[concat.getDim()] =
          size == 1 ? tracer.number(0) : node.index - start;
      std::optional<unsigned> built =
          build(tracer, tracer.element(part, indices), allowInput);
      if (!built)
        return std::nullopt;
      node.parts.push_back(*built);
      node.values.push_back({start, 0});
      start += size;
    }
  } else if (allowInput && type.getElementType().isInteger(8)) {
    node.kind = Node::Input;
    if (input && !tracer.same(*input, element))
      return std::nullopt;
    input = element;
  } else {
    Attribute value;
    node.kind = Node::Table;
    if (!type.hasStaticShape() ||
        !matchPattern(element.value, m_Constant(&value)) ||
        !numbersOf(value, node.values))
      return std::nullopt;
    node.index = tracer.number(0);
    if (node.values.size() > 1)
      for (auto [index, size] : llvm::zip_equal(at, type.getShape()))
        node.index = node.index * size + index;
  }
  nodes.push_back(std::move(node));
  return nodes.size() - 1;
}

std::optional<unsigned> ElementFunction::build(const ElementTracer &tracer,
                                               const Element &element,
                                               bool allowInput) {
  Element found = tracer.computed(element);
  if (nodes.size() >= kMaxNodes)
    return std::nullopt;
  mlir::Operation *op = found.value.getDefiningOp();
  if (isa<RankedTensorType>(found.value.getType()))
    return buildTensor(tracer, found, allowInput);
  if (!op)
    return std::nullopt;
  Node node;
  Attribute value;
  if (matchPattern(op, m_Constant(&value))) {
    node.kind = Node::Table;
    node.index = tracer.number(0);
    if (!numbersOf(value, node.values))
      return std::nullopt;
  } else if (auto index = dyn_cast<linalg::IndexOp>(op)) {
    node.kind = Node::Index;
    node.index = found.at.getResult(index.getDim());
  } else {
    node.kind = Node::Apply;
    node.operation = operationOf(op);
    if (!node.operation)
      return std::nullopt;
    for (unsigned i = 0; i < op->getNumOperands(); ++i) {
      std::optional<unsigned> built =
          build(tracer, tracer.operand(found, i), allowInput);
      if (!built)
        return std::nullopt;
      node.parts.push_back(*built);
    }
  }
  nodes.push_back(std::move(node));
  return nodes.size() - 1;
}

std::optional<ElementFunction> ElementFunction::get(const ElementTracer &tracer,
                                                    const Element &element,
                                                    bool allowInput) {
  ElementFunction function;
  Type type = getElementTypeOrSelf(element.value.getType());
  if (!type.isIntOrIndexOrFloat())
    return std::nullopt;
  function.isReal = isa<FloatType>(type);
  if (!function.build(tracer, element, allowInput))
    return std::nullopt;
  return function;
}

//===----------------------------------------------------------------------===//
// Evaluation
//===----------------------------------------------------------------------===//

/// The value of an expression of dimensions only.
static int64_t valueOf(AffineExpr expr, ArrayRef<int64_t> dims) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return dims[dim.getPosition()];
  if (auto number = dyn_cast<AffineConstantExpr>(expr))
    return number.getValue();
  auto binary = cast<AffineBinaryOpExpr>(expr);
  int64_t lhs = valueOf(binary.getLHS(), dims);
  int64_t rhs = valueOf(binary.getRHS(), dims);
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return lhs + rhs;
  case AffineExprKind::Mul:
    return lhs * rhs;
  case AffineExprKind::FloorDiv:
    return llvm::divideFloorSigned(lhs, rhs);
  case AffineExprKind::CeilDiv:
    return llvm::divideCeilSigned(lhs, rhs);
  case AffineExprKind::Mod:
    return lhs - rhs * llvm::divideFloorSigned(lhs, rhs);
  default:
    llvm_unreachable("dimensions and constants are handled");
  }
}

ElementFunction::Number ElementFunction::run(unsigned index,
                                             ArrayRef<int64_t> coordinates,
                                             uint8_t byte) const {
  const Node &node = nodes[index];
  switch (node.kind) {
  case Node::Table:
    return node.values[valueOf(node.index, coordinates)];
  case Node::Input:
    return {int8_t(byte), 0};
  case Node::Index:
    return {valueOf(node.index, coordinates), 0};
  case Node::Choice: {
    int64_t at = valueOf(node.index, coordinates);
    size_t part = node.parts.size() - 1;
    while (part > 0 && node.values[part].integer > at)
      --part;
    return run(node.parts[part], coordinates, byte);
  }
  case Node::Apply: {
    SmallVector<Number, 3> args;
    for (unsigned part : node.parts)
      args.push_back(run(part, coordinates, byte));
    return node.operation(args);
  }
  }
  llvm_unreachable("unknown kind");
}

double ElementFunction::evaluate(ArrayRef<int64_t> coordinates,
                                 uint8_t byte) const {
  Number number = run(nodes.size() - 1, coordinates, byte);
  return isReal ? number.real : static_cast<double>(number.integer);
}

SmallVector<AffineExpr> ElementFunction::getIndices() const {
  SmallVector<AffineExpr> found;
  for (const Node &node : nodes)
    if (node.index && !isa<AffineConstantExpr>(node.index) &&
        !llvm::is_contained(found, node.index))
      found.push_back(node.index);
  return found;
}
