// RUN: not %headrace_opt %s --dataflow-partition-products=channels=0 2>&1 | FileCheck %s
// RUN: not %headrace_opt %s --dataflow-partition-products=core-memory=4096 2>&1 | FileCheck %s --check-prefix=SMALL

!w = !qlinear.packed<64x256, #qlinear.q4nx>

// CHECK: error: 'qlinear.matvec' op needs a core and a channel that reads memory, but the array has 32 cores and 0 channels
// SMALL: error: 'qlinear.matvec' op needs 6464 bytes of memory in a core for 256 columns, but a core has 4096; no number of columns fits
func.func @main(%w: !w, %x: tensor<256xbf16>) -> tensor<64xf32> {
  %0 = tensor.empty() : tensor<64xf32>
  %y = qlinear.matvec ins(%w, %x : !w, tensor<256xbf16>) outs(%0 : tensor<64xf32>) -> tensor<64xf32>
  return %y : tensor<64xf32>
}
