// RUN: %headrace_opt %s --cpu-lower-products=dot=portable --canonicalize --cse | FileCheck %s

// A tile of tokens shares the decoded weights: 6 tokens for rows of blocks. The
// tokens that are left over get code of their own.

// 14 tokens are two tiles in a loop and 2 more.
// CHECK-LABEL: func.func @rows(
// CHECK: scf.for %[[ROW:.*]] =
// CHECK: scf.for %[[TOKEN:.*]] = %c0 to %c12 step %c6
// CHECK: vector.load %{{.*}}[%[[TOKEN]], %c0] : memref<14x32xf32>, vector<16xf32>
// CHECK: memref.store %{{.*}}, %{{.*}}[%[[TOKEN]], %[[ROW]]]
// CHECK-COUNT-5: memref.store %{{.*}}, %{{.*}}[%{{.*}}, %[[ROW]]]
// CHECK: }
// CHECK: memref.store %{{.*}}, %{{.*}}[%c12, %[[ROW]]]
// CHECK: memref.store %{{.*}}, %{{.*}}[%c13, %[[ROW]]]
// CHECK-NOT: memref.store
func.func @rows(%bytes: memref<2176xi8>, %x: memref<14x32xf32>, %y: memref<14x64xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<2176xi8> to !qlinear.packed<64x32, #qlinear.gguf<q8_0>>
  qlinear.matmul ins(%w, %x : !qlinear.packed<64x32, #qlinear.gguf<q8_0>>, memref<14x32xf32>) outs(%y : memref<14x64xf32>)
  return
}

// Fewer tokens than a tile: no loop, and each scale is decoded once.
// CHECK-LABEL: func.func @few(
// CHECK-COUNT-1: vector.bitcast %{{.*}} : vector<2xi8> to vector<1xi16>
// CHECK-NOT: to vector<1xi16>
// CHECK: memref.store %{{.*}}, %{{.*}}[%c0, %
// CHECK-COUNT-2: memref.store
// CHECK-NOT: memref.store
func.func @few(%bytes: memref<2176xi8>, %x: memref<3x32xbf16>, %y: memref<3x64xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<2176xi8> to !qlinear.packed<64x32, #qlinear.gguf<q8_0>>
  qlinear.matmul ins(%w, %x : !qlinear.packed<64x32, #qlinear.gguf<q8_0>>, memref<3x32xbf16>) outs(%y : memref<3x64xf32>)
  return
}

// Tokens of packed activations lie 40 bytes apart.
// CHECK-LABEL: func.func @packed(
// CHECK-DAG: vector.load %{{.*}}[%c0] : memref<80xi8>, vector<32xi8>
// CHECK-DAG: vector.load %{{.*}}[%c40] : memref<80xi8>, vector<32xi8>
func.func @packed(%bytes: memref<2176xi8>, %q: memref<80xi8>, %y: memref<2x64xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<2176xi8> to !qlinear.packed<64x32, #qlinear.gguf<q8_0>>
  %x = qlinear.from_bytes %q : memref<80xi8> to !qlinear.packed<2x32, #qlinear.act_i8>
  qlinear.matmul ins(%w, %x : !qlinear.packed<64x32, #qlinear.gguf<q8_0>>, !qlinear.packed<2x32, #qlinear.act_i8>) outs(%y : memref<2x64xf32>)
  return
}

// Tiles of q4nx are two tokens, or four with VNNI: the groups of one strip of 16
// rows, then those of the other. Rows are masked for each token.
// CHECK-LABEL: func.func @q4nx(
// CHECK: scf.for %[[TOKEN:.*]] = %c0 to %c6 step %c2
// CHECK: %{{.*}}:4 = scf.for
// CHECK: %{{.*}}:4 = scf.for
// CHECK-COUNT-4: vector.maskedstore
// CHECK: }
// CHECK: %{{.*}}:4 = scf.for
// CHECK: vector.maskedstore %{{.*}}[%c6, %
func.func @q4nx(%bytes: memref<10240xi8>, %x: memref<7x64xf32>, %y: memref<7x40xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<10240xi8> to !qlinear.packed<40x64, #qlinear.q4nx, padded = 64x256>
  qlinear.matmul ins(%w, %x : !qlinear.packed<40x64, #qlinear.q4nx, padded = 64x256>, memref<7x64xf32>) outs(%y : memref<7x40xf32>)
  return
}
