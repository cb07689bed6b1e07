//===- CacheTokens.h - tokens that caches get and give ----------*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_CACHETOKENS_H
#define HEADRACE_PASSES_CPU_CACHETOKENS_H

#include "passes/cpu/VectorBuilder.h"

namespace headrace::cpu {

/// Workgroups that share the slots of `tokens` new tokens.
int64_t appendWorkgroups(int64_t tokens);

/// Calls `body` with each of `tokens` new tokens, the first of which is token
/// `position` (a memref [1] of i32) of `cache`, and with its slot. Tokens
/// without a slot are left out. In order: of those that share a slot the last
/// one stays. With `workgroups` the current one takes only each
/// `workgroups`-th slot.
void forEachNewToken(
    VectorBuilder &v, mlir::Type cache, mlir::Value table, mlir::Value position,
    int64_t tokens, int64_t workgroups,
    llvm::function_ref<void(mlir::Value token, mlir::Value slot)> body);

/// The token of the current workgroup, counted from token `start` (a memref [1]
/// of i32) of `cache`: `read` gets it and its slot, or `clear` where it has
/// none.
void fetchToken(
    VectorBuilder &v, mlir::Type cache, mlir::Value table, mlir::Value start,
    llvm::function_ref<void(mlir::Value token, mlir::Value slot)> read,
    llvm::function_ref<void(mlir::Value token)> clear);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_CACHETOKENS_H
