// RUN: %headrace_opt %s --canonicalize | FileCheck %s

// What folds in a core stays in it.

module { aie.device(npu2) {
  %a = aie.tile(0, 2)
  %buffer = aie.buffer(%a) : memref<4xi32>
  %core = aie.core(%a) {
    %c1 = arith.constant 1 : index
    %one = arith.constant 1 : i32
    %two = arith.addi %one, %one : i32
    memref.store %two, %buffer[%c1] : memref<4xi32>
    aie.end
  }
} }

// CHECK:      aie.buffer
// CHECK-NEXT: aie.core
// CHECK-DAG:    %[[C1:.*]] = arith.constant 1 : index
// CHECK-DAG:    %[[C2:.*]] = arith.constant 2 : i32
// CHECK:        memref.store %[[C2]], %{{.*}}[%[[C1]]]
// CHECK-NEXT:   aie.end
