// REQUIRES: x86_64
// RUN: %headrace translate %s --to asm --target cpu:sapphirerapids -o %t.s
// RUN: %inner_loops %t.s --with "vfmadd231ps .*%zmm" | FileCheck %s "--implicit-check-not={{spill|reload}}"

// Scores and results of latent attention: tiles of 16 sums stay in registers.

// CHECK-LABEL: function mla_decode_mla_bf16_16x512_of_1024x512x64
// CHECK: loop
// CHECK-COUNT-16: vfmadd231ps {{.*}}%zmm
// CHECK: loop
// CHECK-COUNT-16: vfmadd231ps {{.*}}%zmm
// CHECK-LABEL: function mla_decode_mla_fp8_e4m3_16x512_of_1024x512x64
// CHECK: loop
// CHECK-COUNT-16: vfmadd231ps {{.*}}%zmm
// CHECK: loop
// CHECK-COUNT-16: vfmadd231ps {{.*}}%zmm

!bf16 = !qattn.mla_cache<1024x512+64, bf16>
!fp8 = !qattn.mla_cache<1024x512+64, fp8_e4m3>
!q = tensor<16x512xf32>
!r = tensor<16x64xf32>
!l = tensor<16xf32>
!n = tensor<1xi32>

func.func @main(%q: !q, %r: !r, %a: !bf16, %b: !fp8, %n: !n) -> (!q, !l, !q, !l) {
  %y = tensor.empty() : !q
  %e = tensor.empty() : !l
  %0:2 = qattn.mla_decode ins(%q, %r, %a, %n : !q, !r, !bf16, !n) outs(%y, %e : !q, !l) {scale = 0.0416 : f32} -> !q, !l
  %1:2 = qattn.mla_decode ins(%q, %r, %b, %n : !q, !r, !fp8, !n) outs(%y, %e : !q, !l) {scale = 0.0416 : f32} -> !q, !l
  return %0#0, %0#1, %1#0, %1#1 : !q, !l, !q, !l
}
