// REQUIRES: x86_64
// RUN: %headrace translate %s --to asm --target cpu:sapphirerapids -o %t.s
// RUN: %inner_loops %t.s --with vfmadd | FileCheck %s "--implicit-check-not={{spill|reload}}"

// Weights as stored times packed activations: 256 columns of a row in each turn,
// 64 products an instruction, and nothing spilled. Activations in order are read
// without an index register, which would make two instructions of each product.

// CHECK-LABEL: function matvec_q4_0_64x2048_i8
// CHECK-COUNT-4: vpdpbusd {{[0-9]*}}(%{{[a-z0-9]+}}), %zmm

// CHECK-LABEL: function matvec_q4_k_64x2048_i8
// CHECK-COUNT-4: vpdpbusd {{[0-9]*}}(%{{[a-z0-9]+}}), %zmm

// Fifth bits come by matrices of bits: of columns 8, 16 and 24 apart at once, then
// to their places, high nibbles with them.
// CHECK-LABEL: function matvec_q5_0_64x2048_i8
// CHECK-COUNT-5: vgf2p8affineqb
// CHECK-COUNT-4: vpdpbusd {{[0-9]*}}(%{{[a-z0-9]+}}), %zmm

// CHECK-LABEL: function matvec_q6_k_64x2048_i8
// CHECK-COUNT-4: vpdpbusd {{[0-9]*}}(%{{[a-z0-9]+}}), %zmm

// CHECK-LABEL: function matvec_q8_0_64x2048_i8
// CHECK-COUNT-4: vpdpbusd {{.*}}%zmm

// CHECK-LABEL: function matvec_int4_g32_64x2048_i8
// CHECK-COUNT-4: vpdpbusd {{[0-9]*}}(%{{[a-z0-9]+}}), %zmm

// Both weights of a gated product.
// CHECK-LABEL: function gated_matvec_q4_k_64x2048_silu_i8
// CHECK-COUNT-4: vpdpbusd {{.*}}%zmm

// CHECK-LABEL: function matvec_q5_k_64x2048_i8
// CHECK-COUNT-4: vgf2p8affineqb

!q4_0 = !qlinear.packed<64x2048, #qlinear.gguf<q4_0>>
!q4_k = !qlinear.packed<64x2048, #qlinear.gguf<q4_k>>
!q5_0 = !qlinear.packed<64x2048, #qlinear.gguf<q5_0>>
!q5_k = !qlinear.packed<64x2048, #qlinear.gguf<q5_k>>
!q6_k = !qlinear.packed<64x2048, #qlinear.gguf<q6_k>>
!q8_0 = !qlinear.packed<64x2048, #qlinear.gguf<q8_0>>
!affine = !qlinear.packed<64x2048, #qlinear.affine<bits = 4, group = 32, scale = f16>>
!x = !qlinear.packed<1x2048, #qlinear.act_i8>
!y = tensor<64xf32>

func.func @main(%x: !x, %a: !q4_0, %b: !q4_k, %c: !q5_0, %d: !q6_k, %e: !q8_0, %f: !affine,
                %g: !q5_k)
    -> (!y, !y, !y, !y, !y, !y, !y, !y) {
  %y = tensor.empty() : !y
  %0 = qlinear.matvec ins(%a, %x : !q4_0, !x) outs(%y : !y) -> !y
  %1 = qlinear.matvec ins(%b, %x : !q4_k, !x) outs(%y : !y) -> !y
  %2 = qlinear.matvec ins(%c, %x : !q5_0, !x) outs(%y : !y) -> !y
  %3 = qlinear.matvec ins(%d, %x : !q6_k, !x) outs(%y : !y) -> !y
  %4 = qlinear.matvec ins(%e, %x : !q8_0, !x) outs(%y : !y) -> !y
  %5 = qlinear.matvec ins(%f, %x : !affine, !x) outs(%y : !y) -> !y
  %6 = qlinear.gated_matvec silu ins(%b, %b, %x : !q4_k, !q4_k, !x) outs(%y : !y) -> !y
  %7 = qlinear.matvec ins(%g, %x : !q5_k, !x) outs(%y : !y) -> !y
  return %0, %1, %2, %3, %4, %5, %6, %7 : !y, !y, !y, !y, !y, !y, !y, !y
}
