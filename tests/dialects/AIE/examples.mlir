// RUN: %headrace_opt %s | %headrace_opt | FileCheck %s
// RUN: %headrace_opt %s --mlir-print-op-generic | %headrace_opt | FileCheck %s
// The examples of the reference of the dialect.

module {
// doc: device
aie.device(npu2) {
  func.func private @scale(memref<64xf32>, memref<64xf32>) attributes {link_with = "scale.o"}
  %shim = aie.tile(0, 0)
  %memory = aie.tile(0, 1)
  %core = aie.tile(0, 2)
  %table = aie.buffer(%core) {sym_name = "table"} : memref<16xf32>
}
// doc: end
}
// CHECK-LABEL: aie.device(npu2) {
// CHECK-NEXT:    func.func private @scale(memref<64xf32>, memref<64xf32>) attributes {link_with = "scale.o"}
// CHECK-NEXT:    %[[SHIM:shim_0_0]] = aie.tile(0, 0)
// CHECK-NEXT:    %[[MEMORY:memory_0_1]] = aie.tile(0, 1)
// CHECK-NEXT:    %[[CORE:core_0_2]] = aie.tile(0, 2)
// CHECK-NEXT:    aie.buffer(%[[CORE]]) {sym_name = "table"} : memref<16xf32>
// CHECK-NEXT:  }

module {
aie.device(npu1) @named {
  %shim = aie.tile(0, 0)
  %memory = aie.tile(0, 1)
  %first = aie.tile(0, 2)
  %second = aie.tile(0, 3)
// doc: objectfifo
aie.objectfifo @x(%shim, {%memory}, 2 : i32) : !aie.objectfifo<memref<256xbf16>>
aie.objectfifo @all(%memory dimensionsToStream [<size = 4, stride = 2>, <size = 32, stride = 8>, <size = 2, stride = 1>],
                    {%first, %second dimensionsFromStream [<size = 128, stride = 2>, <size = 2, stride = 1>]},
                    [2, 2, 3]) {repeat_count = 4 : i32} : !aie.objectfifo<memref<256xbf16>>
aie.objectfifo @next(%first, {%second}, 1 : i32) {via_DMA = true} : !aie.objectfifo<memref<8x16xi8>>
// doc: end
  aie.objectfifo.link [@x] -> [@all] ([] [])
}
}
// CHECK-LABEL: aie.device(npu1) @named {
// CHECK:         aie.objectfifo @x(%[[SHIM:shim_0_0]], {%[[MEMORY:memory_0_1]]}, 2 : i32) : !aie.objectfifo<memref<256xbf16>>
// CHECK-NEXT:    aie.objectfifo @all(%[[MEMORY]] dimensionsToStream [<size = 4, stride = 2>, <size = 32, stride = 8>, <size = 2, stride = 1>], {%core_0_2, %core_0_3 dimensionsFromStream [<size = 128, stride = 2>, <size = 2, stride = 1>]}, [2, 2, 3]) {repeat_count = 4 : i32} : !aie.objectfifo<memref<256xbf16>>
// CHECK-NEXT:    aie.objectfifo @next(%core_0_2, {%core_0_3}, 1 : i32) {via_DMA = true} : !aie.objectfifo<memref<8x16xi8>>
// CHECK-NEXT:    aie.objectfifo.link [@x] -> [@all]([] [])

module {
aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %memory = aie.tile(0, 1)
  %first = aie.tile(0, 2)
  %second = aie.tile(0, 3)
// doc: link
aie.objectfifo @w(%shim, {%memory}, 2 : i32) : !aie.objectfifo<memref<128xi8>>
aie.objectfifo @w_0(%memory, {%first}, 2 : i32) : !aie.objectfifo<memref<64xi8>>
aie.objectfifo @w_1(%memory, {%second}, 2 : i32) : !aie.objectfifo<memref<64xi8>>
aie.objectfifo.link [@w] -> [@w_0, @w_1] ([] [0, 64])
// doc: end
  aie.objectfifo @y_0(%first, {%memory}, 2 : i32) : !aie.objectfifo<memref<16xf32>>
  aie.objectfifo @y_1(%second, {%memory}, 2 : i32) : !aie.objectfifo<memref<8xf32>>
  aie.objectfifo @y(%memory, {%shim}, 2 : i32) : !aie.objectfifo<memref<24xf32>>
  aie.objectfifo.link [@y_0, @y_1] -> [@y] ([0, 16] [])
}
}
// CHECK:       aie.objectfifo.link [@w] -> [@w_0, @w_1]([] [0, 64])
// CHECK:       aie.objectfifo.link [@y_0, @y_1] -> [@y]([0, 16] [])

