// REQUIRES: x86_64
// RUN: %headrace translate %s --to asm --target cpu:sapphirerapids -o %t.s
// RUN: %inner_loops %t.s --with "vpdpbusd .*%zmm" | FileCheck %s "--implicit-check-not={{spill|reload}}"

// Strips of q6_k for three tokens: what the zero point takes off is computed once,
// 16 columns in four lanes of a product, and starts the sums of each chunk.

// CHECK-LABEL: function matmul_q6_k_strips16_64x2048_n3_i8
// CHECK: loop
// CHECK-COUNT-1: vpdpbusd {{.*}}%zmm
// CHECK: vmovdq{{.*}}%xmm
// CHECK: loop
// CHECK-COUNT-48: vpdpbusd {{.*}}%zmm
// CHECK-NOT: vpdpbusd

!w = !qlinear.packed<64x2048, #qlinear.repacked<#qlinear.gguf<q6_k>, "strips16">>
!x = !qlinear.packed<3x2048, #qlinear.act_i8>
!y = tensor<3x64xf32>

func.func @main(%x: !x, %w: !w) -> !y {
  %y = tensor.empty() : !y
  %0 = qlinear.matmul ins(%w, %x : !w, !x) outs(%y : !y) -> !y
  return %0 : !y
}
