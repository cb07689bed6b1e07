//===- LinearPasses.td - passes over quantized products --------------------===//

#ifndef HEADRACE_PASSES_COMMON_LINEAR
#define HEADRACE_PASSES_COMMON_LINEAR

include "mlir/Pass/PassBase.td"

def FuseDequantMatvec : Pass<"fuse-dequant-matvec", "::mlir::ModuleOp"> {
  let summary = "Products with a dequantized weight become products that decode it";
  let description = [{
    A contraction of linalg over the columns of a `qlinear.dequantize` result
    becomes `qlinear.matvec` for one token and `qlinear.matmul` for several, so
    that no decoded weight is ever in memory (FusedDQP of arXiv 2602.06063).
    `linalg.matvec`, `matmul`, `batch_matmul`, `generic` and others are alike
    here: what counts is which elements are multiplied and added, so the weight
    may be transposed, reshaped or broadcast on the way. Activations are f32, or
    bf16 extended to f32, or `qlinear.dequantize` of packed activations. What the
    output held before, if not zeros, is added afterwards. A `qlinear.matmul` of
    one token becomes a matvec as well. A dequantized weight that something else
    uses stays for that.

    A product along the rows of the weight stays as it is: a row is what a
    packed format can decode by itself.

    Before:
    ```mlir
    %d = qlinear.dequantize ins(%w : !qlinear.packed<4x32, #qlinear.gguf<q8_0>>)
        outs(%e : tensor<4x32xf32>) -> tensor<4x32xf32>
    %zeros = linalg.fill ins(%zero : f32) outs(%o : tensor<4xf32>) -> tensor<4xf32>
    %y = linalg.matvec ins(%d, %x : tensor<4x32xf32>, tensor<32xf32>)
        outs(%zeros : tensor<4xf32>) -> tensor<4xf32>
    ```
    After:
    ```mlir
    %y = qlinear.matvec ins(%w, %x : !qlinear.packed<4x32, #qlinear.gguf<q8_0>>, tensor<32xf32>)
        outs(%o : tensor<4xf32>) -> tensor<4xf32>
    ```

    <!-- lit: tests/passes/common/fuse_dequant_matvec.mlir#matmul -->
  }];
  let dependentDialects = [
    "::headrace::qlinear::QLinearDialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

def FuseGatedMatvec : Pass<"fuse-gated-matvec", "::mlir::ModuleOp"> {
  let summary = "Two products and a gated activation become one product";
  let description = [{
    `act(gate * x) * (up * x)` of two `qlinear.matvec` becomes
    `qlinear.gated_matvec`, which reads the activations once and writes one
    vector. The activation is `qlinear.gated_activation`, or arithmetic in one or
    several `linalg.generic` that computes `silu(g) * u` or `gelu_tanh(g) * u`,
    however it is grouped.

    Both weights must have one type, as targets decode one format at a time, and
    the products no other use. Such arithmetic of products that cannot be one,
    those of several tokens (`qlinear.matmul`) among them, becomes
    `qlinear.gated_activation`.

    Before:
    ```mlir
    %g = qlinear.matvec ins(%gate, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
    %u = qlinear.matvec ins(%up, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
    %y = qlinear.gated_activation silu ins(%g, %u : tensor<8xf32>, tensor<8xf32>)
        outs(%o : tensor<8xf32>) -> tensor<8xf32>
    ```
    After:
    ```mlir
    %y = qlinear.gated_matvec silu ins(%gate, %up, %x : !w, !w, tensor<64xf32>)
        outs(%o : tensor<8xf32>) -> tensor<8xf32>
    ```

    <!-- lit: tests/passes/common/fuse_gated_matvec.mlir#silu -->
  }];
  let dependentDialects = [
    "::headrace::qlinear::QLinearDialect", "::mlir::tensor::TensorDialect"];
}

def MergeSharedInput : Pass<"merge-shared-input", "::mlir::ModuleOp"> {
  let summary = "Products of the same activations become one";
  let description = [{
    `qlinear.matvec` or `qlinear.matmul` operations of one block with the same
    activations become one product with the rows of all weights, in the order of
    the program, and a slice of its result for each: the projections to queries,
    keys and values, or those to gate and up. There is one kernel to launch, with
    more rows to share among threads.

    Weights must have one format without a header, and be stored (arguments of
    the function, constants, or bytes of these), so that their bytes are put
    together once and not in each run. A weight that ends within a block of rows
    can only be the last; further ones are left. Products with different
    `headrace.kernel` or `headrace.threshold` are not merged. This pass belongs
    behind `fuse-gated-matvec`, which does more for gate and up of one token.

    Before:
    ```mlir
    %q = qlinear.matvec ins(%wq, %x : !qlinear.packed<8x32, #f>, tensor<32xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
    %k = qlinear.matvec ins(%wk, %x : !qlinear.packed<4x32, #f>, tensor<32xf32>) outs(%p : tensor<4xf32>) -> tensor<4xf32>
    ```
    After:
    ```mlir
    %w = qlinear.concat %wq, %wk : !qlinear.packed<8x32, #f>, !qlinear.packed<4x32, #f> to !qlinear.packed<12x32, #f>
    %y = qlinear.matvec ins(%w, %x : !qlinear.packed<12x32, #f>, tensor<32xf32>) outs(%e : tensor<12xf32>) -> tensor<12xf32>
    %q = tensor.extract_slice %y[0] [8] [1] : tensor<12xf32> to tensor<8xf32>
    %k = tensor.extract_slice %y[8] [4] [1] : tensor<12xf32> to tensor<4xf32>
    ```

    <!-- lit: tests/passes/common/merge_shared_input.mlir#qkv -->
  }];
  let dependentDialects = [
    "::headrace::qlinear::QLinearDialect", "::mlir::tensor::TensorDialect"];
}

def SparsifyActivations : Pass<"sparsify-activations", "::mlir::ModuleOp"> {
  let summary = "Products leave out the columns of small activations";
  let description = [{
    A `qlinear.matvec` or `qlinear.gated_matvec` with the attribute
    `headrace.threshold` = t (f32) reads only the columns whose activations are
    larger than t in magnitude (arXiv 2511.04477). The columns are selected once
    for all products of the same activations and threshold, where the activations
    come into being. `headrace.kernel` = "dense" or "lut" keeps a product as it
    is, and `qlinear.matmul` is always dense: few columns are zero for all of
    several tokens.

    The result is that of activations in which those up to t are zeros.

    Before:
    ```mlir
    %y = qlinear.matvec ins(%w, %x : !w, tensor<256xf32>) outs(%o : tensor<512xf32>)
        {headrace.threshold = 1.250000e-01 : f32} -> tensor<512xf32>
    ```
    After:
    ```mlir
    %i, %n = qlinear.select_columns threshold = 1.250000e-01 ins(%x : tensor<256xf32>)
        outs(%ie, %ne : tensor<256xi32>, tensor<1xi32>) -> tensor<256xi32>, tensor<1xi32>
    %y = qlinear.sparse_matvec ins(%w, %x, %i, %n : !w, tensor<256xf32>, tensor<256xi32>, tensor<1xi32>)
        outs(%e : tensor<512xf32>) -> tensor<512xf32>
    ```

    <!-- lit: tests/passes/common/sparsify_activations.mlir#shared -->
  }];
  let dependentDialects = [
    "::headrace::qlinear::QLinearDialect", "::mlir::tensor::TensorDialect"];
}

def LowerLutMatvec : Pass<"lower-lut-matvec", "::mlir::ModuleOp"> {
  let summary = "Products with product tables become table lookup";
  let description = [{
    `qlinear.matvec`, `qlinear.matmul` and `qlinear.gated_matvec` with weights in
    a codebook format that has product tables become
    `qlinear.assign_centroids` and `qlinear.lut_matvec` (arXiv 2511.06174). An
    assignment is shared where one weight is used twice with the same
    activations: other weights have other activation centroids.
    `headrace.kernel` = "dense" or "sparse" keeps a product as it is; "lut" where
    there is no table is an error.

    The result is that of the stored products, which are those of the nearest
    activation centroids, rounded to 8 or 4 bits.

    Before:
    ```mlir
    %y = qlinear.matvec ins(%w, %x : !w, tensor<8xf32>) outs(%o : tensor<16xf32>) -> tensor<16xf32>
    ```
    After:
    ```mlir
    %a = qlinear.assign_centroids ins(%w, %x : !w, tensor<8xf32>) outs(%e : tensor<4xi32>) -> tensor<4xi32>
    %y = qlinear.lut_matvec ins(%w, %a : !w, tensor<4xi32>) outs(%o : tensor<16xf32>) -> tensor<16xf32>
    ```

    <!-- lit: tests/passes/common/lower_lut_matvec.mlir#matvec -->
  }];
  let dependentDialects = [
    "::headrace::qlinear::QLinearDialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

#endif // HEADRACE_PASSES_COMMON_LINEAR
