// REQUIRES: x86_64
// RUN: %headrace translate %s --to asm --target cpu:sapphirerapids -o %t.s
// RUN: %inner_loops %t.s --with "%zmm" | FileCheck %s "--implicit-check-not={{spill|reload}}"
// RUN: FileCheck %s --check-prefix=CALLS --input-file=%t.s "--implicit-check-not={{call|@PLT}}"

// Norms, gated activations and rotations: 16 numbers at a time; exp, tanh, sin and
// cos are polynomials, and no library is called.

// CALLS-LABEL: {{^}}rms_norm_3x2048:
// CHECK-LABEL: function rms_norm_3x2048
// CHECK: vfmadd{{.*}}%zmm

// CALLS-LABEL: {{^}}layer_norm_3x2048:
// CHECK-LABEL: function layer_norm_3x2048
// CHECK: vfmadd{{.*}}%zmm

// CALLS-LABEL: {{^}}gated_activation_3x2048:
// CHECK-LABEL: function gated_activation_3x2048{{$}}
// CHECK: vfmadd{{.*}}%zmm
// CHECK: vdivps {{.*}}%zmm

// CALLS-LABEL: {{^}}gated_activation_3x2048_0:
// CHECK-LABEL: function gated_activation_3x2048_0
// CHECK: vfmadd{{.*}}%zmm
// CHECK: vdivps {{.*}}%zmm

// CALLS-LABEL: {{^}}rope_3x8x128:
// CHECK-LABEL: function rope_3x8x128
// CHECK: vfmadd{{.*}}%zmm

!x = tensor<3x2048xf32>
!w = tensor<2048xf32>
!heads = tensor<3x8x128xf32>

func.func @main(%x: !x, %u: !x, %w: !w, %b: !w, %h: !heads, %at: tensor<3xi32>, %f: tensor<64xf32>) -> (!x, !x, !x, !x, !heads) {
  %y = tensor.empty() : !x
  %z = tensor.empty() : !heads
  %0 = qlinear.rms_norm eps = 1.0e-6 ins(%x, %w : !x, !w) outs(%y : !x) -> !x
  %1 = qlinear.layer_norm eps = 1.0e-6 ins(%x, %w, %b : !x, !w, !w) outs(%y : !x) -> !x
  %2 = qlinear.gated_activation silu ins(%x, %u : !x, !x) outs(%y : !x) -> !x
  %3 = qlinear.gated_activation gelu_tanh ins(%u, %x : !x, !x) outs(%y : !x) -> !x
  %4 = qattn.rope ins(%h, %at, %f : !heads, tensor<3xi32>, tensor<64xf32>) outs(%z : !heads) -> !heads
  return %0, %1, %2, %3, %4 : !x, !x, !x, !x, !heads
}
