//===- QAttnAttentionOps.td - attention, partial results, positions --------===//

#ifndef HEADRACE_QATTN_ATTENTIONOPS
#define HEADRACE_QATTN_ATTENTIONOPS

include "dialects/QAttn/QAttnOps.td"

def QAttn_Mask : QAttn_Enum<"Mask", "which keys a query sees", [
    I32EnumAttrCase<"Causal", 0, "causal">,
    I32EnumAttrCase<"Bidirectional", 1, "bidirectional">]>;
def QAttn_MaskAttr : EnumAttr<QAttn_Dialect, QAttn_Mask, "mask"> {
  let assemblyFormat = "$value";
}

def QAttn_Precision : QAttn_Enum<"Precision", "what the products of attention are computed in", [
    I32EnumAttrCase<"BF16", 0, "bf16">, I32EnumAttrCase<"I8", 1, "i8">]>;
def QAttn_PrecisionAttr : EnumAttr<QAttn_Dialect, QAttn_Precision, "precision"> {
  let assemblyFormat = "$value";
}

def QAttn_PrefillOp : QAttn_DestinationOp<"prefill", "getInits().size()", [AttrSizedOperandSegments]> {
  let summary = "attention of many queries";
  let description = [{
    `softmax(scale * q k^T) v` for each head of q ([L, H, D]); k is [T, G, D] and
    v [T, G, E], and H / G heads of q share one of theirs. Query i is token
    `offset` + i of the keys (0 without an offset; it may be negative). A
    `causal` query sees no later tokens. With `window` = W it sees those less
    than W tokens away. `softcap` = c puts each scaled score s through
    c tanh(s / c). The first of outs ([L, H, E]) takes the result, the second,
    if there, the logarithm of the sum of exponentials ([L, H]).

    **Precision** of the operands of both products; sums are exact or f32. Without
    it, operands are f32.

    - `bf16`: scale * q, k, v and the weights exp(score - largest score of the
      row) are rounded to bf16; the sum of weights is that before rounding.
    - `i8`, after SageAttention (arXiv 2410.02367): scale * q, k and v become
      integers of at most 127 times a scale for each head of a token: its largest
      magnitude / 127, as in a cache of `i8`. Codes are x * (127 / largest),
      rounded; code and scale are 0 where the largest is below 2^-100. A weight
      is multiplied with the scale of v of its token; in each block of 128 tokens
      (0 to 127, ...) these products become integers of at most 255 relative to
      the largest that the row sees there, or 0 where that is below 2^-118.

    With a precision, a head of a token whose key or value has a number that is
    not finite makes what sees it NaN, logarithms too; so does such a query.

    Error against exact attention on normal random numbers (4096 tokens, 128
    values of a head, relative L2): bf16 3.4e-3, i8 1.3e-2. A kernel may take
    weights relative to the largest score that it has seen so far, and round
    either way what is nearly between two: it differs from the decomposition by
    at most 5e-3. What all keys have in common takes accuracy from 8 bits, but
    does not change softmax (without a softcap): subtract their mean before.

    ```mlir
    %o = qattn.prefill causal ins(%q, %k, %v : tensor<7x8x64xf32>, tensor<7x2x64xf32>, tensor<7x2x64xf32>)
        outs(%init : tensor<7x8x64xf32>) {scale = 6.250000e-02 : f32, window = 512 : i64} -> tensor<7x8x64xf32>
    %e = qattn.prefill causal precision = i8 ins(%q, %k, %v : tensor<7x8x64xf32>, tensor<7x2x64xf32>, tensor<7x2x64xf32>)
        outs(%init : tensor<7x8x64xf32>) {scale = 6.250000e-02 : f32} -> tensor<7x8x64xf32>
    ```
  }];
  let arguments = (ins QAttn_MaskAttr:$mask, QAttn_F32x3:$q, QAttn_F32x3:$k, QAttn_F32x3:$v,
                       Optional<QAttn_Numbers>:$offset, Variadic<QAttn_F32x23>:$inits,
                       F32Attr:$scale, OptionalAttr<I64Attr>:$window, OptionalAttr<F32Attr>:$softcap,
                       OptionalAttr<QAttn_PrecisionAttr>:$precision);
  let assemblyFormat = [{
    `` $mask (`precision` `=` `` $precision^)? `ins` `(` $q `,` $k `,` $v (`offset` $offset^)? `:` type($q) `,` type($k) `,` type($v) (`,` type($offset)^)? `)`
    `outs` `(` $inits `:` type($inits) `)` attr-dict (`->` type($results)^)?
  }];
  let hasCanonicalizer = 1;
}

