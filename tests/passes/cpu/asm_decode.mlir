// REQUIRES: x86_64
// RUN: %headrace translate %s --to asm --target cpu:sapphirerapids -o %t.s
// RUN: %inner_loops %t.s --with "vfmadd231ps .*%zmm" | FileCheck %s "--implicit-check-not={{spill|reload}}"

// Attention of one token: four heads of queries multiply each key and value that is
// widened, and sums stay in registers.

// CHECK-LABEL: function decode_kv_f16_16x128_of_1024x4
// CHECK: vcvtph2psx {{.*}}%zmm
// CHECK-COUNT-16: vfmadd231ps {{.*}}%zmm

// bf16 is half an f32.
// CHECK-LABEL: function decode_kv_bf16_16x128_of_1024x4
// CHECK: vpmovzxwd {{.*}}%zmm
// CHECK: vpslld $16
// CHECK-COUNT-16: vfmadd231ps {{.*}}%zmm

// CHECK-LABEL: function decode_kv_fp8_e4m3_16x128_of_1024x4
// CHECK: vcvtph2psx {{.*}}%zmm
// CHECK-COUNT-16: vfmadd231ps {{.*}}%zmm

!f16 = !qattn.kv_cache<1024x4x128, f16>
!bf16 = !qattn.kv_cache<1024x4x128, bf16>
!fp8 = !qattn.kv_cache<1024x4x128, fp8_e4m3, scale = per_token>
!q = tensor<16x128xf32>
!l = tensor<16xf32>
!n = tensor<1xi32>

func.func @main(%q: !q, %a: !f16, %b: !bf16, %d: !fp8, %n: !n) -> (!q, !l, !q, !l, !q, !l) {
  %y = tensor.empty() : !q
  %e = tensor.empty() : !l
  %0:2 = qattn.decode ins(%q, %a, %n : !q, !f16, !n) outs(%y, %e : !q, !l) {scale = 0.0884 : f32} -> !q, !l
  %1:2 = qattn.decode ins(%q, %b, %n : !q, !bf16, !n) outs(%y, %e : !q, !l) {scale = 0.0884 : f32} -> !q, !l
  %2:2 = qattn.decode ins(%q, %d, %n : !q, !fp8, !n) outs(%y, %e : !q, !l) {scale = 0.0884 : f32} -> !q, !l
  return %0#0, %0#1, %1#0, %1#1, %2#0, %2#1 : !q, !l, !q, !l, !q, !l
}
