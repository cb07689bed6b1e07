// REQUIRES: x86_64
// RUN: %headrace translate %s --to asm --target cpu:x86-64-v3 -o %t.s
// RUN: %inner_loops %t.s --with vpshufb | FileCheck %s "--implicit-check-not={{spill|reload}}"

// Each shuffle looks up a piece of 32 rows, and sums of 128 rows stay in registers.

// CHECK-LABEL: function lut_matvec_codebook_d2_e16_g512_i8_a64_split_1024x1024
// CHECK-COUNT-4: vpshufb {{.*}}%ymm

!w = !qlinear.packed<1024x1024, #qlinear.codebook<dim = 2, entries = 16, group = 512, table = i8, activation_entries = 64, split>>
!a = tensor<512xi32>
!y = tensor<1024xf32>

func.func @main(%w: !w, %a: !a) -> !y {
  %y = tensor.empty() : !y
  %0 = qlinear.lut_matvec ins(%w, %a : !w, !a) outs(%y : !y) -> !y
  return %0 : !y
}
