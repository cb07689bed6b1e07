// RUN: %headrace_opt %s --cpu-lower-products="dot=vnni bf16=avx512" --canonicalize --cse | FileCheck %s --implicit-check-not=qlinear.
// RUN: %headrace_opt %s --cpu-lower-products="dot=avx2" --canonicalize --cse | FileCheck %s --check-prefix=FLOATS --implicit-check-not=qlinear.

// doc: pairs
// A line has two columns of 16 rows; eight lines are loaded, then each is
// multiplied with two activations that are spread over a register.
// CHECK-LABEL: func.func @pairs(
// CHECK-SAME: %[[BYTES:.*]]: memref<4096xi8>, %[[X:.*]]: memref<64xbf16>
// CHECK: scf.for %[[ROW:.*]] = {{.*}} step %c16
// CHECK: arith.muli %[[ROW]], %c128
// CHECK: scf.for %[[COL:.*]] = %c0 to %c64 step %c16
// CHECK-COUNT-8: vector.load %[[BYTES]][%{{.*}}] : memref<4096xi8>, vector<64xi8>
// CHECK: vector.load %[[X]][%[[COL]]] : memref<64xbf16>, vector<2xbf16>
// CHECK: vector.broadcast %{{.*}} : i32 to vector<16xi32>
// CHECK-COUNT-8: llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"
// CHECK-NOT: llvm.call_intrinsic
// As f32 a column is the upper or the lower halves of the lanes.
// FLOATS-LABEL: func.func @pairs(
// FLOATS-NOT: llvm.call_intrinsic
// FLOATS: arith.shli %{{.*}} : vector<16xi32>
// FLOATS: arith.andi %{{.*}} : vector<16xi32>
// FLOATS: vector.fma
func.func @pairs(%bytes: memref<4096xi8>, %x: memref<64xbf16>, %y: memref<32xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<4096xi8> to !qlinear.packed<32x64, #qlinear.repacked<#qlinear.plain<bf16>, "strips16">>
  qlinear.matvec ins(%w, %x : !qlinear.packed<32x64, #qlinear.repacked<#qlinear.plain<bf16>, "strips16">>, memref<64xbf16>) outs(%y : memref<32xf32>)
  return
}
// doc: end

// Many tokens: a tile of f32 that needs no transposition.
// CHECK-LABEL: func.func @tokens(
// CHECK: memref.alloca() {{.*}} : memref<128x32xf32>
// CHECK: %[[LINE:.*]] = vector.load %{{.*}} : memref<2048xi8>, vector<64xi8>
// CHECK: %[[BOTH:.*]] = vector.bitcast %[[LINE]] : vector<64xi8> to vector<16xi32>
// CHECK: arith.shli %[[BOTH]]
// CHECK: arith.andi %[[BOTH]]
// CHECK-NOT: vector.shuffle
// CHECK-COUNT-2: vector.store %{{.*}} : memref<128x32xf32>
// CHECK: vector.fma
func.func @tokens(%bytes: memref<2048xi8>, %x: memref<5x64xf32>, %y: memref<5x16xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<2048xi8> to !qlinear.packed<16x64, #qlinear.repacked<#qlinear.plain<bf16>, "strips16">>
  qlinear.matmul ins(%w, %x : !qlinear.packed<16x64, #qlinear.repacked<#qlinear.plain<bf16>, "strips16">>, memref<5x64xf32>) outs(%y : memref<5x16xf32>)
  return
}
