// RUN: %headrace_opt %s --aie-check-descriptors="devices=%tests/../python/headrace/targets/aie/devices.json" --split-input-file --verify-diagnostics

// doc: descriptors
module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  // expected-error @below {{needs 30 buffer descriptors for its even channels, but memory tile (0, 1) has 24}}
  %memory = aie.tile(0, 1)
  %a = aie.tile(0, 2)
  %b = aie.tile(0, 3)
  // One for each part of each buffer: 6 x 3.
  // expected-note @below {{18 of them are for @w (consumer) on channel 0}}
  aie.objectfifo @w(%shim, {%memory}, 6 : i32) : !aie.objectfifo<memref<48xi32>>
  // expected-note @below {{6 of them are for @w_a (producer) on channel 0}}
  aie.objectfifo @w_a(%memory, {%a}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @w_b(%memory, {%b}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  // expected-note @below {{6 of them are for @w_c (producer) on channel 2}}
  aie.objectfifo @w_c(%memory, {%a}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo.link [@w] -> [@w_a, @w_b, @w_c] ([] [0, 16, 32])
} }
// doc: end

// -----

module { aie.device(npu2) {
  %memory = aie.tile(0, 1)
  // expected-error @below {{needs 17 buffer descriptors, but core tile (0, 2) has 16}}
  %a = aie.tile(0, 2)
  aie.objectfifo @x(%memory, {%a}, [2, 9]) : !aie.objectfifo<memref<16xi32>> // expected-note {{9 of them are for @x (consumer) on channel 0}}
  aie.objectfifo @y(%memory, {%a}, [2, 8]) : !aie.objectfifo<memref<16xi32>> // expected-note {{8 of them are for @y (consumer) on channel 1}}
} }

// -----

// Sent four times, each buffer of the memory tile takes four.

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  // expected-error @below {{needs 35 buffer descriptors for its even channels, but memory tile (0, 1) has 24}}
  %memory = aie.tile(0, 1)
  %a = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%memory}, 7 : i32) : !aie.objectfifo<memref<16xi32>> // expected-note {{7 of them}}
  aie.objectfifo @x_a(%memory, {%a}, [3, 2]) {repeat_count = 4 : i32} : !aie.objectfifo<memref<16xi32>> // expected-note {{28 of them}}
  aie.objectfifo.link [@x] -> [@x_a] ([] [])
} }

// -----

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %core = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%core}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.runtime_sequence @twice(%x: memref<64xi32>) {
    %task = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 16)
      aie.end
    } {issue_token = true}
    aiex.dma_start_task(%task)
    aiex.dma_await_task(%task)
    // expected-error @below {{ends the task of @x a second time: its descriptor may belong to another one by now}}
    aiex.dma_free_task(%task)
  }
} }

// -----

// Seventeen tasks at once; the last but one was freed in time.

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %core = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%core}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.runtime_sequence @many(%x: memref<64xi32>) {
    %t0 = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 16)
      aie.end
    }
    %t1 = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 16)
      aie.end
    }
    %t2 = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 16)
      aie.end
    }
    %t3 = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 16)
      aie.end
    }
    %t4 = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 16)
      aie.end
    }
    %t5 = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 16)
      aie.end
    }
    %t6 = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 16)
      aie.end
    }
    %t7 = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 16)
      aie.end
    }
    %t8 = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 16)
      aie.end
    }
    %t9 = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 16)
      aie.end
    }
    %t10 = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 16)
      aie.end
    }
    %t11 = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 16)
      aie.end
    }
    %t12 = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 16)
      aie.end
    }
    %t13 = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 16)
      aie.end
    }
    %t14 = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 16)
      aie.end
    }
    %t15 = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 16)
      aie.end
    }
    aiex.dma_free_task(%t0)
    %t16 = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 16)
      aie.end
    }
    // expected-error @below {{needs buffer descriptor 17 of shim tile (0, 0), which has 16; await or free an earlier task first}}
    %t17 = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 16)
      aie.end
    }
  }
} }
