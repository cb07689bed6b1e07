// RUN: %headrace_opt %s --canonicalize --cse | FileCheck %s

// Constants go to the front of their task, not out of it.
// CHECK-LABEL: dataflow.graph @constants(
dataflow.graph @constants(%m: memref<16xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.port write %m offset 0 sizes [16] strides [1] stream %s : memref<16xf32>, !dataflow.stream<memref<8xf32>>
  // CHECK: dataflow.task "fill" {
  // CHECK-NEXT: %[[V:.*]] = arith.constant 5.000000e-01 : f32
  dataflow.task "fill" {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    scf.for %i = %c0 to %c2 step %c1 {
      // CHECK: dataflow.push
      dataflow.push %s as %e: memref<8xf32> {
        %v = arith.constant 5.0e-01 : f32
        // CHECK-NEXT: memref.store %[[V]]
        memref.store %v, %e[%i] : memref<8xf32>
      }
    }
  }
}
