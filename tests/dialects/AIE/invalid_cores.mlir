// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

// expected-error @below {{one of the following enum values for attribute 'device' [npu1, npu2]}}
module { aie.device(xcvc1902) {
} }

// -----

module { aie.device(npu2) {
  // expected-note @below {{the first is here}}
  %a = aie.tile(0, 2)
  // expected-error @below {{declares core tile (0, 2) a second time}}
  %b = aie.tile(0, 2)
} }

// -----

module { aie.device(npu2) {
  %a = aie.tile(0, 2)
  // expected-note @below {{the first is here}}
  %first = aie.core(%a) { aie.end }
  // expected-error @below {{is a second program of core tile (0, 2)}}
  %second = aie.core(%a) { aie.end }
} }

// -----

module { aie.device(npu2) {
  %a = aie.tile(0, 1)
  // expected-error @below {{expected a core tile (row 2 or higher), but got memory tile (0, 1)}}
  %core = aie.core(%a) { aie.end }
} }

// -----

module { aie.device(npu2) {
  %a = aie.tile(0, 2)
  // expected-error @below {{expected aie.end at the end of its region}}
  %core = aie.core(%a) {
    llvm.unreachable
  }
} }

// -----

module { aie.device(npu2) {
  %a = aie.tile(0, 0)
  // expected-error @below {{expected a memory or core tile, but got shim tile (0, 0), which has no memory}}
  %buffer = aie.buffer(%a) : memref<4xi32>
} }

// -----

module { aie.device(npu2) {
  %m = aie.tile(0, 1)
  %a = aie.tile(0, 2)
  %b = aie.tile(0, 3)
  aie.objectfifo @x(%m, {%a}, 2 : i32) : !aie.objectfifo<memref<4xi32>>
  %core = aie.core(%b) {
    // expected-error @below {{expected @x to have a consumer in core tile (0, 3), but it has none there}}
    %v = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<4xi32>>
    aie.end
  }
} }

// -----

module { aie.device(npu2) {
  %m = aie.tile(0, 1)
  %a = aie.tile(0, 2)
  aie.objectfifo @x(%m, {%a}, 2 : i32) : !aie.objectfifo<memref<4xi32>>
  %core = aie.core(%a) {
    // expected-error @below {{expected @x to have its producer in core tile (0, 2), but it has none there}}
    aie.objectfifo.release @x(Produce, 1)
    aie.end
  }
} }

// -----

module { aie.device(npu2) {
  %m = aie.tile(0, 1)
  %a = aie.tile(0, 2)
  aie.objectfifo @x(%m, {%a}, [5, 2]) : !aie.objectfifo<memref<4xi32>>
  %core = aie.core(%a) {
    // expected-error @below {{expected at most 2 elements, the depth of @x there, but got 3}}
    %v = aie.objectfifo.acquire @x(Consume, 3) : !aie.objectfifosubview<memref<4xi32>>
    aie.end
  }
} }

// -----

module { aie.device(npu2) {
  %m = aie.tile(0, 1)
  %a = aie.tile(0, 2)
  aie.objectfifo @x(%m, {%a}, 2 : i32) : !aie.objectfifo<memref<4xi32>>
  %core = aie.core(%a) {
    // expected-error @below {{expected elements 'memref<4xi32>' of @x, but got 'memref<8xi32>'}}
    %v = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<8xi32>>
    aie.end
  }
} }

// -----

module { aie.device(npu2) {
  %m = aie.tile(0, 1)
  %a = aie.tile(0, 2)
  aie.objectfifo @x(%m, {%a}, 2 : i32) : !aie.objectfifo<memref<4xi32>>
  %core = aie.core(%a) {
    %v = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<4xi32>>
    // expected-error @below {{expected an index below 1, the number of elements that were acquired, but got 1}}
    %e = aie.objectfifo.subview.access %v[1] : !aie.objectfifosubview<memref<4xi32>> -> memref<4xi32>
    aie.end
  }
} }

// -----

module { aie.device(npu2) {
  %m = aie.tile(0, 1)
  %a = aie.tile(0, 2)
  aie.objectfifo @x(%m, {%a}, 2 : i32) : !aie.objectfifo<memref<4xi32>>
  %core = aie.core(%a) {
    %v = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<4xi32>>
    // expected-error @below {{expected a result of type 'memref<4xi32>', but got 'memref<2xi32>'}}
    %e = aie.objectfifo.subview.access %v[0] : !aie.objectfifosubview<memref<4xi32>> -> memref<2xi32>
    aie.end
  }
} }

// -----

module { aie.device(npu2) {
  aie.objectfifo.release @x(Produce, 1) // expected-error {{expected an aie.core around it}}
} }

// -----


module { aie.device(npu2) {
  %i = arith.constant 0 : index
  // expected-error @below {{'aie.buffer' op expected an aie.tile}}
  %buffer = aie.buffer(%i) : memref<4xi32>
} }

// -----

module { aie.device(npu2) {
  %i = arith.constant 0 : index
  // expected-error @below {{'aie.core' op expected an aie.tile}}
  %core = aie.core(%i) { aie.end }
} }

// -----

module { aie.device(npu2) {
  %a = aie.tile(0, 2)
  // expected-error @below {{expected a memref of integers or floats without a layout, but got 'memref<4xi32, strided<[2]>>'}}
  %buffer = aie.buffer(%a) : memref<4xi32, strided<[2]>>
} }

// -----

module { aie.device(npu2) {
  %a = aie.tile(0, 2)
  // expected-error @below {{'aie.core' op expected a region without arguments, but got 1}}
  %core = aie.core(%a) {
  ^bb0(%x: i32):
    aie.end
  }
} }

// -----

module { aie.device(npu2) {
  %a = aie.tile(0, 2)
  %core = aie.core(%a) {
    // expected-error @below {{expected the name of an aie.objectfifo, but got @x}}
    %v = aie.objectfifo.acquire @x(Consume, 1) : !aie.objectfifosubview<memref<4xi32>>
    aie.end
  }
} }

// -----

module { aie.device(npu2) {
  %a = aie.tile(0, 2)
  func.func private @elements() -> !aie.objectfifosubview<memref<4xi32>>
  %core = aie.core(%a) {
    %v = func.call @elements() : () -> !aie.objectfifosubview<memref<4xi32>>
    // expected-error @below {{expected the result of aie.objectfifo.acquire}}
    %e = aie.objectfifo.subview.access %v[0] : !aie.objectfifosubview<memref<4xi32>> -> memref<4xi32>
    aie.end
  }
} }
