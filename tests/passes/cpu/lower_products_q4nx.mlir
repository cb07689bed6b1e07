// RUN: %headrace_opt %s --cpu-lower-products=dot=portable --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,PORTABLE
// RUN: %headrace_opt %s --cpu-lower-products=dot=vnni --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,VNNI

// Blocks of 32 rows by 256 columns: 32 rows at a time, lanes along the rows.

!w = !qlinear.packed<40x544, #qlinear.q4nx, padded = 64x768>

// A row of three blocks is 15360 bytes, 480 for each row index; two blocks are
// whole, the third holds one group. Rows 40 to 63 are padding: masked.
// CHECK-LABEL: func.func @f32(
// CHECK-SAME: %[[BYTES:.*]]: memref<30720xi8>, %[[X:.*]]: memref<544xf32>, %[[Y:.*]]: memref<40xf32>)
// CHECK: scf.for %[[ROW:.*]] = %{{.*}} to %{{.*}} step %c32
// CHECK: %[[BASE:.*]] = arith.muli %[[ROW]], %c480
// CHECK: scf.for %[[BLOCK:.*]] = %c0 to %c2 step %c1
// CHECK: %[[AT:.*]] = arith.muli %[[BLOCK]], %c5120
// CHECK: scf.for %[[GROUP:.*]] = %c0 to %c8 step %c1
// CHECK: arith.muli %[[BLOCK]], %c256
// CHECK: arith.muli %[[GROUP]], %c32
// Sixteen scales and sixteen minima, then a column in every 8 bytes.
// CHECK-COUNT-2: vector.load %[[BYTES]][%{{.*}}] : memref<30720xi8>, vector<32xi8>
// CHECK: vector.load %[[BYTES]][%{{.*}}] : memref<30720xi8>, vector<16xi8>
// CHECK: vector.load %[[X]][%{{.*}}] : memref<544xf32>, vector<2xf32>
// CHECK: vector.fma {{.*}} : vector<16xf32>
// CHECK: vector.interleave %{{.*}}, %{{.*}} : vector<8xf32> -> vector<16xf32>
// CHECK: %[[LEFT:.*]] = arith.subi %c40, %[[ROW]]
// CHECK: %[[MASK:.*]] = vector.create_mask %[[LEFT]] : vector<16xi1>
// CHECK: vector.maskedstore %[[Y]][%[[ROW]]], %[[MASK]]
// CHECK: vector.maskedstore %[[Y]]
// CHECK-NOT: vector.store
func.func @f32(%bytes: memref<30720xi8>, %x: memref<544xf32>, %y: memref<40xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<30720xi8> to !w
  qlinear.matvec ins(%w, %x : !w, memref<544xf32>) outs(%y : memref<40xf32>)
  return
}

// The minima are multiplied by the sums of the activations, at byte 544 + 17 * 4.
// CHECK-LABEL: func.func @i8(
// CHECK-SAME: %[[BYTES:.*]]: memref<30720xi8>, %[[Q:.*]]: memref<680xi8>
// CHECK: vector.load %[[Q]][%{{.*}}] : memref<680xi8>, vector<8xi8>
// VNNI: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// PORTABLE: vector.deinterleave %{{.*}} : vector<64xi16>
// CHECK: arith.addi %{{.*}}, %c612
// CHECK: vector.interleave
func.func @i8(%bytes: memref<30720xi8>, %q: memref<680xi8>, %y: memref<40xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<30720xi8> to !w
  %x = qlinear.from_bytes %q : memref<680xi8> to !qlinear.packed<1x544, #qlinear.act_i8>
  qlinear.matvec ins(%w, %x : !w, !qlinear.packed<1x544, #qlinear.act_i8>) outs(%y : memref<40xf32>)
  return
}

// Without padded rows there is nothing to mask.
// CHECK-LABEL: func.func @whole(
// CHECK-NOT: vector.create_mask
// CHECK: vector.store %{{.*}} : memref<64xf32>, vector<16xf32>
func.func @whole(%bytes: memref<10240xi8>, %x: memref<256xf32>, %y: memref<64xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<10240xi8> to !qlinear.packed<64x256, #qlinear.q4nx>
  qlinear.matvec ins(%w, %x : !qlinear.packed<64x256, #qlinear.q4nx>, memref<256xf32>) outs(%y : memref<64xf32>)
  return
}
