// RUN: %headrace_opt %s --aie-generate-cores --split-input-file --verify-diagnostics | FileCheck %s

// A tile of bf16 as two of bfp16: eight lanes share the exponent of the largest.
// CHECK: func.func private @split_bfp16(%[[ALL:.*]]: vector<64xbf16>) -> (vector<64xbf16>, vector<64xbf16>) {
// CHECK: arith.andi
// CHECK: vector.shuffle {{.*}} [1, 0, 3, 2, 5, 4, 7, 6,
// CHECK: arith.maxui
// CHECK: vector.shuffle {{.*}} [2, 3, 0, 1, 6, 7, 4, 5,
// CHECK: vector.shuffle {{.*}} [4, 5, 6, 7, 0, 1, 2, 3,
// CHECK: arith.constant dense<1.966080e+05>
// CHECK: %[[BITS:.*]] = arith.trunci %{{.*}} : vector<64xi32> to vector<64xi16>
// CHECK: %[[FIRST:.*]] = vector.bitcast %[[BITS]] : vector<64xi16> to vector<64xbf16>
// CHECK: %[[TAKEN:.*]] = arith.extf %[[FIRST]]
// CHECK: arith.subf %{{.*}}, %[[TAKEN]]
// CHECK: return %[[FIRST]], %{{.*}}

// Tiles of 8 tokens by 8 columns times 8 columns by 8 rows, of which two by two stay in
// registers; three products of bfp16 each.
// doc: multiply
// CHECK: func.func @multiply_8x8x8_64(%[[X:.*]]: memref<2048xbf16>, %[[W:.*]]: memref<4096xbf16>, %[[Y:.*]]: memref<2048xf32>)
// CHECK: scf.for
// CHECK: scf.for
// CHECK-COUNT-4: vector.load %[[Y]]{{.*}} vector<64xf32>
// CHECK: scf.for {{.*}} -> (vector<64xf32>, vector<64xf32>, vector<64xf32>, vector<64xf32>) {
// CHECK: %[[TILE:.*]] = vector.load %[[X]]{{.*}} vector<64xbf16>
// CHECK: vector.load %[[X]]
// CHECK: %[[WEIGHTS:.*]] = vector.load %[[W]]{{.*}} vector<64xbf16>
// CHECK: vector.load %[[W]]
// CHECK: %[[PARTS:.*]]:2 = {{.*}}call @split_bfp16(%[[TILE]])
// CHECK: %[[A:.*]] = vector.shape_cast %[[PARTS]]#0 : vector<64xbf16> to vector<8x8xbf16>
// CHECK: %[[TURNED:.*]] = vector.shuffle %[[WEIGHTS]], %[[WEIGHTS]] [0, 8, 16, 24, 32, 40, 48, 56, 1,
// CHECK: call @split_bfp16(%[[TURNED]])
// CHECK: vector.contract {{.*}} %[[A]], %{{.*}} : vector<8x8xbf16>, vector<8x8xbf16> into vector<8x8xf32>
// CHECK-COUNT-11: vector.contract
// CHECK-NOT: vector.contract
// CHECK-COUNT-4: vector.store %{{.*}}, %[[Y]]
func.func private @multiply_8x8x8_64(memref<2048xbf16>, memref<4096xbf16>, memref<2048xf32>)
    attributes {headrace.core = {kind = "multiply_8x8x8", size = 64 : i64}}
// doc: end

// -----

// Four by four of the smaller tiles are as many sums.
// CHECK: func.func @multiply_4x8x4_32(
// CHECK-COUNT-16: vector.contract {{.*}} : vector<4x8xbf16>, vector<8x4xbf16> into vector<4x4xf32>
func.func private @multiply_4x8x4_32(memref<512xbf16>, memref<1024xbf16>, memref<512xf32>)
    attributes {headrace.core = {kind = "multiply_4x8x4", size = 32 : i64}}

// -----

// The eight rows of a tile are 32 bits of codes: every other one goes to the next tile.
// doc: dequantize
// CHECK: func.func @dequantize_q4nx_8x8x8_64(%[[W:.*]]: memref<5120xi8>, %[[OUT:.*]]: memref<4096xbf16>, %{{.*}}: i32)
// CHECK-COUNT-3: scf.for
// CHECK: %[[SCALES:.*]] = vector.load %[[W]]{{.*}} vector<32xi8>
// CHECK: %[[D:.*]] = vector.bitcast %[[SCALES]] : vector<32xi8> to vector<16xbf16>
// CHECK: vector.load %[[W]]{{.*}} vector<32xi8>
// CHECK: %[[OFFSET:.*]] = arith.constant dense<-1.280000e+02> : vector<32xbf16>
// CHECK: vector.shuffle %[[D]], %[[D]] [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7]
// CHECK: scf.for
// CHECK: %[[BYTES:.*]] = vector.load %[[W]]{{.*}} vector<64xi8>
// CHECK: %[[CODES:.*]] = vector.bitcast %[[BYTES]] : vector<64xi8> to vector<16xi32>
// CHECK: %[[FIRST:.*]] = vector.shuffle %[[CODES]], %[[CODES]] [0, 2, 4, 6, 8, 10, 12, 14]
// CHECK: vector.shuffle %[[CODES]], %[[CODES]] [1, 3, 5, 7, 9, 11, 13, 15]
// CHECK: %[[TILE:.*]] = vector.bitcast %[[FIRST]] : vector<8xi32> to vector<64xi4>
// CHECK: arith.extui %[[TILE]] : vector<64xi4> to vector<64xi16>
// CHECK: arith.ori
// CHECK: vector.fma
// CHECK: arith.truncf %{{.*}} : vector<32xf32> to vector<32xbf16>
// CHECK: vector.store %{{.*}}, %[[OUT]]
func.func private @dequantize_q4nx_8x8x8_64(memref<5120xi8>, memref<4096xbf16>, i32)
    attributes {headrace.core = {kind = "dequantize_q4nx_8x8x8", size = 64 : i64}}
