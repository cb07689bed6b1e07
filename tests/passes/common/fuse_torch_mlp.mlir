// RUN: %headrace_opt %s --fuse-dequant-matvec --fuse-gated-matvec | FileCheck %s --implicit-check-not=linalg.matmul --implicit-check-not=qlinear.dequantize

// Feed-forward layers of one token as torch-mlir lowers them, with dequantized
// weights: two products are left.

!in = !qlinear.packed<32x64, #qlinear.gguf<q8_0>>
!out = !qlinear.packed<64x32, #qlinear.gguf<q8_0>>
#map = affine_map<(d0, d1, d2) -> (d0, d1, d2)>

// CHECK-LABEL: func @silu(
// CHECK-SAME: %[[G:[a-z0-9]+]]: !qlinear{{[^%]*}} %[[U:[a-z0-9]+]]: !qlinear{{[^%]*}} %[[D:[a-z0-9]+]]: !qlinear
// CHECK: %[[Y:.*]] = qlinear.gated_matvec silu ins(%[[G]], %[[U]], %{{.*}} :
// CHECK: qlinear.matvec ins(%[[D]],
// CHECK-NOT: qlinear.mat
// CHECK: return
func.func @silu(%g: !in, %u: !in, %d: !out, %x: tensor<1x1x64xf32>) -> tensor<1x1x64xf32> {
  %cst = arith.constant 0.000000e+00 : f32
  %cst_0 = arith.constant 1.000000e+00 : f32
  %e0 = tensor.empty() : tensor<32x64xf32>
  %e1 = tensor.empty() : tensor<64x32xf32>
  %wg = qlinear.dequantize ins(%g : !in) outs(%e0 : tensor<32x64xf32>) -> tensor<32x64xf32>
  %wu = qlinear.dequantize ins(%u : !in) outs(%e0 : tensor<32x64xf32>) -> tensor<32x64xf32>
  %wd = qlinear.dequantize ins(%d : !out) outs(%e1 : tensor<64x32xf32>) -> tensor<64x32xf32>
  %transposed = linalg.transpose ins(%wg : tensor<32x64xf32>) outs(%e1 : tensor<64x32xf32>) permutation = [1, 0]
  %collapsed = tensor.collapse_shape %x [[0], [1, 2]] : tensor<1x1x64xf32> into tensor<1x64xf32>
  %1 = tensor.empty() : tensor<1x32xf32>
  %2 = linalg.fill ins(%cst : f32) outs(%1 : tensor<1x32xf32>) -> tensor<1x32xf32>
  %3 = linalg.matmul ins(%collapsed, %transposed : tensor<1x64xf32>, tensor<64x32xf32>) outs(%2 : tensor<1x32xf32>) -> tensor<1x32xf32>
  %expanded = tensor.expand_shape %3 [[0], [1, 2]] output_shape [1, 1, 32] : tensor<1x32xf32> into tensor<1x1x32xf32>
  %4 = tensor.empty() : tensor<1x1x32xf32>
  %5 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded : tensor<1x1x32xf32>) outs(%4 : tensor<1x1x32xf32>) {
  ^bb0(%in: f32, %out: f32):
    %13 = arith.negf %in : f32
    %14 = math.exp %13 : f32
    %15 = arith.addf %14, %cst_0 : f32
    %16 = arith.divf %cst_0, %15 : f32
    linalg.yield %16 : f32
  } -> tensor<1x1x32xf32>
  %6 = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded, %5 : tensor<1x1x32xf32>, tensor<1x1x32xf32>) outs(%4 : tensor<1x1x32xf32>) {
  ^bb0(%in: f32, %in_9: f32, %out: f32):
    %13 = arith.mulf %in, %in_9 : f32
    linalg.yield %13 : f32
  } -> tensor<1x1x32xf32>
  %transposed_4 = linalg.transpose ins(%wu : tensor<32x64xf32>) outs(%e1 : tensor<64x32xf32>) permutation = [1, 0]
  %7 = linalg.matmul ins(%collapsed, %transposed_4 : tensor<1x64xf32>, tensor<64x32xf32>) outs(%2 : tensor<1x32xf32>) -> tensor<1x32xf32>
  %expanded_5 = tensor.expand_shape %7 [[0], [1, 2]] output_shape [1, 1, 32] : tensor<1x32xf32> into tensor<1x1x32xf32>
  %8 = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%6, %expanded_5 : tensor<1x1x32xf32>, tensor<1x1x32xf32>) outs(%4 : tensor<1x1x32xf32>) {
  ^bb0(%in: f32, %in_9: f32, %out: f32):
    %13 = arith.mulf %in, %in_9 : f32
    linalg.yield %13 : f32
  } -> tensor<1x1x32xf32>
  %transposed_6 = linalg.transpose ins(%wd : tensor<64x32xf32>) outs(%e0 : tensor<32x64xf32>) permutation = [1, 0]
  %collapsed_7 = tensor.collapse_shape %8 [[0], [1, 2]] : tensor<1x1x32xf32> into tensor<1x32xf32>
  %10 = tensor.empty() : tensor<1x64xf32>
  %11 = linalg.fill ins(%cst : f32) outs(%10 : tensor<1x64xf32>) -> tensor<1x64xf32>
  %12 = linalg.matmul ins(%collapsed_7, %transposed_6 : tensor<1x32xf32>, tensor<32x64xf32>) outs(%11 : tensor<1x64xf32>) -> tensor<1x64xf32>
  %expanded_8 = tensor.expand_shape %12 [[0], [1, 2]] output_shape [1, 1, 64] : tensor<1x64xf32> into tensor<1x1x64xf32>
  return %expanded_8 : tensor<1x1x64xf32>
}

