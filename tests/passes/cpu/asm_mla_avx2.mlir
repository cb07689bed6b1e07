// REQUIRES: x86_64
// RUN: %headrace translate %s --to asm --target cpu:x86-64-v3 -o %t.s
// RUN: %inner_loops %t.s --with "vfmadd231ps .*%ymm" | FileCheck %s "--implicit-check-not={{spill|reload}}"

// Tiles of latent attention have 12 sums where there are 16 registers.

// CHECK-LABEL: function mla_decode_mla_bf16_16x512_of_1024x512x64
// CHECK: loop
// CHECK-COUNT-12: vfmadd231ps {{.*}}%ymm
// CHECK: loop
// CHECK-COUNT-12: vfmadd231ps {{.*}}%ymm

!cache = !qattn.mla_cache<1024x512+64, bf16>
!q = tensor<16x512xf32>
!r = tensor<16x64xf32>
!l = tensor<16xf32>
!n = tensor<1xi32>

func.func @main(%q: !q, %r: !r, %c: !cache, %n: !n) -> (!q, !l) {
  %y = tensor.empty() : !q
  %e = tensor.empty() : !l
  %0:2 = qattn.mla_decode ins(%q, %r, %c, %n : !q, !r, !cache, !n) outs(%y, %e : !q, !l) {scale = 0.0416 : f32} -> !q, !l
  return %0#0, %0#1 : !q, !l
}
