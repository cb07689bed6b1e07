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

// Four tokens share what is decoded, one strip of 16 rows at a time.
// CHECK-LABEL: function matmul_q4nx_64x2048_n12_i8
// CHECK: vpermb {{.*}}%zmm
// CHECK-COUNT-32: vpdpbusd {{.*}}%zmm

// CHECK-LABEL: function matmul_q4nx_64x2048_n12_f32
// CHECK-COUNT-64: vfmadd{{.*}}%zmm

!w = !qlinear.packed<64x2048, #qlinear.q4nx>
!i8 = !qlinear.packed<1x2048, #qlinear.act_i8>
!f32 = tensor<2048xf32>
!i8s = !qlinear.packed<12x2048, #qlinear.act_i8>
!f32s = tensor<12x2048xf32>
!y = tensor<64xf32>
!ys = tensor<12x64xf32>

func.func @main(%w: !w, %i8: !i8, %f32: !f32, %i8s: !i8s, %f32s: !f32s) -> (!y, !y, !ys, !ys) {
  %y = tensor.empty() : !y
  %ys = tensor.empty() : !ys
  %0 = qlinear.matvec ins(%w, %i8 : !w, !i8) outs(%y : !y) -> !y
  %1 = qlinear.matvec ins(%w, %f32 : !w, !f32) outs(%y : !y) -> !y
  %2 = qlinear.matmul ins(%w, %i8s : !w, !i8s) outs(%ys : !ys) -> !ys
  %3 = qlinear.matmul ins(%w, %f32s : !w, !f32s) outs(%ys : !ys) -> !ys
  return %0, %1, %2, %3 : !y, !y, !ys, !ys
}
