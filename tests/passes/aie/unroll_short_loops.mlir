// RUN: %headrace_opt %s --aie-unroll-short-loops --canonicalize | FileCheck %s

// The pieces of %x, then two rounds: the loop of these would be gone when the
// compiler of the array, which has just unrolled the first one, comes to it.

// CHECK-LABEL: aie.core
// CHECK: scf.for %{{.*}} = %c0 to %c9
// CHECK-COUNT-1: scf.for %{{.*}} = %c0 to %c4
// CHECK: aie.objectfifo.release @x(Consume, 1)
// CHECK: }
// CHECK-NOT: scf.for %{{.*}} = %c0 to %c2
// CHECK: aie.objectfifo.acquire @y(Produce, 1)
// CHECK: scf.for %{{.*}} = %c0 to %c5
// CHECK: func.call @add(%{{.*}}, %{{.*}}, %c0_i32)
// CHECK: aie.objectfifo.release @y(Produce, 1)
// CHECK: aie.objectfifo.acquire @y(Produce, 1)
// CHECK: scf.for %{{.*}} = %c0 to %c5
// CHECK: func.call @add(%{{.*}}, %{{.*}}, %c1_i32)
// CHECK: aie.objectfifo.release @y(Produce, 1)
// CHECK-NOT: aie.objectfifo.acquire @y

// A core with fifos of single buffers keeps its loops.
// CHECK-LABEL: aie.core
// CHECK: scf.for %{{.*}} = %c0 to %c2
// doc: short
module { aie.device(npu2) {
  func.func private @add(memref<16xi32>, memref<16xi32>, i32)
  %shim = aie.tile(0, 0)
  %a = aie.tile(0, 2)
  %b = aie.tile(2, 2)
  aie.objectfifo @x(%shim, {%a}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @y(%a, {%shim}, 1 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @z(%shim, {%b}, 1 : i32) : !aie.objectfifo<memref<16xi32>>
  %one = aie.core(%a) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %c4 = arith.constant 4 : index
    %c5 = arith.constant 5 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %run = %c0 to %forever step %c1 {
      scf.for %i = %c0 to %c4 step %c1 {
        %xs = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
        aie.objectfifo.release @x(Consume, 1)
      }
      scf.for %i = %c0 to %c2 step %c1 {
        %number = arith.index_cast %i : index to i32
        %ys = aie.objectfifo.acquire @y(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
        %y = aie.objectfifo.subview.access %ys[0] : !aie.objectfifosubview<memref<16xi32>> -> memref<16xi32>
        scf.for %j = %c0 to %c5 step %c1 {
          %xs = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
          %x = aie.objectfifo.subview.access %xs[0] : !aie.objectfifosubview<memref<16xi32>> -> memref<16xi32>
          func.call @add(%x, %y, %number) : (memref<16xi32>, memref<16xi32>, i32) -> ()
          aie.objectfifo.release @x(Consume, 1)
        }
        aie.objectfifo.release @y(Produce, 1)
      }
    }
    aie.end
  }
  %two = aie.core(%b) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    scf.for %i = %c0 to %c2 step %c1 {
      %zs = aie.objectfifo.acquire @z(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
      aie.objectfifo.release @z(Consume, 1)
    }
    aie.end
  }
} }
// doc: end
