// RUN: %headrace_opt %s --aie-check-access-patterns="devices=%tests/../python/headrace/targets/aie/devices.json" --split-input-file --verify-diagnostics

// doc: access-patterns
module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %core = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%core}, 2 : i32) : !aie.objectfifo<memref<32xbf16>>
  aie.runtime_sequence(%x: memref<4096xbf16>) {
    %behind = aiex.dma_configure_task_for @x {
      // expected-error @below {{reaches value 4105 of argument 0, which has 4096 values; what fits: a length of 246 from offset 3850 on}}
      aie.dma_bd(%x : memref<4096xbf16>, 3850, 256)
      aie.end
    }
    %odd = aiex.dma_configure_task_for @x {
      // expected-error @below {{expected the length of argument 0 to be a multiple of 4 bytes, but got 255 values of 2 bytes; what fits: 254 values}}
      aie.dma_bd(%x : memref<4096xbf16>, 0, 255)
      aie.end
    }
    %large = aiex.dma_configure_task_for @x {
      // expected-error @below {{expected the size of dimension 1 of argument 0 to be at most 1023 times 4 bytes, but got 1024}}
      aie.dma_bd(%x : memref<4096xbf16>, 0, 4096, [<size = 2, stride = 2>, <size = 2048, stride = 1>])
      aie.end
    }
  }
} }
// doc: end

// -----

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %core = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%core}, 2 : i32) : !aie.objectfifo<memref<32xi8>>
  aie.runtime_sequence(%x: memref<8388608xi8>) {
    %offset = aiex.dma_configure_task_for @x {
      // expected-error @below {{expected the offset of argument 0 to be a multiple of 4 bytes, but got 6 values of 1 bytes; what fits: 4 values}}
      aie.dma_bd(%x : memref<8388608xi8>, 6, 64)
      aie.end
    }
    %bytes = aiex.dma_configure_task_for @x {
      // expected-error @below {{expected the innermost dimension of argument 0 to move multiples of 4 bytes that lie together, but got 32 values of 1 bytes with stride 2}}
      aie.dma_bd(%x : memref<8388608xi8>, 0, 64, [<size = 2, stride = 64>, <size = 32, stride = 2>])
      aie.end
    }
    %stride = aiex.dma_configure_task_for @x {
      // expected-error @below {{expected strides of argument 0 to be multiples of 4 bytes, but got 66 values of 1 bytes}}
      aie.dma_bd(%x : memref<8388608xi8>, 0, 64, [<size = 2, stride = 66>, <size = 32, stride = 1>])
      aie.end
    }
    %far = aiex.dma_configure_task_for @x {
      // expected-error @below {{expected the stride of dimension 0 of argument 0 to be at most 1048576 times 4 bytes, but got 1048578}}
      aie.dma_bd(%x : memref<8388608xi8>, 0, 64, [<size = 2, stride = 4194312>, <size = 32, stride = 1>])
      aie.end
    }
    %length = aiex.dma_configure_task_for @x {
      // expected-error @below {{expected dimensions of argument 0 that move its length of 128 values, but they move 64}}
      aie.dma_bd(%x : memref<8388608xi8>, 0, 128, [<size = 2, stride = 64>, <size = 32, stride = 1>])
      aie.end
    }
    %reach = aiex.dma_configure_task_for @x {
      // expected-error @below {{reaches value 8388615 of argument 0, which has 8388608 values}}
      aie.dma_bd(%x : memref<8388608xi8>, 8388520, 64, [<size = 2, stride = 64>, <size = 32, stride = 1>])
      aie.end
    }
    %five = aiex.dma_configure_task_for @x {
      // expected-error @below {{expected at most 3 dimensions of argument 0, but got 5}}
      aie.dma_bd(%x : memref<8388608xi8>, 0, 64, [<size = 1, stride = 4>, <size = 1, stride = 4>, <size = 1, stride = 4>, <size = 2, stride = 64>, <size = 32, stride = 1>])
      aie.end
    }
    // The outermost dimension has no size of its own, and a run needs none.
    %fits = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<8388608xi8>, 0, 131072, [<size = 2048, stride = 64>, <size = 2, stride = 128>, <size = 32, stride = 1>])
      aie.end
    }
    %run = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<8388608xi8>, 0, 8388608, [<size = 1, stride = 64>, <size = 8388608, stride = 1>])
      aie.end
    }
    // expected-error @below {{expected a repeat_count of at most 255, but got 256}}
    %often = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<8388608xi8>, 0, 64)
      aie.end
    } {repeat_count = 256 : i32}
  }
} }

