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
    // CHECK-NEXT: aiex.dma_start_task(%[[TW]])
    // CHECK-NEXT: %[[TX:.*]] = aiex.dma_configure_task_for @x {
    // CHECK-NEXT: aie.dma_bd(%[[X]] : memref<4x8xbf16>, 4, 8, [<size = 2, stride = 8>, <size = 4, stride = 1>])
    // CHECK-NEXT: aie.end
    // CHECK-NEXT: }
    // CHECK-NEXT: aiex.dma_start_task(%[[TX]])
    // CHECK-NEXT: %[[TY:.*]] = aiex.dma_configure_task_for @y {
    // CHECK-NEXT: aie.dma_bd(%[[Y]] : memref<32xf32>, 0, 32)
    // CHECK-NEXT: aie.end
    // CHECK-NEXT: } {issue_token = true}
    dataflow.port write %y offset 0 sizes [32] strides [1] stream %ys at [0, 0] : memref<32xf32>, !dataflow.stream<memref<8xf32>>
    dataflow.port read %w offset 64 sizes [4, 16] strides [16, 1] repeat 3 stream %ws at [0, 0] : memref<128xi8>, !dataflow.stream<memref<16xi8>>
    dataflow.port read %x offset 4 sizes [2, 4] strides [8, 1] stream %xs at [0, 0] : memref<4x8xbf16>, !dataflow.stream<memref<8xbf16>>
    // CHECK-NEXT: aiex.dma_start_task(%[[TY]])
    // CHECK-NEXT: aiex.dma_await_task(%[[TY]])
    // CHECK-NEXT: aiex.dma_free_task(%[[TW]])
    // CHECK-NEXT: aiex.dma_free_task(%[[TX]])
    // CHECK-NEXT: }
  }
  // doc: end
}
}

// -----

// Six steps of a channel that holds four tasks: those read and written in the
// first one end before the fifth one starts.
module {
aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %core = aie.tile(0, 2)
  aie.objectfifo @y(%core, {%shim}, 1 : i32) : !aie.objectfifo<memref<8xf32>>
  aie.objectfifo @x(%shim, {%core}, 1 : i32) : !aie.objectfifo<memref<8xf32>>
  // CHECK-LABEL: aie.runtime_sequence @steps(
  // CHECK: %[[X0:.*]] = aiex.dma_configure_task_for @x {
  // CHECK: %[[Y0:.*]] = aiex.dma_configure_task_for @y {
  // CHECK: %[[X1:.*]] = aiex.dma_configure_task_for @x {
  // CHECK: %[[Y1:.*]] = aiex.dma_configure_task_for @y {
  // CHECK-COUNT-4: aiex.dma_configure_task_for
  // CHECK: aiex.dma_start_task
  // CHECK-NEXT: aiex.dma_await_task(%[[Y0]])
  // CHECK-NEXT: aiex.dma_free_task(%[[X0]])
  // CHECK-NEXT: %[[X4:.*]] = aiex.dma_configure_task_for @x {
  // CHECK-NEXT: aie.dma_bd({{.*}}, 32, 8)
  // CHECK: %[[Y4:.*]] = aiex.dma_configure_task_for @y {
  // CHECK: aiex.dma_await_task(%[[Y1]])
  // CHECK-NEXT: aiex.dma_free_task(%[[X1]])
  // CHECK-COUNT-2: aiex.dma_configure_task_for
  // CHECK-COUNT-3: aiex.dma_await_task
  // CHECK: aiex.dma_await_task
  // CHECK-NEXT: aiex.dma_free_task
  // CHECK-NEXT: }
  aie.runtime_sequence @steps(%x: memref<48xf32>, %y: memref<48xf32>) {
    %xs = dataflow.stream "x" depth 1 : !dataflow.stream<memref<8xf32>>
    %ys = dataflow.stream "y" depth 1 : !dataflow.stream<memref<8xf32>>
    dataflow.port read %x offset 0 sizes [8] strides [1] stream %xs at [0, 0] : memref<48xf32>, !dataflow.stream<memref<8xf32>>
    dataflow.port write %y offset 0 sizes [8] strides [1] stream %ys at [0, 0] : memref<48xf32>, !dataflow.stream<memref<8xf32>>
    dataflow.port read %x offset 8 sizes [8] strides [1] stream %xs at [0, 0] step 1 : memref<48xf32>, !dataflow.stream<memref<8xf32>>
    dataflow.port write %y offset 8 sizes [8] strides [1] stream %ys at [0, 0] step 1 : memref<48xf32>, !dataflow.stream<memref<8xf32>>
    dataflow.port read %x offset 16 sizes [8] strides [1] stream %xs at [0, 0] step 2 : memref<48xf32>, !dataflow.stream<memref<8xf32>>
    dataflow.port write %y offset 16 sizes [8] strides [1] stream %ys at [0, 0] step 2 : memref<48xf32>, !dataflow.stream<memref<8xf32>>
    dataflow.port read %x offset 24 sizes [8] strides [1] stream %xs at [0, 0] step 3 : memref<48xf32>, !dataflow.stream<memref<8xf32>>
    dataflow.port write %y offset 24 sizes [8] strides [1] stream %ys at [0, 0] step 3 : memref<48xf32>, !dataflow.stream<memref<8xf32>>
    dataflow.port read %x offset 32 sizes [8] strides [1] stream %xs at [0, 0] step 4 : memref<48xf32>, !dataflow.stream<memref<8xf32>>
    dataflow.port write %y offset 32 sizes [8] strides [1] stream %ys at [0, 0] step 4 : memref<48xf32>, !dataflow.stream<memref<8xf32>>
    dataflow.port read %x offset 40 sizes [8] strides [1] stream %xs at [0, 0] step 5 : memref<48xf32>, !dataflow.stream<memref<8xf32>>
    dataflow.port write %y offset 40 sizes [8] strides [1] stream %ys at [0, 0] step 5 : memref<48xf32>, !dataflow.stream<memref<8xf32>>
  }
}
}

