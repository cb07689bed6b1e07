// RUN: %headrace_opt %s --cpu-lower-products=dot=portable --canonicalize --cse --split-input-file | FileCheck %s

// One token of floats: the sum of a group is scaled, not each of its weights.
// What minima add needs the sums of the token's groups, computed once.

// CHECK-LABEL: func.func @minima(
// CHECK-SAME: %{{.*}}, %[[X:.*]]: memref<512xf32>
// CHECK: %[[SUMS:.*]] = memref.alloca() {alignment = 64 : i64} : memref<16xf32>
// CHECK: scf.for %{{.*}} = %c0 to %c16 step %c1
// CHECK: vector.load %[[X]]{{.*}} vector<32xf32>
// CHECK: vector.reduction <add>
// CHECK: memref.store %{{.*}}, %[[SUMS]]
// CHECK: scf.for %[[ROW:.*]] =
// CHECK: scf.for %[[PIECE:.*]] = %c0 to %c2 step %c1
// A group is two products and one scaling of 16 lanes.
// Six bits of scales and minima as 16 numbers.
// CHECK: arith.sitofp %{{.*}} : vector<16xi32> to vector<16xf32>
// CHECK: arith.mulf %{{.*}} : vector<16xf32>
// CHECK-COUNT-1: arith.mulf %{{.*}} : vector<16xf32>
// CHECK-COUNT-2: vector.fma
// CHECK: vector.load %[[SUMS]]{{.*}} vector<8xf32>
// CHECK: vector.fma
// CHECK: scf.yield
func.func @minima(%bytes: memref<9216xi8>, %x: memref<512xf32>, %y: memref<32xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<9216xi8> to !qlinear.packed<32x512, #qlinear.gguf<q4_k>>
  qlinear.matvec ins(%w, %x : !qlinear.packed<32x512, #qlinear.gguf<q4_k>>, memref<512xf32>) outs(%y : memref<32xf32>)
  return
}

// -----

// A zero point is taken off the integers, exactly: no sums.
// CHECK-LABEL: func.func @zero_point(
// CHECK-NOT: memref.alloca
// CHECK: arith.subi %{{.*}} : vector<16xi32>
func.func @zero_point(%bytes: memref<9216xi8>, %x: memref<512xbf16>, %y: memref<32xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<9216xi8> to !qlinear.packed<32x512, #qlinear.gguf<q4_0>>
  qlinear.matvec ins(%w, %x : !qlinear.packed<32x512, #qlinear.gguf<q4_0>>, memref<512xbf16>) outs(%y : memref<32xf32>)
  return
}

// -----

// Too many columns for a buffer on the stack: each weight is scaled instead.
// CHECK-LABEL: func.func @many_columns(
// CHECK-NOT: memref.alloca
// CHECK: vector.fma
func.func @many_columns(%bytes: memref<294912xi8>, %x: memref<524288xf32>, %y: memref<1xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<294912xi8> to !qlinear.packed<1x524288, #qlinear.gguf<q4_k>>
  qlinear.matvec ins(%w, %x : !qlinear.packed<1x524288, #qlinear.gguf<q4_k>>, memref<524288xf32>) outs(%y : memref<1xf32>)
  return
}
