// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %m = aie.tile(0, 1)
  // expected-error @below {{expected depths from 1 to 65536, but got 0}}
  aie.objectfifo @x(%s, {%m}, 0 : i32) : !aie.objectfifo<memref<4xi32>>
} }

// -----

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %m = aie.tile(0, 1)
  // expected-error @below {{expected a depth for the producer and each of 1 consumers, but got 3}}
  aie.objectfifo @x(%s, {%m}, [1, 2, 3]) : !aie.objectfifo<memref<4xi32>>
} }

// -----

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %m = aie.tile(0, 1)
  // expected-error @below {{expected different tiles at its ends, but memory tile (0, 1) is there twice}}
  aie.objectfifo @x(%s, {%m, %m}, 2 : i32) : !aie.objectfifo<memref<4xi32>>
} }

// -----

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %t = aie.tile(1, 0)
  // expected-error @below {{expected one end in a memory or core tile, but both are shim tiles}}
  aie.objectfifo @x(%s, {%t}, 2 : i32) : !aie.objectfifo<memref<4xi32>>
} }

// -----

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %m = aie.tile(0, 1)
  // expected-error @below {{expected no dimensions at shim tile (0, 0): a shim tile takes its access pattern from aie.dma_bd}}
  aie.objectfifo @x(%s dimensionsToStream [<size = 4, stride = 1>], {%m}, 2 : i32) : !aie.objectfifo<memref<4xi32>>
} }

// -----

module { aie.device(npu2) {
  %c = aie.tile(0, 2)
  %m = aie.tile(0, 1)
  // expected-error @below {{expected a memory tile as producer with repeat_count, but got core tile (0, 2)}}
  aie.objectfifo @x(%c, {%m}, 2 : i32) {repeat_count = 2 : i32} : !aie.objectfifo<memref<4xi32>>
} }

// -----

module { aie.device(npu2) {
  %m = aie.tile(0, 1)
  %i = arith.constant 0 : index
  // expected-error @below {{expected an aie.tile as consumer 0}}
  aie.objectfifo @x(%m, {%i}, 2 : i32) : !aie.objectfifo<memref<4xi32>>
} }

// -----

// expected-error @below {{objectfifo: expected a memref of static shape of integers or floats, without a layout, but got 'memref<?xi32>'}}
!dynamic = !aie.objectfifo<memref<?xi32>>

// -----

// expected-error @below {{objectfifosubview: expected a memref that is not empty}}
!empty = !aie.objectfifosubview<memref<0xi32>>

// -----

// Links.

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %m = aie.tile(0, 1)
  aie.objectfifo @x(%s, {%m}, 2 : i32) : !aie.objectfifo<memref<4xi32>>
  // expected-error @below {{expected the name of an aie.objectfifo, but got @y}}
  aie.objectfifo.link [@x] -> [@y] ([] [])
} }

// -----

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %m = aie.tile(0, 1)
  %a = aie.tile(0, 2)
  %b = aie.tile(0, 3)
  aie.objectfifo @x(%s, {%m}, 2 : i32) : !aie.objectfifo<memref<8xi32>>
  aie.objectfifo @y(%m, {%a}, 2 : i32) : !aie.objectfifo<memref<4xi32>>
  aie.objectfifo @z(%m, {%b}, 2 : i32) : !aie.objectfifo<memref<4xi32>>
  // expected-error @below {{expected 2 dst_offsets with 1 inputs and 2 outputs, but got 1}}
  aie.objectfifo.link [@x] -> [@y, @z] ([] [0])
} }

// -----

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %m = aie.tile(0, 1)
  %a = aie.tile(0, 2)
  %b = aie.tile(0, 3)
  aie.objectfifo @x(%s, {%m}, 2 : i32) : !aie.objectfifo<memref<8xi32>>
  aie.objectfifo @y(%m, {%a}, 2 : i32) : !aie.objectfifo<memref<4xi32>>
  aie.objectfifo @z(%m, {%b}, 2 : i32) : !aie.objectfifo<memref<4xi32>>
  // expected-error @below {{expected offset 4 of @z, but got 5: parts fill an element of @x without a gap}}
  aie.objectfifo.link [@x] -> [@y, @z] ([] [0, 5])
} }

// -----

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %m = aie.tile(0, 1)
  %a = aie.tile(0, 2)
  %b = aie.tile(0, 3)
  aie.objectfifo @x(%a, {%m}, 2 : i32) : !aie.objectfifo<memref<4xi32>>
  aie.objectfifo @y(%b, {%m}, 2 : i32) : !aie.objectfifo<memref<4xi32>>
  aie.objectfifo @z(%m, {%s}, 2 : i32) : !aie.objectfifo<memref<12xi32>>
  // expected-error @below {{expected parts of 12 values, as an element of @z has, but they have 8}}
  aie.objectfifo.link [@x, @y] -> [@z] ([0, 4] [])
} }

// -----

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %m = aie.tile(0, 1)
  %a = aie.tile(0, 2)
  aie.objectfifo @x(%s, {%m}, 2 : i32) : !aie.objectfifo<memref<8xi32>>
  aie.objectfifo @y(%m, {%a}, 2 : i32) : !aie.objectfifo<memref<4xi32>>
  // expected-error @below {{expected elements of one size, but @x has 8 values and @y has 4}}
  aie.objectfifo.link [@x] -> [@y] ([] [])
} }

