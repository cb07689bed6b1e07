// RUN: %headrace_opt %s --aie-check-progress --split-input-file --verify-diagnostics

// doc: progress
// Sent only when the results are there.
module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @y(%tile, {%shim}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      %xs = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
      %ys = aie.objectfifo.acquire @y(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
      aie.objectfifo.release @x(Consume, 1)
      aie.objectfifo.release @y(Produce, 1)
    }
    aie.end
  }
  aie.runtime_sequence @run(%x: memref<64xi32>, %y: memref<64xi32>) {
    %tx = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 64)
      aie.end
    }
    %ty = aiex.dma_configure_task_for @y {
      aie.dma_bd(%y : memref<64xi32>, 0, 64)
      aie.end
    } {issue_token = true}
    aiex.dma_start_task(%ty)
    // expected-error @below {{waits for ever for a task of @y: nothing moves any more}}
    // expected-note @below {{the runtime sequence waits for the end of a task of @y}}
    // expected-note @below {{@y waits for an element of @y}}
    // expected-note @below {{core tile (0, 2) waits for an element of @x}}
    // expected-note @below {{@x waits for aiex.dma_start_task of a task for it}}
    aiex.dma_await_task(%ty)
    aiex.dma_start_task(%tx)
    aiex.dma_free_task(%tx)
  }
} }
// doc: end

// -----

// The same in order, of which half a task begins what the next one ends.
module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @y(%tile, {%shim}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      %xs = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
      %ys = aie.objectfifo.acquire @y(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
      aie.objectfifo.release @x(Consume, 1)
      aie.objectfifo.release @y(Produce, 1)
    }
    aie.end
  }
  aie.runtime_sequence @run(%x: memref<64xi32>, %y: memref<64xi32>) {
    %first = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 24)
      aie.end
    } {issue_token = true}
    %second = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 24, 40)
      aie.end
    }
    %ty = aiex.dma_configure_task_for @y {
      aie.dma_bd(%y : memref<64xi32>, 0, 64)
      aie.end
    } {issue_token = true}
    aiex.dma_start_task(%ty)
    aiex.dma_start_task(%first)
    aiex.dma_await_task(%first)
    aiex.dma_start_task(%second)
    aiex.dma_await_task(%ty)
    aiex.dma_free_task(%second)
  }
} }

// -----

// Two cores get all of @x by one channel, in the order of a broadcast; the
// second takes it only when the first is done, which waits for the second.
module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %memory = aie.tile(0, 1)
  %a = aie.tile(0, 2)
  %b = aie.tile(0, 4)
  aie.objectfifo @x(%shim, {%memory}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @both(%memory, {%a, %b}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo.link [@x] -> [@both] ([] [])
  aie.objectfifo @sum(%a, {%b}, 1 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @y(%b, {%shim}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  %core_a = aie.core(%a) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      %sums = aie.objectfifo.acquire @sum(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
      scf.for %j = %c0 to %c4 step %c1 {
        %xs = aie.objectfifo.acquire @both(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
        aie.objectfifo.release @both(Consume, 1)
      }
      aie.objectfifo.release @sum(Produce, 1)
    }
    aie.end
  }
  %core_b = aie.core(%b) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      %sums = aie.objectfifo.acquire @sum(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
      %ys = aie.objectfifo.acquire @y(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
      scf.for %j = %c0 to %c4 step %c1 {
        %xs = aie.objectfifo.acquire @both(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
        aie.objectfifo.release @both(Consume, 1)
      }
      aie.objectfifo.release @sum(Consume, 1)
      aie.objectfifo.release @y(Produce, 1)
    }
    aie.end
  }
  aie.runtime_sequence @run(%x: memref<64xi32>, %y: memref<16xi32>) {
    %tx = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 64)
      aie.end
    }
    %ty = aiex.dma_configure_task_for @y {
      aie.dma_bd(%y : memref<16xi32>, 0, 16)
      aie.end
    } {issue_token = true}
    aiex.dma_start_task(%tx)
    aiex.dma_start_task(%ty)
    // expected-error @below {{waits for ever for a task of @y: nothing moves any more}}
    // expected-note @below {{the runtime sequence waits for the end of a task of @y}}
    // expected-note @below {{@y waits for an element of @y}}
    // expected-note @below {{core tile (0, 4) waits for an element of @sum}}
    // expected-note @below {{@sum waits for an element of @sum}}
    // expected-note @below {{core tile (0, 2) waits for an element of @both}}
    // expected-note @below {{@both waits for room in @both (depth 2)}}
    aiex.dma_await_task(%ty)
    aiex.dma_free_task(%tx)
  }
} }

// -----

// A core that goes on for ever by itself: no run of it ends.
module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @y(%tile, {%shim}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      %ys = aie.objectfifo.acquire @y(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
    }
    aie.end
  }
  // expected-error @below {{expected a run to end within 134217728 steps, but it goes on: a core acquires what it holds in an endless loop, or elements are too small}}
  aie.runtime_sequence @run(%y: memref<16xi32>) {
  }
} }
