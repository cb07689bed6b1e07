// REQUIRES: x86_64
// RUN: %headrace translate %s --to asm --target cpu:sapphirerapids -o %t.s
// RUN: %inner_loops %t.s --with "vpcompressd|vpdpbusd.*%zmm|vfmadd.*%zmm" | FileCheck %s "--implicit-check-not={{spill|reload}}"

// Sparse products: the list of columns is compacted 16 columns at a time; codes of
// listed columns are multiplied as bytes, four columns at a time.

// CHECK-LABEL: function select_columns_2048_f32
// CHECK: vpcompressd {{.*}}%zmm

// CHECK-LABEL: function sparse_matvec_q4_0_zigzag1024_1024x2048_f32
// CHECK: vpunpcklbw {{.*}}%zmm
// CHECK-COUNT-12: vpdpbusd {{.*}}%zmm

// CHECK-LABEL: function sparse_matvec_q8_0_zigzag1024_1024x2048_f32
// CHECK: vpunpcklbw {{.*}}%zmm
// CHECK-COUNT-12: vpdpbusd {{.*}}%zmm

// Several tokens: products with a tile of decoded weights.
// CHECK-LABEL: function matmul_q4_k_zigzag1024_1024x2048_n12_f32
// CHECK-COUNT-24: vfmadd{{.*}}%zmm

!q4_0 = !qlinear.packed<1024x2048, #qlinear.zigzag<#qlinear.gguf<q4_0>, band = 1024>>
!q8_0 = !qlinear.packed<1024x2048, #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 1024>>
!q4_k = !qlinear.packed<1024x2048, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 1024>>
!x = tensor<2048xf32>
!xs = tensor<12x2048xf32>
!list = tensor<2048xi32>
!count = tensor<1xi32>
!y = tensor<1024xf32>
!ys = tensor<12x1024xf32>

func.func @main(%a: !q4_0, %b: !q8_0, %c: !q4_k, %x: !x, %xs: !xs) -> (!y, !y, !ys) {
  %y = tensor.empty() : !y
  %ys = tensor.empty() : !ys
  %l = tensor.empty() : !list
  %n = tensor.empty() : !count
  %list, %count = qlinear.select_columns threshold = 0.5 ins(%x : !x) outs(%l, %n : !list, !count) -> !list, !count
  %0 = qlinear.sparse_matvec ins(%a, %x, %list, %count : !q4_0, !x, !list, !count) outs(%y : !y) -> !y
  %1 = qlinear.sparse_matvec ins(%b, %x, %list, %count : !q8_0, !x, !list, !count) outs(%y : !y) -> !y
  %2 = qlinear.matmul ins(%c, %xs : !q4_k, !xs) outs(%ys : !ys) -> !ys
  return %0, %1, %2 : !y, !y, !ys
}