// GELU with its rounded constant, and a batch of one as batch_matmul.
// CHECK-LABEL: func @gelu(
// CHECK: qlinear.gated_matvec gelu_tanh
// CHECK-NOT: qlinear.mat
// CHECK: return
func.func @gelu(%g: !in, %u: !in, %x: tensor<1x1x64xf32>) -> tensor<1x1x32xf32> {
  %cst = arith.constant 0.000000e+00 : f32
  %c3_i64 = arith.constant 3 : i64
  %cst_0 = arith.constant 4.471500e-02 : f32
  %cst_1 = arith.constant 7.977240e-01 : f32
  %cst_2 = arith.constant 1.000000e+00 : f32
  %cst_3 = arith.constant 5.000000e-01 : f32
  %e0 = tensor.empty() : tensor<32x64xf32>
  %e1 = tensor.empty() : tensor<64x32xf32>
  %eb = tensor.empty() : tensor<1x64x32xf32>
  %wg = qlinear.dequantize ins(%g : !in) outs(%e0 : tensor<32x64xf32>) -> tensor<32x64xf32>
  %wu = qlinear.dequantize ins(%u : !in) outs(%e0 : tensor<32x64xf32>) -> tensor<32x64xf32>
  %transposed = linalg.transpose ins(%wg : tensor<32x64xf32>) outs(%e1 : tensor<64x32xf32>) permutation = [1, 0]
  %bg = linalg.broadcast ins(%transposed : tensor<64x32xf32>) outs(%eb : tensor<1x64x32xf32>) dimensions = [0]
  %1 = tensor.empty() : tensor<1x1x32xf32>
  %2 = linalg.fill ins(%cst : f32) outs(%1 : tensor<1x1x32xf32>) -> tensor<1x1x32xf32>
  %3 = linalg.batch_matmul ins(%x, %bg : tensor<1x1x64xf32>, tensor<1x64x32xf32>) outs(%2 : tensor<1x1x32xf32>) -> tensor<1x1x32xf32>
  %4 = tensor.empty() : tensor<1x1x32xf32>
  %5 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%3 : tensor<1x1x32xf32>) outs(%4 : tensor<1x1x32xf32>) {
  ^bb0(%in: f32, %out: f32):
    %12 = math.fpowi %in, %c3_i64 : f32, i64
    %13 = arith.mulf %12, %cst_0 : f32
    %14 = arith.addf %in, %13 : f32
    %15 = arith.mulf %14, %cst_1 : f32
    %16 = math.tanh %15 : f32
    %17 = arith.addf %16, %cst_2 : f32
    %18 = arith.mulf %17, %cst_3 : f32
    %19 = arith.mulf %in, %18 : f32
    linalg.yield %19 : f32
  } -> tensor<1x1x32xf32>
  %transposed_7 = linalg.transpose ins(%wu : tensor<32x64xf32>) outs(%e1 : tensor<64x32xf32>) permutation = [1, 0]
  %bu = linalg.broadcast ins(%transposed_7 : tensor<64x32xf32>) outs(%eb : tensor<1x64x32xf32>) dimensions = [0]
  %6 = linalg.batch_matmul ins(%x, %bu : tensor<1x1x64xf32>, tensor<1x64x32xf32>) outs(%2 : tensor<1x1x32xf32>) -> tensor<1x1x32xf32>
  %7 = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel", "parallel", "parallel"]} ins(%5, %6 : tensor<1x1x32xf32>, tensor<1x1x32xf32>) outs(%4 : tensor<1x1x32xf32>) {
  ^bb0(%in: f32, %in_12: f32, %out: f32):
    %12 = arith.mulf %in, %in_12 : f32
    linalg.yield %12 : f32
  } -> tensor<1x1x32xf32>
  return %7 : tensor<1x1x32xf32>
}
