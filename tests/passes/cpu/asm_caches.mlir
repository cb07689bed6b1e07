// REQUIRES: x86_64
// RUN: %headrace translate %s --to asm --target cpu:sapphirerapids -o %t.s
// RUN: %inner_loops %t.s --with "ps.*%[yz]mm" | FileCheck %s "--implicit-check-not={{spill|reload}}"
// RUN: FileCheck %s --check-prefix=CALLS --input-file=%t.s "--implicit-check-not={{call|@PLT}}"

// Tokens that are written to caches: the loop over tokens holds a token in
// registers, finds its scale and rounds to codes; and nothing is called.

// CALLS-LABEL: {{^}}append_kv_kv_f16_3x4x128_of_1024:
// CHECK-LABEL: function append_kv_kv_f16_3x4x128_of_1024
// CHECK: vcvtps2ph

// CALLS-LABEL: {{^}}append_kv_kv_i8_3x4x128_of_1024:
// CHECK-LABEL: function append_kv_kv_i8_3x4x128_of_1024
// CHECK: vmaxps {{.*}}%zmm
// CHECK: vpmovdb {{.*}}%zmm

// CALLS-LABEL: {{^}}append_kv_kv_fp8_e4m3_3x4x128_of_1024:
// CHECK-LABEL: function append_kv_kv_fp8_e4m3_3x4x128_of_1024
// CHECK: vmaxps {{.*}}%zmm

!f16 = !qattn.kv_cache<1024x4x128, f16>
!i8 = !qattn.kv_cache<1024x4x128, i8, scale = per_token>
!fp8 = !qattn.kv_cache<1024x4x128, fp8_e4m3, scale = per_token>
!kv = tensor<3x4x128xf32>
!at = tensor<1xi32>

func.func @main(%k: !kv, %v: !kv, %a: !f16, %b: !i8, %c: !fp8, %at: !at) {
  %0 = qattn.append_kv %k, %v into %a at %at : !kv, !kv, !f16, !at -> !f16
  %1 = qattn.append_kv %k, %v into %b at %at : !kv, !kv, !i8, !at -> !i8
  %2 = qattn.append_kv %k, %v into %c at %at : !kv, !kv, !fp8, !at -> !fp8
  return
}
