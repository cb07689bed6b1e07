//===- DecodeTokens.h - the tokens that a workgroup reads -------*- C++ -*-===//

#ifndef HEADRACE_PASSES_SIMT_DECODETOKENS_H
#define HEADRACE_PASSES_SIMT_DECODETOKENS_H

#include "dialects/QAttn/QAttn.h"
#include "passes/simt/SimtBuilder.h"

namespace headrace::simt {

/// The tokens that a query sees, or a part of them, by their number in it.
class DecodeTokens {
public:
  using Value = mlir::Value;

  DecodeTokens(SimtBuilder &v, qattn::DecodeOp op, Value part);

  Value count() const { return tokens; }

  /// Where the cache keeps a token, and whether it is seen: null if it is.
  struct Token {
    Value slot, seen;
  };
  /// With `isPartial`, `number` may be beyond the last one; then the slot is
  /// that of the last one, which is to be there.
  Token at(Value number, bool isPartial);

private:
  Token inCache(Value number);
  Token inPage(Value token);
  Value less(Value lhs, Value rhs);

  SimtBuilder &v;
  qattn::DecodeOp op;
  qattn::KVCacheType cache;
  Value tokens, firstToken, firstSlot;
};

} // namespace headrace::simt

#endif // HEADRACE_PASSES_SIMT_DECODETOKENS_H
