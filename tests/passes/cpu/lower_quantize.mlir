// RUN: %headrace_opt %s --cpu-lower-quantize --canonicalize --cse | FileCheck %s --implicit-check-not=qlinear.

// doc: vector
// 96 values are 3 groups; scales start at byte 96, the sums 3 * 4 bytes later.
// CHECK-LABEL: func.func @vector(
// CHECK-SAME: %[[X:.*]]: memref<96xf32>, %[[BYTES:.*]]: memref<120xi8>)
// CHECK-DAG: %[[BITS:.*]] = arith.constant dense<1262485504> : vector<32xi32>
// CHECK-DAG: %[[BIAS:.*]] = arith.constant dense<0x4B400000> : vector<32xf32>
// CHECK-DAG: %[[TINY:.*]] = arith.constant 7.52316385E-37 : f32
// CHECK-DAG: %[[TOKEN:.*]] = gpu.block_id x
// CHECK: %[[ROW:.*]] = arith.muli %[[TOKEN]], %c120
// CHECK: scf.for %[[GROUP:.*]] = %c0 to %c3 step %c1
// CHECK: %[[COL:.*]] = arith.muli %[[GROUP]], %c32
// CHECK: %[[V:.*]] = vector.load %[[X]][%[[COL]]] : memref<96xf32>, vector<32xf32>
// CHECK: vector.reduction <maximumf>
// CHECK: arith.cmpf olt, %{{.*}}, %[[TINY]]
// CHECK: %[[SCALE:.*]] = arith.select
// CHECK: %[[SUM:.*]] = arith.addf %{{.*}}, %[[BIAS]] : vector<32xf32>
// CHECK-NEXT: %[[CAST:.*]] = vector.bitcast %[[SUM]]
// CHECK-NEXT: arith.subi %[[CAST]], %[[BITS]]
// CHECK: vector.store %{{.*}}, %[[BYTES]][%{{.*}}] : memref<120xi8>, vector<32xi8>
// CHECK: vector.broadcast %[[SCALE]]
// CHECK: vector.store %{{.*}}, %[[BYTES]][%{{.*}}] : memref<120xi8>, vector<4xi8>
// CHECK: arith.addi %{{.*}}, %c108
// CHECK: vector.store %{{.*}}, %[[BYTES]][%{{.*}}] : memref<120xi8>, vector<4xi8>
func.func @vector(%x: memref<96xf32>, %bytes: memref<120xi8>) {
  %q = qlinear.from_bytes %bytes : memref<120xi8> to !qlinear.packed<1x96, #qlinear.act_i8>
  qlinear.quantize %x into %q : memref<96xf32>, !qlinear.packed<1x96, #qlinear.act_i8>
  return
}
// doc: end

// A workgroup is a token.
// CHECK-LABEL: func.func @tokens(
// CHECK: %[[TOKEN:.*]] = gpu.block_id x
// CHECK: arith.muli %[[TOKEN]], %c40
// CHECK: vector.load %{{.*}}[%[[TOKEN]], %{{.*}}] : memref<7x32xf32>, vector<32xf32>
func.func @tokens(%x: memref<7x32xf32>, %bytes: memref<280xi8>) {
  %q = qlinear.from_bytes %bytes : memref<280xi8> to !qlinear.packed<7x32, #qlinear.act_i8>
  qlinear.quantize %x into %q : memref<7x32xf32>, !qlinear.packed<7x32, #qlinear.act_i8>
  return
}
