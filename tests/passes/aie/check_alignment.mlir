// RUN: %headrace_opt %s --aie-check-alignment="devices=%tests/../python/headrace/targets/aie/devices.json" --split-input-file --verify-diagnostics

// doc: alignment
module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %core = aie.tile(0, 2)
  aie.objectfifo @y(%core, {%shim}, 1 : i32) : !aie.objectfifo<memref<16xf32>>
  // Behind it, @y would begin at 1368 bytes more than a multiple of 64.
  // expected-error @below {{expected the buffer in core tile (0, 2) to have a multiple of 64 bytes, which a core of npu2 loads at a time, but got 1368; buffers follow each other without gaps, so those behind it would not be aligned; nearest that is: 1408 bytes}}
  %bias = aie.buffer(%core) {sym_name = "bias"} : memref<342xf32>
} }
// doc: end

// -----

// Loads of npu1 are of 32 bytes. Memory tiles load no vectors.

module { aie.device(npu1) {
  %shim = aie.tile(0, 0)
  %memory = aie.tile(0, 1)
  %core = aie.tile(0, 2)
  %counts = aie.buffer(%core) {sym_name = "counts"} : memref<8xi32>
  %table = aie.buffer(%memory) {sym_name = "table"} : memref<3xi32>
  // expected-error @below {{expected elements of @x (consumer) in core tile (0, 2) to have a multiple of 32 bytes, which a core of npu1 loads at a time, but got 80;}}
  aie.objectfifo @x(%shim, {%core}, 2 : i32) : !aie.objectfifo<memref<20xi32>>
  // expected-error @below {{expected the stack in core tile (0, 2) to have a multiple of 32 bytes, which a core of npu1 loads at a time, but got 1000;}}
  %program = aie.core(%core) {
    aie.end
  } {stack_size = 1000 : i32}
} }

// -----

// The end that has the buffers: of two neighbours, the producer.

module { aie.device(npu2) {
  %a = aie.tile(0, 2)
  %b = aie.tile(0, 3)
  // expected-error @below {{expected elements of @x (producer) in core tile (0, 2) to have a multiple of 64 bytes}}
  aie.objectfifo @x(%a, {%b}, 2 : i32) : !aie.objectfifo<memref<8xi32>>
} }
