//===- AttentionPasses.td - passes over attention --------------------------===//

#ifndef HEADRACE_PASSES_COMMON_ATTENTION
#define HEADRACE_PASSES_COMMON_ATTENTION

include "mlir/Pass/PassBase.td"

def SplitKV : Pass<"split-kv", "::mlir::ModuleOp"> {
  let summary = "Decode in parts of the cache, and merge them";
  let description = [{
    One query has no more heads than a machine has units to keep busy, so the
    tokens of a cache are cut into parts that run beside each other (flash
    decoding). `qattn.decode` and `qattn.mla_decode` get `splits` = S, and
    `qattn.merge_partials` makes the result and the logarithm of the sum of
    exponentials of the S partial ones.

    S is the operation's attribute `headrace.splits` where there is one (pass
    `choose-kernel` sets it), else option `splits`, or with `tokens-per-split`
    the most tokens that the operation can see (slots of the cache, window)
    over that many. It is never more than those tokens; with 1 the operation
    stays as it is, as does one that has `splits`, or is on memrefs.

    The result is the same but for the order of sums, except for `mla_decode`
    with `q_scale`: its recurrence, and pages of 64 tokens, begin anew in each
    part, so that weights are rounded to fp8 with other scales. Both are within
    the fp8 bound of attention without rounding.

    Before:
    ```mlir
    %o, %lse = qattn.decode ins(%q, %cache, %length : ...) outs(%oi, %li : tensor<8x64xf32>, tensor<8xf32>) {scale = 1.250000e-01 : f32}
        -> tensor<8x64xf32>, tensor<8xf32>
    ```
    After, with `splits=4`:
    ```mlir
    %po, %pl = qattn.decode ins(%q, %cache, %length : ...) outs(%e0, %e1 : tensor<4x8x64xf32>, tensor<4x8xf32>) {scale = 1.250000e-01 : f32, splits = 4 : i64}
        -> tensor<4x8x64xf32>, tensor<4x8xf32>
    %o, %lse = qattn.merge_partials ins(%po, %pl : ...) outs(%oi, %li : tensor<8x64xf32>, tensor<8xf32>)
        -> tensor<8x64xf32>, tensor<8xf32>
    ```

    <!-- lit: tests/passes/common/split_kv.mlir#split -->
  }];
  let options = [
    Option<"splits", "splits", "int64_t", /*default=*/"0", "Parts of each cache">,
    Option<"tokensPerSplit", "tokens-per-split", "int64_t", /*default=*/"0",
           "Parts of at most this many tokens">];
  let dependentDialects = ["::headrace::qattn::QAttnDialect", "::mlir::tensor::TensorDialect"];
}

def ChunkPrefill : Pass<"chunk-prefill", "::mlir::ModuleOp"> {
  let summary = "Prefill in chunks of queries and keys (FlowQKV)";
  let description = [{
    `qattn.prefill` becomes a loop over chunks of `queries` queries, each with
    its offset, and one more for what is left. With `keys`, each of them is a
    loop over chunks of so many keys with a running result, which
    `qattn.merge_partials` joins with that of the chunk: no matrix of scores is
    larger than a chunk of queries by a chunk of keys (FlowQKV, arXiv
    2602.06063). The bounds of that loop are what the mask lets the queries see,
    so chunks of keys behind the last query, or before the first one's window,
    are not visited.

    A prefill that fits into one chunk stays as it is, as does one on memrefs.

    Before:
    ```mlir
    %o = qattn.prefill causal ins(%q, %k, %v : tensor<64x4x8xf32>, tensor<64x2x8xf32>, tensor<64x2x8xf32>)
        outs(%init : tensor<64x4x8xf32>) {scale = 1.0 : f32} -> tensor<64x4x8xf32>
    ```
    After, with `queries=16` (shortened):
    ```mlir
    %o = scf.for %i = %c0 to %c64 step %c16 iter_args(%all = %init) -> (tensor<64x4x8xf32>) {
      %qi = tensor.extract_slice %q[%i, 0, 0] [16, 4, 8] [1, 1, 1]
      %oi = tensor.extract_slice %all[%i, 0, 0] [16, 4, 8] [1, 1, 1]
      %r = qattn.prefill causal ins(%qi, %k, %v offset %offset : ...) outs(%oi : tensor<16x4x8xf32>) {scale = 1.0 : f32}
      %next = tensor.insert_slice %r into %all[%i, 0, 0] [16, 4, 8] [1, 1, 1]
      scf.yield %next
    }
    ```

    <!-- lit: tests/passes/common/chunk_prefill.mlir#queries -->
    <!-- lit: tests/passes/common/chunk_prefill.mlir#keys -->
  }];
  let options = [
    Option<"queries", "queries", "int64_t", /*default=*/"0", "Queries of a chunk; 0 is all">,
    Option<"keys", "keys", "int64_t", /*default=*/"0", "Keys of a chunk; 0 is all">];
  let dependentDialects = [
    "::headrace::qattn::QAttnDialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"];
}

