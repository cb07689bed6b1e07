// RUN: %headrace_opt %s | %headrace_opt | FileCheck %s
// The examples of the reference of the dialect.

module {
aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %memory = aie.tile(0, 1)
  %core = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%memory}, 2 : i32) : !aie.objectfifo<memref<64xbf16>>
  aie.objectfifo @x_0(%memory, {%core}, 2 : i32) : !aie.objectfifo<memref<64xbf16>>
  aie.objectfifo.link [@x] -> [@x_0] ([] [])
  aie.runtime_sequence(%x: memref<16x64xbf16>) {
// doc: task
// The left half of each row, twice.
%task = aiex.dma_configure_task_for @x {
  aie.dma_bd(%x : memref<16x64xbf16>, 0, 512, [<size = 16, stride = 64>, <size = 32, stride = 1>])
  aie.end
} {issue_token = true, repeat_count = 1 : i32}
aiex.dma_start_task(%task)
aiex.dma_await_task(%task)
// doc: end
    %all = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<16x64xbf16>)
      aie.end
    }
    aiex.dma_start_task(%all)
    aiex.dma_free_task(%all)
  }
}
}
// CHECK:       aie.runtime_sequence(%[[X:.*]]: memref<16x64xbf16>) {
// CHECK-NEXT:    %[[TASK:.*]] = aiex.dma_configure_task_for @x {
// CHECK-NEXT:      aie.dma_bd(%[[X]] : memref<16x64xbf16>, 0, 512, [<size = 16, stride = 64>, <size = 32, stride = 1>])
// CHECK-NEXT:      aie.end
// CHECK-NEXT:    } {issue_token = true, repeat_count = 1 : i32}
// CHECK-NEXT:    aiex.dma_start_task(%[[TASK]])
// CHECK-NEXT:    aiex.dma_await_task(%[[TASK]])
// CHECK-NEXT:    %[[ALL:.*]] = aiex.dma_configure_task_for @x {
// CHECK-NEXT:      aie.dma_bd(%[[X]] : memref<16x64xbf16>)
// CHECK:         aiex.dma_start_task(%[[ALL]])
// CHECK-NEXT:    aiex.dma_free_task(%[[ALL]])
