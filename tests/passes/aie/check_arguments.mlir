// RUN: %headrace_opt %s --aie-check-arguments --split-input-file --verify-diagnostics

// doc: arguments
module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  // expected-error @below {{expected transfers of all of argument 0, but none moves its values 32 to 47}}
  aie.runtime_sequence @run(%x: memref<64xi32>) {
    %first = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 0, 32)
      aie.end
    }
    %second = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 48, 16)
      aie.end
    }
    aiex.dma_start_task(%first)
    aiex.dma_start_task(%second)
    aiex.dma_free_task(%second)
  }
} }
// doc: end

// -----

// Nothing is moved at all; and only the end is.
module { aie.device(npu2) {
  // expected-error @below {{of argument 0, but none moves its values 0 to 63}}
  aie.runtime_sequence @run(%x: memref<64xi32>) {
  }
} }

// -----

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  // expected-error @below {{of argument 0, but none moves its values 0 to 15}}
  aie.runtime_sequence @run(%x: memref<64xi32>) {
    %task = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<64xi32>, 16, 48)
      aie.end
    }
    aiex.dma_start_task(%task)
  }
} }

// -----

// Even and odd rows, each twice: reading again is no mistake.
module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.runtime_sequence @run(%x: memref<4x16xi32>) {
    %even = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<4x16xi32>, 0, 32, [<size = 2, stride = 32>, <size = 16, stride = 1>])
      aie.end
    } {repeat_count = 1 : i32}
    %odd = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<4x16xi32>, 16, 64, [<size = 2, stride = 0>, <size = 2, stride = 32>, <size = 16, stride = 1>])
      aie.end
    }
    aiex.dma_start_task(%even)
    aiex.dma_start_task(%odd)
  }
} }

// -----

// Each repetition has a place of its own; with those that are repeated in one
// place, the results of the first are lost.
module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @y(%tile, {%shim}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.runtime_sequence @run(%y: memref<64xi32>) {
    %apart = aiex.dma_configure_task_for @y {
      aie.dma_bd(%y : memref<64xi32>, 0, 32, [<size = 2, stride = 32>, <size = 2, stride = 16>, <size = 2, stride = 8>, <size = 8, stride = 1>])
      aie.end
    } {issue_token = true, repeat_count = 1 : i32}
    aiex.dma_start_task(%apart)
    aiex.dma_await_task(%apart)
    %twice = aiex.dma_configure_task_for @y {
      aie.dma_bd(%y : memref<64xi32>, 0, 32)
      aie.end
    } {issue_token = true, repeat_count = 1 : i32}
    // expected-error @below {{writes values of argument 0 more than once: expected a place for each result}}
    aiex.dma_start_task(%twice)
  }
} }

// -----

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %a = aie.tile(0, 2)
  %b = aie.tile(0, 3)
  aie.objectfifo @y(%a, {%shim}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @z(%b, {%shim}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.runtime_sequence @run(%y: memref<64xi32>) {
    %first = aiex.dma_configure_task_for @y {
      aie.dma_bd(%y : memref<64xi32>, 0, 32)
      aie.end
    } {issue_token = true}
    %second = aiex.dma_configure_task_for @z {
      aie.dma_bd(%y : memref<64xi32>, 16, 48)
      aie.end
    } {issue_token = true}
    aiex.dma_start_task(%first)
    // expected-error @below {{writes values 16 to 31 of argument 0, which a task of @y may still write: expected it to be awaited before}}
    aiex.dma_start_task(%second)
  }
} }

// -----

// What one task writes, another one reads when it was awaited.
module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %a = aie.tile(0, 2)
  aie.objectfifo @y(%a, {%shim}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @x(%shim, {%a}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.runtime_sequence @run(%y: memref<64xi32>) {
    %out = aiex.dma_configure_task_for @y {
      aie.dma_bd(%y : memref<64xi32>, 0, 64)
      aie.end
    } {issue_token = true}
    aiex.dma_start_task(%out)
    aiex.dma_await_task(%out)
    %in = aiex.dma_configure_task_for @x {
      aie.dma_bd(%y : memref<64xi32>, 0, 64)
      aie.end
    }
    aiex.dma_start_task(%in)
    aiex.dma_free_task(%in)
    %more = aiex.dma_configure_task_for @y {
      aie.dma_bd(%y : memref<64xi32>, 0, 64)
      aie.end
    } {issue_token = true}
    aiex.dma_start_task(%more)
    %early = aiex.dma_configure_task_for @x {
      aie.dma_bd(%y : memref<64xi32>, 60, 4)
      aie.end
    }
    // expected-error @below {{reads values 60 to 63 of argument 0, which a task of @y may still write: expected it to be awaited before}}
    aiex.dma_start_task(%early)
  }
} }

// -----

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %a = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%a}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.runtime_sequence @run(%x: memref<134217728xi32>) {
    %in = aiex.dma_configure_task_for @x {
      // expected-error @below {{expected at most 16777216 pieces of its argument, but got 67108864; make the innermost dimension larger}}
      aie.dma_bd(%x : memref<134217728xi32>, 0, 67108864, [<size = 67108864, stride = 2>])
      aie.end
    }
    aiex.dma_start_task(%in)
  }
} }