// -----

// A fourth dimension is what each repetition adds.

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %core = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%core}, 2 : i32) : !aie.objectfifo<memref<32xi32>>
  aie.runtime_sequence(%x: memref<4096xi32>) {
    %fits = aiex.dma_configure_task_for @x {
      aie.dma_bd(%x : memref<4096xi32>, 0, 64, [<size = 4, stride = 1024>, <size = 2, stride = 64>, <size = 2, stride = 32>, <size = 16, stride = 1>])
      aie.end
    } {repeat_count = 3 : i32}
    %once = aiex.dma_configure_task_for @x {
      // expected-error @below {{expected the outermost of 4 dimensions to have the size repeat_count + 1 = 1, at most 64, but got 4}}
      aie.dma_bd(%x : memref<4096xi32>, 0, 64, [<size = 4, stride = 1024>, <size = 2, stride = 64>, <size = 2, stride = 32>, <size = 16, stride = 1>])
      aie.end
    }
    %behind = aiex.dma_configure_task_for @x {
      // expected-error @below {{reaches value 4175 of argument 0, which has 4096 values}}
      aie.dma_bd(%x : memref<4096xi32>, 0, 64, [<size = 5, stride = 1016>, <size = 2, stride = 64>, <size = 2, stride = 32>, <size = 16, stride = 1>])
      aie.end
    } {repeat_count = 4 : i32}
  }
} }

// -----

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %core = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%core}, 2 : i32) : !aie.objectfifo<memref<64xi8>>
  aie.runtime_sequence(%x: memref<4096xi8>) {
    %odd = aiex.dma_configure_task_for @x {
      // expected-error @below {{expected strides of argument 0 to be multiples of 4 bytes, but got 1026 values of 1 bytes}}
      aie.dma_bd(%x : memref<4096xi8>, 0, 64, [<size = 2, stride = 1026>, <size = 2, stride = 64>, <size = 2, stride = 32>, <size = 16, stride = 1>])
      aie.end
    } {repeat_count = 1 : i32}
  }
} }

// -----

// Fifos: elements, parts and patterns.

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %memory = aie.tile(0, 1)
  %core = aie.tile(0, 2)
  %next = aie.tile(0, 3)
  // expected-error @below {{expected the length of an element of @odd to be a multiple of 4 bytes, but got 31 values of 2 bytes; what fits: 30 values}}
  aie.objectfifo @odd(%shim, {%core}, 2 : i32) : !aie.objectfifo<memref<31xbf16>>
  aie.objectfifo @near(%core, {%next}, 2 : i32) : !aie.objectfifo<memref<31xbf16>>
  // expected-error @below {{expected the size of dimension 1 of an element of @wide to be at most 255 times 4 bytes, but got 256}}
  aie.objectfifo @wide(%shim, {%core dimensionsFromStream [<size = 2, stride = 2>, <size = 256, stride = 4>]}, 2 : i32) : !aie.objectfifo<memref<512xi32>>
  aie.objectfifo @tiles(%memory dimensionsToStream [<size = 2, stride = 256>, <size = 4, stride = 8>, <size = 8, stride = 32>, <size = 8, stride = 1>], {%core}, 2 : i32) : !aie.objectfifo<memref<512xi32>>
  // expected-error @below {{expected at most 3 dimensions of an element of @four, but got 4}}
  aie.objectfifo @four(%shim, {%core dimensionsFromStream [<size = 2, stride = 256>, <size = 4, stride = 8>, <size = 8, stride = 32>, <size = 8, stride = 1>]}, 2 : i32) : !aie.objectfifo<memref<512xi32>>
  aie.objectfifo @w(%shim, {%memory}, 2 : i32) : !aie.objectfifo<memref<12xi8>>
  // expected-error @below {{expected the length of an element of @w_a to be a multiple of 4 bytes}}
  aie.objectfifo @w_a(%memory, {%core}, 2 : i32) : !aie.objectfifo<memref<6xi8>>
  // expected-error @below {{expected the length of an element of @w_b to be a multiple of 4 bytes}}
  aie.objectfifo @w_b(%memory, {%next}, 2 : i32) : !aie.objectfifo<memref<6xi8>>
  // expected-error @below {{expected offsets that are multiples of 4 bytes, but got 6 values of 1 bytes}}
  aie.objectfifo.link [@w] -> [@w_a, @w_b] ([] [0, 6])
} }