def AbsorbMlaProjections : Pass<"absorb-mla-projections", "::mlir::ModuleOp"> {
  let summary = "Latent attention on the latents themselves";
  let description = [{
    `qattn.mla_attention` has keys `w_k[h] content` and values `w_v[h] content`
    for each head and token. Both products are linear, so they can be taken
    elsewhere (DeepSeek-V2, arXiv 2405.04434):

    ```
    q . (w_k[h] content) = (q w_k[h]) . content
    sum of p (w_v[h] content) = w_v[h] (sum of p content)
    ```

    Then all heads attend to the latents, which the cache has once for all of
    them (`qattn.mla_decode`), and no key or value is formed. The result is the
    same but for the order of sums. Other attributes of the operation pass to the
    decode. Operations on memrefs stay as they are.

    Before:
    ```mlir
    %o = qattn.mla_attention ins(%q, %qr, %wk, %wv, %cache, %length
            : tensor<16x128xf32>, tensor<16x64xf32>, tensor<16x128x512xf32>, tensor<16x128x512xf32>, ...)
        outs(%init : tensor<16x128xf32>) {scale = 7.216880e-02 : f32} -> tensor<16x128xf32>
    ```
    After (shortened):
    ```mlir
    %qc = linalg.batch_vecmat ins(%q, %wk : tensor<16x128xf32>, tensor<16x128x512xf32>)
        outs(%zero : tensor<16x512xf32>) -> tensor<16x512xf32>
    %oc, %lse = qattn.mla_decode ins(%qc, %qr, %cache, %length : tensor<16x512xf32>, tensor<16x64xf32>, ...)
        outs(%e0, %e1 : tensor<16x512xf32>, tensor<16xf32>) {scale = 7.216880e-02 : f32}
    %o = linalg.batch_matvec ins(%wv, %oc : tensor<16x128x512xf32>, tensor<16x512xf32>)
        outs(%zero : tensor<16x128xf32>) -> tensor<16x128xf32>
    ```

    <!-- lit: tests/passes/common/absorb_mla_projections.mlir#absorb -->
  }];
  let dependentDialects = [
    "::headrace::qattn::QAttnDialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

def QuantizeKVPipeline : Pass<"quantize-kv-pipeline", "::mlir::ModuleOp"> {
  let summary = "Queries in 8-bit floats for caches in 8-bit floats (SnapMLA)";
  let description = [{
    A `qattn.mla_decode` of an `fp8_e4m3` cache with a query in f32 decodes each
    token before it multiplies. This pass makes it SnapMLA's pipeline (arXiv
    2602.10718): the query is quantized as the tokens are, content to e4m3 with
    one scale for each head and the rotated part over that scale to 16 bits, and
    products are of codes, with scales applied to scores and weights.

    This rounds the query and the weights, so the result is another: within the
    fp8 bound (relative L2 error 5e-2) of what it was for scores that differ by
    about one, as those of normal numbers do; the error grows with the scores.
    Decodes of other caches, those with a quantized query, and those on memrefs
    stay as they are.

    Before:
    ```mlir
    %o, %lse = qattn.mla_decode ins(%q, %qr, %cache, %length
            : tensor<16x512xf32>, tensor<16x64xf32>, !qattn.mla_cache<4096x512+64, fp8_e4m3>, tensor<1xi32>)
        outs(%oi, %li : tensor<16x512xf32>, tensor<16xf32>) {scale = 7.216880e-02 : f32}
        -> tensor<16x512xf32>, tensor<16xf32>
    ```
    After:
    ```mlir
    %codes, %s, %r = qattn.quantize_kv ins(%q, %qr : tensor<16x512xf32>, tensor<16x64xf32>)
        outs(%e0, %e1, %e2 : tensor<16x512xi8>, tensor<16xf32>, tensor<16x64xf32>)
        -> tensor<16x512xi8>, tensor<16xf32>, tensor<16x64xf32>
    %o, %lse = qattn.mla_decode ins(%codes, %r, %cache, %length q_scale %s
            : tensor<16x512xi8>, tensor<16x64xf32>, !qattn.mla_cache<4096x512+64, fp8_e4m3>, tensor<1xi32> q_scale tensor<16xf32>)
        outs(%oi, %li : tensor<16x512xf32>, tensor<16xf32>) {scale = 7.216880e-02 : f32}
        -> tensor<16x512xf32>, tensor<16xf32>
    ```

    <!-- lit: tests/passes/common/quantize_kv_pipeline.mlir#quantize -->
  }];
  let dependentDialects = ["::headrace::qattn::QAttnDialect", "::mlir::tensor::TensorDialect"];
}

#endif // HEADRACE_PASSES_COMMON_ATTENTION
