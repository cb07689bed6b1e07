//===- AttentionPasses.td - passes on qattn of the CPU target --------------===//

#ifndef HEADRACE_PASSES_CPU_ATTENTION_PASSES
#define HEADRACE_PASSES_CPU_ATTENTION_PASSES

include "mlir/Pass/PassBase.td"

def CpuLowerRope : Pass<"cpu-lower-rope", "::mlir::ModuleOp"> {
  let summary = "Vector code for qattn.rope";
  let description = [{
    One workgroup turns one token: cosines and sines of its position are computed
    once, 16 pairs at a time, and serve all heads.

    Before:
    ```mlir
    qattn.rope ins(%x, %positions, %frequencies : memref<1x8x64xf32>, memref<1xi32>, memref<32xf32>)
        outs(%y : memref<1x8x64xf32>)
    ```
    After (shortened):
    ```mlir
    scf.for %pair = %c0 to %c32 step %c16 {
      %cosine = math.cos %angle : vector<16xf32>
      vector.store %cosine, %turns[%c0, %pair] : memref<2x32xf32>, vector<16xf32>
      ...
    }
    scf.for %head = %c0 to %c8 step %c1 {
      ...
      vector.store %first, %y[%token, %head, %pair] : memref<1x8x64xf32>, vector<16xf32>
    }
    ```

    <!-- lit: tests/passes/cpu/lower_rope.mlir#halves -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def CpuLowerDecode : Pass<"cpu-lower-decode", "::mlir::ModuleOp"> {
  let summary = "Vector code for qattn.decode";
  let description = [{
    Tokens are taken in blocks of 32, whose slots are listed first: pages that do
    not exist are left out there, so that nothing of them is ever read. Then four
    heads of queries that share keys are computed together: 16 sums stay in
    registers, and each key and value that is loaded and decoded serves all four.
    Softmax runs along. Weights are powers of two of what a score has more than a
    base; where one has more than 8, the base is raised and what was summed before
    rescaled, which is seldom. With `splits` a workgroup has a part of the tokens
    and all heads, so that it reads the cache from front to back; without, it has
    a head of keys. All its scores of a block come first, then what they make of
    values: no weight is waited for.

    The next block is fetched into the second-level cache meanwhile, as many bytes
    at a time as are read of this one: with `splits` in the order of addresses,
    and with a line of what is 4096 bytes behind, as hardware that fetches ahead
    by itself stops at the end of each page.

    `dot=vnni` multiplies 8-bit caches as integers, 128 tokens at a time. A query,
    and the weights of a block, are split into three limbs of 8 bits, an error of
    2^-23 of the largest of them, and sums of limbs are exact. Keys of 16 tokens
    are transposed, so that lanes are tokens; values of four tokens are
    interleaved. Where the largest is not from 1e-30 to 1e30, or a weight is
    negative (scales may be anything), the block is computed in floats.

    Before:
    ```mlir
    qattn.decode ins(%q, %cache, %length : memref<8x64xf32>, !qattn.kv_cache<4096x2x64, f16>, memref<1xi32>)
        outs(%o, %lse : memref<8x64xf32>, memref<8xf32>) {scale = 1.250000e-01 : f32}
    ```
    After (shortened):
    ```mlir
    scf.for %first = %c0 to %left step %c32 {
      %dots:16 = scf.for %col = %c0 to %c64 step %c16 iter_args(...) {
        %h = vector.load %bytes[%at] : memref<2097152xi8>, vector<32xi8>
        %k = arith.extf %f16 : vector<16xf16> to vector<16xf32>
        %s = vector.fma %q, %k, %dot : vector<16xf32>
        ...
      }
      %weight = arith.mulf %power, %exponent : vector<16xf32>
      ...
    }
    ```

    <!-- lit: tests/passes/cpu/lower_decode.mlir#decode -->
  }];
  let options = [
    Option<"dot", "dot", "std::string", /*default=*/"\"portable\"",
           "vnni multiplies caches of 8 bits as integers, any other as f32">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def CpuLowerAppend : Pass<"cpu-lower-append", "::mlir::ModuleOp"> {
  let summary = "Vector code for qattn.append_kv";
  let description = [{
    A workgroup for each head of keys writes the tokens in order, so that in a
    ring the last of those that share a slot stays. Where a cache has scales the
    largest magnitude is found first, then the numbers are divided by the scale,
    rounded by integer arithmetic and stored. A token whose page does not exist
    is not written.

    Before:
    ```mlir
    qattn.append_kv ins(%k, %v, %position : memref<3x2x64xf32>, memref<3x2x64xf32>, memref<1xi32>)
        outs(%cache : !qattn.kv_cache<4096x2x64, fp8_e4m3, scale = per_token>)
    ```
    After (shortened):
    ```mlir
    scf.for %token = %c0 to %c3 step %c1 {
      scf.if %exists {
        %largest = vector.reduction <maximumf>, %magnitudes : vector<16xf32> into f32
        ...
        vector.store %codes, %bytes[%at] : memref<1114112xi8>, vector<16xi8>
      }
    }
    ```

    <!-- lit: tests/passes/cpu/lower_append.mlir#append -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def CpuLowerFetch : Pass<"cpu-lower-fetch", "::mlir::ModuleOp"> {
  let summary = "Vector code for qattn.fetch_kv";
  let description = [{
    A workgroup for each token: numbers of the cache are widened to f32 and
    multiplied by the scale of their head; tokens without a slot become zeros, and
    nothing is read for them.

    Before:
    ```mlir
    qattn.fetch_kv ins(%cache, %start : !qattn.kv_cache<4096x2x64, bf16>, memref<1xi32>)
        outs(%k, %v : memref<8x2x64xf32>, memref<8x2x64xf32>)
    ```
    After (shortened):
    ```mlir
    scf.if %exists {
      %numbers = vector.load %bytes[%at] : memref<2097152xi8>, vector<32xi8>
      ...
      vector.store %widened, %k[%token, %head, %c0] : memref<8x2x64xf32>, vector<16xf32>
    } else {
      vector.store %zeros, %k[%token, %head, %c0] : memref<8x2x64xf32>, vector<16xf32>
    }
    ```

    <!-- lit: tests/passes/cpu/lower_fetch.mlir#fetch -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"];
}

def CpuLowerMergePartials : Pass<"cpu-lower-merge-partials", "::mlir::ModuleOp"> {
  let summary = "Vector code for qattn.merge_partials";
  let description = [{
    A workgroup for each head of each token. The largest logarithm is found
    first, so that no exponential overflows; a part that saw nothing is left out,
    whatever it holds.

    Before:
    ```mlir
    qattn.merge_partials ins(%parts, %lses : memref<4x8x64xf32>, memref<4x8xf32>)
        outs(%o, %lse : memref<8x64xf32>, memref<8xf32>)
    ```
    After (shortened):
    ```mlir
    %sum = scf.for %part = %c0 to %c4 step %c1 iter_args(%old = %zero) -> (vector<16xf32>) {
      %weight = math.exp %difference : vector<16xf32>
      %part_of = vector.load %parts[%part, %head, %col] : memref<4x8x64xf32>, vector<16xf32>
      ...
    }
    ```

    <!-- lit: tests/passes/cpu/lower_merge_partials.mlir#merge -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def CpuLowerPrefill : Pass<"cpu-lower-prefill", "::mlir::ModuleOp"> {
  let summary = "Vector code for qattn.prefill";
  let description = [{
    The queries that share a head of keys, and their heads, are rows: lanes, 64 of
    which are a part. Scores, softmax and sums run lane by lane. Queries are
    transposed once; then each number of keys and values is multiplied with all
    lanes. Keys are taken in blocks of 96, which are copied once for all parts (up
    to eight) of a workgroup; each block rescales what was summed before it. Keys
    that no row of a part sees are not visited, and only those are masked that some
    of its rows see and others do not, so that nothing of them reaches a result.
    `vector-bits` says how many sums stay in registers.

    With a `precision`, blocks have 128 keys, and queries, keys and values are
    rounded when they are copied. Numbers of 8 bits stay so where `dot` is `vnni`,
    four in 32 bits: along the columns for scores (keys plus 128, without a sign,
    which the sums start from the negative of), and along the keys for weights and
    values. Integer sums of a block are scaled once. With `bf16` = `avx512` two
    of bf16 are in 32 bits. Elsewhere rounded numbers are f32, and so are products.

    Before:
    ```mlir
    qattn.prefill causal ins(%q, %k, %v : memref<96x8x64xf32>, memref<96x2x64xf32>, memref<96x2x64xf32>)
        outs(%o : memref<96x8x64xf32>) {scale = 1.250000e-01 : f32}
    ```
    After (shortened):
    ```mlir
    scf.for %first = %c0 to %end step %c96 {
      ... // copies keys and values
      scf.for %i = %c0 to %count step %c6 {
        %dots:24 = scf.for %col = %c0 to %c64 step %c1 iter_args(...) {
          %q0 = vector.load %queries[%part, %col, %c0] : memref<1x64x64xf32>, vector<16xf32>
          %number = memref.load %keys[%key, %col] : memref<96x64xf32>
          %s = vector.fma %q0, %everywhere, %dot : vector<16xf32>
          ...
        }
      }
      ...
    }
    ```

    <!-- lit: tests/passes/cpu/lower_prefill.mlir#causal -->
    <!-- lit: tests/passes/cpu/lower_prefill_rounded.mlir#words -->
  }];
  let options = [
    Option<"vectorBits", "vector-bits", "int64_t", /*default=*/"128",
           "Bits of the widest vector registers">,
    Option<"dot", "dot", "std::string", /*default=*/"\"portable\"",
           "vnni multiplies numbers of 8 bits as they are, any other as f32">,
    Option<"bf16", "bf16", "std::string", /*default=*/"\"portable\"",
           "avx512 multiplies bf16 in pairs, any other as f32">];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect",
    "::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

#endif // HEADRACE_PASSES_CPU_ATTENTION_PASSES