def QAttn_DecodeOp : QAttn_DestinationOp<"decode", "2"> {
  let summary = "attention of one query to a cache";
  let description = [{
    `softmax(scale * q k^T) v` for the heads of q ([H, D]) over the first
    `length` tokens of the cache, the query being the last of them. `window` and
    `softcap` as in `qattn.prefill`. A ring holds the last tokens only. The outs
    take the result ([H, D]) and the logarithm of the sum of exponentials ([H]).

    With `splits` = S the tokens that are kept and inside of the window are cut
    into S parts of ceil(tokens / S) (the last may be shorter, or empty), outs
    are [S, H, D] and [S, H], and `qattn.merge_partials` makes one of them.

    ```mlir
    %o, %lse = qattn.decode ins(%q, %cache, %length : tensor<8x64xf32>, !qattn.kv_cache<4096x2x64, bf16>, tensor<1xi32>)
        outs(%oi, %li : tensor<8x64xf32>, tensor<8xf32>) {scale = 1.250000e-01 : f32}
        -> tensor<8x64xf32>, tensor<8xf32>
    ```
  }];
  let arguments = (ins QAttn_F32x2:$q, QAttn_KVCacheType:$cache, QAttn_Numbers:$length,
                       Optional<QAttn_Numbers>:$table, QAttn_F32x23:$init, QAttn_F32x12:$lse,
                       F32Attr:$scale, OptionalAttr<I64Attr>:$window, OptionalAttr<F32Attr>:$softcap,
                       OptionalAttr<I64Attr>:$splits);
  let assemblyFormat = [{
    `ins` `(` $q `,` $cache `,` $length (`table` $table^)? `:` type($q) `,` qualified(type($cache)) `,` type($length) (`,` type($table)^)? `)`
    `outs` `(` $init `,` $lse `:` type($init) `,` type($lse) `)` attr-dict (`->` type($results)^)?
  }];
}

def QAttn_MergePartialsOp : QAttn_DestinationOp<"merge_partials", "2"> {
  let summary = "attention over all tokens from attention over parts of them";
  let description = [{
    `sum over s of exp(lses[s] - lse) * partials[s]` with `lse = log(sum over s of
    exp(lses[s]))`, for partials [S, H, D] or [S, L, H, D]. Parts that saw nothing
    (minus infinity) do not count, whatever they hold.

    ```mlir
    %o, %lse = qattn.merge_partials ins(%parts, %lses : tensor<4x8x64xf32>, tensor<4x8xf32>)
        outs(%oi, %li : tensor<8x64xf32>, tensor<8xf32>) -> tensor<8x64xf32>, tensor<8xf32>
    ```
  }];
  let arguments = (ins QAttn_F32x34:$partials, QAttn_F32x23:$lses, QAttn_F32x23:$init,
                       QAttn_F32x12:$lse);
  let assemblyFormat = [{
    `ins` `(` $partials `,` $lses `:` type($partials) `,` type($lses) `)`
    `outs` `(` $init `,` $lse `:` type($init) `,` type($lse) `)` attr-dict (`->` type($results)^)?
  }];
  let hasCanonicalizer = 1;
}

def QAttn_RopeOp : QAttn_DestinationOp<"rope", "1"> {
  let summary = "rotary position embedding";
  let description = [{
    Turns pairs of the first 2 P values of each head of x ([N, H, D]) by the angle
    `position * frequencies[i]`, for the P frequencies; `positions` is [N]. Pair i
    is the values i and i + P, or with `interleaved` 2 i and 2 i + 1. The other
    values stay. Products are f32, as in the models' own code. `magnitude`
    multiplies cosine and sine (YaRN's attention factor; 1 without).

    ```mlir
    %y = qattn.rope ins(%x, %positions, %frequencies : tensor<7x8x64xf32>, tensor<7xi32>, tensor<32xf32>)
        outs(%init : tensor<7x8x64xf32>) -> tensor<7x8x64xf32>
    ```
  }];
  let arguments = (ins QAttn_F32x3:$x, QAttn_Numbers:$positions, QAttn_F32x1:$frequencies,
                       QAttn_F32x3:$init, UnitAttr:$interleaved, OptionalAttr<F32Attr>:$magnitude);
  let assemblyFormat = [{
    (`interleaved` $interleaved^)? `ins` `(` $x `,` $positions `,` $frequencies `:` type($x) `,` type($positions) `,` type($frequencies) `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($results)^)?
  }];
}

#endif // HEADRACE_QATTN_ATTENTIONOPS
