// REQUIRES: x86_64
// RUN: %headrace translate %s --to asm --target cpu:sapphirerapids -o %t.s
// RUN: %inner_loops %t.s --with "%zmm" | FileCheck %s "--implicit-check-not={{spill|reload}}"

// Centroids: 16 at a time, four vectors of two columns and of distances. Tables:
// each shuffle looks up a piece of 64 rows, and sums stay in registers.

// CHECK-LABEL: function assign_centroids_codebook_d2_e16_g512_i8_a64_1024x1024
// CHECK: vpermt2ps {{.*}}%zmm

// CHECK-LABEL: function lut_matvec_codebook_d2_e16_g512_i8_a64_1024x1024
// CHECK-COUNT-8: vpshufb {{.*}}%zmm

// CHECK-LABEL: function lut_matvec_codebook_d2_e16_g512_i8_a64_split_1024x1024
// CHECK-COUNT-8: vpshufb {{.*}}%zmm

!w = !qlinear.packed<1024x1024, #qlinear.codebook<dim = 2, entries = 16, group = 512, table = i8, activation_entries = 64>>
!s = !qlinear.packed<1024x1024, #qlinear.codebook<dim = 2, entries = 16, group = 512, table = i8, activation_entries = 64, split>>
!x = tensor<1024xf32>
!a = tensor<512xi32>

func.func @main(%w: !w, %s: !s, %x: !x) -> (!x, !x) {
  %e = tensor.empty() : !a
  %y = tensor.empty() : !x
  %a = qlinear.assign_centroids ins(%w, %x : !w, !x) outs(%e : !a) -> !a
  %0 = qlinear.lut_matvec ins(%w, %a : !w, !a) outs(%y : !x) -> !x
  %1 = qlinear.lut_matvec ins(%s, %a : !s, !a) outs(%y : !x) -> !x
  return %0, %1 : !x, !x
}
