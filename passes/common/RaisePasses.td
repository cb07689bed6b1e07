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

def RaiseTorchOps : Pass<"raise-torch-ops", "::mlir::ModuleOp"> {
  let summary = "Calls that stand for PyTorch operators become operations";
  let description = [{
    An importer keeps PyTorch operators whole as calls of private declarations:
    `headrace.operator` is the name, `headrace.arguments` has the arguments that
    are no tensors, in order, with unit for None. They become

    | operator | tensors | arguments | operation |
    | --- | --- | --- | --- |
    | `headrace.linear` | x, weight | rows, cols, format, activations | `qlinear.matmul`, of `qlinear.quantize` for activations "i8" |
    | `headrace.attention` | q, k, v | causal, window, scale, softcap | `qattn.prefill` |
    | `headrace.append_kv` | k, v, cache, position | type of the cache | `qattn.append_kv` |
    | `headrace.decode` | q, cache, length | type of the cache, window, scale, softcap | `qattn.decode` |
    | `aten.scaled_dot_product_attention` | q, k, v, mask or none | dropout, is_causal, scale, enable_gqa | `qattn.prefill` |

    Formats and types are strings of their text; window and softcap are 0 for
    none. Weights and caches are tensors of bytes. PyTorch's attention stays a
    call if its mask is not understood (see `raise-attention`) or it drops out.

    Before:
    ```mlir
    func.func private @linear(tensor<2x32xf32>, tensor<136xi8>) -> tensor<2x4xf32>
        attributes {headrace.operator = "headrace.linear", headrace.arguments = [4, 32, "#qlinear.gguf<q8_0>", "f32"]}
    %y = call @linear(%x, %w) : (tensor<2x32xf32>, tensor<136xi8>) -> tensor<2x4xf32>
    ```
    After:
    ```mlir
    %p = qlinear.from_bytes %w : tensor<136xi8> to !qlinear.packed<4x32, #qlinear.gguf<q8_0>>
    %y = qlinear.matmul ins(%p, %x : !qlinear.packed<4x32, #qlinear.gguf<q8_0>>, tensor<2x32xf32>)
        outs(%e : tensor<2x4xf32>) -> tensor<2x4xf32>
    ```

    <!-- lit: tests/passes/common/raise_torch_ops.mlir#linear -->
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::tensor::TensorDialect", "::headrace::qlinear::QLinearDialect",
    "::headrace::qattn::QAttnDialect"];
}

def OutlineWeights : Pass<"outline-weights", "::mlir::ModuleOp"> {
  let summary = "Pack weights in a function of their own";
  let description = [{
    `raise-dequantize` computes the bytes of a weight from the tensors in which
    the model has its codes and scales. Where these are arguments, that would be
    done in each run. A function `@f` whose packed weights are computed from
    arguments that serve nothing else takes the bytes instead, behind its other
    arguments, and `@f_weights` computes all of them from what `@f` took before.

    A function that is called, and weights that depend on anything else, stay as
    they are.

    Before (shortened):
    ```mlir
    func.func @f(%x: tensor<64xf32>, %codes: tensor<4x64xi8>, %scales: tensor<4x2xf32>) -> tensor<4xf32> {
      %bytes = ... %codes, %scales
      %w = qlinear.from_bytes %bytes : tensor<288xi8> to !w
      %y = qlinear.matvec ins(%w, %x : !w, tensor<64xf32>) ...
    ```
    After (shortened):
    ```mlir
    func.func @f_weights(%codes: tensor<4x64xi8>, %scales: tensor<4x2xf32>) -> tensor<288xi8> {
      %bytes = ... %codes, %scales
      return %bytes
    }
    func.func @f(%x: tensor<64xf32>, %bytes: tensor<288xi8>) -> tensor<4xf32> {
      %w = qlinear.from_bytes %bytes : tensor<288xi8> to !w
      %y = qlinear.matvec ins(%w, %x : !w, tensor<64xf32>) ...
    ```

    <!-- lit: tests/passes/common/outline_weights.mlir#weights -->
  }];
  let dependentDialects = ["::mlir::func::FuncDialect"];
}

#endif // HEADRACE_PASSES_COMMON_RAISE
