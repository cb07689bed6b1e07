// RUN: %headrace_opt %s --decompose-qlinear --canonicalize --cse | FileCheck %s

!g = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>
!u = !qlinear.packed<4x64, #qlinear.gguf<q4_0>>

// silu: g / (1 + exp(-g)), times up.
// CHECK-LABEL: func @silu(
// CHECK-SAME: %[[G:.*]]: tensor<272xi8>, %[[U:.*]]: tensor<144xi8>, %[[X:.*]]: tensor<64xf32>
// CHECK: tensor.extract %[[G]]
// CHECK: %[[GATE:.*]] = linalg.matvec ins(%{{.*}}, %[[X]] :
// CHECK: tensor.extract %[[U]]
// CHECK: %[[UP:.*]] = linalg.matvec ins(%{{.*}}, %[[X]] :
// CHECK: linalg.generic {{.*}} ins(%[[GATE]], %[[UP]] : tensor<4xf32>, tensor<4xf32>)
// CHECK-NEXT: ^bb0(%[[A:.*]]: f32, %[[B:.*]]: f32, %{{.*}}: f32):
// CHECK-NEXT: %[[N:.*]] = arith.negf %[[A]]
// CHECK-NEXT: %[[E:.*]] = math.exp %[[N]]
// CHECK-NEXT: %[[S:.*]] = arith.addf %[[E]], %cst
// CHECK-NEXT: %[[V:.*]] = arith.divf %[[A]], %[[S]]
// CHECK-NEXT: arith.mulf %[[V]], %[[B]]
func.func @silu(%g: !g, %u: !u, %x: tensor<64xf32>, %o: tensor<4xf32>) -> tensor<4xf32> {
  %y = qlinear.gated_matvec silu ins(%g, %u, %x : !g, !u, tensor<64xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// gelu_tanh: g / 2 * (1 + tanh(sqrt(2 / pi) * (g + 0.044715 g^3))), times up.
// CHECK-LABEL: func @gelu_tanh(
// CHECK-DAG: %[[HALF:.*]] = arith.constant 5.000000e-01 : f32
// CHECK-DAG: %[[ROOT:.*]] = arith.constant 0.797884583 : f32
// CHECK-DAG: %[[CUBIC:.*]] = arith.constant 4.471500e-02 : f32
// CHECK: ins(%{{.*}}, %{{.*}} : tensor<4xf32>, tensor<4xf32>)
// CHECK-NEXT: ^bb0(%[[A:.*]]: f32, %[[B:.*]]: f32, %{{.*}}: f32):
// CHECK: %[[C:.*]] = arith.mulf %{{.*}}, %[[CUBIC]]
// CHECK: %[[I:.*]] = arith.addf %[[A]], %[[C]]
// CHECK: %[[R:.*]] = arith.mulf %[[I]], %[[ROOT]]
// CHECK: %[[T:.*]] = math.tanh %[[R]]
// CHECK: arith.mulf %[[A]], %[[HALF]]
// CHECK: arith.addf %[[T]]
// CHECK: arith.mulf %{{.*}}, %[[B]]
// CHECK-NEXT: linalg.yield
func.func @gelu_tanh(%g: !g, %u: !u, %x: tensor<64xf32>, %o: tensor<4xf32>) -> tensor<4xf32> {
  %y = qlinear.gated_matvec gelu_tanh ins(%g, %u, %x : !g, !u, tensor<64xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
