//===- Passes.td - passes that serve every target --------------------------===//

#ifndef HEADRACE_PASSES_COMMON
#define HEADRACE_PASSES_COMMON

include "mlir/Pass/PassBase.td"
include "passes/common/LinearPasses.td"
include "passes/common/AttentionPasses.td"
include "passes/common/RaisePasses.td"
include "passes/common/CostPasses.td"

def DecomposeQLinear : Pass<"decompose-qlinear", "::mlir::ModuleOp"> {
  let summary = "Replace qlinear by what it means in linalg and arith";
  let description = [{
    Packed values become tensors of bytes, and every operation becomes linalg,
    arith, math and tensor operations that read those bytes. The result runs
    anywhere, slowly; it is the meaning against which each target is tested.

    Before:
    ```mlir
    %y = qlinear.matvec ins(%w, %x : !qlinear.packed<4x32, #qlinear.gguf<q8_0>>, tensor<32xf32>)
                        outs(%init : tensor<4xf32>) -> tensor<4xf32>
    ```
    After (shortened):
    ```mlir
    %d = linalg.generic outs(%e : tensor<4x32xf32>) {
      %row = linalg.index 0 : index
      %col = linalg.index 1 : index
      %byte = tensor.extract %w[%at] : tensor<136xi8>
      ...
      linalg.yield %value : f32
    } -> tensor<4x32xf32>
    %y = linalg.matvec ins(%d, %x : tensor<4x32xf32>, tensor<32xf32>) outs(%zero : tensor<4xf32>) -> tensor<4xf32>
    ```

    <!-- lit: tests/passes/common/decompose_products.mlir#matvec -->
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::math::MathDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"];
}

def DecomposeQAttn : Pass<"decompose-qattn", "::mlir::ModuleOp"> {
  let summary = "Replace qattn by what it means in linalg and arith";
  let description = [{
    Caches become tensors of bytes, and every operation becomes linalg, arith,
    math, scf and tensor operations that read and write those bytes; appending
    inserts slices, which bufferize in place. As with `decompose-qlinear`, which
    comes behind it, the result is the meaning that targets are tested against.

    Before:
    ```mlir
    %k, %v = qattn.fetch_kv ins(%c, %start : !qattn.kv_cache<64x2x16, bf16>, tensor<1xi32>)
        outs(%ki, %vi : tensor<4x2x16xf32>, tensor<4x2x16xf32>) -> tensor<4x2x16xf32>, tensor<4x2x16xf32>
    ```
    After (shortened):
    ```mlir
    %k = linalg.generic outs(%e : tensor<4x2x16xf32>) {
      %t = linalg.index 0 : index
      ...
      %byte = tensor.extract %c[%at] : tensor<8192xi8>
      ...
      %seen = arith.select %valid, %value, %zero : f32
      linalg.yield %seen : f32
    } -> tensor<4x2x16xf32>
    ```

    <!-- lit: tests/passes/common/decompose_caches.mlir#fetch -->
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::math::MathDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"];
}

def VerifyTargetLegality : Pass<"verify-target-legality", "::mlir::ModuleOp"> {
  let summary = "Refuse what a target's capability table does not claim";
  let description = [{
    Reads a target's capability table (JSON, one per target) and checks each
    operation of `qlinear` and `qattn` against it: operation, format, precision
    of the activations, and the constraints of the cell. The format is that of
    the weight; of an operation on a cache it is the dtype of the cache, as
    `kv_f16` or `mla_fp8_e4m3`; of others the type of the numbers, `f32`. A cell
    may claim a family of formats, as `codebook:*`.
    Operations that only say what bytes are (`from_bytes`, `slice`, `concat`,
    ...) need no claim. An unclaimed operation is an error that names the nearest
    claimed one. This pass is the table's only reader that decides anything.

    ```
    error: 'qlinear.matvec' op with format q5_k and activations f32 is not claimed by target cpu; nearest: format q4_k; claimed formats: q4_0, ...
    ```

    <!-- lit: tests/passes/common/verify_target_legality_unclaimed.mlir#unclaimed -->
    <!-- lit: tests/passes/common/verify_target_legality_all.mlir#cache -->
  }];
  let options = [
    Option<"capabilities", "capabilities", "std::string", /*default=*/"\"\"",
           "Path of the target's capability table">];
}

#endif // HEADRACE_PASSES_COMMON
