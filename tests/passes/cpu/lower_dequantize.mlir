// RUN: %headrace_opt %s --cpu-lower-dequantize --canonicalize --cse | FileCheck %s --implicit-check-not=qlinear.

// doc: q4_k
// A block of 256 columns is 144 bytes; 40 rows are 32 and 8.
// CHECK-LABEL: func.func @q4_k(
// CHECK-SAME: %[[BYTES:.*]]: memref<11520xi8>, %[[OUT:.*]]: memref<40x512xf32>)
// CHECK: %[[FIRST:.*]] = arith.muli %{{.*}}, %c32
// CHECK: %[[LAST:.*]] = arith.minui %{{.*}}, %c40
// CHECK: scf.for %[[ROW:.*]] = %[[FIRST]] to %[[LAST]]
// CHECK: %[[BASE:.*]] = arith.muli %[[ROW]], %c288
// CHECK: scf.for %[[PIECE:.*]] = %c0 to %c2
// CHECK: arith.muli %[[PIECE]], %c144
// CHECK: %[[COL:.*]] = arith.muli %[[PIECE]], %c256
// CHECK-COUNT-16: vector.store %{{.*}}, %[[OUT]][%[[ROW]], %{{.*}}] : memref<40x512xf32>, vector<16xf32>
// CHECK-NOT: vector.store
func.func @q4_k(%bytes: memref<11520xi8>, %out: memref<40x512xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<11520xi8> to !qlinear.packed<40x512, #qlinear.gguf<q4_k>>
  qlinear.dequantize ins(%w : !qlinear.packed<40x512, #qlinear.gguf<q4_k>>) outs(%out : memref<40x512xf32>)
  return
}
// doc: end

// 320 columns of 32-wide blocks: one piece of 256, then two blocks.
// CHECK-LABEL: func.func @tail(
// CHECK-COUNT-16: vector.store %{{.*}}, %{{.*}}[%{{.*}}, %{{.*}}] : memref<4x288xf32>, vector<16xf32>
// CHECK: vector.store %{{.*}}, %{{.*}}[%{{.*}}, %c256] : memref<4x288xf32>, vector<16xf32>
// CHECK: vector.store %{{.*}}, %{{.*}}[%{{.*}}, %c272] : memref<4x288xf32>, vector<16xf32>
// CHECK-NOT: vector.store
func.func @tail(%bytes: memref<792xi8>, %out: memref<4x288xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<792xi8> to !qlinear.packed<4x288, #qlinear.gguf<q5_0>>
  qlinear.dequantize ins(%w : !qlinear.packed<4x288, #qlinear.gguf<q5_0>>) outs(%out : memref<4x288xf32>)
  return
}

// doc: strips
// A strip of 16 rows: columns of a piece, a vector of rows each, are kept until
// rows are written. Of the second piece there are 32 columns, of the second strip
// one row.
// CHECK-LABEL: func.func @strips(
// CHECK-SAME: %[[BYTES:.*]]: memref<2304xi8>, %[[OUT:.*]]: memref<17x96xf32>)
// CHECK: %[[COLUMNS:.*]] = memref.alloca() {alignment = 64 : i64} : memref<64x16xf32>
// CHECK: scf.for %[[ROW:.*]] = {{.*}} step %c16
// CHECK: %[[LEFT:.*]] = arith.subi %c17, %[[ROW]]
// CHECK: %[[ROWS:.*]] = arith.minui %[[LEFT]], %c16
// CHECK-COUNT-64: vector.store %{{.*}}, %[[COLUMNS]][%{{.*}}, %c0] : memref<64x16xf32>, vector<16xf32>
// CHECK: scf.for %[[R:.*]] = %c0 to %[[ROWS]]
// CHECK: scf.for %[[C:.*]] = %c0 to %c64
// CHECK: %[[WEIGHT:.*]] = memref.load %[[COLUMNS]][%[[C]], %[[R]]]
// CHECK: memref.store %[[WEIGHT]], %[[OUT]][
// CHECK-COUNT-32: vector.store
// CHECK-NOT: vector.store
// CHECK: scf.for %{{.*}} = %c0 to %c32
func.func @strips(%bytes: memref<2304xi8>, %out: memref<17x96xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<2304xi8> to !qlinear.packed<17x96, #qlinear.repacked<#qlinear.gguf<q4_0>, "strips16">, padded = 32x128>
  qlinear.dequantize ins(%w : !qlinear.packed<17x96, #qlinear.repacked<#qlinear.gguf<q4_0>, "strips16">, padded = 32x128>) outs(%out : memref<17x96xf32>)
  return
}
// doc: end

// Strips of bf16: 16 columns of 16 rows are transposed, and only true rows stored.
// CHECK-LABEL: func.func @float_strips(
// CHECK-SAME: %[[BYTES:.*]]: memref<2048xi8>, %[[OUT:.*]]: memref<17x32xf32>)
// CHECK: %[[ROWS:.*]] = memref.alloca() {alignment = 64 : i64} : memref<16x16xf32>
// CHECK: %[[LEFT:.*]] = arith.subi %c17, %[[ROW:.*]]
// CHECK: %[[COUNT:.*]] = arith.minui %[[LEFT]], %c16
// CHECK: scf.for %[[COL:.*]] = %c0 to %c32 step %c16
// CHECK-COUNT-8: vector.load %[[BYTES]][%{{.*}}] : memref<2048xi8>, vector<64xi8>
// CHECK-COUNT-64: vector.shuffle
// CHECK-COUNT-16: vector.store %{{.*}}, %[[ROWS]]
// CHECK: scf.for %[[R:.*]] = %c0 to %[[COUNT]]
// CHECK: vector.store %{{.*}}, %[[OUT]][%{{.*}}, %[[COL]]]
func.func @float_strips(%bytes: memref<2048xi8>, %out: memref<17x32xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<2048xi8> to !qlinear.packed<17x32, #qlinear.repacked<#qlinear.plain<bf16>, "strips16">, padded = 32x32>
  qlinear.dequantize ins(%w : !qlinear.packed<17x32, #qlinear.repacked<#qlinear.plain<bf16>, "strips16">, padded = 32x32>) outs(%out : memref<17x32xf32>)
  return
}

// Columns of q4nx end where the matrix does, not where its padding does.
// CHECK-LABEL: func.func @q4nx(
// CHECK: %[[BAND:.*]] = arith.divui %{{.*}}, %c32
// CHECK: arith.muli %[[BAND]], %c10240
// CHECK: scf.for %{{.*}} = %c0 to %c9
// CHECK: scf.for %{{.*}} = %c0 to %c32
// CHECK: memref.store %{{.*}}, %{{.*}}[%{{.*}}, %{{.*}}] : memref<33x288xf32>
func.func @q4nx(%bytes: memref<20480xi8>, %out: memref<33x288xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<20480xi8> to !qlinear.packed<33x288, #qlinear.q4nx, padded = 64x512>
  qlinear.dequantize ins(%w : !qlinear.packed<33x288, #qlinear.q4nx, padded = 64x512>) outs(%out : memref<33x288xf32>)
  return
}

// A table is looked up by the four bits of a code, one after the other: 8 + 4 +
// 2 + 1 choices for 16 columns.
// CHECK-LABEL: func.func @iq4_nl(
// CHECK-COUNT-15: arith.select %{{.*}} : vector<16xi1>, vector<16xi8>
// CHECK: arith.extsi
// CHECK: vector.store
// CHECK-COUNT-15: arith.select
// CHECK: vector.store
// CHECK-NOT: arith.select
func.func @iq4_nl(%bytes: memref<72xi8>, %out: memref<4x32xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<72xi8> to !qlinear.packed<4x32, #qlinear.gguf<iq4_nl>>
  qlinear.dequantize ins(%w : !qlinear.packed<4x32, #qlinear.gguf<iq4_nl>>) outs(%out : memref<4x32xf32>)
  return
}
