// REQUIRES: x86_64
// RUN: %headrace translate %s --to asm --target cpu:sapphirerapids -o %t.s
// RUN: %inner_loops %t.s --with "%zmm" | FileCheck %s "--implicit-check-not={{spill|reload}}"
// RUN: FileCheck %s --check-prefix=WHOLE --input-file=%t.s "--implicit-check-not={{call|@PLT|Spill|Reload}}"

// Latents that are written to caches: a token's numbers are loaded 16 at a time, once
// for their largest magnitude and once for their codes. A row of quantize_kv has a
// workgroup of its own and no loop.

// CHECK-LABEL: function append_mla_mla_bf16_3x512_of_1024x512x64
// CHECK-COUNT-36: vpmovdw {{.*}}%zmm
// CHECK-NOT: loop

// CHECK-LABEL: function append_mla_mla_fp8_e4m3_3x512_of_1024x512x64
// CHECK-COUNT-36: vmaxps {{.*}}%zmm
// CHECK: vdivss
// CHECK-COUNT-32: vpmovdb {{.*}}%zmm
// CHECK-COUNT-4: vpmovdw {{.*}}%zmm
// CHECK-NOT: {{loop|function}}

// WHOLE-LABEL: {{^}}append_mla_mla_bf16_3x512_of_1024x512x64:
// WHOLE-LABEL: {{^}}append_mla_mla_fp8_e4m3_3x512_of_1024x512x64:
// WHOLE-LABEL: {{^}}quantize_kv_3x512_3x64:
// WHOLE-COUNT-36: vmaxps {{.*}}%zmm
// WHOLE: vdivss
// WHOLE-COUNT-32: vpmovdb {{.*}}%zmm
// WHOLE: retq

!bf16 = !qattn.mla_cache<1024x512+64, bf16>
!fp8 = !qattn.mla_cache<1024x512+64, fp8_e4m3>
!c = tensor<3x512xf32>
!r = tensor<3x64xf32>
!codes = tensor<3x512xi8>
!scales = tensor<3xf32>
!at = tensor<1xi32>

func.func @main(%c: !c, %r: !r, %a: !bf16, %b: !fp8, %at: !at) -> (!bf16, !fp8, !codes, !scales, !r) {
  %0 = qattn.append_mla %c, %r into %a at %at : !c, !r, !bf16, !at -> !bf16
  %1 = qattn.append_mla %c, %r into %b at %at : !c, !r, !fp8, !at -> !fp8
  %codes = tensor.empty() : !codes
  %scales = tensor.empty() : !scales
  %scaled = tensor.empty() : !r
  %2:3 = qattn.quantize_kv ins(%c, %r : !c, !r) outs(%codes, %scales, %scaled : !codes, !scales, !r) -> !codes, !scales, !r
  return %0, %1, %2#0, %2#1, %2#2 : !bf16, !fp8, !codes, !scales, !r
}
