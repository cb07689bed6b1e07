// Four cores in two columns compute y = W x: x goes to all of them, W to each its part, y is joined.
// Each core has 4 row blocks of 32 rows, of 8 blocks of 64 columns each.
module {
  aie.device(npu2) {
    func.func private @zero(memref<32xf32>) attributes {link_with = "product.o", code_bytes = 256 : i32}
    func.func private @add(memref<64xbf16>, memref<1280xi8>, memref<32xf32>) attributes {link_with = "product.o", code_bytes = 3072 : i32}
    %t0_0 = aie.tile(0, 0)
    %t0_1 = aie.tile(0, 1)
    %t0_2 = aie.tile(0, 2)
    %t0_3 = aie.tile(0, 3)
    %t1_0 = aie.tile(1, 0)
    %t1_1 = aie.tile(1, 1)
    %t1_2 = aie.tile(1, 2)
    %t1_3 = aie.tile(1, 3)
    aie.objectfifo @x(%t0_0, {%t0_1}, 2 : i32) : !aie.objectfifo<memref<64xbf16>>
    aie.objectfifo @x_all(%t0_1, {%t0_2, %t0_3, %t1_2, %t1_3}, 2 : i32) : !aie.objectfifo<memref<64xbf16>>
    aie.objectfifo.link [@x] -> [@x_all] ([] [])
    aie.objectfifo @w0(%t0_0, {%t0_1}, 2 : i32) : !aie.objectfifo<memref<2560xi8>>
    aie.objectfifo @w0_2(%t0_1, {%t0_2}, 2 : i32) : !aie.objectfifo<memref<1280xi8>>
    aie.objectfifo @w0_3(%t0_1, {%t0_3}, 2 : i32) : !aie.objectfifo<memref<1280xi8>>
    aie.objectfifo.link [@w0] -> [@w0_2, @w0_3] ([] [0, 1280])
    aie.objectfifo @y0_2(%t0_2, {%t0_1}, 2 : i32) : !aie.objectfifo<memref<32xf32>>
    aie.objectfifo @y0_3(%t0_3, {%t0_1}, 2 : i32) : !aie.objectfifo<memref<32xf32>>
    aie.objectfifo @y0(%t0_1, {%t0_0}, 2 : i32) : !aie.objectfifo<memref<64xf32>>
    aie.objectfifo.link [@y0_2, @y0_3] -> [@y0] ([0, 32] [])
    aie.objectfifo @w1(%t1_0, {%t1_1}, 2 : i32) : !aie.objectfifo<memref<2560xi8>>
    aie.objectfifo @w1_2(%t1_1, {%t1_2}, 2 : i32) : !aie.objectfifo<memref<1280xi8>>
    aie.objectfifo @w1_3(%t1_1, {%t1_3}, 2 : i32) : !aie.objectfifo<memref<1280xi8>>
    aie.objectfifo.link [@w1] -> [@w1_2, @w1_3] ([] [0, 1280])
    aie.objectfifo @y1_2(%t1_2, {%t1_1}, 2 : i32) : !aie.objectfifo<memref<32xf32>>
    aie.objectfifo @y1_3(%t1_3, {%t1_1}, 2 : i32) : !aie.objectfifo<memref<32xf32>>
    aie.objectfifo @y1(%t1_1, {%t1_0}, 2 : i32) : !aie.objectfifo<memref<64xf32>>
    aie.objectfifo.link [@y1_2, @y1_3] -> [@y1] ([0, 32] [])
    %core0_2 = aie.core(%t0_2) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %blocks = arith.constant 8 : index
      %forever = arith.constant 9223372036854775807 : index
      scf.for %i = %c0 to %forever step %c1 {
        %ys = aie.objectfifo.acquire @y0_2(Produce, 1) : !aie.objectfifosubview<memref<32xf32>>
        %y = aie.objectfifo.subview.access %ys[0] : !aie.objectfifosubview<memref<32xf32>> -> memref<32xf32>
        func.call @zero(%y) : (memref<32xf32>) -> ()
        scf.for %j = %c0 to %blocks step %c1 {
          %xs = aie.objectfifo.acquire @x_all(Consume, 1) : !aie.objectfifosubview<memref<64xbf16>>
          %x = aie.objectfifo.subview.access %xs[0] : !aie.objectfifosubview<memref<64xbf16>> -> memref<64xbf16>
          %ws = aie.objectfifo.acquire @w0_2(Consume, 1) : !aie.objectfifosubview<memref<1280xi8>>
          %w = aie.objectfifo.subview.access %ws[0] : !aie.objectfifosubview<memref<1280xi8>> -> memref<1280xi8>
          func.call @add(%x, %w, %y) : (memref<64xbf16>, memref<1280xi8>, memref<32xf32>) -> ()
          aie.objectfifo.release @x_all(Consume, 1)
          aie.objectfifo.release @w0_2(Consume, 1)
        }
        aie.objectfifo.release @y0_2(Produce, 1)
      }
      aie.end
    } {stack_size = 2048 : i32}
    %core0_3 = aie.core(%t0_3) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %blocks = arith.constant 8 : index
      %forever = arith.constant 9223372036854775807 : index
      scf.for %i = %c0 to %forever step %c1 {
        %ys = aie.objectfifo.acquire @y0_3(Produce, 1) : !aie.objectfifosubview<memref<32xf32>>
        %y = aie.objectfifo.subview.access %ys[0] : !aie.objectfifosubview<memref<32xf32>> -> memref<32xf32>
        func.call @zero(%y) : (memref<32xf32>) -> ()
        scf.for %j = %c0 to %blocks step %c1 {
          %xs = aie.objectfifo.acquire @x_all(Consume, 1) : !aie.objectfifosubview<memref<64xbf16>>
          %x = aie.objectfifo.subview.access %xs[0] : !aie.objectfifosubview<memref<64xbf16>> -> memref<64xbf16>
          %ws = aie.objectfifo.acquire @w0_3(Consume, 1) : !aie.objectfifosubview<memref<1280xi8>>
          %w = aie.objectfifo.subview.access %ws[0] : !aie.objectfifosubview<memref<1280xi8>> -> memref<1280xi8>
          func.call @add(%x, %w, %y) : (memref<64xbf16>, memref<1280xi8>, memref<32xf32>) -> ()
          aie.objectfifo.release @x_all(Consume, 1)
          aie.objectfifo.release @w0_3(Consume, 1)
        }
        aie.objectfifo.release @y0_3(Produce, 1)
      }
      aie.end
    } {stack_size = 2048 : i32}
    %core1_2 = aie.core(%t1_2) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %blocks = arith.constant 8 : index
      %forever = arith.constant 9223372036854775807 : index
      scf.for %i = %c0 to %forever step %c1 {
        %ys = aie.objectfifo.acquire @y1_2(Produce, 1) : !aie.objectfifosubview<memref<32xf32>>
        %y = aie.objectfifo.subview.access %ys[0] : !aie.objectfifosubview<memref<32xf32>> -> memref<32xf32>
        func.call @zero(%y) : (memref<32xf32>) -> ()
        scf.for %j = %c0 to %blocks step %c1 {
          %xs = aie.objectfifo.acquire @x_all(Consume, 1) : !aie.objectfifosubview<memref<64xbf16>>
          %x = aie.objectfifo.subview.access %xs[0] : !aie.objectfifosubview<memref<64xbf16>> -> memref<64xbf16>
          %ws = aie.objectfifo.acquire @w1_2(Consume, 1) : !aie.objectfifosubview<memref<1280xi8>>
          %w = aie.objectfifo.subview.access %ws[0] : !aie.objectfifosubview<memref<1280xi8>> -> memref<1280xi8>
          func.call @add(%x, %w, %y) : (memref<64xbf16>, memref<1280xi8>, memref<32xf32>) -> ()
          aie.objectfifo.release @x_all(Consume, 1)
          aie.objectfifo.release @w1_2(Consume, 1)
        }
        aie.objectfifo.release @y1_2(Produce, 1)
      }
      aie.end
    } {stack_size = 2048 : i32}
    %core1_3 = aie.core(%t1_3) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %blocks = arith.constant 8 : index
      %forever = arith.constant 9223372036854775807 : index
      scf.for %i = %c0 to %forever step %c1 {
        %ys = aie.objectfifo.acquire @y1_3(Produce, 1) : !aie.objectfifosubview<memref<32xf32>>
        %y = aie.objectfifo.subview.access %ys[0] : !aie.objectfifosubview<memref<32xf32>> -> memref<32xf32>
        func.call @zero(%y) : (memref<32xf32>) -> ()
        scf.for %j = %c0 to %blocks step %c1 {
          %xs = aie.objectfifo.acquire @x_all(Consume, 1) : !aie.objectfifosubview<memref<64xbf16>>
          %x = aie.objectfifo.subview.access %xs[0] : !aie.objectfifosubview<memref<64xbf16>> -> memref<64xbf16>
          %ws = aie.objectfifo.acquire @w1_3(Consume, 1) : !aie.objectfifosubview<memref<1280xi8>>
          %w = aie.objectfifo.subview.access %ws[0] : !aie.objectfifosubview<memref<1280xi8>> -> memref<1280xi8>
          func.call @add(%x, %w, %y) : (memref<64xbf16>, memref<1280xi8>, memref<32xf32>) -> ()
          aie.objectfifo.release @x_all(Consume, 1)
          aie.objectfifo.release @w1_3(Consume, 1)
        }
        aie.objectfifo.release @y1_3(Produce, 1)
      }
      aie.end
    } {stack_size = 2048 : i32}
    aie.runtime_sequence @product(%w: memref<163840xi8>, %x: memref<512xbf16>, %y: memref<512xf32>) {
      %tx = aiex.dma_configure_task_for @x {
        aie.dma_bd(%x : memref<512xbf16>, 0, 512)
        aie.end
      } {repeat_count = 3 : i32}
      %tw0 = aiex.dma_configure_task_for @w0 {
        aie.dma_bd(%w : memref<163840xi8>, 0, 81920)
        aie.end
      }
      %ty0 = aiex.dma_configure_task_for @y0 {
        aie.dma_bd(%y : memref<512xf32>, 0, 256)
        aie.end
      } {issue_token = true}
      %tw1 = aiex.dma_configure_task_for @w1 {
        aie.dma_bd(%w : memref<163840xi8>, 81920, 81920)
        aie.end
      }
      %ty1 = aiex.dma_configure_task_for @y1 {
        aie.dma_bd(%y : memref<512xf32>, 256, 256)
        aie.end
      } {issue_token = true}
      aiex.dma_start_task(%tx)
      aiex.dma_start_task(%tw0)
      aiex.dma_start_task(%ty0)
      aiex.dma_start_task(%tw1)
      aiex.dma_start_task(%ty1)
      aiex.dma_await_task(%ty0)
      aiex.dma_await_task(%ty1)
      aiex.dma_free_task(%tx)
      aiex.dma_free_task(%tw0)
      aiex.dma_free_task(%tw1)
    }
  }
}
