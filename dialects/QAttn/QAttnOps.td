//===- QAttnOps.td - what operations of qattn share; caches ----------------===//

#ifndef HEADRACE_QATTN_OPS
#define HEADRACE_QATTN_OPS

include "dialects/QAttn/QAttnDialect.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class QAttn_Op<string mnemonic, list<Trait> traits = []>
    : Op<QAttn_Dialect, mnemonic, traits> {
  let hasVerifier = 1;
}

/// An operation whose last `inits` operands are written: tensors, then it has as
/// many results, or memrefs, then it has none. What they held is never read.
class QAttn_DestinationOp<string mnemonic, string inits, list<Trait> traits = []>
    : QAttn_Op<mnemonic, traits # [DestinationStyleOpInterface,
                                   DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      int64_t inits = }] # inits # [{;
      return ::mlir::MutableOperandRange(getOperation(), getNumOperands() - inits, inits);
    }
  }];
  let extraClassDefinition = [{
    void $cppClass::getEffects(::llvm::SmallVectorImpl<
        ::mlir::SideEffects::EffectInstance<::mlir::MemoryEffects::Effect>> &effects) {
      ::headrace::qlinear::addDestinationStyleEffects(
          ::llvm::cast<::mlir::DestinationStyleOpInterface>(getOperation()), effects);
    }
  }];
}

class QAttn_Shaped<list<Type> elements, list<int> ranks, string text> : Type<Or<[
    TensorRankOf<elements, ranks>.predicate, MemRefRankOf<elements, ranks>.predicate]>, text>;

def QAttn_Bytes : QAttn_Shaped<[I8], [1], "1-D tensor or memref of i8">;
def QAttn_Numbers : QAttn_Shaped<[I32], [1], "1-D tensor or memref of i32">;
def QAttn_F32x1 : QAttn_Shaped<[F32], [1], "1-D tensor or memref of f32">;
def QAttn_F32x2 : QAttn_Shaped<[F32], [2], "2-D tensor or memref of f32">;
def QAttn_F32x3 : QAttn_Shaped<[F32], [3], "3-D tensor or memref of f32">;
def QAttn_F32x12 : QAttn_Shaped<[F32], [1, 2], "1-D or 2-D tensor or memref of f32">;
def QAttn_F32x23 : QAttn_Shaped<[F32], [2, 3], "2-D or 3-D tensor or memref of f32">;
def QAttn_F32x34 : QAttn_Shaped<[F32], [3, 4], "3-D or 4-D tensor or memref of f32">;
def QAttn_Codes : QAttn_Shaped<[I8], [2], "2-D tensor or memref of i8">;
def QAttn_Content : QAttn_Shaped<[F32, I8], [2], "2-D tensor or memref of f32 or i8">;
def QAttn_AnyCache : Type<Or<[QAttn_KVCacheType.predicate, QAttn_MlaCacheType.predicate]>,
  "!qattn.kv_cache or !qattn.mla_cache">;

//===----------------------------------------------------------------------===//
// Storage
//===----------------------------------------------------------------------===//

def QAttn_CacheFromBytesOp : QAttn_Op<"cache_from_bytes", [Pure]> {
  let summary = "take raw bytes as a cache";
  let description = [{
    The bytes are not copied or checked. On a memref the result is a view.

    ```mlir
    %c = qattn.cache_from_bytes %bytes : tensor<262144xi8> to !qattn.kv_cache<64x8x128, bf16>
    ```
  }];
  let arguments = (ins QAttn_Bytes:$bytes);
  let results = (outs QAttn_AnyCache:$cache);
  let assemblyFormat = "$bytes attr-dict `:` type($bytes) `to` qualified(type($cache))";
  let hasFolder = 1;
}

def QAttn_CacheToBytesOp : QAttn_Op<"cache_to_bytes", [Pure]> {
  let summary = "the raw bytes of a cache";
  let description = [{
    A memref is a view of them.

    ```mlir
    %bytes = qattn.cache_to_bytes %c : !qattn.kv_cache<64x8x128, bf16> to tensor<262144xi8>
    ```
  }];
  let arguments = (ins QAttn_AnyCache:$cache);
  let results = (outs QAttn_Bytes:$bytes);
  let assemblyFormat = "$cache attr-dict `:` qualified(type($cache)) `to` type($bytes)";
  let hasFolder = 1;
}

//===----------------------------------------------------------------------===//
// Keys and values
//===----------------------------------------------------------------------===//

def QAttn_AppendKVOp : QAttn_Op<"append_kv", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "store the keys and values of new tokens";
  let description = [{
    Stores the N tokens of k and v ([N, G, D]) from `position` on and yields the
    cache with them; on memrefs it writes through the view of the cache and
    yields nothing. Values are rounded to the nearest of the cache's dtype (ties
    to even), those with a scale after division by it. Tokens that have no slot
    are dropped. Where N exceeds the slots of a ring, the last tokens stay. A NaN
    or infinity makes its head of the token NaN in fp8; in i8 too, by a scale
    that is NaN.

    The old cache must not be used afterwards; then nothing is copied.

    ```mlir
    %new = qattn.append_kv %k, %v into %cache at %position
        : tensor<1x8x128xf32>, tensor<1x8x128xf32>, !qattn.kv_cache<4096x8x128, bf16>, tensor<1xi32>
        -> !qattn.kv_cache<4096x8x128, bf16>
    ```
  }];
  let arguments = (ins QAttn_F32x3:$k, QAttn_F32x3:$v, QAttn_KVCacheType:$cache,
                       QAttn_Numbers:$position, Optional<QAttn_Numbers>:$table);
  let results = (outs Optional<QAttn_KVCacheType>:$result);
  let assemblyFormat = [{
    $k `,` $v `into` $cache `at` $position (`table` $table^)? attr-dict `:` type($k) `,` type($v) `,`
    qualified(type($cache)) `,` type($position) (`,` type($table)^)? (`->` qualified(type($result))^)?
  }];
}

def QAttn_FetchKVOp : QAttn_DestinationOp<"fetch_kv", "2"> {
  let summary = "keys and values of some tokens as f32";
  let description = [{
    The tokens from `start` on, as many as the outs ([N, G, D]) have room for;
    zeros for those that have no slot.

    ```mlir
    %k, %v = qattn.fetch_kv ins(%cache, %start : !qattn.kv_cache<4096x8x128, bf16>, tensor<1xi32>)
        outs(%ki, %vi : tensor<64x8x128xf32>, tensor<64x8x128xf32>)
        -> tensor<64x8x128xf32>, tensor<64x8x128xf32>
    ```
  }];
  let arguments = (ins QAttn_KVCacheType:$cache, QAttn_Numbers:$start,
                       Optional<QAttn_Numbers>:$table, QAttn_F32x3:$k, QAttn_F32x3:$v);
  let assemblyFormat = [{
    `ins` `(` $cache `,` $start (`table` $table^)? `:` qualified(type($cache)) `,` type($start) (`,` type($table)^)? `)`
    `outs` `(` $k `,` $v `:` type($k) `,` type($v) `)` attr-dict (`->` type($results)^)?
  }];
}

#endif // HEADRACE_QATTN_OPS
