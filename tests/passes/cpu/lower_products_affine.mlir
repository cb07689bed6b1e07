// RUN: %headrace_opt %s --cpu-lower-products=dot=vnni --canonicalize --cse | FileCheck %s --implicit-check-not=qlinear.
// RUN: %headrace_opt %s --cpu-lower-products=dot=portable --canonicalize --cse | FileCheck %s --check-prefix=PORTABLE --implicit-check-not=qlinear. --implicit-check-not=call_intrinsic

// Affine integers: a row is its codes, the scales of its groups, its zero
// points.

// Even columns are low nibbles, odd ones high: put together again in each 16
// bytes, they are halves of groups of 32, so that 128 columns are summed into
// 16 lanes, four for each group. 1024 columns: 512 bytes, then 8 scales of 2 bytes and 8
// zero points.
// CHECK-LABEL: func.func @zero_points(
// CHECK: %[[ROW:.*]] = arith.muli %{{.*}}, %c536
// CHECK: scf.for %[[PIECE:.*]] = %c0 to %c4
// CHECK-DAG: %[[AT:.*]] = arith.muli %[[PIECE]], %c128
// CHECK: arith.addi %[[ROW]], %c512
// CHECK: vector.bitcast %{{.*}} : vector<4xi8> to vector<2xf16>
// CHECK: arith.addi %[[ROW]], %c528
// CHECK: arith.extui %{{.*}} : vector<2xi8> to vector<2xi32>
// CHECK: %[[CODES:.*]] = vector.load %{{.*}} : memref<2144xi8>, vector<64xi8>
// CHECK: %[[EVEN:.*]] = arith.andi %[[CODES]]
// CHECK: %[[ODD:.*]] = arith.shrui %[[CODES]], %{{.*}} : vector<64xi8>
// CHECK: %[[FIRST:.*]] = vector.shuffle %[[EVEN]], %[[ODD]] [0, 64, 1, 65,
// CHECK: %[[LAST:.*]] = vector.shuffle %[[EVEN]], %[[ODD]] [8, 72, 9, 73,
// CHECK: %[[SUM:.*]] = llvm.call_intrinsic {{.*}}(%{{.*}}, %[[FIRST]], %{{.*}}) :
// CHECK: llvm.call_intrinsic {{.*}}(%[[SUM]], %[[LAST]], %{{.*}}) :
// PORTABLE-LABEL: func.func @zero_points(
func.func @zero_points(%bytes: memref<2144xi8>, %q: memref<1280xi8>, %y: memref<4xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<2144xi8> to !qlinear.packed<4x1024, #qlinear.affine<bits = 4, group = 128, scale = f16, zero_point = integer>>
  %x = qlinear.from_bytes %q : memref<1280xi8> to !qlinear.packed<1x1024, #qlinear.act_i8>
  qlinear.matvec ins(%w, %x : !qlinear.packed<4x1024, #qlinear.affine<bits = 4, group = 128, scale = f16, zero_point = integer>>, !qlinear.packed<1x1024, #qlinear.act_i8>) outs(%y : memref<4xf32>)
  return
}

// One scale for a row, f32. 288 columns of bytes: a piece and 32 columns.
// CHECK-LABEL: func.func @channel(
// CHECK: %[[ROW:.*]] = arith.muli %{{.*}}, %c292
// CHECK-COUNT-4: llvm.call_intrinsic
// CHECK: vector.load %{{.*}} : memref<1168xi8>, vector<32xi8>
// CHECK: llvm.call_intrinsic
// CHECK-NOT: llvm.call_intrinsic
// CHECK: vector.reduction
// PORTABLE-LABEL: func.func @channel(
func.func @channel(%bytes: memref<1168xi8>, %q: memref<360xi8>, %y: memref<4xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<1168xi8> to !qlinear.packed<4x288, #qlinear.affine<bits = 8, group = channel, scale = f32>>
  %x = qlinear.from_bytes %q : memref<360xi8> to !qlinear.packed<1x288, #qlinear.act_i8>
  qlinear.matvec ins(%w, %x : !qlinear.packed<4x288, #qlinear.affine<bits = 8, group = channel, scale = f32>>, !qlinear.packed<1x288, #qlinear.act_i8>) outs(%y : memref<4xf32>)
  return
}

// Floats: the zero point of a group is taken off its integers, exactly.
// CHECK-LABEL: func.func @floats(
// CHECK: %[[CODES:.*]] = arith.andi %{{.*}} : vector<16xi8>
// CHECK: %[[WIDE:.*]] = arith.extui %[[CODES]] : vector<16xi8> to vector<16xi32>
// CHECK: %[[LESS:.*]] = arith.subi %[[WIDE]], %{{.*}} : vector<16xi32>
// CHECK: arith.sitofp %[[LESS]]
// PORTABLE-LABEL: func.func @floats(
func.func @floats(%bytes: memref<304xi8>, %x: memref<256xf32>, %y: memref<4xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<304xi8> to !qlinear.packed<4x256, #qlinear.affine<bits = 2, group = 64, scale = f16, zero_point = integer>>
  qlinear.matvec ins(%w, %x : !qlinear.packed<4x256, #qlinear.affine<bits = 2, group = 64, scale = f16, zero_point = integer>>, memref<256xf32>) outs(%y : memref<4xf32>)
  return
}
