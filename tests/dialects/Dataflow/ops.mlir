// RUN: %headrace_opt %s | %headrace_opt | FileCheck %s
// RUN: %headrace_opt %s --mlir-print-op-generic | %headrace_opt | FileCheck %s

func.func private @zero(memref<32xf32>)
func.func private @accumulate(memref<256xbf16>, memref<5120xi8>, memref<32xf32>)

// Rows of a matrix times a vector: the vector to two tasks, one half of each
// pair of blocks to each of them, their results back to memory together.
// doc: graph
dataflow.graph @matvec(%w: memref<61440xi8>, %x: memref<256xbf16>, %y: memref<384xf32> {headrace.rows = 380 : i64}) {
  %xs = dataflow.stream "x" depth 1 : !dataflow.stream<memref<256xbf16>>
  %x0 = dataflow.stream "x0" depth 1 : !dataflow.stream<memref<256xbf16>>
  %x1 = dataflow.stream "x1" depth 1 : !dataflow.stream<memref<256xbf16>>
  %ws = dataflow.stream "w" depth 2 : !dataflow.stream<memref<10240xi8>>
  %w0 = dataflow.stream "w0" depth 2 : !dataflow.stream<memref<5120xi8>>
  %w1 = dataflow.stream "w1" depth 2 : !dataflow.stream<memref<5120xi8>>
  %y0 = dataflow.stream "y0" depth 2 : !dataflow.stream<memref<32xf32>>
  %y1 = dataflow.stream "y1" depth 2 : !dataflow.stream<memref<32xf32>>
  %ys = dataflow.stream "y" depth 2 : !dataflow.stream<memref<64xf32>>
  dataflow.port read %x offset 0 sizes [256] strides [1] stream %xs at [0, 0] : memref<256xbf16>, !dataflow.stream<memref<256xbf16>>
  dataflow.port read %w offset 0 sizes [61440] strides [1] stream %ws : memref<61440xi8>, !dataflow.stream<memref<10240xi8>>
  dataflow.port write %y offset 0 sizes [384] strides [1] stream %ys : memref<384xf32>, !dataflow.stream<memref<64xf32>>
  dataflow.broadcast %xs to %x0, %x1 at [0, 1] : !dataflow.stream<memref<256xbf16>> to !dataflow.stream<memref<256xbf16>>, !dataflow.stream<memref<256xbf16>>
  dataflow.distribute %ws to %w0, %w1 at [0, 1] : !dataflow.stream<memref<10240xi8>> to !dataflow.stream<memref<5120xi8>>, !dataflow.stream<memref<5120xi8>>
  dataflow.join %y0, %y1 to %ys at [0, 1] : !dataflow.stream<memref<32xf32>>, !dataflow.stream<memref<32xf32>> to !dataflow.stream<memref<64xf32>>
  dataflow.task "core0" at [0, 2] {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c6 = arith.constant 6 : index
    dataflow.pop %x0 as %xe: memref<256xbf16> {
      scf.for %i = %c0 to %c6 step %c1 {
        dataflow.push %y0 as %ye: memref<32xf32> {
          func.call @zero(%ye) : (memref<32xf32>) -> ()
          dataflow.pop %w0 as %we: memref<5120xi8> {
            func.call @accumulate(%xe, %we, %ye) : (memref<256xbf16>, memref<5120xi8>, memref<32xf32>) -> ()
          }
        }
      }
    }
  }
  // doc: end
  // doc: task
  dataflow.task "core1" attributes {headrace.note = "not placed"} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %c3 = arith.constant 3 : index
    %sum = memref.alloca() : memref<32xf32>
    dataflow.pop %x1 as %xe: memref<256xbf16> {
      scf.for %i = %c0 to %c2 step %c1 {
        scf.for %j = %c0 to %c3 step %c1 {
          func.call @zero(%sum) : (memref<32xf32>) -> ()
          dataflow.pop %w1 as %we: memref<5120xi8> {
            func.call @accumulate(%xe, %we, %sum) : (memref<256xbf16>, memref<5120xi8>, memref<32xf32>) -> ()
          }
          dataflow.push %y1 as %ye: memref<32xf32> {
            memref.copy %sum, %ye : memref<32xf32> to memref<32xf32>
          }
        }
      }
    }
  }
  // doc: end
}

// CHECK-LABEL: dataflow.graph @matvec(
// CHECK-SAME: memref<61440xi8>
// CHECK-SAME: {headrace.rows = 380 : i64}
// CHECK-DAG: %[[X:.*]] = dataflow.stream "x" depth 1 : !dataflow.stream<memref<256xbf16>>
// CHECK-DAG: %[[X0:.*]] = dataflow.stream "x0" depth 1
// CHECK-DAG: %[[X1:.*]] = dataflow.stream "x1" depth 1
// CHECK: dataflow.port read %{{.*}} offset 0 sizes [256] strides [1] stream %[[X]] at [0, 0] : memref<256xbf16>, !dataflow.stream<memref<256xbf16>>
// CHECK: dataflow.port write
// CHECK: dataflow.broadcast %[[X]] to %[[X0]], %[[X1]] at [0, 1] : !dataflow.stream<memref<256xbf16>> to
// CHECK: dataflow.distribute %{{.*}} to %{{.*}}, %{{.*}} at [0, 1]
// CHECK: dataflow.join %{{.*}}, %{{.*}} to %{{.*}} at [0, 1]
// CHECK: dataflow.task "core0" at [0, 2] {
// CHECK: dataflow.pop %[[X0]] as %[[XE:.*]]: memref<256xbf16> {
// CHECK: dataflow.push %{{.*}} as %[[YE:.*]]: memref<32xf32> {
// CHECK: call @accumulate(%[[XE]], %{{.*}}, %[[YE]])
// CHECK: dataflow.task "core1" attributes {headrace.note = "not placed"} {

// CHECK-LABEL: dataflow.graph @strided(
// CHECK: sizes [2, 4, 64] strides [64, 128, 1] repeat 3 stream
dataflow.graph @strided(%in: memref<4x2x64xf32>, %out: memref<1536xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<128xf32>>
  dataflow.port read %in offset 0 sizes [2, 4, 64] strides [64, 128, 1] repeat 3 stream %s : memref<4x2x64xf32>, !dataflow.stream<memref<128xf32>>
  dataflow.port write %out offset 0 sizes [1536] strides [1] stream %s : memref<1536xf32>, !dataflow.stream<memref<128xf32>>
}

// CHECK-LABEL: dataflow.graph private @idle()
dataflow.graph private @idle() {
  // CHECK: dataflow.task "nothing" {
  dataflow.task "nothing" {
  }
}
