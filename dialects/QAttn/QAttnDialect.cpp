//===- QAttnDialect.cpp - registration and the types of caches ------------===//

#include "dialects/QAttn/QAttn.h"

#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace headrace::qattn;

#include "dialects/QAttn/QAttnDialect.cpp.inc"
#include "dialects/QAttn/QAttnEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/QAttn/QAttnAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/QAttn/QAttnTypes.cpp.inc"

void QAttnDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/QAttn/QAttnAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/QAttn/QAttnTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/QAttn/QAttnOps.cpp.inc"
      >();
}

CacheGeometry headrace::qattn::geometryOf(Type cache) {
  return TypeSwitch<Type, CacheGeometry>(cache).Case<KVCacheType, MlaCacheType>(
      [](auto type) {
        return CacheGeometry{type.getSlots(), type.getLayout(), type.getPage(),
                             type.getStorageBytes()};
      });
}

//===----------------------------------------------------------------------===//
// What both types share
//===----------------------------------------------------------------------===//

using EmitError = llvm::function_ref<InFlightDiagnostic()>;

static int64_t elementBytes(CacheDtype dtype) {
  switch (dtype) {
  case CacheDtype::F32:
    return 4;
  case CacheDtype::BF16:
  case CacheDtype::F16:
    return 2;
  case CacheDtype::FP8E4M3:
  case CacheDtype::I8:
    return 1;
  }
  llvm_unreachable("unknown dtype");
}

/// Sizes are positive, and `bytes` of each slot fit in memory.
static LogicalResult
verifySizes(EmitError emitError, StringRef what,
            ArrayRef<std::pair<StringRef, int64_t>> sizes) {
  for (auto [name, size] : sizes)
    if (size < 1)
      return emitError() << what << ": expected positive " << name
                         << ", but got " << size;
  // Bytes must be countable, with room for scales.
  int64_t bytes = 16;
  for (auto [name, size] : sizes)
    if (llvm::MulOverflow(bytes, size, bytes))
      return emitError() << what << ": expected less than 2^59 numbers, but "
                         << "got more; allowed: smaller " << name;
  return success();
}

static LogicalResult verifyLayout(EmitError emitError, StringRef what,
                                  int64_t slots, CacheLayout layout,
                                  int64_t page) {
  if (layout != CacheLayout::Paged) {
    if (page == 0)
      return success();
    return emitError() << what << ": expected a page size with layout paged "
                       << "only, but got " << page << " with layout "
                       << stringifyCacheLayout(layout);
  }
  if (page < 1 || slots % page != 0)
    return emitError() << what << ": expected slots in whole pages, but got "
                       << slots << " slots in pages of " << page;
  return success();
}

/// `paged<64>`, `ring` or `contiguous`.
static ParseResult parseLayout(AsmParser &parser, CacheLayout &layout,
                               int64_t &page) {
  SMLoc loc = parser.getCurrentLocation();
  StringRef word;
  if (parser.parseKeyword(&word))
    return failure();
  std::optional<CacheLayout> found = symbolizeCacheLayout(word);
  if (!found)
    return parser.emitError(loc) << "unknown layout '" << word
                                 << "'; allowed: contiguous, paged<PAGE>, ring";
  layout = *found;
  if (layout != CacheLayout::Paged)
    return success();
  if (parser.parseLess() || parser.parseInteger(page) || parser.parseGreater())
    return failure();
  if (page == 0) // 0 stands for a cache without pages
    return parser.emitError(loc) << "expected a positive page, but got 0";
  return success();
}

static void printLayout(AsmPrinter &printer, CacheLayout layout, int64_t page) {
  if (layout == CacheLayout::Contiguous)
    return;
  printer << ", layout = " << stringifyCacheLayout(layout);
  if (layout == CacheLayout::Paged)
    printer << "<" << page << ">";
}

static ParseResult parseDtype(AsmParser &parser, CacheDtype &dtype) {
  SMLoc loc = parser.getCurrentLocation();
  StringRef word;
  if (parser.parseKeyword(&word))
    return failure();
  std::optional<CacheDtype> found = symbolizeCacheDtype(word);
  if (!found)
    return parser.emitError(loc) << "unknown cache dtype '" << word
                                 << "'; allowed: f32, bf16, f16, fp8_e4m3, i8";
  dtype = *found;
  return success();
}

//===----------------------------------------------------------------------===//
// KVCacheType
//===----------------------------------------------------------------------===//

bool KVCacheType::hasScales() const {
  return getDtype() == CacheDtype::FP8E4M3 || getDtype() == CacheDtype::I8;
}

int64_t KVCacheType::getSlotBytes() const {
  return 2 * getHeads() * getDim() * elementBytes(getDtype());
}

int64_t KVCacheType::getStorageBytes() const {
  int64_t scales = hasScales() ? 2 * getHeads() * 4 : 0;
  return getSlots() * (getSlotBytes() + scales);
}

LogicalResult KVCacheType::verify(EmitError emitError, int64_t slots,
                                  int64_t heads, int64_t dim, CacheDtype dtype,
                                  CacheLayout layout, int64_t page) {
  if (failed(verifySizes(emitError, "kv_cache",
                         {{"slots", slots}, {"heads", heads}, {"dim", dim}})))
    return failure();
  return verifyLayout(emitError, "kv_cache", slots, layout, page);
}

