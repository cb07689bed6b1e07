// REQUIRES: x86_64
// RUN: %headrace translate %s --to asm --target cpu:sapphirerapids -o %t.s
// RUN: %inner_loops %t.s --with "zmm" | FileCheck %s "--implicit-check-not={{spill|reload}}"

// Strips of bf16: two activations are spread by the instruction that multiplies
// them, or one of f32 by each of two.

// CHECK-LABEL: function matvec_bf16_strips16_64x2048_bf16
// CHECK-COUNT-8: vdpbf16ps {{.*}}{1to16}, %zmm

// CHECK-LABEL: function matvec_bf16_strips16_64x2048_f32
// CHECK-COUNT-16: {{vfmadd[123]+ps}} {{.*}}{1to16}, %zmm

// Four words of four rows become a word of each.
// CHECK-LABEL: function repack_q8_0_strips16_64x2048
// CHECK-COUNT-16: {{vpunpck[lh]dq|vunpck[lh]ps}} {{.*}}%zmm

!stored = !qlinear.packed<64x2048, #qlinear.gguf<q8_0>>
!strips = !qlinear.packed<64x2048, #qlinear.repacked<#qlinear.gguf<q8_0>, "strips16">>
!w = !qlinear.packed<64x2048, #qlinear.repacked<#qlinear.plain<bf16>, "strips16">>
!h = tensor<2048xbf16>
!x = tensor<2048xf32>
!y = tensor<64xf32>

func.func @main(%h: !h, %x: !x, %w: !w, %q: !stored) -> (!y, !y, !strips) {
  %y = tensor.empty() : !y
  %0 = qlinear.matvec ins(%w, %h : !w, !h) outs(%y : !y) -> !y
  %1 = qlinear.matvec ins(%w, %x : !w, !x) outs(%y : !y) -> !y
  %2 = qlinear.repack %q : !stored to !strips
  return %0, %1, %2 : !y, !y, !strips
}
