//===- QAttnDialect.td - dialect and the types of caches -------------------===//

#ifndef HEADRACE_QATTN_DIALECT
#define HEADRACE_QATTN_DIALECT

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def QAttn_Dialect : Dialect {
  let name = "qattn";
  let cppNamespace = "::headrace::qattn";
  let summary = "attention on caches in their storage form";
  let description = [{
    Attention for one sequence: tokens first, then heads, then the dimension of a
    head. Keys and values that are kept lie in a `!qattn.kv_cache` (or, for
    latent attention, a `!qattn.mla_cache`), whose type says dtype, scales and
    layout. The meaning of each operation is its decomposition to linalg and
    arith (pass `decompose-qattn`).

    **Slots.** A contiguous cache keeps token t in slot t, a ring in slot
    t mod slots, a paged one in slot `table[t / P] * P + t mod P`, with a table
    of pages beside the cache. A token *has no slot* if it is negative, behind
    the end of a contiguous cache or of the table, or on a page that the cache
    does not have (-1 is the usual mark). What has no slot is never seen by
    attention, reads as zeros and is dropped when appended.

    **Lengths** below 0 count as 0; tokens from the length on are not seen,
    whatever their slots hold: a NaN there never reaches a result. A NaN in a
    token that is seen reaches every result that sees it.

    **Nothing seen** gives zeros, and minus infinity as the logarithm of the sum
    of exponentials.
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
}

class QAttn_Enum<string name, string text, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, text, cases> {
  let cppNamespace = "::headrace::qattn";
  let genSpecializedAttr = 0;
}

def QAttn_CacheDtype : QAttn_Enum<"CacheDtype", "dtype of what a cache keeps", [
    I32EnumAttrCase<"F32", 0, "f32">, I32EnumAttrCase<"BF16", 1, "bf16">,
    I32EnumAttrCase<"F16", 2, "f16">, I32EnumAttrCase<"FP8E4M3", 3, "fp8_e4m3">,
    I32EnumAttrCase<"I8", 4, "i8">]>;
def QAttn_CacheLayout : QAttn_Enum<"CacheLayout", "where a token is kept", [
    I32EnumAttrCase<"Contiguous", 0, "contiguous">, I32EnumAttrCase<"Paged", 1, "paged">,
    I32EnumAttrCase<"Ring", 2, "ring">]>;

class QAttn_CacheType<string name, string typeMnemonic> : TypeDef<QAttn_Dialect, name> {
  let mnemonic = typeMnemonic;
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def QAttn_KVCacheType : QAttn_CacheType<"KVCache", "kv_cache"> {
  let summary = "keys and values of past tokens";
  let description = [{
    `!qattn.kv_cache<4096x8x128, bf16>` has room for 4096 tokens (slots) with 8
    heads of 128 keys and as many values. Bytes: for each slot the keys of its
    heads, then the values; behind all slots, where there are scales, f32 for
    each slot: those of its keys, one a head, then those of its values.

    | layout | slot of token t |
    | --- | --- |
    | `contiguous` (not written) | t |
    | `paged<P>` | table[t / P] * P + t mod P, with a table of pages beside the cache |
    | `ring` | t mod slots: only the last tokens are kept |

    `fp8_e4m3` and `i8` need `scale = per_token`: a value is code * scale with
    scale = largest magnitude / 448 (127) over a head of a token, and 1 where all
    are zero. `f32`, `bf16` and `f16` have no scale.

    `!qattn.kv_cache<4096x8x128, fp8_e4m3, scale = per_token, layout = paged<64>>`
  }];
  let parameters = (ins "int64_t":$slots, "int64_t":$heads, "int64_t":$dim,
                        EnumParameter<QAttn_CacheDtype>:$dtype,
                        EnumParameter<QAttn_CacheLayout>:$layout, "int64_t":$page);
  let extraClassDeclaration = [{
    /// Bytes of the keys and values of one slot, without scales.
    int64_t getSlotBytes() const;
    /// Where the scales begin: behind all slots.
    int64_t getScalesOffset() const { return getSlots() * getSlotBytes(); }
    int64_t getStorageBytes() const;
    /// Whether each head of a token has a scale.
    bool hasScales() const;
  }];
}

def QAttn_MlaCacheType : QAttn_CacheType<"MlaCache", "mla_cache"> {
  let summary = "latent content and rotated keys of past tokens";
  let description = [{
    `!qattn.mla_cache<4096x512+64, fp8_e4m3>` has room for 4096 tokens, each with
    512 values of content, which all heads share as keys and values, and 64 of a
    key that RoPE turned. Layouts are those of `!qattn.kv_cache`.

    | dtype | bytes of one token |
    | --- | --- |
    | `fp8_e4m3` | e4m3 codes of content / scale, the scale (f32), rope / scale as bf16: 644 for 512+64 |
    | `bf16`, `f32` | content, rope |

    The scale is the largest magnitude of the content / 448, and 1 where that is
    0; the rotated part is divided by the same scale but keeps 16 bits, so that a
    score accumulates in one chain (SnapMLA, arXiv 2602.10718). Where the rotated
    part over the scale would exceed 2^56, the scale is raised to what makes it
    2^56.

    `!qattn.mla_cache<4096x512+64, fp8_e4m3, layout = paged<64>>`
  }];
  let parameters = (ins "int64_t":$slots, "int64_t":$content, "int64_t":$rope,
                        EnumParameter<QAttn_CacheDtype>:$dtype,
                        EnumParameter<QAttn_CacheLayout>:$layout, "int64_t":$page);
  let extraClassDeclaration = [{
    int64_t getSlotBytes() const;
    int64_t getStorageBytes() const { return getSlots() * getSlotBytes(); }
    /// Whether each token has a scale.
    bool hasScales() const { return getDtype() == CacheDtype::FP8E4M3; }
  }];
}

#endif // HEADRACE_QATTN_DIALECT
