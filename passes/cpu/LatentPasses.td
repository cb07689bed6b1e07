//===- LatentPasses.td - passes on latent attention of the CPU target ------===//

#ifndef HEADRACE_PASSES_CPU_LATENT_PASSES
#define HEADRACE_PASSES_CPU_LATENT_PASSES

include "mlir/Pass/PassBase.td"

def CpuLowerQuantizeKv : Pass<"cpu-lower-quantize-kv", "::mlir::ModuleOp"> {
  let summary = "Vector code for qattn.quantize_kv";
  let description = [{
    A workgroup for each row: the largest magnitudes, the scale, then codes and
    rotated part, rounded by integer arithmetic.

    Before:
    ```mlir
    qattn.quantize_kv ins(%content, %rope : memref<16x512xf32>, memref<16x64xf32>)
        outs(%codes, %scale, %r : memref<16x512xi8>, memref<16xf32>, memref<16x64xf32>)
    ```
    After (shortened):
    ```mlir
    %largest = vector.reduction <maximumf>, %magnitudes : vector<16xf32> into f32
    ...
    memref.store %s, %scale[%row] : memref<16xf32>
    vector.store %code, %codes[%row, %c0] : memref<16x512xi8>, vector<16xi8>
    ```

    <!-- lit: tests/passes/cpu/lower_quantize_kv.mlir#quantize -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def CpuLowerAppendMla : Pass<"cpu-lower-append-mla", "::mlir::ModuleOp"> {
  let summary = "Vector code for qattn.append_mla";
  let description = [{
    Up to 16 workgroups share the slots: each takes the tokens of its own, in order,
    so that the last of those that share a slot stays. Content and rotated part are
    encoded as the cache has them, in fp8 over the scale of their token. A token
    whose page does not exist is not written.

    Before:
    ```mlir
    qattn.append_mla %content, %rope into %cache at %position
        : memref<2x512xf32>, memref<2x64xf32>, !qattn.mla_cache<4096x512+64, fp8_e4m3>, memref<1xi32>
    ```
    After (shortened):
    ```mlir
    scf.for %token = %c0 to %c2 step %c1 {
      %owner = arith.remui %slot, %c2 : index
      ...
      scf.if %exists_and_is_mine {
        %largest = vector.reduction <maximumf>, %magnitudes : vector<16xf32> into f32
        ...
        vector.store %codes, %bytes[%at] : memref<2637824xi8>, vector<16xi8>
      }
    }
    ```

    <!-- lit: tests/passes/cpu/lower_mla_caches.mlir#append -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def CpuLowerFetchMla : Pass<"cpu-lower-fetch-mla", "::mlir::ModuleOp"> {
  let summary = "Vector code for qattn.fetch_mla";
  let description = [{
    A workgroup for each token: content and rotated part are widened to f32 and
    multiplied by their scale, if there is one; tokens without a slot become
    zeros, and nothing is read for them.

    Before:
    ```mlir
    qattn.fetch_mla ins(%cache, %start : !qattn.mla_cache<4096x512+64, bf16>, memref<1xi32>)
        outs(%content, %rope : memref<8x512xf32>, memref<8x64xf32>)
    ```
    After (shortened):
    ```mlir
    scf.if %exists {
      %numbers = vector.load %bytes[%at] : memref<4718592xi8>, vector<32xi8>
      ...
      vector.store %widened, %content[%token, %c0] : memref<8x512xf32>, vector<16xf32>
    } else {
      vector.store %zeros, %content[%token, %c0] : memref<8x512xf32>, vector<16xf32>
    }
    ```

    <!-- lit: tests/passes/cpu/lower_mla_caches.mlir#fetch -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"];
}

def CpuLowerMlaDecode : Pass<"cpu-lower-mla-decode", "::mlir::ModuleOp"> {
  let summary = "Vector code for qattn.mla_decode";
  let description = [{
    All heads share one latent for each token. Blocks of 64 tokens are decoded
    once, to f32, for all of them. Scores have a lane for each head: the query is
    transposed first, two vectors of heads and eight tokens make 16 sums, and
    softmax runs along lane by lane. Results have a lane for each column: four
    heads and four vectors of the content that was decoded make 16 sums. With
    registers of less than 512 bits tiles are of six sums.

    With `q_scale` a block is a page of SnapMLA's recurrence: scales multiply
    scores and weights, and weights are rounded to what e4m3 has. Codes are exact
    in f32, so only sums are rounded beside them.

    A workgroup has at most 64 heads, or with `splits` a part of the tokens and at
    most 128 heads.

    Before:
    ```mlir
    qattn.mla_decode ins(%q, %q_rope, %cache, %length
        : memref<128x512xf32>, memref<128x64xf32>, !qattn.mla_cache<4096x512+64, bf16>, memref<1xi32>)
        outs(%o, %lse : memref<128x512xf32>, memref<128xf32>) {scale = 7.216880e-02 : f32}
    ```
    After (shortened):
    ```mlir
    scf.for %first = %c0 to %count step %c64 {
      vector.store %decoded, %keys[%token, %col] : memref<64x576xf32>, vector<16xf32>
      ...
      %sums:16 = scf.for %col = %c0 to %c576 step %c1 iter_args(...) {
        %heads = vector.load %query[%tile, %col, %c0] : memref<2x576x32xf32>, vector<16xf32>
        %s = vector.fma %heads, %key, %sum : vector<16xf32>
        ...
      }
      %weight = arith.mulf %power, %exponent : vector<16xf32>
      ...
      %results:16 = scf.for %token = %c0 to %listed step %c1 iter_args(...) {
        %values = vector.load %keys[%token, %col] : memref<64x576xf32>, vector<16xf32>
        ...
      }
    }
    ```

    <!-- lit: tests/passes/cpu/lower_mla_decode.mlir#decode -->
  }];
  let options = [
    Option<"vectorBits", "vector-bits", "int64_t", /*default=*/"128",
           "Bits of the widest vector registers">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

#endif // HEADRACE_PASSES_CPU_LATENT_PASSES
