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

// CHECK: error: {{.*}}aie-cpp: expected a rotation, every other lane, copies, or parts beside themselves, but got {{.*}}vector.shuffle
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

// -----

// CHECK: error: {{.*}}aie-cpp: expected numbers, but got {{.*}}arith.muli
module @cores {
  func.func @zero_32(%y: memref<32xi32>) {
    %c0 = arith.constant 0 : index
    %a = vector.load %y[%c0] : memref<32xi32>, vector<16xi32>
    %b = arith.muli %a, %a : vector<16xi32>
    vector.store %b, %y[%c0] : memref<32xi32>, vector<16xi32>
    return
  }
}

// -----

// CHECK: error: {{.*}}aie-cpp: expected vectors of one dimension, but got vector<2x16xf32>
module @cores {
  func.func @zero_32(%y: memref<32xf32>) {
    %c0 = arith.constant 0 : index
    %a = memref.load %y[%c0] : memref<32xf32>
    %b = vector.broadcast %a : f32 to vector<2x16xf32>
    %n = arith.negf %b : vector<2x16xf32>
    %c = vector.extract %n[1] : vector<16xf32> from vector<2x16xf32>
    vector.store %c, %y[%c0] : memref<32xf32>, vector<16xf32>
    return
  }
}

// -----

// CHECK: error: {{.*}}aie-cpp: expected a number, but got {{.*}}vector.broadcast
module @cores {
  func.func @zero_32(%y: memref<32xf32>) {
    %c0 = arith.constant 0 : index
    %a = vector.load %y[%c0] : memref<32xf32>, vector<4xf32>
    %n = vector.extract_strided_slice %a {offsets = [1], sizes = [1], strides = [1]} : vector<4xf32> to vector<1xf32>
    %b = vector.broadcast %n : vector<1xf32> to vector<16xf32>
    vector.store %b, %y[%c0] : memref<32xf32>, vector<16xf32>
    return
  }
}

// -----

// CHECK: error: {{.*}}aie-cpp: expected one of equal parts, but got {{.*}}vector.extract_strided_slice
module @cores {
  func.func @zero_32(%y: memref<32xf32>) {
    %c0 = arith.constant 0 : index
    %a = vector.load %y[%c0] : memref<32xf32>, vector<16xf32>
    %b = vector.extract_strided_slice %a {offsets = [2], sizes = [4], strides = [1]} : vector<16xf32> to vector<4xf32>
    vector.store %b, %y[%c0] : memref<32xf32>, vector<4xf32>
    return
  }
}

// -----

// CHECK: error: {{.*}}aie-cpp: expected i4 or i8 that become i8 or i16, but got {{.*}}arith.extui
module @cores {
  func.func @zero_32(%x: memref<32xi8>, %y: memref<32xi32>) {
    %c0 = arith.constant 0 : index
    %a = vector.load %x[%c0] : memref<32xi8>, vector<16xi8>
    %b = arith.extui %a : vector<16xi8> to vector<16xi32>
    vector.store %b, %y[%c0] : memref<32xi32>, vector<16xi32>
    return
  }
}

// -----

// CHECK: error: {{.*}}aie-cpp: expected 16 lanes of f32, but got {{.*}}math.floor
module @cores {
  func.func @zero_32(%y: memref<32xf32>) {
    %c0 = arith.constant 0 : index
    %a = vector.load %y[%c0] : memref<32xf32>, vector<8xf32>
    %b = math.floor %a : vector<8xf32>
    vector.store %b, %y[%c0] : memref<32xf32>, vector<8xf32>
    return
  }
}

// -----

// CHECK: error: {{.*}}aie-cpp: expected ogt, olt, uge or ule, but got {{.*}}arith.cmpf oeq
module @cores {
  func.func @zero_32(%y: memref<32xf32>) {
    %c0 = arith.constant 0 : index
    %c16 = arith.constant 16 : index
    %a = vector.load %y[%c0] : memref<32xf32>, vector<16xf32>
    %b = vector.load %y[%c16] : memref<32xf32>, vector<16xf32>
    %which = arith.cmpf oeq, %a, %b : vector<16xf32>
    %c = arith.select %which, %a, %b : vector<16xi1>, vector<16xf32>
    vector.store %c, %y[%c0] : memref<32xf32>, vector<16xf32>
    return
  }
}

// -----

// CHECK: error: {{.*}}aie-cpp: expected a constant, but got {{.*}}arith.ori
module @cores {
  func.func @zero_32(%y: memref<32xi16>) {
    %c0 = arith.constant 0 : index
    %c16 = arith.constant 16 : index
    %a = vector.load %y[%c0] : memref<32xi16>, vector<16xi16>
    %b = vector.load %y[%c16] : memref<32xi16>, vector<16xi16>
    %c = arith.ori %a, %b : vector<16xi16>
    vector.store %c, %y[%c0] : memref<32xi16>, vector<16xi16>
    return
  }
}

// -----

// CHECK: error: {{.*}}aie-cpp: expected vectors of f32, but got vector<16xbf16>
module @cores {
  func.func @zero_32(%y: memref<32xbf16>) {
    %c0 = arith.constant 0 : index
    %a = vector.load %y[%c0] : memref<32xbf16>, vector<16xbf16>
    %b = arith.addf %a, %a : vector<16xbf16>
    vector.store %b, %y[%c0] : memref<32xbf16>, vector<16xbf16>
    return
  }
}

