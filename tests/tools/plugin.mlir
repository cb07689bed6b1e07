// REQUIRES: plugin, mlir-opt
// The stock mlir-opt with our plugin: one option brings the dialect, its passes
// and the pipeline.
//
// RUN: %mlir_opt %s --load-dialect-plugin=%plugin --pass-pipeline='builtin.module(headrace-cpu-pipeline{dot=portable})' | FileCheck %s --check-prefix=KERNEL --implicit-check-not=func.func
// RUN: %mlir_opt %s --load-dialect-plugin=%plugin --pass-pipeline='builtin.module(decompose-qlinear)' | FileCheck %s --check-prefix=LINALG --implicit-check-not=qlinear.
// RUN: %mlir_opt %s --load-dialect-plugin=%plugin --load-pass-plugin=%plugin --pass-pipeline='builtin.module(cpu-form-kernels)' | FileCheck %s --check-prefix=PLAN
//
// Without it the dialect is unknown, so the tests above prove something.
// RUN: not %mlir_opt %s 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not %mlir_opt %s --load-dialect-plugin=%plugin --pass-pipeline='builtin.module(cpu-from-kernels)' 2>&1 | FileCheck %s --check-prefix=PASS

// KERNEL: llvm.func @matvec_q4_k_4x256_f32(
// LINALG: linalg.matvec
// PLAN: call @matvec_q4_k_4x256_f32({{.*}}) {headrace.grid = array<i64: 1, 1, 1>}
// UNKNOWN: error: {{.*}}qlinear
// PASS: 'cpu-from-kernels' does not refer to a registered pass

!w = !qlinear.packed<4x256, #qlinear.gguf<q4_k>>
func.func @main(%x: tensor<256xf32>, %w: !w) -> tensor<4xf32> {
  %o = tensor.empty() : tensor<4xf32>
  %y = qlinear.matvec ins(%w, %x : !w, tensor<256xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
