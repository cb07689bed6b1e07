// RUN: %headrace_opt %s --cpu-lower-products=dot=portable --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,PORTABLE
// RUN: %headrace_opt %s --cpu-lower-products=dot=vnni --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,VNNI

// Several tokens of packed activations: a tile of 16 rows by 256 columns is
// unpacked once, with lanes along the rows, and multiplied with all tokens.

// 24 rows are one tile and a masked one; 10 tokens are a loop of 8 and 2 more;
// the second piece of the columns adds to what the first has stored.
// CHECK-LABEL: func.func @zero_point(
// CHECK-SAME: %[[BYTES:.*]]: memref<7344xi8>, %[[Q:.*]]: memref<3600xi8>, %[[Y:.*]]: memref<10x24xf32>)
// CHECK-DAG: %[[ROWQ:.*]] = memref.alloca() {alignment = 64 : i64} : memref<16x256xi8>
// CHECK-DAG: %[[TILE:.*]] = memref.alloca() {alignment = 64 : i64} : memref<64x64xi8>
// CHECK: scf.for %[[ROW:.*]] = %{{.*}} to %{{.*}} step %c16
// Rows behind the last one repeat it: nothing is read behind the weight.
// CHECK: arith.minui %{{.*}}, %c23
// CHECK: vector.store %{{.*}}, %[[ROWQ]]
// CHECK: vector.store %{{.*}}, %[[TILE]]
// CHECK: scf.for %[[GROUP:.*]] = %c0 to %c8
// CHECK: %[[LANES:.*]] = vector.load %[[TILE]]
// VNNI: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%{{.*}}, %[[LANES]],
// PORTABLE: arith.extui %[[LANES]] : vector<64xi8> to vector<64xi16>
// CHECK: %[[LEFT:.*]] = arith.subi %c24, %[[ROW]]
// CHECK: %[[MASK:.*]] = vector.create_mask %[[LEFT]]
// CHECK: vector.maskedload %[[Y]][%{{.*}}, %[[ROW]]], %[[MASK]]
// CHECK: vector.maskedstore %[[Y]][%{{.*}}, %[[ROW]]], %[[MASK]]
// CHECK: vector.maskedstore %[[Y]][%c8, %[[ROW]]]
// CHECK: vector.maskedstore %[[Y]][%c9, %[[ROW]]]
func.func @zero_point(%bytes: memref<7344xi8>, %q: memref<3600xi8>, %y: memref<10x24xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<7344xi8> to !qlinear.packed<24x288, #qlinear.gguf<q8_0>>
  %x = qlinear.from_bytes %q : memref<3600xi8> to !qlinear.packed<10x288, #qlinear.act_i8>
  qlinear.matmul ins(%w, %x : !qlinear.packed<24x288, #qlinear.gguf<q8_0>>, !qlinear.packed<10x288, #qlinear.act_i8>) outs(%y : memref<10x24xf32>)
  return
}

// A format with minima: sums of the activations times the offset of each row.
// CHECK-LABEL: func.func @minimum(
// CHECK: %[[SUMS:.*]] = arith.sitofp %{{.*}} : vector<1xi32> to vector<1xf32>
// CHECK: vector.fma {{.*}} : vector<16xf32>
// CHECK: vector.fma {{.*}} : vector<16xf32>
// CHECK-NOT: vector.create_mask
// CHECK: vector.store %{{.*}} : memref<4x32xf32>, vector<16xf32>
func.func @minimum(%bytes: memref<4608xi8>, %q: memref<1280xi8>, %y: memref<4x32xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<4608xi8> to !qlinear.packed<32x256, #qlinear.gguf<q4_k>>
  %x = qlinear.from_bytes %q : memref<1280xi8> to !qlinear.packed<4x256, #qlinear.act_i8>
  qlinear.matmul ins(%w, %x : !qlinear.packed<32x256, #qlinear.gguf<q4_k>>, !qlinear.packed<4x256, #qlinear.act_i8>) outs(%y : memref<4x32xf32>)
  return
}

// Few tokens, other activations and groups of 16 take the rows one by one.
// CHECK-LABEL: func.func @few(
// CHECK-NOT: memref.alloca
// CHECK: return
func.func @few(%bytes: memref<4608xi8>, %q: memref<960xi8>, %y: memref<3x32xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<4608xi8> to !qlinear.packed<32x256, #qlinear.gguf<q4_k>>
  %x = qlinear.from_bytes %q : memref<960xi8> to !qlinear.packed<3x256, #qlinear.act_i8>
  qlinear.matmul ins(%w, %x : !qlinear.packed<32x256, #qlinear.gguf<q4_k>>, !qlinear.packed<3x256, #qlinear.act_i8>) outs(%y : memref<3x32xf32>)
  return
}

// CHECK-LABEL: func.func @q6_k(
// CHECK-NOT: memref.alloca
// CHECK: return
func.func @q6_k(%bytes: memref<6720xi8>, %q: memref<1280xi8>, %y: memref<4x32xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<6720xi8> to !qlinear.packed<32x256, #qlinear.gguf<q6_k>>
  %x = qlinear.from_bytes %q : memref<1280xi8> to !qlinear.packed<4x256, #qlinear.act_i8>
  qlinear.matmul ins(%w, %x : !qlinear.packed<32x256, #qlinear.gguf<q6_k>>, !qlinear.packed<4x256, #qlinear.act_i8>) outs(%y : memref<4x32xf32>)
  return
}
