// RUN: not %headrace_opt %s --aie-assign-objectfifos=device=npu3 2>&1 | FileCheck %s --check-prefix=DEVICE
// RUN: not %headrace_opt %s --aie-assign-objectfifos 2>&1 | FileCheck %s

// DEVICE: error: aie-assign-objectfifos: expected a device, but got 'npu3'; allowed: npu1, npu2
// CHECK: error: 'dataflow.port' op expected a place, but got none; run aie-place first
dataflow.graph @copy(%m: memref<8xf32>) {
  %a = dataflow.stream "a" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %a : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.port write %m offset 0 sizes [8] strides [1] stream %a : memref<8xf32>, !dataflow.stream<memref<8xf32>>
}
