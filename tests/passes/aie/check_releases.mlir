// RUN: %headrace_opt %s --aie-check-releases --split-input-file --verify-diagnostics

// doc: releases
module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @y(%tile, {%shim}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c8 = arith.constant 8 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      %ys = aie.objectfifo.acquire @y(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
      scf.for %j = %c0 to %c8 step %c1 {
        // expected-error @below {{acquires elements of @x (Consume) in an endless loop that never releases any: the other end waits for ever}}
        %xs = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
      }
      aie.objectfifo.release @y(Produce, 1)
    }
    aie.end
  }
} }
// doc: end

// -----

// A window of three elements that moves by one, and one element for good.

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%tile}, 4 : i32) : !aie.objectfifo<memref<16xi32>>
  aie.objectfifo @table(%shim, {%tile}, 1 : i32) : !aie.objectfifo<memref<16xi32>>
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %forever = arith.constant 9223372036854775807 : index
    %table = aie.objectfifo.acquire @table(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
    scf.for %i = %c0 to %forever step %c1 {
      %xs = aie.objectfifo.acquire @x(Consume, 3) : !aie.objectfifosubview<memref<16xi32>>
      aie.objectfifo.release @x(Consume, 1)
    }
    aie.end
  }
} }

// -----

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  %core = aie.core(%tile) {
    %xs = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
    // expected-error @below {{releases 2 elements of @x (Consume), but the core holds 1 there}}
    aie.objectfifo.release @x(Consume, 2)
    aie.end
  }
} }

// -----

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  // expected-error @below {{ends while it holds 2 elements of @x (Consume): expected it to release them}}
  %core = aie.core(%tile) {
    %xs = aie.objectfifo.acquire @x(Consume, 2) : !aie.objectfifosubview<memref<16xi32>>
    aie.end
  }
} }

// -----

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  %flag = aie.buffer(%tile) : memref<1xi1>
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %which = memref.load %flag[%c0] : memref<1xi1>
    %xs = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
    // expected-error @below {{ends with 0 elements of @x (Consume) held on one path, but with 1 on the other}}
    scf.if %which {
      aie.objectfifo.release @x(Consume, 1)
    }
    aie.end
  }
} }

// -----

// Both paths release, and a constant condition has one path.

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  %flag = aie.buffer(%tile) : memref<1xi1>
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %true = arith.constant true
    %which = memref.load %flag[%c0] : memref<1xi1>
    %xs = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
    scf.if %which {
      aie.objectfifo.release @x(Consume, 1)
    } else {
      scf.if %true {
        aie.objectfifo.release @x(Consume, 1)
      } else {
        aie.objectfifo.release @x(Consume, 2)
      }
    }
    aie.end
  }
} }

// -----

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %xs = aie.objectfifo.acquire @x(Consume, 2) : !aie.objectfifosubview<memref<16xi32>>
    scf.for %i = %c0 to %c2 step %c1 {
      aie.objectfifo.release @x(Consume, 1)
      // expected-error @below {{expected constant bounds of a loop around operations on objectFifos}}
      scf.for %j = %c0 to %i step %c1 {
        aie.objectfifo.release @x(Consume, 1)
      }
    }
    aie.end
  }
} }

// -----

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  %core = aie.core(%tile) {
    // expected-error @below {{is around operations on objectFifos; allowed: scf.for and scf.if}}
    scf.execute_region {
      %xs = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
      aie.objectfifo.release @x(Consume, 1)
      scf.yield
    }
    aie.end
  }
} }

// -----

// Each iteration begins with fewer elements than the one before.

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  aie.objectfifo @x(%shim, {%tile}, 65536 : i32) : !aie.objectfifo<memref<16xi32>>
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c5000 = arith.constant 5000 : index
    %xs = aie.objectfifo.acquire @x(Consume, 5000) : !aie.objectfifosubview<memref<16xi32>>
    // expected-error @below {{expected a loop whose iterations come to hold the same elements of its objectFifos, but the first 4096 do not}}
    scf.for %i = %c0 to %c5000 step %c1 {
      aie.objectfifo.release @x(Consume, 1)
    }
    aie.end
  }
} }

// -----

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  %flag = aie.buffer(%tile) : memref<1xi1>
  aie.objectfifo @x(%shim, {%tile}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %forever = arith.constant 9223372036854775807 : index
    %which = memref.load %flag[%c0] : memref<1xi1>
    // expected-error @below {{is around an endless loop; allowed: one that always runs}}
    scf.if %which {
      scf.for %i = %c0 to %forever step %c1 {
        %xs = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<16xi32>>
        aie.objectfifo.release @x(Consume, 1)
      }
    }
    aie.end
  }
} }

// -----

// What is released belongs to the other end, which may be at it already.

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  func.func private @add(memref<16xi32>, memref<16xi32>)
  aie.objectfifo @x(%shim, {%tile}, 4 : i32) : !aie.objectfifo<memref<16xi32>>
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %forever = arith.constant 9223372036854775807 : index
    scf.for %i = %c0 to %forever step %c1 {
      %xs = aie.objectfifo.acquire @x(Consume, 2) : !aie.objectfifosubview<memref<16xi32>>
      %first = aie.objectfifo.subview.access %xs[0] : !aie.objectfifosubview<memref<16xi32>> -> memref<16xi32>
      %second = aie.objectfifo.subview.access %xs[1] : !aie.objectfifosubview<memref<16xi32>> -> memref<16xi32>
      func.call @add(%first, %second) : (memref<16xi32>, memref<16xi32>) -> ()
      aie.objectfifo.release @x(Consume, 1)
      func.call @add(%second, %second) : (memref<16xi32>, memref<16xi32>) -> ()
      scf.for %j = %c0 to %c2 step %c1 {
        // expected-error @below {{uses an element of @x (Consume) that the core has released}}
        func.call @add(%first, %second) : (memref<16xi32>, memref<16xi32>) -> ()
      }
      aie.objectfifo.release @x(Consume, 1)
    }
    aie.end
  }
} }

// -----

// One of two is released in each turn: in the second one, the first is gone.

module { aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %tile = aie.tile(0, 2)
  func.func private @use(memref<16xi32>)
  aie.objectfifo @x(%shim, {%tile}, 4 : i32) : !aie.objectfifo<memref<16xi32>>
  %core = aie.core(%tile) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %xs = aie.objectfifo.acquire @x(Consume, 2) : !aie.objectfifosubview<memref<16xi32>>
    %first = aie.objectfifo.subview.access %xs[0] : !aie.objectfifosubview<memref<16xi32>> -> memref<16xi32>
    scf.for %i = %c0 to %c2 step %c1 {
      // expected-error @below {{uses an element of @x (Consume) that the core has released}}
      func.call @use(%first) : (memref<16xi32>) -> ()
      aie.objectfifo.release @x(Consume, 1)
    }
    aie.end
  }
} }
