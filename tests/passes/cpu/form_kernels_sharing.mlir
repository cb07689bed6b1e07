// RUN: %headrace_opt %s --cpu-form-kernels | FileCheck %s
// RUN: %headrace_opt %s --cpu-form-kernels | %headrace_opt --cpu-form-kernels | FileCheck %s

// Functions share kernels; kernels that differ in more than their name are two.
// A second run changes nothing: plans stay as they are.

!a = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>
!b = !qlinear.packed<4x64, #qlinear.gguf<q4_0>>

// CHECK-LABEL: func.func @first(
// CHECK: call @gated_matvec_q8_0_4x64_silu_f32(
// CHECK: call @[[OTHER:gated_matvec_q8_0_4x64_silu_f32_[0-9]+]](
// CHECK: call @gated_matvec_q8_0_4x64_gelu_tanh_f32(
func.func @first(%a: !a, %b: !b, %x: tensor<64xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %o = tensor.empty() : tensor<4xf32>
  %0 = qlinear.gated_matvec silu ins(%a, %a, %x : !a, !a, tensor<64xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  %1 = qlinear.gated_matvec silu ins(%a, %b, %x : !a, !b, tensor<64xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  %2 = qlinear.gated_matvec gelu_tanh ins(%a, %a, %x : !a, !a, tensor<64xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return %0, %1, %2 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: func.func @second(
// CHECK: call @gated_matvec_q8_0_4x64_silu_f32(
func.func @second(%a: !a, %x: tensor<64xf32>) -> tensor<4xf32> {
  %o = tensor.empty() : tensor<4xf32>
  %0 = qlinear.gated_matvec silu ins(%a, %a, %x : !a, !a, tensor<64xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK: func.func private @gated_matvec_q8_0_4x64_silu_f32(
// CHECK: func.func private @[[OTHER]](
// CHECK: qlinear.gated_matvec silu ins(%{{.*}} : !qlinear.packed<4x64, #qlinear.gguf<q8_0>>, !qlinear.packed<4x64, #qlinear.gguf<q4_0>>
// CHECK: func.func private @gated_matvec_q8_0_4x64_gelu_tanh_f32(
// CHECK-NOT: func.func
