// RUN: %headrace_opt %s --cpu-lower-repack --canonicalize --cse | FileCheck %s --implicit-check-not=qlinear.

// doc: q4_k
// A row of a piece is 144 bytes: d, dmin, 12 bytes of scales, 128 of codes. First
// one number of each row, then three words, then eight times four words.
// CHECK-LABEL: func.func @q4_k(
// CHECK-SAME: %[[BYTES:.*]]: memref<9216xi8>, %[[STRIPS:.*]]: memref<9216xi8>)
// CHECK: %[[ROW:.*]] = arith.muli %{{.*}}, %c16
// CHECK: %[[STRIP:.*]] = arith.divui %[[ROW]], %c16
// CHECK: scf.for %[[PIECE:.*]] = %c0 to %c2
// CHECK-COUNT-16: vector.load %[[BYTES]][%{{.*}}] : memref<9216xi8>, vector<2xi8>
// CHECK: vector.store %{{.*}}, %[[STRIPS]][%{{.*}}] : memref<9216xi8>, vector<32xi8>
// CHECK-COUNT-16: vector.load %[[BYTES]][%{{.*}}] : memref<9216xi8>, vector<2xi8>
// CHECK: vector.store %{{.*}}, %[[STRIPS]][%{{.*}}] : memref<9216xi8>, vector<32xi8>
// CHECK-COUNT-16: vector.load %[[BYTES]][%{{.*}}] : memref<9216xi8>, vector<12xi8>
// CHECK-COUNT-3: vector.store %{{.*}}, %[[STRIPS]][%{{.*}}] : memref<9216xi8>, vector<64xi8>
// CHECK-COUNT-16: vector.load %[[BYTES]][%{{.*}}] : memref<9216xi8>, vector<16xi8>
// CHECK: vector.shuffle %{{.*}}, %{{.*}} [0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29]
// CHECK: vector.shuffle %{{.*}}, %{{.*}} [0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29]
// CHECK-COUNT-32: vector.store %{{.*}}, %[[STRIPS]][%{{.*}}] : memref<9216xi8>, vector<64xi8>
// CHECK-NOT: vector.store
func.func @q4_k(%bytes: memref<9216xi8>, %strips: memref<9216xi8>) attributes {headrace.kernel = {workgroup_rows = 16 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<9216xi8> to !qlinear.packed<32x512, #qlinear.gguf<q4_k>>
  %s = qlinear.from_bytes %strips : memref<9216xi8> to !qlinear.packed<32x512, #qlinear.repacked<#qlinear.gguf<q4_k>, "strips16">>
  qlinear.repack %w into %s : !qlinear.packed<32x512, #qlinear.gguf<q4_k>>, !qlinear.packed<32x512, #qlinear.repacked<#qlinear.gguf<q4_k>, "strips16">>
  return
}
// doc: end

// Blocks of four rows lie side by side. Of the second strip there are two rows, of
// the second piece one block; what is not there is not read, but written.
// CHECK-LABEL: func.func @rest(
// CHECK-SAME: %[[BYTES:.*]]: memref<2040xi8>, %[[STRIPS:.*]]: memref<4352xi8>)
// CHECK-DAG: %[[NO_NUMBERS:.*]] = arith.constant dense<0> : vector<32xi8>
// CHECK-DAG: %[[NO_CODES:.*]] = arith.constant dense<0> : vector<64xi8>
// CHECK: %[[WHOLE:.*]] = arith.cmpi ult, %{{.*}}, %c1
// CHECK: scf.if %[[WHOLE]] {
// CHECK-COUNT-32: vector.load %[[BYTES]][%{{.*}}] : memref<2040xi8>, vector<2xi8>
// CHECK-COUNT-64: vector.load %[[BYTES]][%{{.*}}] : memref<2040xi8>, vector<16xi8>
// CHECK: vector.store %[[NO_NUMBERS]], %[[STRIPS]]
// CHECK: vector.store %[[NO_CODES]], %[[STRIPS]]
// CHECK: } else {
// CHECK-COUNT-4: vector.load %[[BYTES]][%{{.*}}] : memref<2040xi8>, vector<2xi8>
// CHECK-COUNT-8: vector.load %[[BYTES]][%{{.*}}] : memref<2040xi8>, vector<16xi8>
func.func @rest(%bytes: memref<2040xi8>, %strips: memref<4352xi8>) attributes {headrace.kernel = {workgroup_rows = 16 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<2040xi8> to !qlinear.packed<18x96, #qlinear.repacked<#qlinear.gguf<q8_0>, "rows4">, padded = 20x96>
  %s = qlinear.from_bytes %strips : memref<4352xi8> to !qlinear.packed<18x96, #qlinear.repacked<#qlinear.gguf<q8_0>, "strips16">, padded = 32x128>
  qlinear.repack %w into %s : !qlinear.packed<18x96, #qlinear.repacked<#qlinear.gguf<q8_0>, "rows4">, padded = 20x96>, !qlinear.packed<18x96, #qlinear.repacked<#qlinear.gguf<q8_0>, "strips16">, padded = 32x128>
  return
}