// doc: end

// -----

// Both parts of a scale count. Four rows are 16 bits of codes.
// CHECK: func.func @dequantize_q4_0_4x8x4_32(
// CHECK: arith.constant dense<-1.360000e+02> : vector<32xbf16>
// CHECK: vector.shuffle {{.*}} [0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7]
// CHECK: vector.bitcast %{{.*}} : vector<64xi8> to vector<32xi16>
// CHECK-COUNT-6: vector.shuffle
// CHECK: arith.extui %{{.*}} : vector<32xi4> to vector<32xi16>
// CHECK-COUNT-2: vector.fma
// CHECK: vector.store
func.func private @dequantize_q4_0_4x8x4_32(memref<2560xi8>, memref<1024xbf16>, i32)
    attributes {headrace.core = {kind = "dequantize_q4_0_4x8x4", size = 32 : i64}}

// -----

// Integer scales times d, in two parts again; the same for minima.
// CHECK: func.func @dequantize_q4_k_8x8x8_128(
// CHECK: %[[BYTES:.*]] = vector.load %{{.*}} vector<16xi8>
// CHECK: arith.extui %[[BYTES]] : vector<16xi8> to vector<16xi16>
// CHECK: arith.mulf
// CHECK: vector.fma
// CHECK-COUNT-2: arith.truncf %{{.*}} : vector<16xf32> to vector<16xbf16>
// CHECK: vector.load %{{.*}} vector<16xi8>
func.func private @dequantize_q4_k_8x8x8_128(memref<2560xi8>, memref<4096xbf16>, i32)
    attributes {headrace.core = {kind = "dequantize_q4_k_8x8x8", size = 128 : i64}}

// -----

// A loop where there is much.
// CHECK: func.func @zero_4096(%[[Y:.*]]: memref<4096xf32>)
// CHECK: scf.for
// CHECK-COUNT-4: vector.store %{{.*}}, %[[Y]]
// CHECK-NOT: vector.store
func.func private @zero_4096(memref<4096xf32>) attributes {headrace.core = {kind = "zero", size = 4096 : i64}}

// -----

// expected-error@+1 {{got kind "multiply_8x8x4"; allowed: zero,}}
func.func private @multiply_8x8x4_64(memref<1024xbf16>, memref<1024xbf16>, memref<256xf32>)
    attributes {headrace.core = {kind = "multiply_8x8x4", size = 64 : i64}}

// -----

// expected-error@+1 {{got kind "dequantize_q8_0_8x8x8"; allowed: zero,}}
func.func private @dequantize_q8_0_8x8x8_64(memref<5120xi8>, memref<2048xbf16>, i32)
    attributes {headrace.core = {kind = "dequantize_q8_0_8x8x8", size = 64 : i64}}

// -----

// expected-error@+1 {{expected a multiple of 8 columns, but got 60}}
func.func private @multiply_8x8x8_60(memref<960xbf16>, memref<960xbf16>, memref<256xf32>)
    attributes {headrace.core = {kind = "multiply_8x8x8", size = 60 : i64}}

// -----

// expected-error@+1 {{expected x of t x 64, weights of r x 64 and y of t x r numbers with t and r multiples of 16, but got 1024, 1536 and 384}}
func.func private @multiply_4x8x4_64(memref<1024xbf16>, memref<1536xbf16>, memref<384xf32>)
    attributes {headrace.core = {kind = "multiply_4x8x4", size = 64 : i64}}

// -----

// expected-error@+1 {{expected 32, 64 or 128 columns, but got 96}}
func.func private @dequantize_q4nx_8x8x8_96(memref<5120xi8>, memref<3072xbf16>, i32)
    attributes {headrace.core = {kind = "dequantize_q4nx_8x8x8", size = 96 : i64}}

// -----

// expected-error@+1 {{expected b blocks of 2560 bytes and b x 2048 weights, but got 4864 and 2048}}
func.func private @dequantize_q4_k_8x8x8_64(memref<4864xi8>, memref<2048xbf16>, i32)
    attributes {headrace.core = {kind = "dequantize_q4_k_8x8x8", size = 64 : i64}}

// -----

// expected-error@+1 {{expected arguments i8 bf16 number (memory of one dimension; a number is an i32), but got '(memref<4864xi8>, memref<32x64xbf16>, i32) -> ()'}}
func.func private @dequantize_q4_k_8x8x8_64(memref<4864xi8>, memref<32x64xbf16>, i32)
    attributes {headrace.core = {kind = "dequantize_q4_k_8x8x8", size = 64 : i64}}

// -----

// expected-error@+1 {{expected arguments bf16 bf16 f32 (memory of one dimension; a number is an i32), but got '(memref<1024xbf16>, memref<1024xbf16>) -> ()'}}
func.func private @multiply_8x8x8_64(memref<1024xbf16>, memref<1024xbf16>)
    attributes {headrace.core = {kind = "multiply_8x8x8", size = 64 : i64}}

// -----

// expected-error@+1 {{expected multiples of 16 numbers, but got 'memref<72xf32>'}}
func.func private @zero_72(memref<72xf32>) attributes {headrace.core = {kind = "zero", size = 72 : i64}}

// -----

// expected-error@+1 {{expected a function that cores have, but got kind ""}}
func.func private @nothing(memref<1024xbf16>) attributes {headrace.core = 1 : i32}
