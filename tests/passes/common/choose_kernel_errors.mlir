// RUN: not %headrace_opt %s --choose-kernel 2>&1 | FileCheck %s --check-prefix=BANDWIDTH
// RUN: not %headrace_opt %s --choose-kernel=read-bandwidth=48 2>&1 | FileCheck %s --check-prefix=DENSE
// RUN: not %headrace_opt %s "--choose-kernel=read-bandwidth=48 dense-gops=500 lookup-gops=-1" 2>&1 | FileCheck %s --check-prefix=LOOKUP
// RUN: not %headrace_opt %s "--choose-kernel=read-bandwidth=48 dense-gops=500 overhead-us=-1" 2>&1 | FileCheck %s --check-prefix=OVERHEAD
// RUN: not %headrace_opt %s "--choose-kernel=read-bandwidth=48 dense-gops=500 threads=0" 2>&1 | FileCheck %s --check-prefix=THREADS
// RUN: not %headrace_opt %s "--choose-kernel=read-bandwidth=48 dense-gops=500 density=-1" 2>&1 | FileCheck %s --check-prefix=DENSITY
// RUN: not %headrace_opt %s "--choose-kernel=read-bandwidth=48 dense-gops=500" 2>&1 | FileCheck %s --check-prefix=KERNEL

// BANDWIDTH: error: choose-kernel: expected read-bandwidth above 0, but got 0
// DENSE: error: choose-kernel: expected dense-gops above 0, but got 0
// LOOKUP: error: choose-kernel: expected lookup-gops of 0 or above, but got -1
// OVERHEAD: error: choose-kernel: expected overhead-us of 0 or above, but got -1
// THREADS: error: choose-kernel: expected threads from 1 to 65536, but got 0
// DENSITY: error: choose-kernel: expected a density from 0 to 1, but got -1
func.func @kernel(%w: !qlinear.packed<4x64, #qlinear.gguf<q8_0>>, %x: tensor<64xf32>, %o: tensor<4xf32>) -> tensor<4xf32> {
  // KERNEL: error: 'qlinear.matvec' op expected headrace.kernel to be "dense", "sparse" or "lut", but got "fast"
  %y = qlinear.matvec ins(%w, %x : !qlinear.packed<4x64, #qlinear.gguf<q8_0>>, tensor<64xf32>) outs(%o : tensor<4xf32>) {headrace.kernel = "fast"} -> tensor<4xf32>
  return %y : tensor<4xf32>
}
