// RUN: %headrace_opt %s --lower-lut-matvec | FileCheck %s

!w = !qlinear.packed<16x7, #qlinear.codebook<dim = 2, entries = 16, group = 8, table = i8, activation_entries = 64>, padded = 16x8>
!plain = !qlinear.packed<16x8, #qlinear.codebook<dim = 2, entries = 16, group = 8>>

// doc: matvec
// CHECK-LABEL: func @matvec(
// CHECK-SAME: %[[W:[a-z0-9]+]]: !qlinear{{[^%]*}} %[[X:[a-z0-9]+]]: tensor<7xf32>, %[[O:[a-z0-9]+]]: tensor<16xf32>
// CHECK: %[[A:.*]] = qlinear.assign_centroids ins(%[[W]], %[[X]] : {{.*}}) outs(%{{.*}} : tensor<4xi32>) -> tensor<4xi32>
// CHECK: %[[Y:.*]] = qlinear.lut_matvec ins(%[[W]], %[[A]] : {{.*}}) outs(%[[O]] : tensor<16xf32>)
// CHECK: return %[[Y]]
func.func @matvec(%w: !w, %x: tensor<7xf32>, %o: tensor<16xf32>) -> tensor<16xf32> {
  %y = qlinear.matvec ins(%w, %x : !w, tensor<7xf32>) outs(%o : tensor<16xf32>) -> tensor<16xf32>
  return %y : tensor<16xf32>
}
// doc: end

// bf16 is extended, once.
// CHECK-LABEL: func @tokens(
// CHECK: %[[X:.*]] = linalg.generic
// CHECK: arith.extf
// CHECK: qlinear.assign_centroids ins(%{{.*}}, %[[X]] : {{.*}}) outs(%{{.*}} : tensor<3x4xi32>)
// CHECK: qlinear.lut_matvec {{.*}} outs(%{{.*}} : tensor<3x16xf32>)
// CHECK-NOT: arith.extf
// CHECK: qlinear.assign_centroids
// CHECK: qlinear.lut_matvec
func.func @tokens(%w: !w, %v: !w, %x: tensor<3x7xbf16>, %o: tensor<3x16xf32>) -> (tensor<3x16xf32>, tensor<3x16xf32>) {
  %0 = qlinear.matmul ins(%w, %x : !w, tensor<3x7xbf16>) outs(%o : tensor<3x16xf32>) -> tensor<3x16xf32>
  %1 = qlinear.matmul ins(%v, %x : !w, tensor<3x7xbf16>) outs(%o : tensor<3x16xf32>) {headrace.kernel = "lut"} -> tensor<3x16xf32>
  return %0, %1 : tensor<3x16xf32>, tensor<3x16xf32>
}

// Gate and up have activation centroids of their own.
// CHECK-LABEL: func @gated(
// CHECK-SAME: %[[G:[a-z0-9]+]]: !qlinear{{[^%]*}} %[[U:[a-z0-9]+]]: !qlinear
// CHECK: %[[GA:.*]] = qlinear.assign_centroids ins(%[[G]],
// CHECK: %[[GY:.*]] = qlinear.lut_matvec ins(%[[G]], %[[GA]]
// CHECK: %[[UA:.*]] = qlinear.assign_centroids ins(%[[U]],
// CHECK: %[[UY:.*]] = qlinear.lut_matvec ins(%[[U]], %[[UA]]
// CHECK: qlinear.gated_activation gelu_tanh ins(%[[GY]], %[[UY]] :
func.func @gated(%g: !w, %u: !w, %x: tensor<7xf32>, %o: tensor<16xf32>) -> tensor<16xf32> {
  %y = qlinear.gated_matvec gelu_tanh ins(%g, %u, %x : !w, !w, tensor<7xf32>) outs(%o : tensor<16xf32>) -> tensor<16xf32>
  return %y : tensor<16xf32>
}

// One weight twice with the same activations: one assignment.
// CHECK-LABEL: func @same_weight(
// CHECK: %[[A:.*]] = qlinear.assign_centroids
// CHECK-NOT: qlinear.assign_centroids
// CHECK-COUNT-2: qlinear.lut_matvec ins(%{{.*}}, %[[A]]
func.func @same_weight(%w: !w, %x: tensor<7xf32>, %o: tensor<16xf32>) -> tensor<16xf32> {
  %y = qlinear.gated_matvec silu ins(%w, %w, %x : !w, !w, tensor<7xf32>) outs(%o : tensor<16xf32>) -> tensor<16xf32>
  return %y : tensor<16xf32>
}

// No tables, another choice, packed activations.
// CHECK-LABEL: func @unchanged(
// CHECK-NOT: qlinear.lut_matvec
// CHECK: qlinear.matvec
// CHECK: qlinear.matvec
// CHECK: qlinear.matvec {{.*}}headrace.kernel = "sparse"
// CHECK: qlinear.gated_matvec
// CHECK: qlinear.matvec {{.*}} !qlinear.packed<1x32, #qlinear.act_i8>)
func.func @unchanged(%w: !w, %p: !plain, %x: tensor<7xf32>, %x8: tensor<8xf32>, %o: tensor<16xf32>,
                     %v: !qlinear.packed<16x32, #qlinear.codebook<dim = 2, entries = 16, group = 8, table = i8, activation_entries = 64>>,
                     %q: !qlinear.packed<1x32, #qlinear.act_i8>)
    -> (tensor<16xf32>, tensor<16xf32>, tensor<16xf32>, tensor<16xf32>, tensor<16xf32>) {
  %0 = qlinear.matvec ins(%p, %x8 : !plain, tensor<8xf32>) outs(%o : tensor<16xf32>) -> tensor<16xf32>
  %1 = qlinear.matvec ins(%w, %x : !w, tensor<7xf32>) outs(%o : tensor<16xf32>) {headrace.kernel = "dense"} -> tensor<16xf32>
  %2 = qlinear.matvec ins(%w, %x : !w, tensor<7xf32>) outs(%o : tensor<16xf32>) {headrace.kernel = "sparse"} -> tensor<16xf32>
  %3 = qlinear.gated_matvec silu ins(%p, %p, %x8 : !plain, !plain, tensor<8xf32>) outs(%o : tensor<16xf32>) -> tensor<16xf32>
  %4 = qlinear.matvec ins(%v, %q : !qlinear.packed<16x32, #qlinear.codebook<dim = 2, entries = 16, group = 8, table = i8, activation_entries = 64>>, !qlinear.packed<1x32, #qlinear.act_i8>)
      outs(%o : tensor<16xf32>) -> tensor<16xf32>
  return %0, %1, %2, %3, %4 : tensor<16xf32>, tensor<16xf32>, tensor<16xf32>, tensor<16xf32>, tensor<16xf32>
}
