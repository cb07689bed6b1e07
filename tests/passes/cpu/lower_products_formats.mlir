// RUN: %headrace_opt %s --cpu-lower-products=dot=vnni --canonicalize --cse | FileCheck %s

// What is particular to each format of rows of blocks.

// The bytes of a row, and the end of a row of 544 columns: two pieces of 8
// blocks and one block, whose other 32 lanes are zeros.
// CHECK-LABEL: func.func @q4_0(
// CHECK: arith.muli %{{.*}}, %c306
// CHECK: scf.for %{{.*}} = %c0 to %c2
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// CHECK: scf.yield
// CHECK: vector.load %{{.*}} : memref<680xi8>, vector<32xi8>
// CHECK: llvm.call_intrinsic
// CHECK-NOT: llvm.call_intrinsic
func.func @q4_0(%bytes: memref<1224xi8>, %q: memref<680xi8>, %y: memref<4xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<1224xi8> to !qlinear.packed<4x544, #qlinear.gguf<q4_0>>
  %x = qlinear.from_bytes %q : memref<680xi8> to !qlinear.packed<1x544, #qlinear.act_i8>
  qlinear.matvec ins(%w, %x : !qlinear.packed<4x544, #qlinear.gguf<q4_0>>, !qlinear.packed<1x544, #qlinear.act_i8>) outs(%y : memref<4xf32>)
  return
}

// Fifth bits are a mask of 64 lanes.
// CHECK-LABEL: func.func @q5_0(
// CHECK: vector.bitcast %{{.*}} : vector<1xi64> to vector<64xi1>
// CHECK: arith.select %{{.*}} : vector<64xi1>, vector<64xi8>
// CHECK: arith.ori %{{.*}} : vector<64xi8>
// CHECK: llvm.call_intrinsic
func.func @q5_0(%bytes: memref<704xi8>, %q: memref<320xi8>, %y: memref<4xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<704xi8> to !qlinear.packed<4x256, #qlinear.gguf<q5_0>>
  %x = qlinear.from_bytes %q : memref<320xi8> to !qlinear.packed<1x256, #qlinear.act_i8>
  qlinear.matvec ins(%w, %x : !qlinear.packed<4x256, #qlinear.gguf<q5_0>>, !qlinear.packed<1x256, #qlinear.act_i8>) outs(%y : memref<4xf32>)
  return
}

// Signed bytes become unsigned ones, as the instruction wants them.
// CHECK-LABEL: func.func @q8_0(
// CHECK: arith.xori %{{.*}} : vector<64xi8>
// CHECK: llvm.call_intrinsic
func.func @q8_0(%bytes: memref<1088xi8>, %q: memref<320xi8>, %y: memref<4xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<1088xi8> to !qlinear.packed<4x256, #qlinear.gguf<q8_0>>
  %x = qlinear.from_bytes %q : memref<320xi8> to !qlinear.packed<1x256, #qlinear.act_i8>
  qlinear.matvec ins(%w, %x : !qlinear.packed<4x256, #qlinear.gguf<q8_0>>, !qlinear.packed<1x256, #qlinear.act_i8>) outs(%y : memref<4xf32>)
  return
}

// Groups of 16: the zero point is multiplied as well, and taken off.
// CHECK-LABEL: func.func @q6_k(
// CHECK-DAG: %[[ZP:.*]] = arith.constant dense<32> : vector<64xi8>
// CHECK: vector.load %{{.*}} : memref<840xi8>, vector<16xi8>
// CHECK: %[[DOT:.*]] = llvm.call_intrinsic {{.*}}(%{{.*}}, %{{.*}}, %[[X:.*]]) :
// CHECK: %[[OFF:.*]] = llvm.call_intrinsic {{.*}}(%{{.*}}, %[[ZP]], %[[X]]) :
// CHECK: arith.subi %[[DOT]], %[[OFF]]
func.func @q6_k(%bytes: memref<840xi8>, %q: memref<320xi8>, %y: memref<4xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<840xi8> to !qlinear.packed<4x256, #qlinear.gguf<q6_k>>
  %x = qlinear.from_bytes %q : memref<320xi8> to !qlinear.packed<1x256, #qlinear.act_i8>
  qlinear.matvec ins(%w, %x : !qlinear.packed<4x256, #qlinear.gguf<q6_k>>, !qlinear.packed<1x256, #qlinear.act_i8>) outs(%y : memref<4xf32>)
  return
}
