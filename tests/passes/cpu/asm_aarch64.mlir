// REQUIRES: aarch64-registered-target
// RUN: %headrace translate %s --to asm --target cpu:neoverse-n1 -o %t.s
// RUN: %inner_loops %t.s --with sdot | FileCheck %s "--implicit-check-not={{spill|usdot|smull}}"
// RUN: %inner_loops %t.s --with fcvtl2 | FileCheck %s --check-prefix=F16

// Signed dot products of 16 bytes, 256 columns of a row in each turn, and tables of
// 16 numbers by a shuffle. Only constants are reloaded.

// CHECK-LABEL: function matvec_q4_k_64x2048_i8
// CHECK-COUNT-16: sdot v{{[0-9]+}}.4s

// CHECK-LABEL: function matvec_iq4_nl_64x2048_i8
// CHECK: tbl v{{[0-9]+}}.16b
// CHECK: sdot

// The 128 that is taken off bytes to sign them is multiplied as well.
// CHECK-LABEL: function matvec_q8_0_64x2048_i8
// CHECK-COUNT-32: sdot

// F16-LABEL: function matvec_f16_64x2048_f32
// F16: fcvtl2 v{{[0-9]+}}.4s
// F16: fmla v{{[0-9]+}}.4s

!q4_k = !qlinear.packed<64x2048, #qlinear.gguf<q4_k>>
!iq4_nl = !qlinear.packed<64x2048, #qlinear.gguf<iq4_nl>>
!q8_0 = !qlinear.packed<64x2048, #qlinear.gguf<q8_0>>
!f16 = !qlinear.packed<64x2048, #qlinear.plain<f16>>
!i8 = !qlinear.packed<1x2048, #qlinear.act_i8>
!x = tensor<2048xf32>
!y = tensor<64xf32>

func.func @main(%x: !x, %q: !i8, %a: !q4_k, %b: !iq4_nl, %c: !q8_0, %d: !f16) -> (!y, !y, !y, !y) {
  %o = tensor.empty() : !y
  %0 = qlinear.matvec ins(%a, %q : !q4_k, !i8) outs(%o : !y) -> !y
  %1 = qlinear.matvec ins(%b, %q : !iq4_nl, !i8) outs(%o : !y) -> !y
  %2 = qlinear.matvec ins(%c, %q : !q8_0, !i8) outs(%o : !y) -> !y
  %3 = qlinear.matvec ins(%d, %x : !f16, !x) outs(%o : !y) -> !y
  return %0, %1, %2, %3 : !y, !y, !y, !y
}