module {
aie.device(npu2) {
  func.func private @scale(memref<64xf32>, memref<64xf32>) attributes {link_with = "scale.o"}
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @in(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<64xf32>>
  aie.objectfifo @out(%tile, {%shim}, 2 : i32) : !aie.objectfifo<memref<64xf32>>
// doc: core
%core = aie.core(%tile) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %forever = arith.constant 9223372036854775807 : index
  scf.for %i = %c0 to %forever step %c1 {
// doc: end
// doc: acquire
    %xs = aie.objectfifo.acquire @in(Consume, 1) : !aie.objectfifosubview<memref<64xf32>>
    %x = aie.objectfifo.subview.access %xs[0] : !aie.objectfifosubview<memref<64xf32>> -> memref<64xf32>
    %ys = aie.objectfifo.acquire @out(Produce, 1) : !aie.objectfifosubview<memref<64xf32>>
    %y = aie.objectfifo.subview.access %ys[0] : !aie.objectfifosubview<memref<64xf32>> -> memref<64xf32>
    func.call @scale(%x, %y) : (memref<64xf32>, memref<64xf32>) -> ()
    aie.objectfifo.release @in(Consume, 1)
    aie.objectfifo.release @out(Produce, 1)
// doc: end
  }
  aie.end
} {stack_size = 2048 : i32, link_with = "main.o"}
// doc: sequence
aie.runtime_sequence @double(%x: memref<1024xf32>, %y: memref<1024xf32>) {
  %in = aiex.dma_configure_task_for @in {
    aie.dma_bd(%x : memref<1024xf32>, 0, 1024)
    aie.end
  }
  %out = aiex.dma_configure_task_for @out {
    aie.dma_bd(%y : memref<1024xf32>, 0, 1024)
    aie.end
  } {issue_token = true}
  aiex.dma_start_task(%in)
  aiex.dma_start_task(%out)
  aiex.dma_await_task(%out)
  aiex.dma_free_task(%in)
}
// doc: end
}
}
// CHECK:       %{{.*}} = aie.core(%[[TILE:core_0_2]]) {
// CHECK:           %[[XS:.*]] = aie.objectfifo.acquire @in(Consume, 1) : !aie.objectfifosubview<memref<64xf32>>
// CHECK-NEXT:      aie.objectfifo.subview.access %[[XS]][0] : !aie.objectfifosubview<memref<64xf32>> -> memref<64xf32>
// CHECK-NEXT:      aie.objectfifo.acquire @out(Produce, 1)
// CHECK:           aie.objectfifo.release @in(Consume, 1)
// CHECK-NEXT:      aie.objectfifo.release @out(Produce, 1)
// CHECK:         aie.end
// CHECK-NEXT:  } {link_with = "main.o", stack_size = 2048 : i32}
// CHECK-NEXT:  aie.runtime_sequence @double(%[[X:.*]]: memref<1024xf32>, %[[Y:.*]]: memref<1024xf32>) {
// CHECK-NEXT:    %[[IN:.*]] = aiex.dma_configure_task_for @in {
// CHECK-NEXT:      aie.dma_bd(%[[X]] : memref<1024xf32>, 0, 1024)
// CHECK-NEXT:      aie.end
// CHECK-NEXT:    }
// CHECK-NEXT:    %[[OUT:.*]] = aiex.dma_configure_task_for @out {
// CHECK-NEXT:      aie.dma_bd(%[[Y]] : memref<1024xf32>, 0, 1024)
// CHECK-NEXT:      aie.end
// CHECK-NEXT:    } {issue_token = true}
// CHECK-NEXT:    aiex.dma_start_task(%[[IN]])
// CHECK-NEXT:    aiex.dma_start_task(%[[OUT]])
// CHECK-NEXT:    aiex.dma_await_task(%[[OUT]])
// CHECK-NEXT:    aiex.dma_free_task(%[[IN]])
// CHECK-NEXT:  }
