// REQUIRES: x86_64
// RUN: %headrace translate %s --to asm --target cpu:sapphirerapids -o %t.s
// RUN: %inner_loops %t.s --with vfmadd | FileCheck %s "--implicit-check-not={{spill|reload}}"

// Blocks of q4nx: 32 rows of a group of 32 columns in each turn. Bytes of four
// columns come together for vpdpbusd, or nibbles become floats for exact products.

// CHECK-LABEL: function matvec_q4nx_64x2048_i8
// CHECK: vpermb {{.*}}%zmm
// CHECK: vpdpbusd {{.*}}%zmm

// CHECK-LABEL: function matvec_q4nx_64x2048_f32
// CHECK: vfmadd{{.*}}%zmm

!w = !qlinear.packed<64x2048, #qlinear.q4nx>
!i8 = !qlinear.packed<1x2048, #qlinear.act_i8>
!f32 = tensor<2048xf32>
!y = tensor<64xf32>

func.func @main(%w: !w, %i8: !i8, %f32: !f32) -> (!y, !y) {
  %y = tensor.empty() : !y
  %0 = qlinear.matvec ins(%w, %i8 : !w, !i8) outs(%y : !y) -> !y
  %1 = qlinear.matvec ins(%w, %f32 : !w, !f32) outs(%y : !y) -> !y
  return %0, %1 : !y, !y
}
