// REQUIRES: aarch64-registered-target
// RUN: %headrace translate %s --to asm --target cpu:neoverse-v1 -o %t.i8mm.s
// RUN: %inner_loops %t.i8mm.s --with "usdot|bfdot" | FileCheck %s --check-prefix=I8MM "--implicit-check-not={{ sdot|smull}}"
// RUN: %headrace translate %s --to asm --target cpu:cortex-a72 -o %t.neon.s
// RUN: %inner_loops %t.neon.s --with smull | FileCheck %s --check-prefix=NEON --implicit-check-not=sdot

// The products of AArch64 CPUs with FEAT_I8MM and FEAT_BF16, and of those with
// neither, which add two products in 16 bits.

// I8MM-LABEL: function matvec_q4_k_64x2048_i8
// I8MM-COUNT-16: usdot v{{[0-9]+}}.4s
// I8MM-LABEL: function matvec_bf16_64x2048_bf16
// I8MM-COUNT-32: bfdot v{{[0-9]+}}.4s

// NEON-LABEL: function matvec_q4_k_64x2048_i8
// NEON-COUNT-4: smull2
// NEON: addp v{{[0-9]+}}.8h
// NEON: {{sadalp|saddlp}} v{{[0-9]+}}.4s

!q4_k = !qlinear.packed<64x2048, #qlinear.gguf<q4_k>>
!bf16 = !qlinear.packed<64x2048, #qlinear.plain<bf16>>
!i8 = !qlinear.packed<1x2048, #qlinear.act_i8>
!x = tensor<2048xbf16>
!y = tensor<64xf32>

func.func @main(%x: !x, %q: !i8, %a: !q4_k, %b: !bf16) -> (!y, !y) {
  %o = tensor.empty() : !y
  %0 = qlinear.matvec ins(%a, %q : !q4_k, !i8) outs(%o : !y) -> !y
  %1 = qlinear.matvec ins(%b, %x : !bf16, !x) outs(%o : !y) -> !y
  return %0, %1 : !y, !y
}
