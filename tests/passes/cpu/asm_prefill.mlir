// REQUIRES: x86_64
// RUN: %headrace translate %s --to asm --target cpu:sapphirerapids -o %t.s
// RUN: %inner_loops %t.s --with "vfmadd231ps .*%zmm" | FileCheck %s --implicit-check-not=spill:

// Attention of many queries: 24 sums of scores and of values in registers. Where
// keys are masked, what the mask is made of is reloaded.

// CHECK-LABEL: function prefill_200x4x64_of_200x1x64
// CHECK: loop
// CHECK-NOT: reload
// CHECK-COUNT-24: vfmadd231ps {{.*}}%zmm
// CHECK: loop
// CHECK-NOT: reload
// CHECK-COUNT-24: vfmadd231ps {{.*}}%zmm

!q = tensor<200x4x64xf32>
!k = tensor<200x1x64xf32>
!l = tensor<200x4xf32>

func.func @main(%q: !q, %k: !k, %v: !k) -> (!q, !l) {
  %y = tensor.empty() : !q
  %e = tensor.empty() : !l
  %0:2 = qattn.prefill causal ins(%q, %k, %v : !q, !k, !k) outs(%y, %e : !q, !l) {scale = 0.125 : f32} -> !q, !l
  return %0#0, %0#1 : !q, !l
}
