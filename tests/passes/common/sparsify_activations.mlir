// RUN: %headrace_opt %s --sparsify-activations | FileCheck %s

!w = !qlinear.packed<256x64, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>>

// doc: shared
// One list of columns for all products of x and this threshold.
// CHECK-LABEL: func @shared(
// CHECK-SAME: %[[A:[a-z0-9]+]]: !qlinear{{[^%]*}} %[[B:[a-z0-9]+]]: !qlinear{{[^%]*}} %[[X:[a-z0-9]+]]: tensor<64xf32>
// CHECK: %[[S:.*]]:2 = qlinear.select_columns threshold = 5.000000e-01 ins(%[[X]] : tensor<64xf32>) outs({{.*}} : tensor<64xi32>, tensor<1xi32>)
// CHECK-NOT: qlinear.select_columns
// CHECK: qlinear.sparse_matvec ins(%[[A]], %[[X]], %[[S]]#0, %[[S]]#1 :
// CHECK-NOT: headrace.threshold
// CHECK: qlinear.sparse_matvec ins(%[[B]], %[[X]], %[[S]]#0, %[[S]]#1 :
func.func @shared(%a: !w, %b: !w, %x: tensor<64xf32>, %o: tensor<256xf32>) -> (tensor<256xf32>, tensor<256xf32>) {
  %0 = qlinear.matvec ins(%a, %x : !w, tensor<64xf32>) outs(%o : tensor<256xf32>) {headrace.threshold = 0.5 : f32} -> tensor<256xf32>
  %1 = qlinear.matvec ins(%b, %x : !w, tensor<64xf32>) outs(%o : tensor<256xf32>) {headrace.threshold = 0.5 : f32, headrace.kernel = "sparse"} -> tensor<256xf32>
  return %0, %1 : tensor<256xf32>, tensor<256xf32>
}
// doc: end

// CHECK-LABEL: func @thresholds(
// CHECK-DAG: qlinear.select_columns threshold = 5.000000e-01
// CHECK-DAG: qlinear.select_columns threshold = 0.000000e+00
// CHECK-COUNT-2: qlinear.sparse_matvec
func.func @thresholds(%a: !w, %x: tensor<64xbf16>, %o: tensor<256xf32>) -> (tensor<256xf32>, tensor<256xf32>) {
  %0 = qlinear.matvec ins(%a, %x : !w, tensor<64xbf16>) outs(%o : tensor<256xf32>) {headrace.threshold = 0.5 : f32} -> tensor<256xf32>
  %1 = qlinear.matvec ins(%a, %x : !w, tensor<64xbf16>) outs(%o : tensor<256xf32>) {headrace.threshold = -0.0 : f32} -> tensor<256xf32>
  return %0, %1 : tensor<256xf32>, tensor<256xf32>
}

// CHECK-LABEL: func @gated(
// CHECK-SAME: %[[G:[a-z0-9]+]]: !qlinear{{[^%]*}} %[[U:[a-z0-9]+]]: !qlinear
// CHECK: qlinear.select_columns
// CHECK: %[[A:.*]] = qlinear.sparse_matvec ins(%[[G]],
// CHECK: %[[B:.*]] = qlinear.sparse_matvec ins(%[[U]],
// CHECK: %[[Y:.*]] = qlinear.gated_activation silu ins(%[[A]], %[[B]] :
// CHECK: return %[[Y]]
func.func @gated(%g: !w, %u: !w, %x: tensor<64xf32>, %o: tensor<256xf32>) -> tensor<256xf32> {
  %y = qlinear.gated_matvec silu ins(%g, %u, %x : !w, !w, tensor<64xf32>) outs(%o : tensor<256xf32>) {headrace.threshold = 0.5 : f32} -> tensor<256xf32>
  return %y : tensor<256xf32>
}

// The list is made where the activations are, so that a branch can use it too.
// CHECK-LABEL: func @branch(
// CHECK: qlinear.select_columns
// CHECK: scf.if
// CHECK: qlinear.sparse_matvec
// CHECK: qlinear.sparse_matvec
// CHECK-NOT: qlinear.select_columns
func.func @branch(%a: !w, %x: tensor<64xf32>, %o: tensor<256xf32>, %c: i1) -> (tensor<256xf32>, tensor<256xf32>) {
  %0 = scf.if %c -> tensor<256xf32> {
    %2 = qlinear.matvec ins(%a, %x : !w, tensor<64xf32>) outs(%o : tensor<256xf32>) {headrace.threshold = 0.5 : f32} -> tensor<256xf32>
    scf.yield %2 : tensor<256xf32>
  } else {
    scf.yield %o : tensor<256xf32>
  }
  %1 = qlinear.matvec ins(%a, %x : !w, tensor<64xf32>) outs(%o : tensor<256xf32>) {headrace.threshold = 0.5 : f32} -> tensor<256xf32>
  return %0, %1 : tensor<256xf32>, tensor<256xf32>
}

// Dense: no threshold, another choice, several tokens.
// CHECK-LABEL: func @dense(
// CHECK-NOT: qlinear.select_columns
// CHECK: qlinear.matvec
// CHECK: qlinear.matvec {{.*}}headrace.kernel = "dense"
// CHECK: qlinear.gated_matvec
// CHECK: qlinear.matmul {{.*}}headrace.threshold
func.func @dense(%a: !w, %x: tensor<64xf32>, %xs: tensor<2x64xf32>, %o: tensor<256xf32>, %os: tensor<2x256xf32>)
    -> (tensor<256xf32>, tensor<256xf32>, tensor<256xf32>, tensor<2x256xf32>) {
  %0 = qlinear.matvec ins(%a, %x : !w, tensor<64xf32>) outs(%o : tensor<256xf32>) -> tensor<256xf32>
  %1 = qlinear.matvec ins(%a, %x : !w, tensor<64xf32>) outs(%o : tensor<256xf32>) {headrace.threshold = 0.5 : f32, headrace.kernel = "dense"} -> tensor<256xf32>
  %2 = qlinear.gated_matvec silu ins(%a, %a, %x : !w, !w, tensor<64xf32>) outs(%o : tensor<256xf32>) -> tensor<256xf32>
  %3 = qlinear.matmul ins(%a, %xs : !w, tensor<2x64xf32>) outs(%os : tensor<2x256xf32>) {headrace.threshold = 0.5 : f32} -> tensor<2x256xf32>
  return %0, %1, %2, %3 : tensor<256xf32>, tensor<256xf32>, tensor<256xf32>, tensor<2x256xf32>
}
