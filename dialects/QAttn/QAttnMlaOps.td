//===- QAttnMlaOps.td - multi-head latent attention ------------------------===//

#ifndef HEADRACE_QATTN_MLAOPS
#define HEADRACE_QATTN_MLAOPS

include "dialects/QAttn/QAttnOps.td"

def QAttn_QuantizeKVOp : QAttn_DestinationOp<"quantize_kv", "3"> {
  let summary = "per-token fp8 of latent content, with its rotated part in 16 bits";
  let description = [{
    Rounds content ([N, C]) to e4m3 codes with one scale for each row, and rope
    ([N, R]) over the same scale to bf16 (held as f32), as a `!qattn.mla_cache` of
    fp8 keeps them. Rows are tokens, or the heads of a query (arXiv 2602.10718).
    The outs take codes (i8, [N, C]), scale ([N]) and rope ([N, R]).

    ```mlir
    %codes, %scale, %r = qattn.quantize_kv ins(%content, %rope : tensor<16x512xf32>, tensor<16x64xf32>)
        outs(%ci, %si, %ri : tensor<16x512xi8>, tensor<16xf32>, tensor<16x64xf32>)
        -> tensor<16x512xi8>, tensor<16xf32>, tensor<16x64xf32>
    ```
  }];
  let arguments = (ins QAttn_F32x2:$content, QAttn_F32x2:$rope, QAttn_Codes:$codes,
                       QAttn_F32x1:$scale, QAttn_F32x2:$scaled_rope);
  let assemblyFormat = [{
    `ins` `(` $content `,` $rope `:` type($content) `,` type($rope) `)`
    `outs` `(` $codes `,` $scale `,` $scaled_rope `:` type($codes) `,` type($scale) `,` type($scaled_rope) `)`
    attr-dict (`->` type($results)^)?
  }];
}

def QAttn_AppendMlaOp : QAttn_Op<"append_mla", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "store the latents of new tokens";
  let description = [{
    As `qattn.append_kv`, for content ([N, C]) and rotated keys ([N, R]).

    ```mlir
    %new = qattn.append_mla %content, %rope into %cache at %position
        : tensor<1x512xf32>, tensor<1x64xf32>, !qattn.mla_cache<4096x512+64, fp8_e4m3>, tensor<1xi32>
        -> !qattn.mla_cache<4096x512+64, fp8_e4m3>
    ```
  }];
  let arguments = (ins QAttn_F32x2:$content, QAttn_F32x2:$rope, QAttn_MlaCacheType:$cache,
                       QAttn_Numbers:$position, Optional<QAttn_Numbers>:$table);
  let results = (outs Optional<QAttn_MlaCacheType>:$result);
  let assemblyFormat = [{
    $content `,` $rope `into` $cache `at` $position (`table` $table^)? attr-dict `:` type($content) `,` type($rope) `,`
    qualified(type($cache)) `,` type($position) (`,` type($table)^)? (`->` qualified(type($result))^)?
  }];
}

def QAttn_FetchMlaOp : QAttn_DestinationOp<"fetch_mla", "2"> {
  let summary = "latents of some tokens as f32";
  let description = [{
    The tokens from `start` on, as many as the outs (content [N, C] and rope
    [N, R]) have room for; zeros for those that have no slot.

    ```mlir
    %c, %r = qattn.fetch_mla ins(%cache, %start : !qattn.mla_cache<4096x512+64, fp8_e4m3>, tensor<1xi32>)
        outs(%ci, %ri : tensor<64x512xf32>, tensor<64x64xf32>) -> tensor<64x512xf32>, tensor<64x64xf32>
    ```
  }];
  let arguments = (ins QAttn_MlaCacheType:$cache, QAttn_Numbers:$start,
                       Optional<QAttn_Numbers>:$table, QAttn_F32x2:$content, QAttn_F32x2:$rope);
  let assemblyFormat = [{
    `ins` `(` $cache `,` $start (`table` $table^)? `:` qualified(type($cache)) `,` type($start) (`,` type($table)^)? `)`
    `outs` `(` $content `,` $rope `:` type($content) `,` type($rope) `)` attr-dict (`->` type($results)^)?
  }];
}

