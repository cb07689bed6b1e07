// RUN: %headrace_opt %s | %headrace_opt | FileCheck %s

// Rows of 64 leave as tiles of 4 by 8 for two tasks; what they make, tiles of 4
// by 4, becomes rows of 32.

// CHECK-LABEL: dataflow.graph @tiles(
dataflow.graph @tiles(%x: memref<8x64xbf16>, %y: memref<16x32xf32>) {
  %xs = dataflow.stream "x" depth 2 : !dataflow.stream<memref<512xbf16>>
  %x0 = dataflow.stream "x0" depth 2 : !dataflow.stream<memref<512xbf16>>
  %x1 = dataflow.stream "x1" depth 2 : !dataflow.stream<memref<512xbf16>>
  %y0 = dataflow.stream "y0" depth 1 : !dataflow.stream<memref<256xf32>>
  %y1 = dataflow.stream "y1" depth 1 : !dataflow.stream<memref<256xf32>>
  %ys = dataflow.stream "y" depth 1 : !dataflow.stream<memref<512xf32>>
  dataflow.port read %x offset 0 sizes [512] strides [1] stream %xs : memref<8x64xbf16>, !dataflow.stream<memref<512xbf16>>
  // CHECK: dataflow.broadcast %{{.*}} to %{{.*}}, %{{.*}} order sizes [2, 8, 4, 8] strides [256, 8, 64, 1] : !dataflow
  // doc: broadcast
  dataflow.broadcast %xs to %x0, %x1 order sizes [2, 8, 4, 8] strides [256, 8, 64, 1]
    : !dataflow.stream<memref<512xbf16>> to !dataflow.stream<memref<512xbf16>>, !dataflow.stream<memref<512xbf16>>
  // doc: end
  dataflow.task "a" {
    dataflow.pop %x0 as %in: memref<512xbf16> {
    }
    dataflow.push %y0 as %out: memref<256xf32> {
    }
  }
  dataflow.task "b" {
    dataflow.pop %x1 as %in: memref<512xbf16> {
    }
    dataflow.push %y1 as %out: memref<256xf32> {
    }
  }
  // CHECK: dataflow.join %{{.*}}, %{{.*}} to %{{.*}} order sizes [2, 8, 4, 4] strides [128, 4, 32, 1] at [0, 1] : !dataflow
  // doc: join
  dataflow.join %y0, %y1 to %ys order sizes [2, 8, 4, 4] strides [128, 4, 32, 1] at [0, 1]
    : !dataflow.stream<memref<256xf32>>, !dataflow.stream<memref<256xf32>> to !dataflow.stream<memref<512xf32>>
  // doc: end
  dataflow.port write %y offset 0 sizes [512] strides [1] stream %ys : memref<16x32xf32>, !dataflow.stream<memref<512xf32>>
}
