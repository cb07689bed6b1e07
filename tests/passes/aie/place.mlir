// RUN: %headrace_opt %s --aie-place=columns=2 --split-input-file | FileCheck %s

// "x" takes a channel of column 0. The tasks of "w" fit next to it, with its
// other channel.
// doc: place
// CHECK-LABEL: dataflow.graph @products(
dataflow.graph @products(%x: memref<8xbf16>, %w: memref<64xi8>) {
  %xs = dataflow.stream "x" depth 1 : !dataflow.stream<memref<8xbf16>>
  %x0 = dataflow.stream "x0" depth 1 : !dataflow.stream<memref<8xbf16>>
  %x1 = dataflow.stream "x1" depth 1 : !dataflow.stream<memref<8xbf16>>
  %ws = dataflow.stream "w" depth 2 : !dataflow.stream<memref<16xi8>>
  %w0 = dataflow.stream "w0" depth 2 : !dataflow.stream<memref<8xi8>>
  %w1 = dataflow.stream "w1" depth 2 : !dataflow.stream<memref<8xi8>>
  // CHECK: dataflow.port read %{{.*}} stream %{{.*}} at [0, 0] : memref<8xbf16>
  dataflow.port read %x offset 0 sizes [8] strides [1] stream %xs : memref<8xbf16>, !dataflow.stream<memref<8xbf16>>
  // CHECK: dataflow.broadcast %{{.*}} to %{{.*}}, %{{.*}} at [0, 1]
  dataflow.broadcast %xs to %x0, %x1 : !dataflow.stream<memref<8xbf16>> to !dataflow.stream<memref<8xbf16>>, !dataflow.stream<memref<8xbf16>>
  // CHECK: dataflow.port read %{{.*}} stream %{{.*}} at [0, 0] : memref<64xi8>
  dataflow.port read %w offset 0 sizes [64] strides [1] stream %ws : memref<64xi8>, !dataflow.stream<memref<16xi8>>
  // CHECK: dataflow.distribute %{{.*}} to %{{.*}}, %{{.*}} at [0, 1]
  dataflow.distribute %ws to %w0, %w1 : !dataflow.stream<memref<16xi8>> to !dataflow.stream<memref<8xi8>>, !dataflow.stream<memref<8xi8>>
  // CHECK: dataflow.task "core0" at [0, 2] {
  dataflow.task "core0" {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    dataflow.pop %x0 as %xe: memref<8xbf16> {
      scf.for %i = %c0 to %c4 step %c1 {
        dataflow.pop %w0 as %we: memref<8xi8> {
        }
      }
    }
  }
  // CHECK: dataflow.task "core1" at [0, 3] {
  dataflow.task "core1" {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    dataflow.pop %x1 as %xe: memref<8xbf16> {
      scf.for %i = %c0 to %c4 step %c1 {
        dataflow.pop %w1 as %we: memref<8xi8> {
        }
      }
    }
  }
}
// doc: end

// -----

// Each has two channels of its own: the third task goes to the next column. The
// stream between "b" and "c" may cross columns.
// CHECK-LABEL: dataflow.graph @channels(
// CHECK: stream %{{.*}} at [0, 0]
// CHECK: stream %{{.*}} at [0, 0]
// CHECK: stream %{{.*}} at [1, 0]
// CHECK: dataflow.task "a" at [0, 2]
// CHECK: dataflow.task "b" at [0, 3]
// CHECK: dataflow.task "c" at [1, 2]
dataflow.graph @channels(%m: memref<8xf32>) {
  %a = dataflow.stream "a" depth 1 : !dataflow.stream<memref<8xf32>>
  %b = dataflow.stream "b" depth 1 : !dataflow.stream<memref<8xf32>>
  %c = dataflow.stream "c" depth 1 : !dataflow.stream<memref<8xf32>>
  %d = dataflow.stream "d" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %a : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %b : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %c : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.task "a" {
    dataflow.pop %a as %e: memref<8xf32> {
    }
  }
  dataflow.task "b" {
    dataflow.pop %b as %e: memref<8xf32> {
      dataflow.push %d as %f: memref<8xf32> {
      }
    }
  }
  dataflow.task "c" {
    dataflow.pop %c as %e: memref<8xf32> {
      dataflow.pop %d as %f: memref<8xf32> {
      }
    }
  }
}

// -----

// CHECK-LABEL: dataflow.graph @placed(
// CHECK: stream %{{.*}} at [1, 0]
// CHECK: stream %{{.*}} : memref<8xf32>
dataflow.graph @placed(%m: memref<8xf32>) {
  %a = dataflow.stream "a" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %a at [1, 0] : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.port write %m offset 0 sizes [8] strides [1] stream %a : memref<8xf32>, !dataflow.stream<memref<8xf32>>
}

// -----

// Ports that take turns have one channel. What a task puts in, its core gives to all.
// CHECK-LABEL: dataflow.graph @passed_on(
// CHECK: stream %{{.*}} at [0, 0]
// CHECK: stream %{{.*}} at [0, 0] step 1
// CHECK: stream %{{.*}} at [0, 0]
// CHECK: dataflow.broadcast %{{.*}} to %{{.*}}, %{{.*}} at [0, 2]
// CHECK: dataflow.task "first" at [0, 2]
// CHECK: dataflow.task "b" at [0, 3]
// CHECK: dataflow.task "c" at [0, 4]
dataflow.graph @passed_on(%m: memref<8xf32>) {
  %a = dataflow.stream "a" depth 1 : !dataflow.stream<memref<8xf32>>
  %o = dataflow.stream "o" depth 1 : !dataflow.stream<memref<8xf32>>
  %all = dataflow.stream "all" depth 1 : !dataflow.stream<memref<8xf32>>
  %b = dataflow.stream "b" depth 1 : !dataflow.stream<memref<8xf32>>
  %c = dataflow.stream "c" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %a : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %a step 1 : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %o : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.broadcast %all to %b, %c : !dataflow.stream<memref<8xf32>> to !dataflow.stream<memref<8xf32>>, !dataflow.stream<memref<8xf32>>
  dataflow.task "first" {
    dataflow.pop %o as %f: memref<8xf32> {
    }
    dataflow.pop %a as %e: memref<8xf32> {
      dataflow.push %all as %f: memref<8xf32> {
      }
    }
    dataflow.pop %a as %e: memref<8xf32> {
    }
  }
  dataflow.task "b" {
    dataflow.pop %b as %e: memref<8xf32> {
    }
  }
  dataflow.task "c" {
    dataflow.pop %c as %e: memref<8xf32> {
    }
  }
}
