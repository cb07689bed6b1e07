// RUN: %headrace_opt %s --verify-target-legality=capabilities=%S/Inputs/small.json | FileCheck %s
// RUN: %headrace_opt %s --verify-target-legality=capabilities=%tests/../python/headrace/targets/cpu/capabilities.json | FileCheck %s

// What is claimed passes unchanged; operations that only move bytes need no claim.
// CHECK-LABEL: func @claimed
// CHECK: qlinear.from_bytes
// CHECK: qlinear.slice
// CHECK: qlinear.matvec ins(%{{.*}}, %{{.*}} : !qlinear.packed<2x256, #qlinear.gguf<q4_k>>, !qlinear.packed<1x256, #qlinear.act_i8>)
// CHECK: qlinear.matvec ins(%{{.*}}, %{{.*}} : !qlinear.packed<4x64, #qlinear.gguf<q8_0>>, tensor<64xf32>)
// CHECK: qlinear.dequantize
func.func @claimed(%b: tensor<576xi8>, %q: !qlinear.packed<1x256, #qlinear.act_i8>,
                   %v: !qlinear.packed<4x64, #qlinear.gguf<q8_0>>, %x: tensor<64xf32>,
                   %o2: tensor<2xf32>, %o4: tensor<4xf32>, %d: tensor<4x256xf32>)
    -> (tensor<2xf32>, tensor<4xf32>, tensor<4x256xf32>) {
  %w = qlinear.from_bytes %b : tensor<576xi8> to !qlinear.packed<4x256, #qlinear.gguf<q4_k>>
  %s = qlinear.slice %w rows [0, 2] : !qlinear.packed<4x256, #qlinear.gguf<q4_k>> to !qlinear.packed<2x256, #qlinear.gguf<q4_k>>
  %0 = qlinear.matvec ins(%s, %q : !qlinear.packed<2x256, #qlinear.gguf<q4_k>>, !qlinear.packed<1x256, #qlinear.act_i8>)
      outs(%o2 : tensor<2xf32>) -> tensor<2xf32>
  %1 = qlinear.matvec ins(%v, %x : !qlinear.packed<4x64, #qlinear.gguf<q8_0>>, tensor<64xf32>)
      outs(%o4 : tensor<4xf32>) -> tensor<4xf32>
  %2 = qlinear.dequantize ins(%w : !qlinear.packed<4x256, #qlinear.gguf<q4_k>>)
      outs(%d : tensor<4x256xf32>) -> tensor<4x256xf32>
  return %0, %1, %2 : tensor<2xf32>, tensor<4xf32>, tensor<4x256xf32>
}
