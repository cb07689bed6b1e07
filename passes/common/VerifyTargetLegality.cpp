//===- VerifyTargetLegality.cpp - check a module against a table ----------===//

#include "dialects/QAttn/QAttn.h"
#include "dialects/QLinear/QLinear.h"
#include "passes/common/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ScopedPrinter.h"

namespace headrace::common {
#define GEN_PASS_DEF_VERIFYTARGETLEGALITY
#include "passes/common/Passes.h.inc"
} // namespace headrace::common

using namespace mlir;
using namespace headrace;
using namespace headrace::qlinear;

namespace {

/// One row of the table: an operation with the formats and activation
/// precisions for which it is claimed.
struct Cell {
  std::string op;
  SmallVector<std::string> formats;
  SmallVector<std::string> activations; // empty: the op takes none
  int64_t colsMultiple = 1;
};

struct Table {
  std::string target;
  SmallVector<Cell> cells;
};

/// What an operation of the module asks for.
struct Request {
  StringRef op;
  std::string format;
  std::string activations; // empty: none
  int64_t cols = 0;
};

bool contains(ArrayRef<std::string> list, StringRef name) {
  return llvm::any_of(list, [&](const std::string &s) { return name == s; });
}

/// Whether a format is claimed: by its name, or as one of a family, such as
/// `codebook:*`.
bool claims(ArrayRef<std::string> formats, StringRef name) {
  return llvm::any_of(formats, [&](StringRef claimed) {
    return claimed.consume_back("*") ? name.starts_with(claimed)
                                     : name == claimed;
  });
}

std::string nearest(ArrayRef<std::string> list, StringRef name) {
  auto closer = [&](const std::string &a, const std::string &b) {
    return name.edit_distance(a) < name.edit_distance(b);
  };
  return list.empty() ? "none" : *llvm::min_element(list, closer);
}

/// Reads the list of names `from[key]`; false if it is something else.
bool readNames(const llvm::json::Object &from, StringRef key,
               SmallVectorImpl<std::string> &out) {
  const llvm::json::Array *array = from.getArray(key);
  if (!array)
    return false;
  for (const llvm::json::Value &value : *array) {
    auto text = value.getAsString();
    if (!text)
      return false;
    out.push_back(text->str());
  }
  return true;
}

FailureOr<Table> readTable(StringRef path, Operation *op) {
  auto fail = [&](const Twine &what) -> FailureOr<Table> {
    op->emitError()
        << "verify-target-legality: expected a capability table in '" << path
        << "', but " << what;
    return failure();
  };
  if (path.empty()) {
    op->emitError("verify-target-legality: expected option "
                  "capabilities=PATH, but got none");
    return failure();
  }
  auto file = llvm::MemoryBuffer::getFile(path);
  if (!file)
    return fail(Twine("it cannot be read: ") + file.getError().message());
  auto json = llvm::json::parse((*file)->getBuffer());
  if (!json)
    return fail(Twine("it is no JSON: ") + llvm::toString(json.takeError()));
  const llvm::json::Object *root = json->getAsObject();
  const llvm::json::Array *cells = root ? root->getArray("cells") : nullptr;
  auto name = root ? root->getString("target") : std::nullopt;
  if (!cells || !name)
    return fail("it has no \"target\" and \"cells\"");
  Table table{name->str(), {}};
  for (const llvm::json::Value &value : *cells) {
    const llvm::json::Object *object = value.getAsObject();
    auto opName = object ? object->getString("op") : std::nullopt;
    if (!opName)
      return fail("a cell has no \"op\"");
    Cell cell;
    cell.op = opName->str();
    if (!readNames(*object, "formats", cell.formats))
      return fail(Twine("a cell of ") + cell.op +
                  " has no list of names as \"formats\"");
    if (object->get("activations") &&
        !readNames(*object, "activations", cell.activations))
      return fail(Twine("a cell of ") + cell.op +
                  " has no list of names as \"activations\"");
    if (const llvm::json::Object *constraints =
            object->getObject("constraints"))
      for (const auto &[key, bound] : *constraints) {
        if (key != "k_multiple_of")
          return fail(Twine("a cell of ") + cell.op +
                      " has the unknown constraint \"" + StringRef(key) +
                      "\"; allowed: \"k_multiple_of\"");
        cell.colsMultiple = bound.getAsInteger().value_or(0);
        if (cell.colsMultiple < 1)
          return fail(Twine("a cell of ") + cell.op +
                      " has a \"k_multiple_of\" that is no positive integer");
      }
    table.cells.push_back(std::move(cell));
  }
  return table;
}

std::string elementName(Type type) {
  return llvm::to_string(cast<ShapedType>(type).getElementType());
}

/// Operations that say what bytes are, or put bytes together: there is nothing
/// to compute that a target could lack.
bool isStorage(Operation *op) {
  return isa<FromBytesOp, ToBytesOp, SliceOp, ConcatOp, qattn::CacheFromBytesOp,
             qattn::CacheToBytesOp>(op);
}

/// The format of an operation is that of the packed matrix that it makes, or of
/// its weight; of an operation on a cache `kv_` or `mla_` and the cache's
/// dtype, or that of the cache that it makes latents for; of a prefill its
/// precision; otherwise the type of the numbers that it takes.
Request requestOf(Operation *op) {
  Request request;
  request.op = op->getName().getStringRef();
  SmallVector<Type> types(op->getResultTypes());
  llvm::append_range(types, op->getOperandTypes());
  PackedType packed;
  for (Type type : types) {
    if (auto kv = dyn_cast<qattn::KVCacheType>(type))
      request.format = "kv_" + qattn::stringifyCacheDtype(kv.getDtype()).str();
    else if (auto mla = dyn_cast<qattn::MlaCacheType>(type))
      request.format =
          "mla_" + qattn::stringifyCacheDtype(mla.getDtype()).str();
    else if (auto matrix = dyn_cast<PackedType>(type))
      packed = packed ? packed : matrix;
  }
  if (isa<qattn::QuantizeKVOp>(op))
    request.format = "mla_fp8_e4m3";
  if (auto prefill = dyn_cast<qattn::PrefillOp>(op))
    if (auto precision = prefill.getPrecision())
      request.format = qattn::stringifyPrecision(*precision).str();
  if (!packed) {
    if (request.format.empty())
      request.format = elementName(op->getOperand(0).getType());
    return request;
  }
  request.format = packed.getFormat().getFormatName();
  request.cols = packed.getCols();
  auto destination = dyn_cast<DestinationStyleOpInterface>(op);
  if (!destination || packed.getFormat().isActivationFormat())
    return request;
  for (Value input : destination.getDpsInputs()) {
    auto activations = dyn_cast<PackedType>(input.getType());
    if (activations && activations.getFormat().isActivationFormat())
      request.activations = "i8";
    else if (!activations &&
             isa<FloatType>(cast<ShapedType>(input.getType()).getElementType()))
      request.activations = elementName(input.getType());
  }
  return request;
}

/// Emits why `request` is refused; success if a cell claims it.
LogicalResult check(Operation *op, const Table &table, const Request &request) {
  SmallVector<std::string> formats, activations;
  const Cell *sameButShape = nullptr;
  bool opKnown = false;
  for (const Cell &cell : table.cells) {
    if (request.op != cell.op)
      continue;
    opKnown = true;
    bool format = claims(cell.formats, request.format);
    bool precision = request.activations.empty() ||
                     contains(cell.activations, request.activations);
    if (format && precision) {
      sameButShape = &cell;
      if (request.cols % cell.colsMultiple == 0)
        return success();
    }
    formats.append(cell.formats.begin(), cell.formats.end());
    if (format)
      activations.append(cell.activations.begin(), cell.activations.end());
  }
  InFlightDiagnostic diag = op->emitOpError();
  if (!opKnown) {
    SmallVector<std::string> ops;
    for (const Cell &cell : table.cells)
      if (!contains(ops, cell.op))
        ops.push_back(cell.op);
    return diag << "is not claimed by target " << table.target
                << "; nearest: " << nearest(ops, request.op)
                << "; claimed operations: " << llvm::join(ops, ", ");
  }
  if (sameButShape) {
    int64_t unit = sameButShape->colsMultiple;
    int64_t below = request.cols / unit * unit;
    diag << "with format " << request.format << " on target " << table.target
         << ": expected columns in multiples of " << unit << ", but got "
         << request.cols << "; nearest allowed: ";
    if (below > 0)
      diag << below << " or ";
    return diag << below + unit;
  }
  diag << "with format " << request.format;
  if (!request.activations.empty())
    diag << " and activations " << request.activations;
  diag << " is not claimed by target " << table.target << "; nearest: ";
  if (!activations.empty())
    return diag << "activations " << nearest(activations, request.activations)
                << "; claimed activations for " << request.format << ": "
                << llvm::join(activations, ", ");
  return diag << "format " << nearest(formats, request.format)
              << "; claimed formats: " << llvm::join(formats, ", ");
}

/// A cell claims one format, for all weights of an operation.
LogicalResult checkWeights(Operation *op, const Table &table) {
  auto gated = dyn_cast<GatedMatvecOp>(op);
  if (!gated || gated.getGate().getType().getFormat() ==
                    gated.getUp().getType().getFormat())
    return success();
  // The other weight may be one that is not claimed at all.
  Request up = requestOf(op);
  up.format = gated.getUp().getType().getFormat().getFormatName();
  if (failed(check(op, table, up)))
    return failure();
  return op->emitOpError()
         << "with gate in "
         << gated.getGate().getType().getFormat().getFormatName()
         << " and up in " << up.format << " is not claimed by target "
         << table.target << "; allowed: one format for both";
}

struct VerifyTargetLegality
    : headrace::common::impl::VerifyTargetLegalityBase<VerifyTargetLegality> {
  using Base::Base;

  void runOnOperation() override {
    FailureOr<Table> table = readTable(capabilities, getOperation());
    if (failed(table))
      return signalPassFailure();
    bool legal = true;
    getOperation()->walk([&](Operation *op) {
      if (isa_and_nonnull<QLinearDialect, qattn::QAttnDialect>(
              op->getDialect()) &&
          !isStorage(op))
        legal &= succeeded(check(op, *table, requestOf(op))) &&
                 succeeded(checkWeights(op, *table));
    });
    if (!legal)
      signalPassFailure();
  }
};

} // namespace
