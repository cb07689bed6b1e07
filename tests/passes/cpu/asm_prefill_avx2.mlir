// REQUIRES: x86_64
// RUN: %headrace translate %s --to asm --target cpu:x86-64-v3 -o %t.s
// RUN: %inner_loops %t.s --with "vfmadd231ps .*%ymm" | FileCheck %s --implicit-check-not=spill:

// 12 sums of scores and of values where there are 16 registers.

// CHECK-LABEL: function prefill_200x4x64_of_200x1x64
// CHECK: loop
// CHECK-NOT: reload
// CHECK-COUNT-12: vfmadd231ps {{.*}}%ymm
// CHECK: loop
// CHECK-NOT: reload
// CHECK-COUNT-12: vfmadd231ps {{.*}}%ymm

!q = tensor<200x4x64xf32>
!k = tensor<200x1x64xf32>
!l = tensor<200x4xf32>

func.func @main(%q: !q, %k: !k, %v: !k) -> (!q, !l) {
  %y = tensor.empty() : !q
  %e = tensor.empty() : !l
  %0:2 = qattn.prefill causal ins(%q, %k, %v : !q, !k, !k) outs(%y, %e : !q, !l) {scale = 0.125 : f32} -> !q, !l
  return %0#0, %0#1 : !q, !l
}
