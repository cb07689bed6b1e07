// RUN: %headrace_opt %s --cpu-lower-quantize --canonicalize --cse | FileCheck %s --implicit-check-not=qlinear.

// doc: vector
// 33 groups: 16 together, twice, and one alone. Scales start at byte 1056, the sums
// 33 * 4 bytes later.
// CHECK-LABEL: func.func @vector(
// CHECK-SAME: %[[X:.*]]: memref<1056xf32>, %[[BYTES:.*]]: memref<1320xi8>)
// CHECK-DAG: %[[BITS:.*]] = arith.constant dense<1262485504> : vector<16xi32>
// CHECK-DAG: %[[BIAS:.*]] = arith.constant dense<0x4B400000> : vector<16xf32>
// CHECK-DAG: %[[TINY:.*]] = arith.constant dense<7.52316385E-37> : vector<16xf32>
// CHECK-DAG: %[[MASK:.*]] = arith.constant dense<2147483647> : vector<16xi32>
// CHECK-DAG: %[[TOKEN:.*]] = gpu.block_id x
// CHECK: %[[ROW:.*]] = arith.muli %[[TOKEN]], %c1320
// CHECK: scf.for %[[GROUP:.*]] = %c0 to %c32 step %c16
// CHECK: %[[COL:.*]] = arith.muli %[[GROUP]], %c32
// CHECK: %[[V:.*]] = vector.load %[[X]][%[[COL]]] : memref<1056xf32>, vector<16xf32>
// CHECK: %[[CAST:.*]] = vector.bitcast %[[V]]
// CHECK: arith.andi %[[CAST]], %[[MASK]]
// The largest magnitude of each group in its lane.
// CHECK-COUNT-31: arith.maxsi {{.*}} : vector<16xi32>
// CHECK: %[[LARGEST:.*]] = vector.bitcast %{{.*}} : vector<16xi32> to vector<16xf32>
// CHECK: arith.cmpf olt, %[[LARGEST]], %[[TINY]]
// CHECK: %[[SCALES:.*]] = arith.select
// CHECK: %[[INVERSES:.*]] = arith.select
// CHECK: vector.shuffle %[[INVERSES]], %[[INVERSES]] [0, 0, 0,
// CHECK: %[[SUM:.*]] = arith.addf %{{.*}}, %[[BIAS]] : vector<16xf32>
// CHECK-NEXT: %[[ROUNDED:.*]] = vector.bitcast %[[SUM]]
// CHECK-NEXT: arith.subi %[[ROUNDED]], %[[BITS]]
// CHECK: vector.store %{{.*}}, %[[BYTES]][%{{.*}}] : memref<1320xi8>, vector<16xi8>
// CHECK: %[[WORDS:.*]] = vector.bitcast %[[SCALES]] : vector<16xf32> to vector<64xi8>
// CHECK: vector.store %[[WORDS]], %[[BYTES]][%{{.*}}] : memref<1320xi8>, vector<64xi8>
// CHECK: arith.addi %{{.*}}, %c1188
// CHECK: vector.store %{{.*}}, %[[BYTES]][%{{.*}}] : memref<1320xi8>, vector<64xi8>
// CHECK: vector.shuffle {{.*}} [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7]
// CHECK: vector.store %{{.*}}, %[[BYTES]][%{{.*}}] : memref<1320xi8>, vector<4xi8>
func.func @vector(%x: memref<1056xf32>, %bytes: memref<1320xi8>) {
  %q = qlinear.from_bytes %bytes : memref<1320xi8> to !qlinear.packed<1x1056, #qlinear.act_i8>
  qlinear.quantize %x into %q : memref<1056xf32>, !qlinear.packed<1x1056, #qlinear.act_i8>
  return
}
// doc: end

// A workgroup is a token.
// CHECK-LABEL: func.func @tokens(
// CHECK: %[[TOKEN:.*]] = gpu.block_id x
// CHECK: arith.muli %[[TOKEN]], %c40
// CHECK: vector.load %{{.*}}[%[[TOKEN]], %{{.*}}] : memref<7x32xf32>, vector<16xf32>
func.func @tokens(%x: memref<7x32xf32>, %bytes: memref<280xi8>) {
  %q = qlinear.from_bytes %bytes : memref<280xi8> to !qlinear.packed<7x32, #qlinear.act_i8>
  qlinear.quantize %x into %q : memref<7x32xf32>, !qlinear.packed<7x32, #qlinear.act_i8>
  return
}
