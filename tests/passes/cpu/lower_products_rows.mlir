// RUN: %headrace_opt %s --cpu-lower-products=dot=portable --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,PORTABLE --implicit-check-not=qlinear.
// RUN: %headrace_opt %s --cpu-lower-products=dot=vnni --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,VNNI --implicit-check-not=qlinear.

// Formats whose rows are runs of blocks: a row at a time, a piece of 256 columns
// at a time.

// f32 activations: each weight as f32, one multiply-add a weight.
// doc: f32
// CHECK-LABEL: func.func @f32(
// CHECK-SAME: %[[BYTES:.*]]: memref<11520xi8>, %[[X:.*]]: memref<512xf32>, %[[Y:.*]]: memref<40xf32>)
// CHECK: %[[ID:.*]] = gpu.block_id x
// CHECK: %[[FIRST:.*]] = arith.muli %[[ID]], %c32
// CHECK: %[[LAST:.*]] = arith.minui %{{.*}}, %c40
// CHECK: scf.for %[[ROW:.*]] = %[[FIRST]] to %[[LAST]]
// CHECK: %[[BASE:.*]] = arith.muli %[[ROW]], %c288
// CHECK: scf.for %[[PIECE:.*]] = %c0 to %c2 step %c1 iter_args(
// CHECK: memref.prefetch %[[BYTES]]
// CHECK: vector.load %[[BYTES]]
// CHECK: vector.load %[[X]][%{{.*}}] : memref<512xf32>, vector<16xf32>
// CHECK: vector.fma {{.*}} : vector<16xf32>
// CHECK: scf.yield
// CHECK: %[[SUM:.*]] = vector.reduction <add>, %{{.*}} fastmath<reassoc> : vector<16xf32> into f32
// CHECK: memref.store %[[SUM]], %[[Y]][%[[ROW]]]
func.func @f32(%bytes: memref<11520xi8>, %x: memref<512xf32>, %y: memref<40xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<11520xi8> to !qlinear.packed<40x512, #qlinear.gguf<q4_k>>
  qlinear.matvec ins(%w, %x : !qlinear.packed<40x512, #qlinear.gguf<q4_k>>, memref<512xf32>) outs(%y : memref<40xf32>)
  return
}
// doc: end

// bf16 activations are widened where they are loaded: bf16 is half an f32.
// CHECK-LABEL: func.func @bf16(
// CHECK: %[[X:.*]] = vector.load %{{.*}} : memref<512xbf16>, vector<16xbf16>
// CHECK: %[[BITS:.*]] = vector.bitcast %[[X]] : vector<16xbf16> to vector<16xi16>
// CHECK: %[[WIDE:.*]] = arith.extui %[[BITS]]
// CHECK: %[[HIGH:.*]] = arith.shli %[[WIDE]]
// CHECK: vector.bitcast %[[HIGH]] : vector<16xi32> to vector<16xf32>
func.func @bf16(%bytes: memref<11520xi8>, %x: memref<512xbf16>, %y: memref<40xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<11520xi8> to !qlinear.packed<40x512, #qlinear.gguf<q4_k>>
  qlinear.matvec ins(%w, %x : !qlinear.packed<40x512, #qlinear.gguf<q4_k>>, memref<512xbf16>) outs(%y : memref<40xf32>)
  return
}

// Packed activations: integer dot products of 64 columns, by the instruction or
// by vector arithmetic.
// CHECK-LABEL: func.func @i8(
// CHECK-SAME: %[[BYTES:.*]]: memref<11520xi8>, %[[Q:.*]]: memref<640xi8>
// VNNI: %[[X:.*]] = memref.alloca() {alignment = 64 : i64} : memref<640xi8>
// VNNI: scf.for
// VNNI: scf.for
// VNNI: memref.extract_aligned_pointer_as_index %[[X]]
// CHECK: %[[WQ:.*]] = arith.andi %{{.*}} : vector<64xi8>
// VNNI: %[[XQ:.*]] = llvm.load %{{.*}} : !llvm.ptr -> vector<64xi8>
// PORTABLE: %[[XQ:.*]] = vector.load %[[Q]][%{{.*}}] : memref<640xi8>, vector<64xi8>
// VNNI: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%{{.*}}, %[[WQ]], %[[XQ]])
// VNNI-NOT: vector.deinterleave
// PORTABLE-NOT: llvm.call_intrinsic
// PORTABLE-DAG: %[[WIDE:.*]] = arith.extui %[[WQ]] : vector<64xi8> to vector<64xi16>
// PORTABLE-DAG: %[[XWIDE:.*]] = arith.extsi %[[XQ]] : vector<64xi8> to vector<64xi16>
// PORTABLE: arith.muli %[[WIDE]], %[[XWIDE]]
// PORTABLE: vector.deinterleave
// CHECK: arith.sitofp %{{.*}} : vector<16xi32> to vector<16xf32>
// CHECK: vector.reduction <add>
func.func @i8(%bytes: memref<11520xi8>, %q: memref<640xi8>, %y: memref<40xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<11520xi8> to !qlinear.packed<40x512, #qlinear.gguf<q4_k>>
  %x = qlinear.from_bytes %q : memref<640xi8> to !qlinear.packed<1x512, #qlinear.act_i8>
  qlinear.matvec ins(%w, %x : !qlinear.packed<40x512, #qlinear.gguf<q4_k>>, !qlinear.packed<1x512, #qlinear.act_i8>) outs(%y : memref<40xf32>)
  return
}
