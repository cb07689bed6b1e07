// REQUIRES: x86_64
// RUN: %headrace translate %s --to asm --target cpu:znver5 -o %t.s
// RUN: %inner_loops %t.s | FileCheck %s "--implicit-check-not={{spill|reload}}"

// Weights of 16 bits: pairs of bf16 where both sides are bf16, otherwise f32.

// CHECK-LABEL: function matvec_bf16_64x2048_bf16
// CHECK: vdpbf16ps {{.*}}%zmm

// Four rows and twelve tokens share what is loaded.
// CHECK-LABEL: function matmul_bf16_64x2048_n12_bf16
// CHECK-COUNT-48: vdpbf16ps {{.*}}%zmm

// CHECK-LABEL: function matvec_bf16_64x2048_f32
// CHECK-NOT: vdpbf16ps
// CHECK: vfmadd{{.*}}%zmm

// CHECK-LABEL: function matvec_f16_64x2048_f32
// CHECK: vcvtph2ps {{.*}}%zmm
// CHECK: vfmadd{{.*}}%zmm

!bf16 = !qlinear.packed<64x2048, #qlinear.plain<bf16>>
!f16 = !qlinear.packed<64x2048, #qlinear.plain<f16>>
!x = tensor<2048xf32>
!b = tensor<2048xbf16>
!bs = tensor<12x2048xbf16>
!y = tensor<64xf32>
!ys = tensor<12x64xf32>

func.func @main(%w: !bf16, %h: !f16, %x: !x, %b: !b, %bs: !bs) -> (!y, !ys, !y, !y) {
  %y = tensor.empty() : !y
  %ys = tensor.empty() : !ys
  %0 = qlinear.matvec ins(%w, %b : !bf16, !b) outs(%y : !y) -> !y
  %1 = qlinear.matmul ins(%w, %bs : !bf16, !bs) outs(%ys : !ys) -> !ys
  %2 = qlinear.matvec ins(%w, %x : !bf16, !x) outs(%y : !y) -> !y
  %3 = qlinear.matvec ins(%h, %x : !f16, !x) outs(%y : !y) -> !y
  return %0, %1, %2, %3 : !y, !ys, !y, !y
}
