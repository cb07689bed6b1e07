// RUN: %headrace_opt %s --cpu-lower-products=bf16=avx512 --canonicalize --cse --split-input-file --verify-diagnostics | FileCheck %s --check-prefixes=CHECK,PAIRS --implicit-check-not=qlinear.matvec
// RUN: %headrace_opt %s --cpu-lower-products=bf16=portable --canonicalize --cse --split-input-file --verify-diagnostics | FileCheck %s --check-prefixes=CHECK,WIDE --implicit-check-not=qlinear.matvec --implicit-check-not=call_intrinsic

// Weights in 16-bit floats: 544 columns are two times 8 cache lines of 32, and
// one line.

// bf16 on both sides: products in pairs where the CPU has them.
// CHECK-LABEL: func.func @bf16(
// CHECK: %[[ROW:.*]] = arith.muli %{{.*}}, %c1088
// CHECK: scf.for %[[COL:.*]] = %c0 to %c512 step %c256
// CHECK: memref.prefetch
// PAIRS: %[[W:.*]] = vector.bitcast %{{.*}} : vector<64xi8> to vector<32xbf16>
// PAIRS: %[[X:.*]] = vector.load %{{.*}}[%[[COL]]] : memref<544xbf16>, vector<32xbf16>
// PAIRS: llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"(%{{.*}}, %[[W]], %[[X]])
// PAIRS-COUNT-7: llvm.call_intrinsic
// PAIRS-NOT: llvm.call_intrinsic
// WIDE-COUNT-16: vector.fma
// WIDE-NOT: vector.fma
// CHECK: scf.yield
// PAIRS: llvm.call_intrinsic
// WIDE-COUNT-2: vector.fma
// CHECK: vector.reduction <add>
func.func @bf16(%bytes: memref<4352xi8>, %x: memref<544xbf16>, %y: memref<4xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<4352xi8> to !qlinear.packed<4x544, #qlinear.plain<bf16>>
  qlinear.matvec ins(%w, %x : !qlinear.packed<4x544, #qlinear.plain<bf16>>, memref<544xbf16>) outs(%y : memref<4xf32>)
  return
}

// -----

// Four tokens: four rows at a time, so that what is loaded serves 16 sums. As
// f32, 32 rows become a tile, whose rows are transposed to lanes, and so do
// activations.
// CHECK-LABEL: func.func @tokens(
// PAIRS: scf.for %[[ROW:.*]] = %{{.*}} to %{{.*}} step %c4
// PAIRS: scf.for %{{.*}} = %c0 to %c128 step %c64 iter_args(
// PAIRS-NOT: memref.prefetch
// PAIRS-COUNT-32: llvm.call_intrinsic
// PAIRS-NOT: llvm.call_intrinsic
// PAIRS: scf.yield
// PAIRS-COUNT-16: vector.reduction <add>
// PAIRS: memref.store %{{.*}}, %{{.*}}[%c0, %[[ROW]]]
// PAIRS-COUNT-15: memref.store
// WIDE: %[[TILE:.*]] = memref.alloca() {alignment = 64 : i64} : memref<128x32xf32>
// WIDE: %[[X:.*]] = memref.alloca() {alignment = 64 : i64} : memref<4x128xf32>
// Rows behind the last one repeat it.
// WIDE: arith.minui %{{.*}}, %c7
// WIDE-COUNT-64: vector.shuffle
// WIDE: vector.store %{{.*}}, %[[TILE]][
// WIDE: scf.for %{{.*}} = %c0 to %c4 step %c2
// WIDE: vector.store %{{.*}}, %[[X]][
// WIDE: iter_args(
// WIDE: vector.load %[[TILE]][
// WIDE: vector.load %[[X]][
// WIDE-COUNT-16: vector.fma
// WIDE-NOT: vector.fma
// WIDE: vector.maskedstore
func.func @tokens(%bytes: memref<2048xi8>, %x: memref<4x128xbf16>, %y: memref<4x8xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<2048xi8> to !qlinear.packed<8x128, #qlinear.plain<bf16>>
  qlinear.matmul ins(%w, %x : !qlinear.packed<8x128, #qlinear.plain<bf16>>, memref<4x128xbf16>) outs(%y : memref<4x8xf32>)
  return
}

// -----

// Other pairs of types: both sides as f32.
// CHECK-LABEL: func.func @f16(
// CHECK-NOT: call_intrinsic
// CHECK: arith.extf %{{.*}} : vector<16xf16> to vector<16xf32>
// CHECK: vector.fma
func.func @f16(%bytes: memref<256xi8>, %x: memref<32xbf16>, %y: memref<4xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<256xi8> to !qlinear.packed<4x32, #qlinear.plain<f16>>
  qlinear.matvec ins(%w, %x : !qlinear.packed<4x32, #qlinear.plain<f16>>, memref<32xbf16>) outs(%y : memref<4xf32>)
  return
}

// -----

!w = !qlinear.packed<4x32, #qlinear.plain<bf16>>
!x = !qlinear.packed<1x32, #qlinear.act_i8>

func.func @packed(%bytes: memref<256xi8>, %q: memref<40xi8>, %y: memref<4xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<256xi8> to !w
  %x = qlinear.from_bytes %q : memref<40xi8> to !x
  // expected-error@+1 {{'qlinear.matvec' op has no CPU kernel for #qlinear.plain<bf16> with packed activations; allowed: f32, bf16}}
  "qlinear.matvec"(%w, %x, %y) : (!w, !x, memref<4xf32>) -> ()
  return
}
