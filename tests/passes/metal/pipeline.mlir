// RUN: %headrace_opt %s --headrace-metal-pipeline="capabilities=%tests/../python/headrace/targets/metal/capabilities.json" | FileCheck %s --implicit-check-not=qlinear.from --implicit-check-not=@unused
// RUN: not %headrace_opt %s --headrace-metal-pipeline="max-threads=32" 2>&1 | FileCheck %s --check-prefix=LIMIT
// RUN: not %headrace_opt %s --headrace-metal-pipeline="shared=1" 2>&1 | FileCheck %s --check-prefix=OPTION

// From tensors to code of one lane; the plan stays.

// CHECK-LABEL: func.func @main({{.*}}) attributes {headrace.outputs = array<i64: 0>, headrace.plan}
// CHECK: call @matvec_q6_k_16x256_f32({{.*}}) {headrace.grid = array<i64: 4, 1, 1>}
// CHECK: func.func private @matvec_q6_k_16x256_f32(
// CHECK: gpu.subgroup_reduce add

// LIMIT: 'func.func' op needs 64 threads in a workgroup, but the device has a limit of 32
// OPTION: no such option shared

!w = !qlinear.packed<16x256, #qlinear.gguf<q6_k>>

func.func private @unused(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

func.func @main(%x: tensor<256xf32>, %w: !w) -> tensor<16xf32> {
  %o = tensor.empty() : tensor<16xf32>
  %y = qlinear.matvec ins(%w, %x : !w, tensor<256xf32>) outs(%o : tensor<16xf32>) -> tensor<16xf32>
  return %y : tensor<16xf32>
}
