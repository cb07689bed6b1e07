// RUN: %python %S/Inputs/emit_cpp.py < %s | FileCheck %s

// CHECK: error: {{.*}}aie-cpp: 'arith.remui' cannot be written in C++; allowed: arith.addf, arith.addi,
module @cores {
  func.func @zero_32(%y: memref<32xi32>) {
    %c0 = arith.constant 0 : index
    %a = memref.load %y[%c0] : memref<32xi32>
    %b = arith.remui %a, %a : i32
    memref.store %b, %y[%c0] : memref<32xi32>
    return
  }
}

// -----

// CHECK: error: aie-cpp: expected contiguous memory of one dimension, but got memref<4x8xf32>
module @cores {
  func.func @zero_32(%y: memref<4x8xf32>) {
    return
  }
}

// -----

// CHECK: error: {{.*}}aie-cpp: expected a rotation, but got {{.*}}vector.shuffle
module @cores {
  func.func @zero_32(%y: memref<32xf32>) {
    %c0 = arith.constant 0 : index
    %a = vector.load %y[%c0] : memref<32xf32>, vector<4xf32>
    %b = vector.shuffle %a, %a [3, 2, 1, 0] : vector<4xf32>, vector<4xf32>
    vector.store %b, %y[%c0] : memref<32xf32>, vector<4xf32>
    return
  }
}

// -----

// CHECK: error: {{.*}}aie-cpp: expected new sums, but got
module @cores {
  func.func @zero_32(%y: memref<32xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %c16 = arith.constant 16 : index
    %a = vector.load %y[%c0] : memref<32xf32>, vector<16xf32>
    %b = vector.load %y[%c16] : memref<32xf32>, vector<16xf32>
    %r:2 = scf.for %i = %c0 to %c4 step %c1 iter_args(%p = %a, %q = %b) -> (vector<16xf32>, vector<16xf32>) {
      scf.yield %q, %p : vector<16xf32>, vector<16xf32>
    }
    vector.store %r#0, %y[%c0] : memref<32xf32>, vector<16xf32>
    vector.store %r#1, %y[%c16] : memref<32xf32>, vector<16xf32>
    return
  }
}
