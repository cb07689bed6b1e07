// RUN: %headrace_opt %s --aie-check-feed --split-input-file --verify-diagnostics

// doc: feed
module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  // expected-error @below {{expected one number of elements of @x in a run, but got 12 by the runtime sequence @run, and 16 that core tile (0, 2) takes in 4 iterations, for the 4 elements of @y}}
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @y(%tile, {%shim}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      %y_s = aie.objectfifo.acquire @y(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
      scf.for %j = %c0 to %c4 step %c1 {
        %x_s = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
        aie.objectfifo.release @x(Consume, 1)
      }
      aie.objectfifo.release @y(Produce, 1)
    }
    aie.end
  }
  aie.runtime_sequence @run(%x: memref<256xi32>, %y: memref<256xi32>) {
    %tx = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<256xi32>, 0, 192)
      aie.end
    }
    aiex.dma_start_task(%tx)
    %ty = aiex.dma_configure_task_for @y {
      aie.dma_bd(%y : memref<256xi32>, 0, 64)
      aie.end
    } {issue_token = true}
    aiex.dma_start_task(%ty)
    aiex.dma_await_task(%ty)
  }
} }
// doc: end

// -----

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @y(%tile, {%shim}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  // expected-error @below {{ends after the first run, and a second one would wait for ever: expected a loop to the largest index around what it does}}
  %core = aie.core(%tile) {
    %x_s = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
    aie.objectfifo.release @x(Consume, 1)
    %y_s = aie.objectfifo.acquire @y(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
    aie.objectfifo.release @y(Produce, 1)
    aie.end
  }
  aie.runtime_sequence @run(%x: memref<256xi32>, %y: memref<256xi32>) {
    %tx = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<256xi32>, 0, 16)
      aie.end
    }
    aiex.dma_start_task(%tx)
    %ty = aiex.dma_configure_task_for @y {
      aie.dma_bd(%y : memref<256xi32>, 0, 16)
      aie.end
    } {issue_token = true}
    aiex.dma_start_task(%ty)
    aiex.dma_await_task(%ty)
  }
} }

// -----

// A window of two elements: the first run needs one more.

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @y(%tile, {%shim}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  // expected-error @below {{takes or gives 1 elements of @x in its first run only: expected an endless loop whose iterations begin and end with none held}}
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      %x_s = aie.objectfifo.acquire @x(Consume, 2) : !aie.objectfifosubview<memref<16xi32>>
      aie.objectfifo.release @x(Consume, 1)
      %y_s = aie.objectfifo.acquire @y(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
      aie.objectfifo.release @y(Produce, 1)
    }
    aie.end
  }
  aie.runtime_sequence @run(%x: memref<256xi32>, %y: memref<256xi32>) {
    %tx = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<256xi32>, 0, 64)
      aie.end
    }
    aiex.dma_start_task(%tx)
    %ty = aiex.dma_configure_task_for @y {
      aie.dma_bd(%y : memref<256xi32>, 0, 64)
      aie.end
    } {issue_token = true}
    aiex.dma_start_task(%ty)
    aiex.dma_await_task(%ty)
  }
} }

// -----

// Fed in two parts: 12 elements by a task that repeats.

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @y(%tile, {%shim}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      %y_s = aie.objectfifo.acquire @y(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
      scf.for %j = %c0 to %c4 step %c1 {
        %x_s = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
        aie.objectfifo.release @x(Consume, 1)
      }
      aie.objectfifo.release @y(Produce, 1)
    }
    aie.end
  }
  aie.runtime_sequence @run(%x: memref<256xi32>, %y: memref<256xi32>) {
    %tx = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<256xi32>, 0, 96)
      aie.end
    } {repeat_count = 1 : i32}
    aiex.dma_start_task(%tx)
    %ty = aiex.dma_configure_task_for @y {
      aie.dma_bd(%y : memref<256xi32>, 0, 48)
      aie.end
    } {issue_token = true}
    aiex.dma_start_task(%ty)
    aiex.dma_await_task(%ty)
  }
} }

// -----

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @y(%tile, {%shim}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  // expected-error @below {{in core tile (0, 2) takes 4 elements of @x in each iteration, but there are 10 by the runtime sequence @run; what fits: 8 or 12}}
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      scf.for %j = %c0 to %c4 step %c1 {
        %x_s = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
        aie.objectfifo.release @x(Consume, 1)
      }
      %y_s = aie.objectfifo.acquire @y(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
      aie.objectfifo.release @y(Produce, 1)
    }
    aie.end
  }
  aie.runtime_sequence @run(%x: memref<256xi32>, %y: memref<256xi32>) {
    %tx = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<256xi32>, 0, 160)
      aie.end
    }
    aiex.dma_start_task(%tx)
    %ty = aiex.dma_configure_task_for @y {
      aie.dma_bd(%y : memref<256xi32>, 0, 32)
      aie.end
    } {issue_token = true}
    aiex.dma_start_task(%ty)
    aiex.dma_await_task(%ty)
  }
} }

