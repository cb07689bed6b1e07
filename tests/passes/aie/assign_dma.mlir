// RUN: %headrace_opt %s --aie-assign-dma --split-input-file | FileCheck %s

module {
aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %core = aie.tile(0, 2)
  aie.objectfifo @y(%core, {%shim}, 1 : i32) : !aie.objectfifo<memref<8xf32>>
  aie.objectfifo @w(%shim, {%core}, 2 : i32) : !aie.objectfifo<memref<16xi8>>
  aie.objectfifo @x(%shim, {%core}, 1 : i32) : !aie.objectfifo<memref<8xbf16>>
  // CHECK-LABEL: aie.runtime_sequence @sequence(
  // CHECK-SAME: %[[W:.*]]: memref<128xi8>, %[[X:.*]]: memref<4x8xbf16>, %[[Y:.*]]: memref<32xf32>) {
  // doc: tasks
  aie.runtime_sequence @sequence(%w: memref<128xi8>, %x: memref<4x8xbf16>, %y: memref<32xf32>) {
    %ys = dataflow.stream "y" depth 1 : !dataflow.stream<memref<8xf32>>
    %ws = dataflow.stream "w" depth 2 : !dataflow.stream<memref<16xi8>>
    %xs = dataflow.stream "x" depth 1 : !dataflow.stream<memref<8xbf16>>
    // What is read starts first. A contiguous port has no dimensions.
    // CHECK-NEXT: %[[TW:.*]] = aiex.dma_configure_task_for @w {
    // CHECK-NEXT: aie.dma_bd(%[[W]] : memref<128xi8>, 64, 64)
    // CHECK-NEXT: aie.end
    // CHECK-NEXT: } {repeat_count = 2 : i32}
    // CHECK-NEXT: %[[TX:.*]] = aiex.dma_configure_task_for @x {
    // CHECK-NEXT: aie.dma_bd(%[[X]] : memref<4x8xbf16>, 4, 8, [<size = 2, stride = 8>, <size = 4, stride = 1>])
    // CHECK-NEXT: aie.end
    // CHECK-NEXT: }
    // CHECK-NEXT: %[[TY:.*]] = aiex.dma_configure_task_for @y {
    // CHECK-NEXT: aie.dma_bd(%[[Y]] : memref<32xf32>, 0, 32)
    // CHECK-NEXT: aie.end
    // CHECK-NEXT: } {issue_token = true}
    dataflow.port write %y offset 0 sizes [32] strides [1] stream %ys at [0, 0] : memref<32xf32>, !dataflow.stream<memref<8xf32>>
    dataflow.port read %w offset 64 sizes [4, 16] strides [16, 1] repeat 3 stream %ws at [0, 0] : memref<128xi8>, !dataflow.stream<memref<16xi8>>
    dataflow.port read %x offset 4 sizes [2, 4] strides [8, 1] stream %xs at [0, 0] : memref<4x8xbf16>, !dataflow.stream<memref<8xbf16>>
    // CHECK-NEXT: aiex.dma_start_task(%[[TW]])
    // CHECK-NEXT: aiex.dma_start_task(%[[TX]])
    // CHECK-NEXT: aiex.dma_start_task(%[[TY]])
    // CHECK-NEXT: aiex.dma_await_task(%[[TY]])
    // CHECK-NEXT: aiex.dma_free_task(%[[TW]])
    // CHECK-NEXT: aiex.dma_free_task(%[[TX]])
    // CHECK-NEXT: }
  }
  // doc: end
}
}
