// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

module { aie.device(npu2) {
  aie.runtime_sequence(%x: memref<64xf32>) {
    // expected-error @below {{expected the name of an aie.objectfifo, but got @x}}
    %task = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xf32>, 0, 64)
      aie.end
    }
  }
} }

// -----

module { aie.device(npu2) {
  %m = aie.tile(0, 1)
  %c = aie.tile(0, 2)
  aie.objectfifo @x(%m, {%c}, 2 : i32) : !aie.objectfifo<memref<4xf32>>
  aie.runtime_sequence(%x: memref<64xf32>) {
    // expected-error @below {{expected @x to have one end in a shim tile, but it has 0}}
    %task = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xf32>, 0, 64)
      aie.end
    }
  }
} }

// -----

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %c = aie.tile(0, 2)
  aie.objectfifo @x(%s, {%c}, 2 : i32) : !aie.objectfifo<memref<4xf32>>
  aie.runtime_sequence(%x: memref<64xi32>) {
    // expected-error @below {{expected a buffer of 'f32', as @x has, but got 'i32'}}
    %task = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 64)
      aie.end
    }
  }
} }

// -----

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %c = aie.tile(0, 2)
  aie.objectfifo @x(%s, {%c}, 2 : i32) : !aie.objectfifo<memref<4xf32>>
  aie.runtime_sequence(%x: memref<64xf32>) {
    // expected-error @below {{expected one aie.dma_bd and an aie.end in its region, but got 1 operations}}
    %task = aiex.dma_configure_task_for @x {
      aie.end
    }
  }
} }

// -----

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %c = aie.tile(0, 2)
  aie.objectfifo @x(%s, {%c}, 2 : i32) : !aie.objectfifo<memref<4xf32>>
  aie.runtime_sequence(%x: memref<64xf32>) {
    %task = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xf32>, 0, 64)
      aie.end
    }
    aiex.dma_start_task(%task)
    // expected-error @below {{expected a task with issue_token = true: this one says nothing when it ends; allowed: aiex.dma_free_task}}
    aiex.dma_await_task(%task)
  }
} }

// -----

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %c = aie.tile(0, 2)
  %local = aie.buffer(%c) : memref<64xf32>
  aie.objectfifo @x(%s, {%c}, 2 : i32) : !aie.objectfifo<memref<4xf32>>
  aie.runtime_sequence(%x: memref<64xf32>) {
    %task = aiex.dma_configure_task_for @x {
      // expected-error @below {{expected an argument of the runtime sequence}}
      aie.dma_bd(%local : memref<64xf32>, 0, 64)
      aie.end
    }
  }
} }

// -----

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %c = aie.tile(0, 2)
  aie.objectfifo @x(%s, {%c}, 2 : i32) : !aie.objectfifo<memref<4xf32>>
  aie.runtime_sequence(%x: memref<64xf32>) {
    %task = aiex.dma_configure_task_for @x {
      // expected-error @below {{op attribute 'len' failed to satisfy constraint: 32-bit signless integer attribute whose value is positive}}
      aie.dma_bd(%x : memref<64xf32>, 0, 0)
      aie.end
    }
  }
} }

// -----

module { aie.device(npu2) {
  // expected-error @below {{expected memrefs of static shape as arguments, but argument 0 is 'i32'}}
  aie.runtime_sequence(%x: i32) {
  }
} }

// -----

module { aie.device(npu2) {
  aie.runtime_sequence(%x: memref<4xf32>) {
    %i = arith.constant 0 : index
    // expected-error @below {{expected the result of aiex.dma_configure_task_for}}
    aiex.dma_start_task(%i)
  }
} }

// -----

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %c = aie.tile(0, 2)
  aie.objectfifo @x(%s, {%c}, 2 : i32) : !aie.objectfifo<memref<4xf32>>
  aie.runtime_sequence(%x: memref<64xf32>) {
    // expected-error @below {{expected a region without arguments, but got 1}}
    %task = aiex.dma_configure_task_for @x {
    ^bb0(%i: i32):
      aie.dma_bd(%x : memref<64xf32>, 0, 64)
      aie.end
    }
  }
} }

// -----

module { aie.device(npu2) {
  aie.runtime_sequence(%x: memref<64xf32>) {
    // expected-error @below {{expected aiex.dma_configure_task_for around it}}
    aie.dma_bd(%x : memref<64xf32>, 0, 64)
  }
} }

// -----

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %c = aie.tile(0, 2)
  aie.objectfifo @x(%s, {%c}, 2 : i32) : !aie.objectfifo<memref<4xf32>>
  aie.runtime_sequence(%x: memref<64xf32>) {
    %task = aiex.dma_configure_task_for @x {
      // expected-error @below {{expected an offset within its buffer of 64 elements, but got 64}}
      "aie.dma_bd"(%x) {offset = 64 : i32} : (memref<64xf32>) -> ()
      aie.end
    }
  }
} }