// -----

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %m = aie.tile(0, 1)
  %n = aie.tile(1, 1)
  %a = aie.tile(0, 2)
  aie.objectfifo @x(%s, {%n}, 2 : i32) : !aie.objectfifo<memref<8xi32>>
  aie.objectfifo @y(%m, {%a}, 2 : i32) : !aie.objectfifo<memref<8xi32>>
  // expected-error @below {{expected @x to end in memory tile (0, 1), and there only}}
  aie.objectfifo.link [@x] -> [@y] ([] [])
} }

// -----

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %m = aie.tile(0, 1)
  %a = aie.tile(0, 2)
  aie.objectfifo @x(%s, {%m}, 2 : i32) : !aie.objectfifo<memref<8xi32>>
  aie.objectfifo @y(%m, {%a}, 2 : i32) : !aie.objectfifo<memref<8xf32>>
  // expected-error @below {{expected fifos of 'i32', but @y has 'f32'}}
  aie.objectfifo.link [@x] -> [@y] ([] [])
} }

// -----

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %m = aie.tile(0, 1)
  aie.objectfifo @x(%s, {%m}, 2 : i32) : !aie.objectfifo<memref<8xi32>>
  // expected-error @below {{has @x twice}}
  aie.objectfifo.link [@x] -> [@x] ([] [])
} }

// -----

module { aie.device(npu2) {
  // expected-error @below {{expected one input or one output, but got 2 inputs and 2 outputs}}
  aie.objectfifo.link [@x, @y] -> [@z, @w] ([0, 1] [0, 1])
} }

// -----

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %m = aie.tile(0, 1)
  %a = aie.tile(0, 2)
  aie.objectfifo @x(%s, {%m}, 2 : i32) : !aie.objectfifo<memref<8xi32>>
  aie.objectfifo @y(%m, {%a}, 2 : i32) : !aie.objectfifo<memref<8xi32>>
  aie.objectfifo.link [@x] -> [@y] ([] [])
  // expected-error @below {{is a second link of @y: expected one}}
  aie.objectfifo.link [@x] -> [@y] ([] [])
} }

// -----

// expected-error @below {{objectfifo: expected at most 16777216 values, but got 'memref<4294967296x4294967296xi8>'}}
!large = !aie.objectfifo<memref<4294967296x4294967296xi8>>

// -----

module { aie.device(npu2) {
  %m = aie.tile(0, 1)
  %i = arith.constant 0 : index
  // expected-error @below {{expected an aie.tile as producer}}
  aie.objectfifo @x(%i, {%m}, 2 : i32) : !aie.objectfifo<memref<4xi32>>
} }

// -----

module { aie.device(npu2) {
  %m = aie.tile(0, 1)
  // expected-error @below {{expected one or more consumers}}
  "aie.objectfifo"(%m) {dimensionsFromStreamPerConsumer = #aie<bd_dim_layout_array_array[]>, dimensionsToStream = #aie<bd_dim_layout_array[]>, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<4xi32>>, sym_name = "x"} : (index) -> ()
} }

// -----

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %m = aie.tile(0, 1)
  // expected-error @below {{expected dimensions for each of 1 consumers, but got 2}}
  "aie.objectfifo"(%s, %m) {dimensionsFromStreamPerConsumer = #aie<bd_dim_layout_array_array[[], []]>, dimensionsToStream = #aie<bd_dim_layout_array[]>, elemNumber = 2 : i32, elemType = !aie.objectfifo<memref<4xi32>>, sym_name = "x"} : (index, index) -> ()
} }

// -----

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %m = aie.tile(0, 1)
  aie.objectfifo @x(%m, {%s}, 2 : i32) : !aie.objectfifo<memref<8xi32>>
  aie.objectfifo @y(%s, {%m}, 2 : i32) : !aie.objectfifo<memref<8xi32>>
  // expected-error @below {{expected @y to begin in a memory or core tile}}
  aie.objectfifo.link [@x] -> [@y] ([] [])
} }

// -----

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %m = aie.tile(0, 1)
  %n = aie.tile(1, 1)
  %a = aie.tile(0, 2)
  %b = aie.tile(1, 2)
  aie.objectfifo @x(%s, {%m}, 2 : i32) : !aie.objectfifo<memref<8xi32>>
  aie.objectfifo @y(%m, {%a}, 2 : i32) : !aie.objectfifo<memref<4xi32>>
  aie.objectfifo @z(%n, {%b}, 2 : i32) : !aie.objectfifo<memref<4xi32>>
  // expected-error @below {{expected @z to begin in memory tile (0, 1)}}
  aie.objectfifo.link [@x] -> [@y, @z] ([] [0, 4])
} }

// -----

module { aie.device(npu2) {
  %s = aie.tile(0, 0)
  %m = aie.tile(0, 1)
  %a = aie.tile(0, 2)
  %b = aie.tile(0, 3)
  aie.objectfifo @x(%a, {%m}, 2 : i32) : !aie.objectfifo<memref<4xi32>>
  aie.objectfifo @y(%b, {%m}, 2 : i32) : !aie.objectfifo<memref<4xi32>>
  aie.objectfifo @z(%m, {%s}, 2 : i32) : !aie.objectfifo<memref<8xi32>>
  // expected-error @below {{expected 2 src_offsets with 2 inputs and 1 outputs, but got 0}}
  aie.objectfifo.link [@x, @y] -> [@z] ([] [])
} }