def QAttn_MlaDecodeOp : QAttn_DestinationOp<"mla_decode", "2", [AttrSizedOperandSegments]> {
  let summary = "absorbed latent attention of one query to a cache";
  let description = [{
    Scores `scale * (q . content + q_rope . rope)` of each head with the first
    `length` tokens, and `softmax(scores) content`: [H, C], and the logarithm of
    the sum of exponentials ([H]). `splits` as in `qattn.decode`.

    Without `q_scale`, q is f32 and nothing is rounded. With it, q is e4m3 codes
    and q_rope over the same scale, as `qattn.quantize_kv` makes them, the cache
    is fp8, and the result is that of SnapMLA's recurrence (arXiv 2602.10718) over
    pages of 64 tokens, in order, with base-2 exponentials:

    ```
    x = (q_codes . codes + q_rope . rope) * q_scale * token_scale * scale * log2(e)
    m' = max(m, max x)      e = 2^(x - m')      f = e * token_scale
    s' = max(max f, 1e-26) / 448, 1 if max f is 0
    p = e4m3(f / s')        beta = 2^(m - m') * s / s'
    l = l * beta + (sum e) / s'      O = O * beta + p . codes
    result = O / l          lse = (m + log2(l * s)) / log2(e)
    ```

    ```mlir
    %o, %lse = qattn.mla_decode ins(%q, %qr, %cache, %length
            : tensor<16x512xf32>, tensor<16x64xf32>, !qattn.mla_cache<4096x512+64, bf16>, tensor<1xi32>)
        outs(%oi, %li : tensor<16x512xf32>, tensor<16xf32>) {scale = 7.216880e-02 : f32}
        -> tensor<16x512xf32>, tensor<16xf32>
    ```
  }];
  let arguments = (ins QAttn_Content:$q, QAttn_F32x2:$q_rope, QAttn_MlaCacheType:$cache,
                       QAttn_Numbers:$length, Optional<QAttn_F32x1>:$q_scale,
                       Optional<QAttn_Numbers>:$table, QAttn_F32x23:$init, QAttn_F32x12:$lse,
                       F32Attr:$scale, OptionalAttr<I64Attr>:$splits);
  let assemblyFormat = [{
    `ins` `(` $q `,` $q_rope `,` $cache `,` $length (`q_scale` $q_scale^)? (`table` $table^)? `:`
      type($q) `,` type($q_rope) `,` qualified(type($cache)) `,` type($length) (`q_scale` type($q_scale)^)? (`table` type($table)^)? `)`
    `outs` `(` $init `,` $lse `:` type($init) `,` type($lse) `)` attr-dict (`->` type($results)^)?
  }];
}

def QAttn_MlaAttentionOp : QAttn_DestinationOp<"mla_attention", "1"> {
  let summary = "latent attention of one query, with keys and values of each head";
  let description = [{
    Latent attention as models define it, before absorption: head h has keys
    `w_k[h] content` ([H, N, C]) and values `w_v[h] content` ([H, V, C]) of each
    token, scores `scale * (q . key + q_rope . rope)`, and the result is
    `softmax(scores) values` ([H, V]). Pass `absorb-mla-projections` makes
    `qattn.mla_decode` of it, which never forms keys and values.

    ```mlir
    %o = qattn.mla_attention ins(%q, %qr, %wk, %wv, %cache, %length
            : tensor<16x128xf32>, tensor<16x64xf32>, tensor<16x128x512xf32>, tensor<16x128x512xf32>,
              !qattn.mla_cache<4096x512+64, bf16>, tensor<1xi32>)
        outs(%init : tensor<16x128xf32>) {scale = 7.216880e-02 : f32} -> tensor<16x128xf32>
    ```
  }];
  let arguments = (ins QAttn_F32x2:$q, QAttn_F32x2:$q_rope, QAttn_F32x3:$w_k, QAttn_F32x3:$w_v,
                       QAttn_MlaCacheType:$cache, QAttn_Numbers:$length,
                       Optional<QAttn_Numbers>:$table, QAttn_F32x2:$init, F32Attr:$scale);
  let assemblyFormat = [{
    `ins` `(` $q `,` $q_rope `,` $w_k `,` $w_v `,` $cache `,` $length (`table` $table^)? `:`
      type($q) `,` type($q_rope) `,` type($w_k) `,` type($w_v) `,` qualified(type($cache)) `,` type($length) (`,` type($table)^)? `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($results)^)?
  }];
}

#endif // HEADRACE_QATTN_MLAOPS
