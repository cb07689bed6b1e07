// RUN: %headrace_opt %s --fuse-dequant-matvec | FileCheck %s --implicit-check-not=qlinear.dequantize

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>
!act = !qlinear.packed<1x64, #qlinear.act_i8>

// doc: matmul
// CHECK-LABEL: func @matmul(
// CHECK-SAME: %[[W:[a-z0-9]+]]: !qlinear.packed<4x64, #qlinear.gguf<q8_0>>, %[[X:[a-z0-9]+]]: tensor<3x64xf32>)
// CHECK: %[[Y:.*]] = qlinear.matmul ins(%[[W]], %[[X]] : {{.*}}, tensor<3x64xf32>) outs(%{{.*}} : tensor<3x4xf32>)
// CHECK: return %[[Y]]
func.func @matmul(%w: !w, %x: tensor<3x64xf32>) -> tensor<3x4xf32> {
  %zero = arith.constant 0.0 : f32
  %de = tensor.empty() : tensor<4x64xf32>
  %te = tensor.empty() : tensor<64x4xf32>
  %ye = tensor.empty() : tensor<3x4xf32>
  %d = qlinear.dequantize ins(%w : !w) outs(%de : tensor<4x64xf32>) -> tensor<4x64xf32>
  %t = linalg.transpose ins(%d : tensor<4x64xf32>) outs(%te : tensor<64x4xf32>) permutation = [1, 0]
  %z = linalg.fill ins(%zero : f32) outs(%ye : tensor<3x4xf32>) -> tensor<3x4xf32>
  %y = linalg.matmul ins(%x, %t : tensor<3x64xf32>, tensor<64x4xf32>) outs(%z : tensor<3x4xf32>) -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}
// doc: end

