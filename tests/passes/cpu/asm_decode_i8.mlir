// REQUIRES: x86_64
// RUN: %headrace translate %s --to asm --target cpu:sapphirerapids -o %t.s
// RUN: %inner_loops %t.s --with "(vpdpbusd|vfmadd231ps) .*%zmm" | FileCheck %s --implicit-check-not=spill:

// A cache of integers is multiplied as it is with three limbs of queries and of
// weights, or widened once for four heads of queries.

// CHECK-LABEL: function decode_kv_i8_16x128_of_1024x4
// CHECK: loop
// CHECK-COUNT-24: vpdpbusd {{.*}}%zmm
// CHECK: loop
// CHECK: vcvtdq2ps {{.*}}%zmm
// CHECK-COUNT-16: vfmadd231ps {{.*}}%zmm
// CHECK: loop
// CHECK-COUNT-24: vpdpbusd {{.*}}%zmm

!cache = !qattn.kv_cache<1024x4x128, i8, scale = per_token>
!q = tensor<16x128xf32>
!l = tensor<16xf32>
!n = tensor<1xi32>

func.func @main(%q: !q, %c: !cache, %n: !n) -> (!q, !l) {
  %y = tensor.empty() : !q
  %e = tensor.empty() : !l
  %0:2 = qattn.decode ins(%q, %c, %n : !q, !cache, !n) outs(%y, %e : !q, !l) {scale = 0.0884 : f32} -> !q, !l
  return %0#0, %0#1 : !q, !l
}