void KVCacheType::print(AsmPrinter &printer) const {
  printer << "<" << getSlots() << "x" << getHeads() << "x" << getDim() << ", "
          << stringifyCacheDtype(getDtype());
  if (hasScales())
    printer << ", scale = per_token";
  printLayout(printer, getLayout(), getPage());
  printer << ">";
}

Type KVCacheType::parse(AsmParser &parser) {
  SMLoc loc = parser.getCurrentLocation();
  SmallVector<int64_t> dims;
  if (parser.parseLess())
    return {};
  SMLoc shapeLoc = parser.getCurrentLocation();
  if (parser.parseDimensionList(dims, /*allowDynamic=*/false,
                                /*withTrailingX=*/false))
    return {};
  if (dims.size() != 3) {
    parser.emitError(shapeLoc)
        << "expected slots x heads x dim, but got " << dims.size()
        << " dimensions; allowed: three positive numbers, for example "
           "4096x8x128";
    return {};
  }
  CacheDtype dtype = CacheDtype::F32;
  CacheLayout layout = CacheLayout::Contiguous;
  int64_t page = 0;
  SMLoc dtypeLoc;
  if (parser.parseComma())
    return {};
  dtypeLoc = parser.getCurrentLocation();
  if (parseDtype(parser, dtype))
    return {};
  bool scales = false;
  while (succeeded(parser.parseOptionalComma())) {
    SMLoc keyLoc = parser.getCurrentLocation();
    StringRef key;
    if (parser.parseKeyword(&key) || parser.parseEqual())
      return {};
    if (key == "scale") {
      if (parser.parseKeyword("per_token"))
        return {};
      scales = true;
    } else if (key == "layout") {
      if (parseLayout(parser, layout, page))
        return {};
    } else {
      parser.emitError(keyLoc)
          << "unknown parameter '" << key << "'; allowed: scale, layout";
      return {};
    }
  }
  if (parser.parseGreater())
    return {};
  bool needs = dtype == CacheDtype::FP8E4M3 || dtype == CacheDtype::I8;
  if (needs != scales) {
    InFlightDiagnostic diag = parser.emitError(dtypeLoc);
    diag << "kv_cache: expected ";
    if (needs)
      diag << "scale = per_token with ";
    else
      diag << "no scale with ";
    diag << stringifyCacheDtype(dtype);
    return {};
  }
  return parser.getChecked<KVCacheType>(loc, parser.getContext(), dims[0],
                                        dims[1], dims[2], dtype, layout, page);
}

//===----------------------------------------------------------------------===//
// MlaCacheType
//===----------------------------------------------------------------------===//

int64_t MlaCacheType::getSlotBytes() const {
  if (hasScales())
    return getContent() + 4 + 2 * getRope();
  return (getContent() + getRope()) * elementBytes(getDtype());
}

LogicalResult MlaCacheType::verify(EmitError emitError, int64_t slots,
                                   int64_t content, int64_t rope,
                                   CacheDtype dtype, CacheLayout layout,
                                   int64_t page) {
  if (failed(verifySizes(
          emitError, "mla_cache",
          {{"slots", slots}, {"content", content}, {"rope", rope}})))
    return failure();
  if (dtype == CacheDtype::F16 || dtype == CacheDtype::I8)
    return emitError() << "mla_cache: expected fp8_e4m3, bf16 or f32, but got "
                       << stringifyCacheDtype(dtype);
  return verifyLayout(emitError, "mla_cache", slots, layout, page);
}

void MlaCacheType::print(AsmPrinter &printer) const {
  printer << "<" << getSlots() << "x" << getContent() << "+" << getRope()
          << ", " << stringifyCacheDtype(getDtype());
  printLayout(printer, getLayout(), getPage());
  printer << ">";
}

Type MlaCacheType::parse(AsmParser &parser) {
  SMLoc loc = parser.getCurrentLocation();
  SmallVector<int64_t> dims;
  int64_t rope = 0;
  if (parser.parseLess())
    return {};
  SMLoc shapeLoc = parser.getCurrentLocation();
  if (parser.parseDimensionList(dims, /*allowDynamic=*/false,
                                /*withTrailingX=*/false))
    return {};
  if (dims.size() != 2 || parser.parseOptionalPlus()) {
    parser.emitError(shapeLoc)
        << "expected slots x content + rope, for example 4096x512+64";
    return {};
  }
  CacheDtype dtype = CacheDtype::F32;
  CacheLayout layout = CacheLayout::Contiguous;
  int64_t page = 0;
  if (parser.parseInteger(rope) || parser.parseComma() ||
      parseDtype(parser, dtype))
    return {};
  if (succeeded(parser.parseOptionalComma()) &&
      (parser.parseKeyword("layout") || parser.parseEqual() ||
       parseLayout(parser, layout, page)))
    return {};
  if (parser.parseGreater())
    return {};
  return parser.getChecked<MlaCacheType>(loc, parser.getContext(), dims[0],
                                         dims[1], rope, dtype, layout, page);
}
