// RUN: %headrace_opt %s --cpu-lower-products=dot=vnni --canonicalize --cse | FileCheck %s
// RUN: %headrace_opt %s --cpu-lower-products=dot=portable --canonicalize --cse | FileCheck %s --check-prefix=PORTABLE

// Several tokens of packed activations: a tile of 32 rows by 256 columns is
// unpacked once, with lanes along the rows, and multiplied with all tokens.

// 24 rows are one tile, of which 8 are not stored; 10 tokens are two times 5.
// The second piece of the columns has one group.
// CHECK-LABEL: func.func @zero_point(
// CHECK-SAME: %[[BYTES:.*]]: memref<7344xi8>, %[[Q:.*]]: memref<3600xi8>, %[[Y:.*]]: memref<10x24xf32>)
// CHECK: %[[TILE:.*]] = memref.alloca() {alignment = 64 : i64} : memref<64x128xi8>
// CHECK: %[[NUMBERS:.*]] = memref.alloca() {alignment = 64 : i64} : memref<3x8x32xf32>
// CHECK: %[[ROWQ:.*]] = memref.alloca() {alignment = 64 : i64} : memref<16x256xi8>
// CHECK: %[[X:.*]] = memref.alloca() {alignment = 64 : i64} : memref<10x256xi8>
// CHECK: %[[SCALES:.*]] = memref.alloca() {alignment = 64 : i64} : memref<10x8xf32>
// CHECK: %[[STARTS:.*]] = memref.alloca() {alignment = 64 : i64} : memref<10x8xi32>
// CHECK: %[[SUMS:.*]] = memref.alloca() {alignment = 64 : i64} : memref<1x10x2x16xf32>
// CHECK: scf.for %[[COLUMNS:.*]] = %c0 to %c2
// CHECK: scf.for %[[ROW:.*]] = %{{.*}} to %{{.*}} step %c32
// CHECK: scf.if
// Rows behind the last one repeat it: nothing is read behind the weight.
// CHECK: arith.minui %{{.*}}, %c23
// CHECK: vector.store %{{.*}}, %[[ROWQ]][
// CHECK: vector.store %{{.*}}, %[[TILE]][
// A scale, and what takes off the bias of the integers below, which is exact.
// CHECK: vector.store %[[SCALE:.*]], %[[NUMBERS]][%c0, %c0,
// CHECK: %[[BIAS:.*]] = arith.mulf %[[SCALE]], %{{.*}}
// CHECK: vector.store %[[BIAS]], %[[NUMBERS]][%c1, %c0,
// CHECK: scf.for %[[TOKEN:.*]] = %c0 to %c10 step %c5 {
// The first rows copy the activations. What the zero point takes off is where
// integer sums start, with the bits of 1.5 * 2^23.
// CHECK: scf.if
// CHECK: vector.store %{{.*}}, %[[X]][
// CHECK: vector.store %{{.*}}, %[[SCALES]][
// CHECK: arith.muli %{{.*}} : vector<8xi32>
// CHECK: arith.addi %{{.*}} : vector<8xi32>
// CHECK: vector.store %{{.*}}, %[[STARTS]][
// CHECK-COUNT-10: vector.load %[[SUMS]][
// CHECK: scf.for %[[GROUP:.*]] = %c0 to %{{.*}} iter_args(
// CHECK: vector.load %[[STARTS]][
// CHECK: %[[LANES:.*]] = vector.load %[[TILE]][
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%{{.*}}, %[[LANES]],
// CHECK-COUNT-79: llvm.call_intrinsic
// CHECK-NOT: {{llvm.call_intrinsic|arith.sitofp}}
// No conversion: the bits of the sum are a float.
// CHECK: %[[FLOAT:.*]] = vector.bitcast %{{.*}} : vector<16xi32> to vector<16xf32>
// CHECK: %[[SCALED:.*]] = vector.fma %[[FLOAT]], %{{.*}}, %{{.*}}
// CHECK: vector.fma %[[SCALED]], %{{.*}}
// CHECK-COUNT-10: vector.store %{{.*}}, %[[SUMS]][
// CHECK: %[[LEFT:.*]] = arith.subi %c24, %{{.*}}
// CHECK: %[[MASK:.*]] = vector.create_mask %[[LEFT]]
// CHECK: vector.maskedstore %[[Y]][{{.*}}], %[[MASK]]
// CHECK: vector.maskedstore %[[Y]][
// CHECK-NOT: vector.maskedstore
// PORTABLE-LABEL: func.func @zero_point(
// PORTABLE: scf.for %{{.*}} = %c0 to %c10 step %c2
// PORTABLE: arith.extui %{{.*}} : vector<64xi8> to vector<64xi16>
func.func @zero_point(%bytes: memref<7344xi8>, %q: memref<3600xi8>, %y: memref<10x24xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<7344xi8> to !qlinear.packed<24x288, #qlinear.gguf<q8_0>>
  %x = qlinear.from_bytes %q : memref<3600xi8> to !qlinear.packed<10x288, #qlinear.act_i8>
  qlinear.matmul ins(%w, %x : !qlinear.packed<24x288, #qlinear.gguf<q8_0>>, !qlinear.packed<10x288, #qlinear.act_i8>) outs(%y : memref<10x24xf32>)
  return
}

// A format with minima: sums of the activations times the offset of each row.
// CHECK-LABEL: func.func @minimum(
// CHECK: arith.sitofp %{{.*}} : vector<8xi32> to vector<8xf32>
// CHECK: iter_args(
// CHECK-COUNT-64: llvm.call_intrinsic
// CHECK-COUNT-24: vector.fma
// CHECK-NOT: vector.fma
// CHECK-NOT: vector.create_mask
// CHECK: vector.store %{{.*}} : memref<4x32xf32>, vector<16xf32>
func.func @minimum(%bytes: memref<4608xi8>, %q: memref<1280xi8>, %y: memref<4x32xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<4608xi8> to !qlinear.packed<32x256, #qlinear.gguf<q4_k>>
  %x = qlinear.from_bytes %q : memref<1280xi8> to !qlinear.packed<4x256, #qlinear.act_i8>
  qlinear.matmul ins(%w, %x : !qlinear.packed<32x256, #qlinear.gguf<q4_k>>, !qlinear.packed<4x256, #qlinear.act_i8>) outs(%y : memref<4x32xf32>)
  return
}

// Few tokens take the rows one by one.
// CHECK-LABEL: func.func @few(
// CHECK-NOT: memref.alloca
// CHECK: return
func.func @few(%bytes: memref<4608xi8>, %q: memref<960xi8>, %y: memref<3x32xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<4608xi8> to !qlinear.packed<32x256, #qlinear.gguf<q4_k>>
  %x = qlinear.from_bytes %q : memref<960xi8> to !qlinear.packed<3x256, #qlinear.act_i8>
  qlinear.matmul ins(%w, %x : !qlinear.packed<32x256, #qlinear.gguf<q4_k>>, !qlinear.packed<3x256, #qlinear.act_i8>) outs(%y : memref<3x32xf32>)
  return
}

// Groups of 16: activations have no sums of their own, so that ones are
// multiplied with them; the two halves of a group of 32 are scaled apart.
// CHECK-LABEL: func.func @q6_k(
// CHECK: scf.if
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// CHECK: vector.store %{{.*}} : memref<4x16xi32>, vector<16xi32>
// CHECK: iter_args(
// CHECK-COUNT-32: llvm.call_intrinsic
// CHECK-COUNT-16: vector.fma
// CHECK-COUNT-32: llvm.call_intrinsic
// CHECK-COUNT-16: vector.fma
// CHECK-NOT: llvm.call_intrinsic
// CHECK: return
func.func @q6_k(%bytes: memref<6720xi8>, %q: memref<1280xi8>, %y: memref<4x32xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<6720xi8> to !qlinear.packed<32x256, #qlinear.gguf<q6_k>>
  %x = qlinear.from_bytes %q : memref<1280xi8> to !qlinear.packed<4x256, #qlinear.act_i8>
  qlinear.matmul ins(%w, %x : !qlinear.packed<32x256, #qlinear.gguf<q6_k>>, !qlinear.packed<4x256, #qlinear.act_i8>) outs(%y : memref<4x32xf32>)
  return
}