// -----

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @y(%tile, {%shim}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      %y_s = aie.objectfifo.acquire @y(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
      scf.for %j = %c0 to %c4 step %c1 {
        %x_s = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
        aie.objectfifo.release @x(Consume, 1)
      }
      aie.objectfifo.release @y(Produce, 1)
    }
    aie.end
  }
  // expected-error @below {{moves 160 bytes of @x, but expected a multiple of its element, 64 bytes}}
  aie.runtime_sequence @run(%x: memref<256xi32>, %y: memref<256xi32>) {
    %tx = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<256xi32>, 0, 40)
      aie.end
    }
    aiex.dma_start_task(%tx)
    %ty = aiex.dma_configure_task_for @y {
      aie.dma_bd(%y : memref<256xi32>, 0, 16)
      aie.end
    } {issue_token = true}
    aiex.dma_start_task(%ty)
    aiex.dma_await_task(%ty)
  }
} }

// -----

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @y(%tile, {%shim}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      %y_s = aie.objectfifo.acquire @y(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
      scf.for %j = %c0 to %c4 step %c1 {
        %x_s = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
        aie.objectfifo.release @x(Consume, 1)
      }
      aie.objectfifo.release @y(Produce, 1)
    }
    aie.end
  }
  aie.runtime_sequence @run(%x: memref<256xi32>, %y: memref<256xi32>) {
    %tx = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<256xi32>, 0, 64)
      aie.end
    }
    aiex.dma_start_task(%tx)
    %ty = aiex.dma_configure_task_for @y {
      aie.dma_bd(%y : memref<256xi32>, 0, 16)
      aie.end
    } {issue_token = true}
    // expected-error @below {{transfers results of @y to the host that nothing waits for: expected aiex.dma_await_task of the last one}}
    aiex.dma_start_task(%ty)
  }
} }

// -----

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @y(%tile, {%shim}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      %y_s = aie.objectfifo.acquire @y(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
      scf.for %j = %c0 to %c4 step %c1 {
        %x_s = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
        aie.objectfifo.release @x(Consume, 1)
      }
      aie.objectfifo.release @y(Produce, 1)
    }
    aie.end
  }
  aie.runtime_sequence @run(%x: memref<256xi32>, %y: memref<256xi32>) {
    %tx = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<256xi32>, 0, 64)
      aie.end
    }
    aiex.dma_start_task(%tx)
    %ty = aiex.dma_configure_task_for @y {
      aie.dma_bd(%y : memref<256xi32>, 0, 16)
      aie.end
    } {issue_token = true}
    // expected-error @below {{awaits a task of @y that was not started: expected aiex.dma_start_task before it}}
    aiex.dma_await_task(%ty)
  }
} }

// -----

// Nothing is sent at all: the core never begins, and @y never ends.

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  // expected-error @below {{expected one number of elements of @x in a run, but got 0 by the runtime sequence @run, and 16 that core tile (0, 2) takes in 4 iterations, for the 4 elements of @y}}
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @y(%tile, {%shim}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      %y_s = aie.objectfifo.acquire @y(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
      scf.for %j = %c0 to %c4 step %c1 {
        %x_s = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
        aie.objectfifo.release @x(Consume, 1)
      }
      aie.objectfifo.release @y(Produce, 1)
    }
    aie.end
  }
  aie.runtime_sequence @run(%x: memref<256xi32>, %y: memref<256xi32>) {
    %ty = aiex.dma_configure_task_for @y {
      aie.dma_bd(%y : memref<256xi32>, 0, 64)
      aie.end
    } {issue_token = true}
    aiex.dma_start_task(%ty)
    aiex.dma_await_task(%ty)
  }
} }

// -----

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  // expected-error @below {{@y has its producer in core tile (0, 2), where no core or link gives its elements}}
  aie.objectfifo @y(%tile, {%shim}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      scf.for %j = %c0 to %c4 step %c1 {
        %x_s = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
        aie.objectfifo.release @x(Consume, 1)
      }
    }
    aie.end
  }
  aie.runtime_sequence @run(%x: memref<256xi32>, %y: memref<256xi32>) {
    %tx = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<256xi32>, 0, 64)
      aie.end
    }
    aiex.dma_start_task(%tx)
    %ty = aiex.dma_configure_task_for @y {
      aie.dma_bd(%y : memref<256xi32>, 0, 16)
      aie.end
    } {issue_token = true}
    aiex.dma_start_task(%ty)
    aiex.dma_await_task(%ty)
  }
} }

// -----

// expected-error @below {{expected an aie.runtime_sequence, which says what is fed, but got none}}
module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @y(%tile, {%shim}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      %y_s = aie.objectfifo.acquire @y(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
      scf.for %j = %c0 to %c4 step %c1 {
        %x_s = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
        aie.objectfifo.release @x(Consume, 1)
      }
      aie.objectfifo.release @y(Produce, 1)
    }
    aie.end
  }
} }