// CHECK-LABEL: func @matvec(
// CHECK-SAME: %[[W:[a-z0-9]+]]: !qlinear.packed<4x64, #qlinear.gguf<q8_0>>, %[[X:[a-z0-9]+]]: tensor<64xf32>
// CHECK: %[[Y:.*]] = qlinear.matvec ins(%[[W]], %[[X]] :
// CHECK: return %[[Y]]
func.func @matvec(%w: !w, %x: tensor<64xf32>, %e: tensor<4x64xf32>) -> tensor<4xf32> {
  %z = arith.constant dense<0.0> : tensor<4xf32>
  %d = qlinear.dequantize ins(%w : !w) outs(%e : tensor<4x64xf32>) -> tensor<4x64xf32>
  %y = linalg.matvec ins(%d, %x : tensor<4x64xf32>, tensor<64xf32>) outs(%z : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// The vector first, with the weight transposed.
// CHECK-LABEL: func @vecmat(
// CHECK: qlinear.matvec
func.func @vecmat(%w: !w, %x: tensor<64xf32>, %e: tensor<4x64xf32>, %te: tensor<64x4xf32>) -> tensor<4xf32> {
  %z = arith.constant dense<0.0> : tensor<4xf32>
  %d = qlinear.dequantize ins(%w : !w) outs(%e : tensor<4x64xf32>) -> tensor<4x64xf32>
  %t = linalg.transpose ins(%d : tensor<4x64xf32>) outs(%te : tensor<64x4xf32>) permutation = [1, 0]
  %y = linalg.vecmat ins(%x, %t : tensor<64xf32>, tensor<64x4xf32>) outs(%z : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// The transposition in the maps; and what the output held is added.
// CHECK-LABEL: func @maps_and_init(
// CHECK-SAME: %[[I:[a-z0-9]+]]: tensor<3x4xf32>
// CHECK: %[[Y:.*]] = qlinear.matmul
// CHECK: %[[S:.*]] = linalg.generic {{.*}} ins(%[[Y]], %[[I]] : tensor<3x4xf32>, tensor<3x4xf32>)
// CHECK: arith.addf
// CHECK: return %[[S]]
func.func @maps_and_init(%w: !w, %x: tensor<3x64xf32>, %e: tensor<4x64xf32>, %i: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %d = qlinear.dequantize ins(%w : !w) outs(%e : tensor<4x64xf32>) -> tensor<4x64xf32>
  %y = linalg.matmul indexing_maps = [affine_map<(n, m, k) -> (n, k)>, affine_map<(n, m, k) -> (m, k)>, affine_map<(n, m, k) -> (n, m)>]
      ins(%x, %d : tensor<3x64xf32>, tensor<4x64xf32>) outs(%i : tensor<3x4xf32>) -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}

// Weight times activations: both sides are transposed.
// CHECK-LABEL: func @columns(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<64x3xf32>
// CHECK: %[[T:.*]] = linalg.transpose ins(%[[X]] : tensor<64x3xf32>) outs(%{{.*}} : tensor<3x64xf32>) permutation = [1, 0]
// CHECK: %[[Y:.*]] = qlinear.matmul ins(%{{.*}}, %[[T]] :
// CHECK: %[[U:.*]] = linalg.transpose ins(%[[Y]] : tensor<3x4xf32>) outs(%{{.*}} : tensor<4x3xf32>) permutation = [1, 0]
// CHECK: return %[[U]]
func.func @columns(%w: !w, %x: tensor<64x3xf32>, %e: tensor<4x64xf32>) -> tensor<4x3xf32> {
  %z = arith.constant dense<0.0> : tensor<4x3xf32>
  %d = qlinear.dequantize ins(%w : !w) outs(%e : tensor<4x64xf32>) -> tensor<4x64xf32>
  %y = linalg.matmul ins(%d, %x : tensor<4x64xf32>, tensor<64x3xf32>) outs(%z : tensor<4x3xf32>) -> tensor<4x3xf32>
  return %y : tensor<4x3xf32>
}

// What comes from torch: [1, 1, 64], a batch of one with a broadcast weight.
// CHECK-LABEL: func @one_token(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<1x1x64xf32>
// CHECK: %[[V:.*]] = tensor.collapse_shape %[[X]] {{.*}} into tensor<64xf32>
// CHECK: %[[Y:.*]] = qlinear.matvec ins(%{{.*}}, %[[V]] : {{.*}}, tensor<64xf32>) outs(%{{.*}} : tensor<4xf32>)
// CHECK: %[[R:.*]] = tensor.expand_shape %[[Y]] {{.*}} into tensor<1x1x4xf32>
// CHECK: return %[[R]]
func.func @one_token(%w: !w, %x: tensor<1x1x64xf32>, %e: tensor<4x64xf32>, %te: tensor<64x4xf32>,
                     %be: tensor<1x64x4xf32>) -> tensor<1x1x4xf32> {
  %z = arith.constant dense<0.0> : tensor<1x1x4xf32>
  %d = qlinear.dequantize ins(%w : !w) outs(%e : tensor<4x64xf32>) -> tensor<4x64xf32>
  %t = linalg.transpose ins(%d : tensor<4x64xf32>) outs(%te : tensor<64x4xf32>) permutation = [1, 0]
  %b = linalg.broadcast ins(%t : tensor<64x4xf32>) outs(%be : tensor<1x64x4xf32>) dimensions = [0]
  %y = linalg.batch_matmul ins(%x, %b : tensor<1x1x64xf32>, tensor<1x64x4xf32>) outs(%z : tensor<1x1x4xf32>) -> tensor<1x1x4xf32>
  return %y : tensor<1x1x4xf32>
}

// Tokens of several sequences are tokens.
// CHECK-LABEL: func @batch(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<2x3x64xf32>
// CHECK: qlinear.matmul ins(%{{.*}} : !qlinear.packed<4x64, #qlinear.gguf<q8_0>>, tensor<6x64xf32>) outs(%{{.*}} : tensor<6x4xf32>)
// CHECK: tensor.expand_shape %{{.*}} into tensor<2x3x4xf32>
func.func @batch(%w: !w, %x: tensor<2x3x64xf32>, %e: tensor<4x64xf32>) -> tensor<2x3x4xf32> {
  %z = arith.constant dense<0.0> : tensor<2x3x4xf32>
  %d = qlinear.dequantize ins(%w : !w) outs(%e : tensor<4x64xf32>) -> tensor<4x64xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(b, n, m, k) -> (b, n, k)>, affine_map<(b, n, m, k) -> (m, k)>, affine_map<(b, n, m, k) -> (b, n, m)>],
                       iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%x, %d : tensor<2x3x64xf32>, tensor<4x64xf32>) outs(%z : tensor<2x3x4xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %p = arith.mulf %b, %a : f32
    %s = arith.addf %c, %p : f32
    linalg.yield %s : f32
  } -> tensor<2x3x4xf32>
  return %y : tensor<2x3x4xf32>
}

// Activations of bf16 are taken as they are: extended in the body, or before.
// CHECK-LABEL: func @bf16(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<3x64xbf16>
// CHECK: qlinear.matmul ins(%{{.*}}, %[[X]] : {{.*}}, tensor<3x64xbf16>)
// CHECK: qlinear.matmul ins(%{{.*}}, %[[X]] : {{.*}}, tensor<3x64xbf16>)
func.func @bf16(%w: !w, %x: tensor<3x64xbf16>, %e: tensor<4x64xf32>, %xe: tensor<3x64xf32>) -> (tensor<3x4xf32>, tensor<3x4xf32>) {
  %z = arith.constant dense<0.0> : tensor<3x4xf32>
  %d = qlinear.dequantize ins(%w : !w) outs(%e : tensor<4x64xf32>) -> tensor<4x64xf32>
  %x32 = linalg.generic {indexing_maps = [affine_map<(n, k) -> (n, k)>, affine_map<(n, k) -> (n, k)>], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<3x64xbf16>) outs(%xe : tensor<3x64xf32>) {
  ^bb0(%a: bf16, %b: f32):
    %c = arith.extf %a : bf16 to f32
    linalg.yield %c : f32
  } -> tensor<3x64xf32>
  %0 = linalg.matmul indexing_maps = [affine_map<(n, m, k) -> (n, k)>, affine_map<(n, m, k) -> (m, k)>, affine_map<(n, m, k) -> (n, m)>]
      ins(%x, %d : tensor<3x64xbf16>, tensor<4x64xf32>) outs(%z : tensor<3x4xf32>) -> tensor<3x4xf32>
  %1 = linalg.matmul indexing_maps = [affine_map<(n, m, k) -> (n, k)>, affine_map<(n, m, k) -> (m, k)>, affine_map<(n, m, k) -> (n, m)>]
      ins(%x32, %d : tensor<3x64xf32>, tensor<4x64xf32>) outs(%z : tensor<3x4xf32>) -> tensor<3x4xf32>
  return %0, %1 : tensor<3x4xf32>, tensor<3x4xf32>
}

// Packed activations are decoded in the product as well.
// CHECK-LABEL: func @packed_activations(
// CHECK-SAME: %[[Q:[a-z0-9]+]]: !qlinear.packed<1x64, #qlinear.act_i8>
// CHECK: qlinear.matvec ins(%{{.*}}, %[[Q]] : {{.*}}, !qlinear.packed<1x64, #qlinear.act_i8>)
func.func @packed_activations(%w: !w, %q: !act, %e: tensor<4x64xf32>, %qe: tensor<1x64xf32>) -> tensor<4xf32> {
  %z = arith.constant dense<0.0> : tensor<4xf32>
  %d = qlinear.dequantize ins(%w : !w) outs(%e : tensor<4x64xf32>) -> tensor<4x64xf32>
  %x = qlinear.dequantize ins(%q : !act) outs(%qe : tensor<1x64xf32>) -> tensor<1x64xf32>
  %v = tensor.collapse_shape %x [[0, 1]] : tensor<1x64xf32> into tensor<64xf32>
  %y = linalg.matvec ins(%d, %v : tensor<4x64xf32>, tensor<64xf32>) outs(%z : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// CHECK-LABEL: func @matmul_of_one_token(
// CHECK: tensor.collapse_shape %{{.*}} : tensor<1x64xf32> into tensor<64xf32>
// CHECK: qlinear.matvec {{.*}} {headrace.threshold = 5.000000e-01 : f32}
// CHECK: tensor.expand_shape %{{.*}} into tensor<1x4xf32>
// CHECK: qlinear.matvec ins(%{{.*}}, %{{.*}} : {{.*}}, !qlinear.packed<1x64, #qlinear.act_i8>)
func.func @matmul_of_one_token(%w: !w, %x: tensor<1x64xf32>, %q: !act, %o: tensor<1x4xf32>) -> (tensor<1x4xf32>, tensor<1x4xf32>) {
  %0 = qlinear.matmul ins(%w, %x : !w, tensor<1x64xf32>) outs(%o : tensor<1x4xf32>) {headrace.threshold = 0.5 : f32} -> tensor<1x4xf32>
  %1 = qlinear.matmul ins(%w, %q : !w, !act) outs(%o : tensor<1x4xf32>) -> tensor<1x4xf32>
  return %0, %1 : tensor<1x4xf32>, tensor<1x4xf32>
}

// One row and one column of tokens.
// CHECK-LABEL: func @one_row(
// CHECK: qlinear.matmul ins(%{{.*}} : !qlinear.packed<1x64, #qlinear.gguf<q8_0>>, tensor<3x64xf32>) outs(%{{.*}} : tensor<3x1xf32>)
func.func @one_row(%w: !qlinear.packed<1x64, #qlinear.gguf<q8_0>>, %x: tensor<3x64xf32>, %e: tensor<1x64xf32>) -> tensor<3x1xf32> {
  %z = arith.constant dense<0.0> : tensor<3x1xf32>
  %d = qlinear.dequantize ins(%w : !qlinear.packed<1x64, #qlinear.gguf<q8_0>>) outs(%e : tensor<1x64xf32>) -> tensor<1x64xf32>
  %y = linalg.matmul indexing_maps = [affine_map<(n, m, k) -> (n, k)>, affine_map<(n, m, k) -> (m, k)>, affine_map<(n, m, k) -> (n, m)>]
      ins(%x, %d : tensor<3x64xf32>, tensor<1x64xf32>) outs(%z : tensor<3x1xf32>) -> tensor<3x1xf32>
  return %y : tensor<3x1xf32>
}
