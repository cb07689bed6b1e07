// RUN: %headrace_opt %s --fuse-dequant-matvec | FileCheck %s --implicit-check-not=qlinear.matmul --implicit-check-not=qlinear.matvec

!w = !qlinear.packed<64x64, #qlinear.gguf<q8_0>>
#xk = affine_map<(n, m, k) -> (n, k)>
#wk = affine_map<(n, m, k) -> (m, k)>
#y = affine_map<(n, m, k) -> (n, m)>

// Along the rows: the weight is not transposed.
// CHECK-LABEL: func @rows
// CHECK: qlinear.dequantize
// CHECK: linalg.matmul
func.func @rows(%w: !w, %x: tensor<3x64xf32>, %e: tensor<64x64xf32>) -> tensor<3x64xf32> {
  %z = arith.constant dense<0.0> : tensor<3x64xf32>
  %d = qlinear.dequantize ins(%w : !w) outs(%e : tensor<64x64xf32>) -> tensor<64x64xf32>
  %y = linalg.matmul ins(%x, %d : tensor<3x64xf32>, tensor<64x64xf32>) outs(%z : tensor<3x64xf32>) -> tensor<3x64xf32>
  return %y : tensor<3x64xf32>
}

// The weight rounded to bf16 is another weight.
// CHECK-LABEL: func @rounded
// CHECK: qlinear.dequantize
// CHECK: arith.truncf
// CHECK: linalg.matmul
func.func @rounded(%w: !w, %x: tensor<3x64xbf16>, %e: tensor<64x64xf32>, %be: tensor<64x64xbf16>) -> tensor<3x64xf32> {
  %z = arith.constant dense<0.0> : tensor<3x64xf32>
  %d = qlinear.dequantize ins(%w : !w) outs(%e : tensor<64x64xf32>) -> tensor<64x64xf32>
  %b = linalg.generic {indexing_maps = [affine_map<(n, k) -> (n, k)>, affine_map<(n, k) -> (n, k)>], iterator_types = ["parallel", "parallel"]}
      ins(%d : tensor<64x64xf32>) outs(%be : tensor<64x64xbf16>) {
  ^bb0(%a: f32, %o: bf16):
    %c = arith.truncf %a : f32 to bf16
    linalg.yield %c : bf16
  } -> tensor<64x64xbf16>
  %y = linalg.matmul indexing_maps = [#xk, #wk, #y]
      ins(%x, %b : tensor<3x64xbf16>, tensor<64x64xbf16>) outs(%z : tensor<3x64xf32>) -> tensor<3x64xf32>
  return %y : tensor<3x64xf32>
}

// Activations of f16 are no activations of qlinear.
// CHECK-LABEL: func @f16
// CHECK: qlinear.dequantize
// CHECK: linalg.matmul
func.func @f16(%w: !w, %x: tensor<3x64xf16>, %e: tensor<64x64xf32>) -> tensor<3x64xf32> {
  %z = arith.constant dense<0.0> : tensor<3x64xf32>
  %d = qlinear.dequantize ins(%w : !w) outs(%e : tensor<64x64xf32>) -> tensor<64x64xf32>
  %y = linalg.matmul indexing_maps = [#xk, #wk, #y]
      ins(%x, %d : tensor<3x64xf16>, tensor<64x64xf32>) outs(%z : tensor<3x64xf32>) -> tensor<3x64xf32>
  return %y : tensor<3x64xf32>
}

// The largest product, not the sum.
// CHECK-LABEL: func @maximum
// CHECK: qlinear.dequantize
// CHECK: arith.maximumf
func.func @maximum(%w: !w, %x: tensor<3x64xf32>, %e: tensor<64x64xf32>) -> tensor<3x64xf32> {
  %z = arith.constant dense<0.0> : tensor<3x64xf32>
  %d = qlinear.dequantize ins(%w : !w) outs(%e : tensor<64x64xf32>) -> tensor<64x64xf32>
  %y = linalg.generic {indexing_maps = [#xk, #wk, #y], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %d : tensor<3x64xf32>, tensor<64x64xf32>) outs(%z : tensor<3x64xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %p = arith.mulf %b, %a : f32
    %s = arith.maximumf %c, %p : f32
    linalg.yield %s : f32
  } -> tensor<3x64xf32>
  return %y : tensor<3x64xf32>
}

// Row m of the weight with row m of the activations: no product of matrices.
// CHECK-LABEL: func @row_by_row
// CHECK: qlinear.dequantize
// CHECK: linalg.generic
func.func @row_by_row(%w: !w, %x: tensor<64x64xf32>, %e: tensor<64x64xf32>) -> tensor<64xf32> {
  %z = arith.constant dense<0.0> : tensor<64xf32>
  %d = qlinear.dequantize ins(%w : !w) outs(%e : tensor<64x64xf32>) -> tensor<64x64xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> (m)>], iterator_types = ["parallel", "reduction"]}
      ins(%x, %d : tensor<64x64xf32>, tensor<64x64xf32>) outs(%z : tensor<64xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %p = arith.mulf %b, %a : f32
    %s = arith.addf %c, %p : f32
    linalg.yield %s : f32
  } -> tensor<64xf32>
  return %y : tensor<64xf32>
}

// Some of the columns.
// CHECK-LABEL: func @columns
// CHECK: qlinear.dequantize
// CHECK: linalg.matmul
func.func @columns(%w: !w, %x: tensor<3x32xf32>, %e: tensor<64x64xf32>) -> tensor<3x64xf32> {
  %z = arith.constant dense<0.0> : tensor<3x64xf32>
  %d = qlinear.dequantize ins(%w : !w) outs(%e : tensor<64x64xf32>) -> tensor<64x64xf32>
  %s = tensor.extract_slice %d[0, 0] [64, 32] [1, 1] : tensor<64x64xf32> to tensor<64x32xf32>
  %y = linalg.matmul indexing_maps = [#xk, #wk, #y]
      ins(%x, %s : tensor<3x32xf32>, tensor<64x32xf32>) outs(%z : tensor<3x64xf32>) -> tensor<3x64xf32>
  return %y : tensor<3x64xf32>
}

// CHECK-LABEL: func @dynamic
// CHECK: qlinear.dequantize
// CHECK: linalg.matmul
func.func @dynamic(%w: !w, %x: tensor<?x64xf32>, %e: tensor<64x64xf32>, %o: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %zero = arith.constant 0.0 : f32
  %z = linalg.fill ins(%zero : f32) outs(%o : tensor<?x64xf32>) -> tensor<?x64xf32>
  %d = qlinear.dequantize ins(%w : !w) outs(%e : tensor<64x64xf32>) -> tensor<64x64xf32>
  %y = linalg.matmul indexing_maps = [#xk, #wk, #y]
      ins(%x, %d : tensor<?x64xf32>, tensor<64x64xf32>) outs(%z : tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// Activations are no weight.
// CHECK-LABEL: func @activations
// CHECK: qlinear.dequantize
// CHECK: linalg.matmul
func.func @activations(%q: !qlinear.packed<3x64, #qlinear.act_i8>, %x: tensor<5x64xf32>, %e: tensor<3x64xf32>) -> tensor<5x3xf32> {
  %z = arith.constant dense<0.0> : tensor<5x3xf32>
  %d = qlinear.dequantize ins(%q : !qlinear.packed<3x64, #qlinear.act_i8>) outs(%e : tensor<3x64xf32>) -> tensor<3x64xf32>
  %y = linalg.matmul indexing_maps = [#xk, #wk, #y]
      ins(%x, %d : tensor<5x64xf32>, tensor<3x64xf32>) outs(%z : tensor<5x3xf32>) -> tensor<5x3xf32>
  return %y : tensor<5x3xf32>
}

// A scalar is no activations; nor are no tokens.
// CHECK-LABEL: func @scalar_and_none
// CHECK: qlinear.dequantize
// CHECK: linalg.generic
// CHECK: linalg.matmul
func.func @scalar_and_none(%w: !w, %s: f32, %x: tensor<0x64xf32>, %e: tensor<64x64xf32>) -> (tensor<64xf32>, tensor<0x64xf32>) {
  %z = arith.constant dense<0.0> : tensor<64xf32>
  %o = tensor.empty() : tensor<0x64xf32>
  %d = qlinear.dequantize ins(%w : !w) outs(%e : tensor<64x64xf32>) -> tensor<64x64xf32>
  %0 = linalg.generic {indexing_maps = [affine_map<(m, k) -> (m, k)>, affine_map<(m, k) -> ()>, affine_map<(m, k) -> (m)>], iterator_types = ["parallel", "reduction"]}
      ins(%d, %s : tensor<64x64xf32>, f32) outs(%z : tensor<64xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %p = arith.mulf %b, %a : f32
    %t = arith.addf %c, %p : f32
    linalg.yield %t : f32
  } -> tensor<64xf32>
  %1 = linalg.matmul indexing_maps = [#xk, #wk, #y] ins(%x, %d : tensor<0x64xf32>, tensor<64x64xf32>) outs(%o : tensor<0x64xf32>) -> tensor<0x64xf32>
  return %0, %1 : tensor<64xf32>, tensor<0x64xf32>
}
