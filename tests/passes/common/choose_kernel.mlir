// RUN: %headrace_opt %s "--choose-kernel=read-bandwidth=48 dense-gops=500 overhead-us=1" | FileCheck %s
// RUN: %headrace_opt %s "--choose-kernel=read-bandwidth=48 dense-gops=500 overhead-us=1" \
// RUN:   --sparsify-activations | FileCheck %s --check-prefix=REWRITTEN

!zigzag = !qlinear.packed<4096x14336, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>>
!rows = !qlinear.packed<4096x14336, #qlinear.gguf<q4_k>>

// Half of the columns are 7 / 12 of the sectors: 19.27 of 33.03 MB.
// doc: sparse
// CHECK-LABEL: func @half(
// CHECK: qlinear.matvec {{.*}}headrace.kernel = "sparse", headrace.modelled_us = {dense = 6.906640e+02 : f64, sparse = 4.079310e+02 : f64}
// REWRITTEN-LABEL: func @half(
// REWRITTEN: qlinear.sparse_matvec {{.*}} {headrace.density = 5.000000e-01 : f64}
func.func @half(%w: !zigzag, %x: tensor<14336xf32>, %o: tensor<4096xf32>) -> tensor<4096xf32> {
  %y = qlinear.matvec ins(%w, %x : !zigzag, tensor<14336xf32>) outs(%o : tensor<4096xf32>)
      {headrace.density = 0.5 : f64, headrace.threshold = 0.125 : f32} -> tensor<4096xf32>
  return %y : tensor<4096xf32>
}
// doc: end

// Nearly all columns: finding them takes more than it saves.
// CHECK-LABEL: func @most(
// CHECK: qlinear.matvec {{.*}}headrace.kernel = "dense"
// REWRITTEN-LABEL: func @most(
// REWRITTEN: qlinear.matvec
// REWRITTEN-NOT: qlinear.sparse_matvec
// REWRITTEN: return
func.func @most(%w: !zigzag, %x: tensor<14336xf32>, %o: tensor<4096xf32>) -> tensor<4096xf32> {
  %y = qlinear.matvec ins(%w, %x : !zigzag, tensor<14336xf32>) outs(%o : tensor<4096xf32>)
      {headrace.density = 0.998 : f64, headrace.threshold = 0.125 : f32} -> tensor<4096xf32>
  return %y : tensor<4096xf32>
}

// Blocks along the columns are read whole, however few are selected.
// CHECK-LABEL: func @rows(
// CHECK: qlinear.matvec {{.*}}headrace.kernel = "dense"
func.func @rows(%w: !rows, %x: tensor<14336xf32>, %o: tensor<4096xf32>) -> tensor<4096xf32> {
  %y = qlinear.matvec ins(%w, %x : !rows, tensor<14336xf32>) outs(%o : tensor<4096xf32>)
      {headrace.density = 0.25 : f64, headrace.threshold = 0.125 : f32} -> tensor<4096xf32>
  return %y : tensor<4096xf32>
}

// Two small products that each would be dense share one list.
!small = !qlinear.packed<256x2048, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>>
// CHECK-LABEL: func @alone(
// CHECK: headrace.kernel = "dense", headrace.modelled_us = {dense = 7.336000e+00 : f64, sparse = 7.384000e+00 : f64}
func.func @alone(%w: !small, %x: tensor<2048xf32>, %o: tensor<256xf32>) -> tensor<256xf32> {
  %y = qlinear.matvec ins(%w, %x : !small, tensor<2048xf32>) outs(%o : tensor<256xf32>)
      {headrace.density = 0.7 : f64, headrace.threshold = 0.125 : f32} -> tensor<256xf32>
  return %y : tensor<256xf32>
}
// CHECK-LABEL: func @shared(
// CHECK-COUNT-2: headrace.kernel = "sparse"
func.func @shared(%w: !small, %v: !small, %x: tensor<2048xf32>, %o: tensor<256xf32>) -> (tensor<256xf32>, tensor<256xf32>) {
  %y = qlinear.matvec ins(%w, %x : !small, tensor<2048xf32>) outs(%o : tensor<256xf32>)
      {headrace.density = 0.7 : f64, headrace.threshold = 0.125 : f32} -> tensor<256xf32>
  %z = qlinear.matvec ins(%v, %x : !small, tensor<2048xf32>) outs(%o : tensor<256xf32>)
      {headrace.density = 0.7 : f64, headrace.threshold = 0.125 : f32} -> tensor<256xf32>
  return %y, %z : tensor<256xf32>, tensor<256xf32>
}

// Gate and up share the list; the activation is a kernel of its own.
// CHECK-LABEL: func @gated(
// CHECK: qlinear.gated_matvec{{.*}}headrace.kernel = "sparse"
// REWRITTEN-LABEL: func @gated(
// REWRITTEN-COUNT-2: qlinear.sparse_matvec
func.func @gated(%g: !zigzag, %u: !zigzag, %x: tensor<14336xf32>, %o: tensor<4096xf32>) -> tensor<4096xf32> {
  %y = qlinear.gated_matvec silu ins(%g, %u, %x : !zigzag, !zigzag, tensor<14336xf32>) outs(%o : tensor<4096xf32>)
      {headrace.density = 0.5 : f64, headrace.threshold = 0.125 : f32} -> tensor<4096xf32>
  return %y : tensor<4096xf32>
}

// What is decided stays; without a threshold there is nothing to decide.
// CHECK-LABEL: func @unchanged(
// CHECK: qlinear.matvec {{.*}} {headrace.density = 5.000000e-01 : f64, headrace.kernel = "dense", headrace.threshold = 1.250000e-01 : f32}
// CHECK: qlinear.matvec {{.*}} outs(%{{.*}} : tensor<4096xf32>) ->
func.func @unchanged(%w: !zigzag, %x: tensor<14336xf32>, %o: tensor<4096xf32>) -> (tensor<4096xf32>, tensor<4096xf32>) {
  %a = qlinear.matvec ins(%w, %x : !zigzag, tensor<14336xf32>) outs(%o : tensor<4096xf32>)
      {headrace.density = 0.5 : f64, headrace.threshold = 0.125 : f32, headrace.kernel = "dense"} -> tensor<4096xf32>
  %b = qlinear.matvec ins(%w, %x : !zigzag, tensor<14336xf32>) outs(%o : tensor<4096xf32>) -> tensor<4096xf32>
  return %a, %b : tensor<4096xf32>, tensor<4096xf32>
}
