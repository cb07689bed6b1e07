// REQUIRES: x86_64
// RUN: %headrace translate %s --to asm --target cpu:znver5 -o %t.s
// RUN: %inner_loops %t.s --with "vpdpbusd .*%zmm" | FileCheck %s --check-prefix=BYTES --implicit-check-not=spill:
// RUN: %inner_loops %t.s --with "vdpbf16ps .*%zmm" | FileCheck %s --check-prefix=PAIRS --implicit-check-not=spill:

// Attention of many queries in 8 bits and in bf16: 24 sums of scores and of
// values in registers.

// BYTES-LABEL: function prefill_200x4x64_of_200x1x64_i8
// BYTES: loop
// BYTES-NOT: reload
// BYTES-COUNT-24: vpdpbusd {{.*}}%zmm
// BYTES: loop
// BYTES-NOT: reload
// BYTES-COUNT-24: vpdpbusd {{.*}}%zmm

// PAIRS-LABEL: function prefill_200x4x64_of_200x1x64_bf16
// PAIRS: loop
// PAIRS-NOT: reload
// PAIRS-COUNT-24: vdpbf16ps {{.*}}%zmm
// PAIRS: loop
// PAIRS-NOT: reload
// PAIRS-COUNT-24: vdpbf16ps {{.*}}%zmm

!q = tensor<200x4x64xf32>
!k = tensor<200x1x64xf32>

func.func @main(%q: !q, %k: !k, %v: !k) -> (!q, !q) {
  %y = tensor.empty() : !q
  %0 = qattn.prefill causal precision = i8 ins(%q, %k, %v : !q, !k, !k) outs(%y : !q) {scale = 0.125 : f32} -> !q
  %1 = qattn.prefill causal precision = bf16 ins(%q, %k, %v : !q, !k, !k) outs(%y : !q) {scale = 0.125 : f32} -> !q
  return %0, %1 : !q, !q
}
