// RUN: %headrace_opt %s --fuse-dequant-matvec | FileCheck %s

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

// A weight that something else reads stays dequantized for that.
// CHECK-LABEL: func @other_use(
// CHECK-SAME: %[[W:[a-z0-9]+]]: !qlinear
// CHECK: %[[D:.*]] = qlinear.dequantize ins(%[[W]]
// CHECK: %[[Y:.*]] = qlinear.matvec ins(%[[W]]
// CHECK: return %[[Y]], %[[D]]
func.func @other_use(%w: !w, %x: tensor<64xf32>, %e: tensor<4x64xf32>) -> (tensor<4xf32>, tensor<4x64xf32>) {
  %z = arith.constant dense<0.0> : tensor<4xf32>
  %d = qlinear.dequantize ins(%w : !w) outs(%e : tensor<4x64xf32>) -> tensor<4x64xf32>
  %y = linalg.matvec ins(%d, %x : tensor<4x64xf32>, tensor<64xf32>) outs(%z : tensor<4xf32>) -> tensor<4xf32>
  return %y, %d : tensor<4xf32>, tensor<4x64xf32>
}
