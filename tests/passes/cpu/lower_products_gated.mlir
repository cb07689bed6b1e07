// RUN: %headrace_opt %s --cpu-lower-products --canonicalize --cse | FileCheck %s

// Both products of a row, then act(gate) * up on that row; the default is portable.

!w = !qlinear.packed<64x32, #qlinear.gguf<q8_0>>

// silu: gate / (1 + exp(-gate)).
// CHECK-LABEL: func.func @silu(
// CHECK-SAME: %[[G:.*]]: memref<2176xi8>, %[[U:.*]]: memref<2176xi8>
// CHECK: vector.load %[[G]]
// CHECK: %[[GATE:.*]] = vector.reduction <add>
// CHECK: vector.load %[[U]]
// CHECK: %[[UP:.*]] = vector.reduction <add>
// CHECK: %[[NEG:.*]] = arith.negf %[[GATE]]
// CHECK: %[[E:.*]] = math.exp %[[NEG]]
// CHECK: %[[D:.*]] = arith.addf %[[E]]
// CHECK: %[[ACT:.*]] = arith.divf %[[GATE]], %[[D]]
// CHECK: %[[Y:.*]] = arith.mulf %[[ACT]], %[[UP]]
// CHECK: memref.store %[[Y]]
func.func @silu(%g: memref<2176xi8>, %u: memref<2176xi8>, %x: memref<32xf32>, %y: memref<64xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %gw = qlinear.from_bytes %g : memref<2176xi8> to !w
  %uw = qlinear.from_bytes %u : memref<2176xi8> to !w
  qlinear.gated_matvec silu ins(%gw, %uw, %x : !w, !w, memref<32xf32>) outs(%y : memref<64xf32>)
  return
}

// gelu_tanh: the same curve at 2 sqrt(2 / pi) (g + 0.044715 g^3); no tanh.
// CHECK-LABEL: func.func @gelu_tanh(
// CHECK-DAG: %[[ROOT:.*]] = arith.constant 1.59576917 : f32
// CHECK-DAG: %[[CUBIC:.*]] = arith.constant 4.471500e-02 : f32
// CHECK: arith.mulf %{{.*}}, %[[CUBIC]]
// CHECK: %[[ARG:.*]] = arith.mulf %{{.*}}, %[[ROOT]]
// CHECK: arith.negf %[[ARG]]
// CHECK: math.exp
// CHECK-NOT: math.tanh
// CHECK: memref.store
func.func @gelu_tanh(%g: memref<2176xi8>, %u: memref<2176xi8>, %x: memref<32xf32>, %y: memref<64xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %gw = qlinear.from_bytes %g : memref<2176xi8> to !w
  %uw = qlinear.from_bytes %u : memref<2176xi8> to !w
  qlinear.gated_matvec gelu_tanh ins(%gw, %uw, %x : !w, !w, memref<32xf32>) outs(%y : memref<64xf32>)
  return
}

// Lanes of q4nx are rows, so the function is applied to 16 rows at once.
// CHECK-LABEL: func.func @q4nx(
// CHECK: math.exp %{{.*}} : vector<16xf32>
!q4nx = !qlinear.packed<32x256, #qlinear.q4nx>
func.func @q4nx(%g: memref<5120xi8>, %u: memref<5120xi8>, %x: memref<256xf32>, %y: memref<32xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %gw = qlinear.from_bytes %g : memref<5120xi8> to !q4nx
  %uw = qlinear.from_bytes %u : memref<5120xi8> to !q4nx
  qlinear.gated_matvec silu ins(%gw, %uw, %x : !q4nx, !q4nx, memref<256xf32>) outs(%y : memref<32xf32>)
  return
}
