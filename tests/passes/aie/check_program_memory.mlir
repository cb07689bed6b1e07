// RUN: %headrace_opt %s --aie-check-program-memory="devices=%tests/../python/headrace/targets/aie/devices.json" --split-input-file --verify-diagnostics

// doc: program-memory
module { aie.device(npu2) {
  func.func private @large(memref<16xi32>) attributes {link_with = "large.o", code_bytes = 14336 : i32}
  func.func private @unknown(memref<16xi32>) attributes {link_with = "unknown.o"}
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  // expected-error @below {{needs about 18144 bytes of program memory, but core tile (0, 2) has 16384; its own code takes 1248, the start-up code 512}}
  // expected-note @below {{@large: 14336 bytes}}
  // expected-note @below {{@unknown: 2048 bytes}}
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      %xs = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
      %x = aie.objectfifo.subview.access %xs[0] : !aie.objectfifosubview<memref<16xi32>> -> memref<16xi32>
      func.call @large(%x) : (memref<16xi32>) -> ()
      func.call @unknown(%x) : (memref<16xi32>) -> ()
      aie.objectfifo.release @x(Consume, 1)
    }
    aie.end
  }
} }
// doc: end

// -----

// Unrolled five times for five buffers, and in the loop around it once for each of eleven.

module { aie.device(npu2) {
  func.func private @step(memref<16xi32>) attributes {code_bytes = 100 : i32}
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%tile}, 11 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @y(%shim, {%tile}, 5 : i32) : !aie.objectfifo<memref<16xi32>>
  // expected-error @below {{needs about 21140 bytes of program memory, but core tile (0, 2) has 16384; its own code takes 20528}}
  // expected-note @below {{@step: 100 bytes}}
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c11 = arith.constant 11 : index
    %c12 = arith.constant 12 : index
    scf.for %i = %c0 to %c11 step %c1 {
      %xs = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
      scf.for %j = %c0 to %c12 step %c1 {
        %ys = aie.objectfifo.acquire @y(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
        %y = aie.objectfifo.subview.access %ys[0] : !aie.objectfifosubview<memref<16xi32>> -> memref<16xi32>
        func.call @step(%y) : (memref<16xi32>) -> ()
        aie.objectfifo.release @y(Consume, 1)
      }
      aie.objectfifo.release @x(Consume, 1)
    }
    aie.end
  }
} }

// -----

// The compiler of the array unrolls by two also the loop behind that over @x, and what is in it.

module { aie.device(npu2) {
  func.func private @step(memref<16xi32>) attributes {code_bytes = 15000 : i32}
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @y(%shim, {%tile}, 1 : i32) : !aie.objectfifo<memref<16xi32>>
  // expected-error @below {{needs about 16696 bytes of program memory, but core tile (0, 2) has 16384; its own code takes 1184}}
  // expected-note @below {{@step: 15000 bytes}}
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    scf.for %i = %c0 to %c4 step %c1 {
      %xs = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
      aie.objectfifo.release @x(Consume, 1)
    }
    scf.for %i = %c0 to %c4 step %c1 {
      %ys = aie.objectfifo.acquire @y(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
      %y = aie.objectfifo.subview.access %ys[0] : !aie.objectfifosubview<memref<16xi32>> -> memref<16xi32>
      func.call @step(%y) : (memref<16xi32>) -> ()
      aie.objectfifo.release @y(Consume, 1)
    }
    aie.end
  }
} }
