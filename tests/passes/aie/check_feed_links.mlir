// RUN: %headrace_opt %s --aie-check-feed --split-input-file --verify-diagnostics

// Through a distribution and a join.

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %memory = aie.tile(0, 1)
  %a = aie.tile(0, 2)
  %b = aie.tile(0, 3)
  aie.objectfifo @w(%shim, {%memory}, 2 : i32) : !aie.objectfifo<memref<32xi32>>
  aie.objectfifo @wa(%memory, {%a}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @wb(%memory, {%b}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo.link [@w] -> [@wa, @wb] ([] [0, 16])
  aie.objectfifo @ya(%a, {%memory}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @yb(%b, {%memory}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @y(%memory, {%shim}, 2 : i32) : !aie.objectfifo<memref<32xi32>>
  aie.objectfifo.link [@ya, @yb] -> [@y] ([0, 16] [])
  %core_a = aie.core(%a) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      %ya_s = aie.objectfifo.acquire @ya(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
      %wa_s0 = aie.objectfifo.acquire @wa(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
      aie.objectfifo.release @wa(Consume, 1)
      aie.objectfifo.release @ya(Produce, 1)
    }
    aie.end
  }
  %core_b = aie.core(%b) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      %yb_s = aie.objectfifo.acquire @yb(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
      %wb_s0 = aie.objectfifo.acquire @wb(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
      aie.objectfifo.release @wb(Consume, 1)
      aie.objectfifo.release @yb(Produce, 1)
    }
    aie.end
  }
  aie.runtime_sequence(%w: memref<256xi32>, %y: memref<256xi32>) {
    %tw = aiex.dma_configure_task_for @w {
      aie.dma_bd(%w : memref<256xi32>, 0, 128)
      aie.end
    }
    aiex.dma_start_task(%tw)
    %ty = aiex.dma_configure_task_for @y {
      aie.dma_bd(%y : memref<256xi32>, 0, 128)
      aie.end
    } {issue_token = true}
    aiex.dma_start_task(%ty)
    aiex.dma_await_task(%ty)
  }
} }

// -----

// The second core takes two elements for each that it gives.

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %memory = aie.tile(0, 1)
  %a = aie.tile(0, 2)
  %b = aie.tile(0, 3)
  aie.objectfifo @w(%shim, {%memory}, 2 : i32) : !aie.objectfifo<memref<32xi32>>
  aie.objectfifo @wa(%memory, {%a}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  // expected-error @below {{expected one number of elements of @wb in a run, but got 4 as @w has 4 (by the runtime sequence), and 8 that core tile (0, 3) takes in 4 iterations, for the 4 elements of @yb}}
  aie.objectfifo @wb(%memory, {%b}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo.link [@w] -> [@wa, @wb] ([] [0, 16])
  aie.objectfifo @ya(%a, {%memory}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @yb(%b, {%memory}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @y(%memory, {%shim}, 2 : i32) : !aie.objectfifo<memref<32xi32>>
  aie.objectfifo.link [@ya, @yb] -> [@y] ([0, 16] [])
  %core_a = aie.core(%a) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      %ya_s = aie.objectfifo.acquire @ya(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
      %wa_s0 = aie.objectfifo.acquire @wa(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
      aie.objectfifo.release @wa(Consume, 1)
      aie.objectfifo.release @ya(Produce, 1)
    }
    aie.end
  }
  %core_b = aie.core(%b) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      %yb_s = aie.objectfifo.acquire @yb(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
      %wb_s0 = aie.objectfifo.acquire @wb(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
      aie.objectfifo.release @wb(Consume, 1)
      %wb_s1 = aie.objectfifo.acquire @wb(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
      aie.objectfifo.release @wb(Consume, 1)
      aie.objectfifo.release @yb(Produce, 1)
    }
    aie.end
  }
  aie.runtime_sequence(%w: memref<256xi32>, %y: memref<256xi32>) {
    %tw = aiex.dma_configure_task_for @w {
      aie.dma_bd(%w : memref<256xi32>, 0, 128)
      aie.end
    }
    aiex.dma_start_task(%tw)
    %ty = aiex.dma_configure_task_for @y {
      aie.dma_bd(%y : memref<256xi32>, 0, 128)
      aie.end
    } {issue_token = true}
    aiex.dma_start_task(%ty)
    aiex.dma_await_task(%ty)
  }
} }

// -----

// Each element is sent four times.

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %memory = aie.tile(0, 1)
  %a = aie.tile(0, 2)
  %b = aie.tile(0, 3)
  aie.objectfifo @x(%shim, {%memory}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @xr(%memory, {%a}, 2 : i32) {repeat_count = 4 : i32} : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo.link [@x] -> [@xr] ([] [])
  aie.objectfifo @y(%a, {%shim}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  %core = aie.core(%a) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      %y_s = aie.objectfifo.acquire @y(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
      scf.for %j = %c0 to %c4 step %c1 {
        %x_s = aie.objectfifo.acquire @xr(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
        aie.objectfifo.release @xr(Consume, 1)
      }
      aie.objectfifo.release @y(Produce, 1)
    }
    aie.end
  }
  aie.runtime_sequence @run(%x: memref<256xi32>, %y: memref<256xi32>) {
    %tx = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<256xi32>, 0, 48)
      aie.end
    }
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
  %flag = aie.buffer(%tile) : memref<1xi1>
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @y(%tile, {%shim}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      %y_s = aie.objectfifo.acquire @y(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
      %which = memref.load %flag[%c0] : memref<1xi1>
      // expected-error @below {{takes or gives different numbers of elements of @x on its two paths: expected one number}}
      scf.if %which {
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
    aiex.dma_start_task(%ty)
    aiex.dma_await_task(%ty)
  }
} }

// -----

// Each element leaves the memory tile twice: an odd number of them does not.

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %memory = aie.tile(0, 1)
  %tile = aie.tile(0, 2)
  aie.objectfifo @y(%tile, {%memory}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  // expected-error @below {{expected a multiple of 2 elements of @twice, as often as each is sent, but got 3 by the runtime sequence @run}}
  aie.objectfifo @twice(%memory, {%shim}, 2 : i32) {repeat_count = 2 : i32} : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo.link [@y] -> [@twice] ([] [])
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      %y_s = aie.objectfifo.acquire @y(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
      aie.objectfifo.release @y(Produce, 1)
    }
    aie.end
  }
  aie.runtime_sequence @run(%y: memref<256xi32>) {
    %ty = aiex.dma_configure_task_for @twice {
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
  %memory = aie.tile(0, 1)
  // expected-error @below {{@x has its consumer in memory tile (0, 1), where no core or link takes its elements}}
  aie.objectfifo @x(%shim, {%memory}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.runtime_sequence @run(%x: memref<256xi32>) {
    %tx = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<256xi32>, 0, 16)
      aie.end
    }
    aiex.dma_start_task(%tx)
    aiex.dma_free_task(%tx)
  }
} }
