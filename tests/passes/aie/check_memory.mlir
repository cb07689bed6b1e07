// RUN: %headrace_opt %s --aie-check-memory="devices=%tests/../python/headrace/targets/aie/devices.json" --split-input-file --verify-diagnostics

// doc: memory
module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  // expected-error @below {{needs 67968 bytes of memory, but core tile (0, 2) has 65536}}
  // expected-note @below {{4 x 16384 bytes of @w (consumer): 65536 bytes}}
  // expected-note @below {{the stack: 2048 bytes}}
  // expected-note @below {{3 x 128 bytes of @y (producer): 384 bytes}}
  // expected-note @below {{what fits: a depth of 3 of @w (consumer)}}
  %core = aie.tile(0, 2)
  aie.objectfifo @w(%shim, {%core}, 4 : i32) : !aie.objectfifo<memref<16384xi8>>
  aie.objectfifo @y(%core, {%shim}, 2 : i32) : !aie.objectfifo<memref<32xf32>>
  %program = aie.core(%core) {
    // Two at once: the compiler makes a third buffer, to work ahead.
    %ys = aie.objectfifo.acquire @y(Produce, 2) : !aie.objectfifosubview<memref<32xf32>>
    aie.objectfifo.release @y(Produce, 2)
    aie.end
  } {stack_size = 2048 : i32}
} }
// doc: end

// -----

// A link shares buffers: 4 x 100000 bytes in the memory tile, not twice as much.

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %memory = aie.tile(0, 1)
  %a = aie.tile(0, 2)
  %b = aie.tile(0, 3)
  aie.objectfifo @w(%shim, {%memory}, 4 : i32) : !aie.objectfifo<memref<100000xi8>>
  aie.objectfifo @wa(%memory, {%a}, [4, 1]) : !aie.objectfifo<memref<50000xi8>>
  aie.objectfifo @wb(%memory, {%b}, [4, 1]) : !aie.objectfifo<memref<50000xi8>>
  aie.objectfifo.link [@w] -> [@wa, @wb] ([] [0, 50000])
} }

// -----

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  // expected-error @below {{needs 600000 bytes of memory, but memory tile (0, 1) has 524288}}
  // expected-note @below {{3 x 200000 bytes of @w (consumer): 600000 bytes}}
  // expected-note @below {{what fits: a depth of 2 of @w (consumer)}}
  %memory = aie.tile(0, 1)
  %a = aie.tile(1, 1)
  aie.objectfifo @w(%shim, {%memory}, 3 : i32) : !aie.objectfifo<memref<50000xi32>>
  aie.objectfifo @wa(%memory, {%a}, [2, 1]) : !aie.objectfifo<memref<50000xi32>>
  aie.objectfifo.link [@w] -> [@wa] ([] [])
} }

// -----

// Buffers alone; and the output of a join owns what its inputs share.

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  // expected-error @below {{needs 528384 bytes of memory, but memory tile (0, 1) has 524288}}
  // expected-note @below {{buffer table: 524288 bytes}}
  // expected-note @below {{2 x 2048 bytes of @y (producer): 4096 bytes}}
  // expected-note @below {{what fits: elements of at most 0 bytes of @y (producer), at a depth of 1}}
  %memory = aie.tile(0, 1)
  %a = aie.tile(0, 2)
  %b = aie.tile(0, 3)
  %table = aie.buffer(%memory) {sym_name = "table"} : memref<131072xf32>
  aie.objectfifo @ya(%a, {%memory}, 2 : i32) : !aie.objectfifo<memref<256xf32>>
  aie.objectfifo @yb(%b, {%memory}, 2 : i32) : !aie.objectfifo<memref<256xf32>>
  aie.objectfifo @y(%memory, {%shim}, 2 : i32) : !aie.objectfifo<memref<512xf32>>
  aie.objectfifo.link [@ya, @yb] -> [@y] ([0, 256] [])
} }

// -----

// Neighbours share the producer's memory.

module { aie.device(npu2) {
  // expected-error @below {{needs 80000 bytes of memory, but core tile (0, 2) has 65536}}
  // expected-note @below {{2 x 40000 bytes of @x (producer): 80000 bytes}}
  // expected-note @below {{what fits: a depth of 1 of @x (producer)}}
  %a = aie.tile(0, 2)
  %b = aie.tile(0, 3)
  aie.objectfifo @x(%a, {%b}, 2 : i32) : !aie.objectfifo<memref<10000xi32>>
} }

// -----

// A core reaches the memory of the tile in the west, so the buffers are there.

module { aie.device(npu2) {
  // expected-error @below {{needs 80000 bytes of memory, but core tile (0, 2) has 65536}}
  // expected-note @below {{2 x 40000 bytes of @x (consumer): 80000 bytes}}
  // expected-note @below {{what fits}}
  %a = aie.tile(0, 2)
  %b = aie.tile(1, 2)
  aie.objectfifo @x(%b, {%a}, 2 : i32) : !aie.objectfifo<memref<10000xi32>>
} }

// -----

module { aie.device(npu2) {
  %a = aie.tile(1, 2)
  %b = aie.tile(1, 3)
  func.func private @use(memref<16xi32>)
  %own = aie.buffer(%a) : memref<16xi32>
  %other = aie.buffer(%b) {sym_name = "other"} : memref<16xi32>
  %core = aie.core(%a) {
    func.call @use(%own) : (memref<16xi32>) -> ()
    // expected-error @below {{expected buffers of core tile (1, 2), but got buffer other of core tile (1, 3)}}
    func.call @use(%other) : (memref<16xi32>) -> ()
    aie.end
  }
} }

// -----

// Buffers follow the stack in its bank, and the compiler of the array looks no further.

module { aie.device(npu2) {
  %a = aie.tile(0, 2)
  // expected-error @below {{needs a stack of 20000 bytes, but a bank of core tile (0, 2) has 16384}}
  %core = aie.core(%a) {
    aie.end
  } {stack_size = 20000 : i32}
} }
