// REQUIRES: x86_64
// RUN: %headrace translate %s --to asm --target cpu:sapphirerapids -o %t.s
// RUN: %inner_loops %t.s --with "vpdpbusd .*%zmm" | FileCheck %s "--implicit-check-not={{spill|reload}}"

// Many tokens with packed activations: tiles of rows and tokens whose sums stay in
// registers.

// CHECK-LABEL: function matmul_q4_k_64x2048_n12_i8
// CHECK-COUNT-32: vpdpbusd {{.*}}%zmm

// CHECK-LABEL: function matmul_q8_0_64x2048_n12_i8
// CHECK-COUNT-32: vpdpbusd {{.*}}%zmm

// CHECK-LABEL: function matmul_q4_k_strips16_64x2048_n12_i8
// CHECK-COUNT-32: vpdpbusd {{.*}}%zmm

!q4_k = !qlinear.packed<64x2048, #qlinear.gguf<q4_k>>
!q8_0 = !qlinear.packed<64x2048, #qlinear.gguf<q8_0>>
!strips = !qlinear.packed<64x2048, #qlinear.repacked<#qlinear.gguf<q4_k>, "strips16">>
!x = !qlinear.packed<12x2048, #qlinear.act_i8>
!y = tensor<12x64xf32>

func.func @main(%x: !x, %a: !q4_k, %b: !q8_0, %c: !strips) -> (!y, !y, !y) {
  %y = tensor.empty() : !y
  %0 = qlinear.matmul ins(%a, %x : !q4_k, !x) outs(%y : !y) -> !y
  %1 = qlinear.matmul ins(%b, %x : !q8_0, !x) outs(%y : !y) -> !y
  %2 = qlinear.matmul ins(%c, %x : !strips, !x) outs(%y : !y) -> !y
  return %0, %1, %2 : !y, !y, !y
}
