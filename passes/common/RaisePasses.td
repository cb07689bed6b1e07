//===- RaisePasses.td - from the IR of frameworks to our operations ---------===//

#ifndef HEADRACE_PASSES_COMMON_RAISE
#define HEADRACE_PASSES_COMMON_RAISE

include "mlir/Pass/PassBase.td"

def RaiseDequantize : Pass<"raise-dequantize", "::mlir::ModuleOp"> {
  let summary = "Recognise matrices that are dequantized for a product";
  let description = [{
    Models from PyTorch write dequantization as arithmetic: integer codes become
    floats, zero points are subtracted, scales of groups multiply, all on
    reshaped and broadcast tensors. Where a matrix operand of a contraction is
    made so of constants or arguments, it becomes `qlinear.dequantize` of a
    `#qlinear.affine` matrix: each element is traced back to its code, scale and
    zero point, however they were reshaped on the way, and packing the codes is
    undone by evaluating it for every byte.

    The bytes of the packed matrix are computed by tensor operations on the
    weights, which fold or can be hoisted. Values stay exactly the same. What
    differs from the format in any element stays as it is.

    | codes | 8 bits signed or unsigned, 2 or 4 bits in bytes |
    | --- | --- |
    | scales | f32, f16, bf16 for groups of columns or rows, or one constant |
    | zero points | none, a constant, bytes, or floats added behind the scale |

    Before (shortened):
    ```mlir
    %c = tensor.expand_shape %codes [[0], [1, 2]] : tensor<4x64xi8> into tensor<4x2x32xi8>
    %f = linalg.generic ins(%c : tensor<4x2x32xi8>) { arith.sitofp }
    %v = linalg.generic ins(%f, %scales : tensor<4x2x32xf32>, tensor<4x2x1xf32>) { arith.mulf }
    %d = tensor.collapse_shape %v [[0], [1, 2]] : tensor<4x2x32xf32> into tensor<4x64xf32>
    %t = linalg.transpose ins(%d : tensor<4x64xf32>) outs(%e : tensor<64x4xf32>) permutation = [1, 0]
    %y = linalg.matmul ins(%x, %t : tensor<3x64xf32>, tensor<64x4xf32>) outs(%z : tensor<3x4xf32>) -> tensor<3x4xf32>
    ```
    After (shortened):
    ```mlir
    %flipped = linalg.generic ins(%codes : tensor<4x64xi8>) { arith.xori %in, %c-128_i8 }
    %bytes = linalg.generic ins(%scales : tensor<4x2xf32>) { arith.bitcast, arith.shrui, arith.trunci }
    %rows = tensor.insert_slice ... : tensor<4x8xi8> into tensor<4x72xi8>
    %w = qlinear.from_bytes %flat : tensor<288xi8> to !qlinear.packed<4x64, #qlinear.affine<bits = 8, group = 32, scale = f32>>
    %d = qlinear.dequantize ins(%w : ...) outs(%i : tensor<4x64xf32>) -> tensor<4x64xf32>
    ```

    <!-- lit: tests/passes/common/raise_dequantize.mlir#groups -->
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::tensor::TensorDialect", "::headrace::qlinear::QLinearDialect"];
}

def RaiseAttention : Pass<"raise-attention", "::mlir::ModuleOp"> {
  let summary = "Recognise attention that is written in linalg";
  let description = [{
    `softmax(scale * q k^T + mask) v`, as PyTorch's scaled_dot_product_attention
    and the eager attention of `transformers` decompose, becomes `qattn.prefill`.
    Elements are traced through reshapes, transpositions and the repetition of
    heads, so that queries, keys and values are taken from where they come from,
    [tokens, heads, dimension], each head once. Batches count as heads. Constant
    factors, on queries, keys or scores, and a soft cap are kept as attributes.

    A mask that is added or selects is evaluated for every query and key: what is
    computed from indices and constants is understood if it is causal, a window,
    or both, or neither. Attention with any other mask, above all one that is an
    argument, stays as it is. So does one in which a query sees nothing.

    Before (shortened):
    ```mlir
    %s = linalg.batch_matmul ins(%q, %kt : tensor<4x8x16xf32>, tensor<4x16x8xf32>) ...
    %m = linalg.generic ins(%s, %mask : tensor<4x8x8xf32>, tensor<8x8xf32>) { arith.addf }
    %max = linalg.generic ins(%m : tensor<4x8x8xf32>) { arith.maximumf }
    %e = linalg.generic ins(%m, %max : tensor<4x8x8xf32>, tensor<4x8x1xf32>) { arith.subf, math.exp }
    %sum = linalg.generic ins(%e : tensor<4x8x8xf32>) { arith.addf }
    %p = linalg.generic ins(%e, %sum : tensor<4x8x8xf32>, tensor<4x8x1xf32>) { arith.divf }
    %o = linalg.batch_matmul ins(%p, %v : tensor<4x8x8xf32>, tensor<4x8x16xf32>) ...
    ```
    After (shortened):
    ```mlir
    %o = qattn.prefill causal ins(%q, %k, %v : tensor<8x4x16xf32>, tensor<8x2x16xf32>, tensor<8x2x16xf32>)
        outs(%init : tensor<8x4x16xf32>) {scale = 2.500000e-01 : f32, window = 4 : i64} -> tensor<8x4x16xf32>
    %t = linalg.transpose ins(%o : tensor<8x4x16xf32>) outs(%e : tensor<4x8x16xf32>) permutation = [1, 0, 2]
    ```

    <!-- lit: tests/passes/common/raise_attention.mlir#window -->
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::tensor::TensorDialect", "::headrace::qattn::QAttnDialect"];
}

#endif // HEADRACE_PASSES_COMMON_RAISE
