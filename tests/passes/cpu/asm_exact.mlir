// REQUIRES: x86_64
// RUN: %headrace translate %s --to asm --target cpu:sapphirerapids -o %t.s
// RUN: %inner_loops %t.s --with vfmadd | FileCheck %s "--implicit-check-not={{spill|reload}}" --implicit-check-not=vpdpbusd

// Exact products: integers of weights become floats in registers, for one token
// and for several, and are multiplied with f32 or with bf16 that is widened.

// CHECK-LABEL: function matvec_q4_k_64x2048_f32
// CHECK: vcvtdq2ps {{.*}}%zmm
// CHECK: vfmadd{{.*}}%zmm

// CHECK-LABEL: function matvec_q4_k_64x2048_bf16
// CHECK: vcvtdq2ps {{.*}}%zmm
// CHECK: vfmadd{{.*}}%zmm

// CHECK-LABEL: function matvec_int4_g32_64x2048_f32
// CHECK: vfmadd{{.*}}%zmm

// CHECK-LABEL: function matmul_q4_k_64x2048_n12_f32
// CHECK: vcvtdq2ps {{.*}}%zmm
// CHECK: vfmadd{{.*}}%zmm

!q4_k = !qlinear.packed<64x2048, #qlinear.gguf<q4_k>>
!affine = !qlinear.packed<64x2048, #qlinear.affine<bits = 4, group = 32, scale = f16>>
!x = tensor<2048xf32>
!xb = tensor<2048xbf16>
!xs = tensor<12x2048xf32>
!y = tensor<64xf32>
!ys = tensor<12x64xf32>

func.func @main(%a: !q4_k, %b: !affine, %x: !x, %xb: !xb, %xs: !xs) -> (!y, !y, !y, !ys) {
  %y = tensor.empty() : !y
  %ys = tensor.empty() : !ys
  %0 = qlinear.matvec ins(%a, %x : !q4_k, !x) outs(%y : !y) -> !y
  %1 = qlinear.matvec ins(%a, %xb : !q4_k, !xb) outs(%y : !y) -> !y
  %2 = qlinear.matvec ins(%b, %x : !affine, !x) outs(%y : !y) -> !y
  %3 = qlinear.matmul ins(%a, %xs : !q4_k, !xs) outs(%ys : !ys) -> !ys
  return %0, %1, %2, %3 : !y, !y, !y, !ys
}