// -----

// Column 0 reads most, so what it writes is likely to come last, though it starts
// first.
module {
aie.device(npu2) {
  %shim0 = aie.tile(0, 0)
  %core0 = aie.tile(0, 2)
  %shim1 = aie.tile(1, 0)
  %core1 = aie.tile(1, 2)
  aie.objectfifo @x0(%shim0, {%core0}, 1 : i32) : !aie.objectfifo<memref<8xf32>>
  aie.objectfifo @y0(%core0, {%shim0}, 1 : i32) : !aie.objectfifo<memref<8xf32>>
  aie.objectfifo @x1(%shim1, {%core1}, 1 : i32) : !aie.objectfifo<memref<8xf32>>
  aie.objectfifo @y1(%core1, {%shim1}, 1 : i32) : !aie.objectfifo<memref<8xf32>>
  // CHECK-LABEL: aie.runtime_sequence @columns(
  // CHECK: %[[Y0:.*]] = aiex.dma_configure_task_for @y0 {
  // CHECK: %[[Y1:.*]] = aiex.dma_configure_task_for @y1 {
  // CHECK: aiex.dma_await_task(%[[Y1]])
  // CHECK-NEXT: aiex.dma_await_task(%[[Y0]])
  aie.runtime_sequence @columns(%x: memref<1032xf32>, %y: memref<16xf32>) {
    %x0 = dataflow.stream "x0" depth 1 : !dataflow.stream<memref<8xf32>>
    %y0 = dataflow.stream "y0" depth 1 : !dataflow.stream<memref<8xf32>>
    %x1 = dataflow.stream "x1" depth 1 : !dataflow.stream<memref<8xf32>>
    %y1 = dataflow.stream "y1" depth 1 : !dataflow.stream<memref<8xf32>>
    dataflow.port read %x offset 0 sizes [1024] strides [1] stream %x0 at [0, 0] : memref<1032xf32>, !dataflow.stream<memref<8xf32>>
    dataflow.port read %x offset 1024 sizes [8] strides [1] stream %x1 at [1, 0] : memref<1032xf32>, !dataflow.stream<memref<8xf32>>
    dataflow.port write %y offset 0 sizes [8] strides [1] stream %y0 at [0, 0] : memref<16xf32>, !dataflow.stream<memref<8xf32>>
    dataflow.port write %y offset 8 sizes [8] strides [1] stream %y1 at [1, 0] : memref<16xf32>, !dataflow.stream<memref<8xf32>>
  }
}
}

// -----

// What comes behind another task of its channel starts behind tasks of others. Of
// columns that read as much, those that start later end later.
module {
aie.device(npu2) {
  %shim0 = aie.tile(0, 0)
  %core0 = aie.tile(0, 2)
  %shim1 = aie.tile(1, 0)
  %core1 = aie.tile(1, 2)
  aie.objectfifo @x0(%shim0, {%core0}, 1 : i32) : !aie.objectfifo<memref<8xf32>>
  aie.objectfifo @y0(%core0, {%shim0}, 1 : i32) : !aie.objectfifo<memref<8xf32>>
  aie.objectfifo @x1(%shim1, {%core1}, 1 : i32) : !aie.objectfifo<memref<8xf32>>
  aie.objectfifo @y1(%core1, {%shim1}, 1 : i32) : !aie.objectfifo<memref<8xf32>>
  // CHECK-LABEL: aie.runtime_sequence @behind(
  // CHECK: aiex.dma_configure_task_for @x0 {
  // CHECK-NEXT: aie.dma_bd({{.*}}, 0, 8)
  // CHECK: aiex.dma_configure_task_for @x1 {
  // CHECK: aiex.dma_configure_task_for @x0 {
  // CHECK-NEXT: aie.dma_bd({{.*}}, 8, 8)
  // CHECK: %[[Y1:.*]] = aiex.dma_configure_task_for @y1 {
  // CHECK: %[[Y0:.*]] = aiex.dma_configure_task_for @y0 {
  // CHECK: aiex.dma_await_task(%[[Y0]])
  // CHECK-NEXT: aiex.dma_await_task(%[[Y1]])
  aie.runtime_sequence @behind(%x: memref<32xf32>, %y: memref<16xf32>) {
    %x0 = dataflow.stream "x0" depth 1 : !dataflow.stream<memref<8xf32>>
    %y0 = dataflow.stream "y0" depth 1 : !dataflow.stream<memref<8xf32>>
    %x1 = dataflow.stream "x1" depth 1 : !dataflow.stream<memref<8xf32>>
    %y1 = dataflow.stream "y1" depth 1 : !dataflow.stream<memref<8xf32>>
    dataflow.port read %x offset 0 sizes [8] strides [1] stream %x0 at [0, 0] : memref<32xf32>, !dataflow.stream<memref<8xf32>>
    dataflow.port read %x offset 8 sizes [8] strides [1] stream %x0 at [0, 0] : memref<32xf32>, !dataflow.stream<memref<8xf32>>
    dataflow.port read %x offset 16 sizes [16] strides [1] stream %x1 at [1, 0] : memref<32xf32>, !dataflow.stream<memref<8xf32>>
    dataflow.port write %y offset 8 sizes [8] strides [1] stream %y1 at [1, 0] : memref<16xf32>, !dataflow.stream<memref<8xf32>>
    dataflow.port write %y offset 0 sizes [8] strides [1] stream %y0 at [0, 0] : memref<16xf32>, !dataflow.stream<memref<8xf32>>
  }
}
}
