// RUN: %headrace_opt %s --aie-check-channels="devices=%tests/../python/headrace/targets/aie/devices.json" --split-input-file --verify-diagnostics

// doc: channels
module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %memory = aie.tile(0, 1)
  // expected-error @below {{needs 3 DMA channels in, but core tile (0, 2) has 2}}
  %core = aie.tile(0, 2)
  // expected-note @below {{one is for @x (consumer)}}
  aie.objectfifo @x(%memory, {%core}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  // expected-note @below {{one is for @w (consumer)}}
  aie.objectfifo @w(%memory, {%core}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  // expected-note @below {{one is for @z (consumer)}}
  aie.objectfifo @z(%shim, {%core}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
} }
// doc: end

// -----

// A fifo between neighbours needs no channel, unless it is told to use one.

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %a = aie.tile(0, 2)
  // expected-error @below {{needs 3 DMA channels in, but core tile (0, 3) has 2}}
  %b = aie.tile(0, 3)
  // expected-note @below {{@x (consumer)}}
  aie.objectfifo @x(%shim, {%b}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  // expected-note @below {{@w (consumer)}}
  aie.objectfifo @w(%shim, {%b}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @near(%a, {%b}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  // expected-note @below {{@far (consumer)}}
  aie.objectfifo @far(%a, {%b}, 2 : i32) {via_DMA = true} : !aie.objectfifo<memref<16xi32>>
} }

// -----

module { aie.device(npu2) {
  // expected-error @below {{needs 3 DMA channels out, but shim tile (0, 0) has 2}}
  %shim = aie.tile(0, 0)
  %memory = aie.tile(0, 1)
  aie.objectfifo @x(%shim, {%memory}, 2 : i32) : !aie.objectfifo<memref<16xi32>> // expected-note {{@x (producer)}}
  aie.objectfifo @w(%shim, {%memory}, 2 : i32) : !aie.objectfifo<memref<16xi32>> // expected-note {{@w (producer)}}
  aie.objectfifo @z(%shim, {%memory}, 2 : i32) : !aie.objectfifo<memref<16xi32>> // expected-note {{@z (producer)}}
} }

// -----

// Five tasks on a channel that holds four; an await ends those before it, too.

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %core = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%core}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.runtime_sequence @ends(%x: memref<64xi32>) {
    %task = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 16)
      aie.end
    } {issue_token = true}
    aiex.dma_start_task(%task)
    aiex.dma_start_task(%task)
    aiex.dma_start_task(%task)
    aiex.dma_start_task(%task)
    aiex.dma_await_task(%task)
    aiex.dma_start_task(%task)
  }
  aie.runtime_sequence @full(%x: memref<64xi32>) {
    %task = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 16)
      aie.end
    }
    aiex.dma_start_task(%task)
    aiex.dma_start_task(%task)
    aiex.dma_start_task(%task)
    aiex.dma_start_task(%task)
    // expected-error @below {{starts task 5 of @x that has not ended, but a channel of shim tile (0, 0) holds 4; await or free an earlier one first}}
    aiex.dma_start_task(%task)
  }
} }
