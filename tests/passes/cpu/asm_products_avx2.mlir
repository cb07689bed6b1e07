// REQUIRES: x86_64
// RUN: %headrace translate %s --to asm --target cpu:x86-64-v3 -o %t.s
// RUN: %inner_loops %t.s --with vpmaddubsw | FileCheck %s --implicit-check-not=spill: --implicit-check-not=vpdpbusd --implicit-check-not=zmm

// Without AVX-512: 32 products in two instructions. With 16 registers, constants
// may be reloaded in each turn; what the loop computes is not spilled.

// CHECK-LABEL: function matvec_q4_0_64x2048_i8
// CHECK-COUNT-8: vpmaddubsw {{.*}}%ymm
// CHECK: vpmaddwd

// CHECK-LABEL: function matvec_q4_k_64x2048_i8
// CHECK-COUNT-8: vpmaddubsw {{.*}}%ymm
// CHECK: vpmaddwd

// CHECK-LABEL: function matvec_int4_g32_64x2048_i8
// CHECK-COUNT-8: vpmaddubsw {{.*}}%ymm
// CHECK: vpmaddwd

// CHECK-LABEL: function gated_matvec_q4_k_64x2048_silu_i8
// CHECK-COUNT-8: vpmaddubsw {{.*}}%ymm
// CHECK: vpmaddwd

!q4_0 = !qlinear.packed<64x2048, #qlinear.gguf<q4_0>>
!q4_k = !qlinear.packed<64x2048, #qlinear.gguf<q4_k>>
!affine = !qlinear.packed<64x2048, #qlinear.affine<bits = 4, group = 32, scale = f16>>
!x = !qlinear.packed<1x2048, #qlinear.act_i8>
!y = tensor<64xf32>

func.func @main(%x: !x, %a: !q4_0, %b: !q4_k, %c: !affine) -> (!y, !y, !y, !y) {
  %y = tensor.empty() : !y
  %0 = qlinear.matvec ins(%a, %x : !q4_0, !x) outs(%y : !y) -> !y
  %1 = qlinear.matvec ins(%b, %x : !q4_k, !x) outs(%y : !y) -> !y
  %2 = qlinear.matvec ins(%c, %x : !affine, !x) outs(%y : !y) -> !y
  %3 = qlinear.gated_matvec silu ins(%b, %b, %x : !q4_k, !q4_k, !x) outs(%y : !y) -> !y
  return %0, %1, %2, %3 : !y, !y, !y, !y
}
