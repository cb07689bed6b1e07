// REQUIRES: x86_64
// RUN: %headrace translate %s --to asm --target cpu:sapphirerapids -o %t.s
// RUN: %inner_loops %t.s --with "vpdpbusd .*%zmm" | FileCheck %s "--implicit-check-not={{spill|reload}}"

// Strips, lanes along 16 rows: four activations are spread by the instruction that
// multiplies them, from an address without an index register.

// CHECK-LABEL: function matvec_q4_0_strips16_64x2048_i8
// CHECK-COUNT-16: vpdpbusd {{[0-9]*}}(%{{[a-z0-9]+}}){1to16}, %zmm

// CHECK-LABEL: function matvec_q4_k_strips16_64x2048_i8
// CHECK-COUNT-16: vpdpbusd {{[0-9]*}}(%{{[a-z0-9]+}}){1to16}, %zmm

// CHECK-LABEL: function matvec_q8_0_strips16_64x2048_i8
// CHECK-COUNT-8: vpdpbusd {{[0-9]*}}(%{{[a-z0-9]+}}){1to16}, %zmm

// CHECK-LABEL: function matvec_int4_g128_zp_strips16_64x2048_i8
// CHECK-COUNT-64: vpdpbusd {{[0-9]*}}(%{{[a-z0-9]+}}){1to16}, %zmm

// CHECK-LABEL: function matvec_int8_g32_strips16_64x2048_i8
// CHECK-COUNT-64: vpdpbusd {{[0-9]*}}(%{{[a-z0-9]+}}){1to16}, %zmm

// CHECK-LABEL: function matvec_iq4_nl_strips16_64x2048_i8
// CHECK-COUNT-16: vpdpbusd {{[0-9]*}}(%{{[a-z0-9]+}}){1to16}, %zmm

// Fifth bits: two matrices for each block, then a code by one more.
// CHECK-LABEL: function matvec_q5_0_strips16_64x2048_i8
// CHECK-COUNT-16: vpdpbusd {{[0-9]*}}(%{{[a-z0-9]+}}){1to16}, %zmm

!q4_0 = !qlinear.packed<64x2048, #qlinear.repacked<#qlinear.gguf<q4_0>, "strips16">>
!q4_k = !qlinear.packed<64x2048, #qlinear.repacked<#qlinear.gguf<q4_k>, "strips16">>
!q8_0 = !qlinear.packed<64x2048, #qlinear.repacked<#qlinear.gguf<q8_0>, "strips16">>
!int4 = !qlinear.packed<64x2048, #qlinear.repacked<#qlinear.affine<bits = 4, group = 128, scale = f16, zero_point = integer>, "strips16">>
!int8 = !qlinear.packed<64x2048, #qlinear.repacked<#qlinear.affine<bits = 8, group = 32, scale = f16>, "strips16">>
!iq4_nl = !qlinear.packed<64x2048, #qlinear.repacked<#qlinear.gguf<iq4_nl>, "strips16">>
!q5_0 = !qlinear.packed<64x2048, #qlinear.repacked<#qlinear.gguf<q5_0>, "strips16">>
!x = !qlinear.packed<1x2048, #qlinear.act_i8>
!y = tensor<64xf32>

func.func @main(%x: !x, %a: !q4_0, %b: !q4_k, %c: !q8_0, %d: !int4, %e: !int8, %f: !iq4_nl, %g: !q5_0)
    -> (!y, !y, !y, !y, !y, !y, !y) {
  %y = tensor.empty() : !y
  %0 = qlinear.matvec ins(%a, %x : !q4_0, !x) outs(%y : !y) -> !y
  %1 = qlinear.matvec ins(%b, %x : !q4_k, !x) outs(%y : !y) -> !y
  %2 = qlinear.matvec ins(%c, %x : !q8_0, !x) outs(%y : !y) -> !y
  %3 = qlinear.matvec ins(%d, %x : !int4, !x) outs(%y : !y) -> !y
  %4 = qlinear.matvec ins(%e, %x : !int8, !x) outs(%y : !y) -> !y
  %5 = qlinear.matvec ins(%f, %x : !iq4_nl, !x) outs(%y : !y) -> !y
  %6 = qlinear.matvec ins(%g, %x : !q5_0, !x) outs(%y : !y) -> !y
  return %0, %1, %2, %3, %4, %5, %6 : !y, !y, !y, !y, !y, !y, !y
}
