// RUN: %headrace_opt %s --aie-check-locks="devices=%tests/../python/headrace/targets/aie/devices.json" --split-input-file --verify-diagnostics

// doc: locks
module { aie.device(npu2) {
  %memory = aie.tile(0, 1)
  // expected-error @below {{needs 18 locks, but core tile (0, 2) has 16}}
  %core = aie.tile(0, 2)
  %next = aie.tile(0, 3)
  aie.objectfifo @f0(%core, {%next}, 1 : i32) : !aie.objectfifo<memref<16xi32>> // expected-note {{2 of them are for @f0 (producer)}}
  aie.objectfifo @f1(%core, {%next}, 1 : i32) : !aie.objectfifo<memref<16xi32>> // expected-note {{2 of them are for @f1 (producer)}}
  aie.objectfifo @f2(%core, {%next}, 1 : i32) : !aie.objectfifo<memref<16xi32>> // expected-note {{2 of them are for @f2 (producer)}}
  aie.objectfifo @f3(%core, {%next}, 1 : i32) : !aie.objectfifo<memref<16xi32>> // expected-note {{2 of them are for @f3 (producer)}}
  aie.objectfifo @f4(%core, {%next}, 1 : i32) : !aie.objectfifo<memref<16xi32>> // expected-note {{2 of them are for @f4 (producer)}}
  aie.objectfifo @f5(%core, {%next}, 1 : i32) : !aie.objectfifo<memref<16xi32>> // expected-note {{2 of them are for @f5 (producer)}}
  aie.objectfifo @f6(%core, {%next}, 1 : i32) : !aie.objectfifo<memref<16xi32>> // expected-note {{2 of them are for @f6 (producer)}}
  aie.objectfifo @f7(%core, {%next}, 1 : i32) : !aie.objectfifo<memref<16xi32>> // expected-note {{2 of them are for @f7 (producer)}}
  aie.objectfifo @f8(%core, {%next}, 1 : i32) : !aie.objectfifo<memref<16xi32>> // expected-note {{2 of them are for @f8 (producer)}}
} }
// doc: end

// -----

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %memory = aie.tile(0, 1)
  // expected-error @below {{needs locks that count to 64 at @x (consumer) in memory tile (0, 1), but the locks of npu2 count to 63}}
  aie.objectfifo @x(%shim, {%memory}, 64 : i32) : !aie.objectfifo<memref<16xi32>>
} }