// -----

// CHECK: error: {{.*}}aie-cpp: expected sums in f32, but got {{.*}}scf.for
module @cores {
  func.func @zero_32(%y: memref<32xi32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %a = vector.load %y[%c0] : memref<32xi32>, vector<16xi32>
    %r = scf.for %i = %c0 to %c4 step %c1 iter_args(%p = %a) -> (vector<16xi32>) {
      %q = arith.addi %p, %a : vector<16xi32>
      scf.yield %q : vector<16xi32>
    }
    vector.store %r, %y[%c0] : memref<32xi32>, vector<16xi32>
    return
  }
}

// -----

// CHECK: error: {{.*}}aie-cpp: expected memory that is only read, but got {{.*}}vector.load
module @cores {
  func.func @zero_32(%y: memref<32xbf16>) {
    %c0 = arith.constant 0 : index
    %a = vector.load %y[%c0] : memref<32xbf16>, vector<4xbf16>
    vector.store %a, %y[%c0] : memref<32xbf16>, vector<4xbf16>
    return
  }
}

// -----

// CHECK: error: {{.*}}aie-cpp: expected numbers of index, i4, i8, i16, i32, bf16, f32, but got f64
module @cores {
  func.func @zero_32(%y: memref<32xf64>) {
    return
  }
}

// -----

// CHECK: error: {{.*}}aie-cpp: expected a constant of one number, but got {{.*}}arith.constant
module @cores {
  func.func @zero_32(%y: memref<32xf32>) {
    %c0 = arith.constant 0 : index
    %a = arith.constant dense<[1.0, 2.0, 3.0, 4.0]> : vector<4xf32>
    vector.store %a, %y[%c0] : memref<32xf32>, vector<4xf32>
    return
  }
}

// -----

// CHECK: error: {{.*}}aie-cpp: expected a finite constant, but got inf
module @cores {
  func.func @zero_32(%y: memref<32xf32>) {
    %c0 = arith.constant 0 : index
    %a = arith.constant dense<0x7F800000> : vector<16xf32>
    vector.store %a, %y[%c0] : memref<32xf32>, vector<16xf32>
    return
  }
}

// -----

// CHECK: error: {{.*}}aie-cpp: expected a constant of f32, bf16, i8, i16, i32 or index, but got vector<16xi4>
module @cores {
  func.func @zero_32(%y: memref<32xi4>) {
    %c0 = arith.constant 0 : index
    %a = arith.constant dense<1> : vector<16xi4>
    vector.store %a, %y[%c0] : memref<32xi4>, vector<16xi4>
    return
  }
}

// -----

// CHECK: error: {{.*}}aie-cpp: expected a product of matrices of bf16, but got {{.*}}vector.contract
#left = affine_map<(m, n, k) -> (m, k)>
#right = affine_map<(m, n, k) -> (n, k)>
#sum = affine_map<(m, n, k) -> (m, n)>
module @cores {
  func.func @zero_32(%y: memref<64xf32>, %x: memref<64xbf16>) {
    %c0 = arith.constant 0 : index
    %a = vector.load %x[%c0] : memref<64xbf16>, vector<64xbf16>
    %b = vector.shape_cast %a : vector<64xbf16> to vector<8x8xbf16>
    %c = vector.load %y[%c0] : memref<64xf32>, vector<64xf32>
    %d = vector.shape_cast %c : vector<64xf32> to vector<8x8xf32>
    %e = vector.contract {indexing_maps = [#left, #right, #sum],
      iterator_types = ["parallel", "parallel", "reduction"], kind = #vector.kind<add>}
      %b, %b, %d : vector<8x8xbf16>, vector<8x8xbf16> into vector<8x8xf32>
    %f = vector.shape_cast %e : vector<8x8xf32> to vector<64xf32>
    vector.store %f, %y[%c0] : memref<64xf32>, vector<64xf32>
    return
  }
}

// -----

// CHECK: error: {{.*}}aie-cpp: expected a call of split_bfp16, but got {{.*}}call @half
module @cores {
  func.func private @half(vector<64xbf16>) -> vector<64xbf16>
  func.func @zero_32(%y: memref<64xbf16>) {
    %c0 = arith.constant 0 : index
    %a = vector.load %y[%c0] : memref<64xbf16>, vector<64xbf16>
    %b = func.call @half(%a) : (vector<64xbf16>) -> vector<64xbf16>
    vector.store %b, %y[%c0] : memref<64xbf16>, vector<64xbf16>
    return
  }
}

// -----

// CHECK: error: aie-cpp: expected a module 'cores' with the functions that cores call, but found none; run aie-generate-cores first
module @others {
}

// -----

// Any function with vectors has a text, whatever its name says.
// CHECK: void zero_rows(float *__restrict arg0, const float *__restrict arg1) {
module @cores {
  func.func @zero_rows(%y: memref<32xf32>, %x: memref<32xf32>) {
    %c0 = arith.constant 0 : index
    %a = vector.load %x[%c0] : memref<32xf32>, vector<16xf32>
    vector.store %a, %y[%c0] : memref<32xf32>, vector<16xf32>
    return
  }
}
