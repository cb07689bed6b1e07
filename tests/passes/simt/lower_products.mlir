// RUN: %headrace_opt %s --simt-lower-products --canonicalize --cse --split-input-file | FileCheck %s

// doc: q4_0
// A lane has half of a block: four words with four codes each. Masks leave the
// lowest one, two and three codes of a word where they lie, and the word has all
// four; what they are multiplied with makes products with each code of that.
!w = !qlinear.packed<8x96, #qlinear.gguf<q4_0>>

// CHECK-LABEL: func.func private @rows(
// CHECK-SAME: %[[W:.*]]: memref<432xi8>, %[[X:.*]]: memref<96xf32>, %[[Y:.*]]: memref<8xf32>)
// CHECK-DAG: %[[M0:.*]] = arith.constant dense<15> : vector<4xi16>
// CHECK-DAG: %[[M1:.*]] = arith.constant dense<255> : vector<4xi16>
// CHECK-DAG: %[[M2:.*]] = arith.constant dense<4095> : vector<4xi16>
// CHECK-DAG: %[[HIGH:.*]] = arith.constant dense<6.250000e-02> : vector<4xf32>
// CHECK-DAG: %[[ZERO:.*]] = arith.constant dense<-8.000000e+00> : vector<4xf32>
// CHECK: %[[LANE:.*]] = gpu.lane_id
// CHECK: %[[WORDS:.*]] = memref.view %[[W]][%{{.*}}][] : memref<432xi8> to memref<216xi16>
// CHECK: %[[SUMS:.*]]:4 = scf.for %[[BLOCK:.*]] = %{{.*}} to %c3 step %c16 iter_args(
// CHECK:   %[[A:.*]] = vector.load %[[X]][%{{.*}}] {alignment = 16 : i64} : memref<96xf32>, vector<4xf32>
// CHECK:   %[[B:.*]] = vector.load %[[X]][%{{.*}}] {alignment = 16 : i64} : memref<96xf32>, vector<4xf32>
// CHECK:   %[[X0:.*]] = vector.shuffle %[[A]], %[[B]] [0, 2, 4, 6]
// CHECK:   vector.shuffle %[[A]], %[[B]] [1, 3, 5, 7]
// CHECK:   %[[X1:.*]] = arith.mulf %{{.*}}, %[[HIGH]]
// CHECK:   %[[D0:.*]] = arith.subf %[[X0]], %[[X1]]
// CHECK:   %[[D1:.*]] = arith.subf %[[X1]], %{{.*}}
// CHECK:   %[[START:.*]] = arith.mulf %{{.*}}, %[[ZERO]]
// CHECK:   %[[Q:.*]] = vector.load %[[WORDS]][%{{.*}}] {alignment = 2 : i64} : memref<216xi16>, vector<4xi16>
// CHECK:   %[[Q0:.*]] = arith.andi %[[Q]], %[[M0]]
// CHECK:   %[[F0:.*]] = arith.uitofp %[[Q0]]
// CHECK:   %[[Q1:.*]] = arith.andi %[[Q]], %[[M1]]
// CHECK:   %[[F1:.*]] = arith.uitofp %[[Q1]]
// CHECK:   arith.andi %[[Q]], %[[M2]]
// CHECK:   arith.uitofp %[[Q]]
// CHECK:   %[[S0:.*]] = math.fma %[[F0]], %[[D0]], %[[START]]
// CHECK:   math.fma %[[F1]], %[[D1]], %[[S0]]
// CHECK-NOT: arith.sh
// CHECK:   scf.yield
// CHECK: %[[SUM:.*]] = vector.reduction <add>, %[[SUMS]]#0
// CHECK: %[[ROW:.*]] = gpu.subgroup_reduce add %[[SUM]] uniform : (f32) -> f32
// CHECK: %[[FIRST:.*]] = arith.cmpi eq, %[[LANE]], %c0
// CHECK: scf.if %[[FIRST]] {
// CHECK-NEXT: memref.store %[[ROW]], %[[Y]]
// CHECK-COUNT-3: memref.store
// CHECK-NOT: scf.if
func.func private @rows(%b: memref<432xi8>, %x: memref<96xf32>, %y: memref<8xf32>)
    attributes {headrace.kernel = {subgroup_rows = 4 : i64, workgroup = array<i32: 64, 1, 1>}} {
  %w = qlinear.from_bytes %b : memref<432xi8> to !w
  qlinear.matvec ins(%w, %x : !w, memref<96xf32>) outs(%y : memref<8xf32>)
  return
}
// doc: end

// -----

// Rows behind the last one are read as the last one and not written.
!w = !qlinear.packed<5x32, #qlinear.gguf<q8_0>>

// CHECK-LABEL: func.func private @tail(
// CHECK-DAG: %[[LAST:.*]] = arith.constant 4 : index
// CHECK-DAG: %[[ROWS:.*]] = arith.constant 5 : index
// CHECK: arith.minui %{{.*}}, %[[LAST]]
// CHECK: vector.load %{{.*}} {alignment = 2 : i64} : memref<85xi16>, vector<4xi16>
// CHECK: vector.bitcast %{{.*}} : vector<2xi16> to vector<4xi8>
// CHECK: arith.sitofp %{{.*}} : vector<4xi8> to vector<4xf32>
// CHECK: %[[IN:.*]] = arith.cmpi ult, %{{.*}}, %[[ROWS]]
// CHECK: scf.if %[[IN]] {
// CHECK-NEXT: memref.store
func.func private @tail(%b: memref<170xi8>, %x: memref<32xf32>, %y: memref<5xf32>)
    attributes {headrace.kernel = {subgroup_rows = 4 : i64, workgroup = array<i32: 64, 1, 1>}} {
  %w = qlinear.from_bytes %b : memref<170xi8> to !w
  qlinear.matvec ins(%w, %x : !w, memref<32xf32>) outs(%y : memref<5xf32>)
  return
}

// -----

// Eight fifth bits are spread above the codes of four words.
!w = !qlinear.packed<4x32, #qlinear.gguf<q5_0>>

// CHECK-LABEL: func.func private @fifth_bits(
// CHECK-DAG: %[[APART:.*]] = arith.constant dense<[0, 2, 4, 6]> : vector<4xi32>
// CHECK-DAG: %[[LOW:.*]] = arith.constant dense<15> : vector<4xi16>
// CHECK-DAG: %[[FIFTH:.*]] = arith.constant dense<16> : vector<4xi16>
// CHECK: scf.for
// CHECK: %[[SPREAD:.*]] = arith.shrui %{{.*}}, %[[APART]] : vector<4xi32>
// CHECK: %[[BITS:.*]] = arith.trunci %[[SPREAD]] : vector<4xi32> to vector<4xi16>
// CHECK: %[[NIBBLES:.*]] = arith.andi %{{.*}}, %[[LOW]]
// CHECK: %[[ABOVE:.*]] = arith.andi %[[BITS]], %[[FIFTH]]
// CHECK: arith.ori %[[NIBBLES]], %[[ABOVE]]
func.func private @fifth_bits(%b: memref<88xi8>, %x: memref<32xf32>, %y: memref<4xf32>)
    attributes {headrace.kernel = {subgroup_rows = 1 : i64, workgroup = array<i32: 32, 1, 1>}} {
  %w = qlinear.from_bytes %b : memref<88xi8> to !w
  qlinear.matvec ins(%w, %x : !w, memref<32xf32>) outs(%y : memref<4xf32>)
  return
}

// -----

// Sums of the activations of a group take off its minimum: a second number is
// carried for each row.
!w = !qlinear.packed<4x512, #qlinear.gguf<q4_k>>

// CHECK-LABEL: func.func private @minimums(
// CHECK: scf.for %{{.*}} = %{{.*}} to %c2 step %c4 iter_args(%{{.*}}, %{{.*}}) -> (vector<4xf32>, f32)
// CHECK: %[[HEADER:.*]] = vector.load %{{.*}} {alignment = 16 : i64} : memref<288xi32>, vector<4xi32>
// CHECK: vector.load %{{.*}} {alignment = 16 : i64} : memref<288xi32>, vector<4xi32>
// CHECK: vector.bitcast %{{.*}} : vector<1xi32> to vector<2xf16>
// CHECK: scf.yield %{{.*}}, %{{.*}} : vector<4xf32>, f32
// CHECK: arith.subf
// CHECK: gpu.subgroup_reduce add
func.func private @minimums(%b: memref<1152xi8>, %x: memref<512xf32>, %y: memref<4xf32>)
    attributes {headrace.kernel = {subgroup_rows = 1 : i64, workgroup = array<i32: 32, 1, 1>}} {
  %w = qlinear.from_bytes %b : memref<1152xi8> to !w
  qlinear.matvec ins(%w, %x : !w, memref<512xf32>) outs(%y : memref<4xf32>)
  return
}

// -----

// Two upper bits join sixteen codes at a time, in words of 32 bits.
!w = !qlinear.packed<2x256, #qlinear.gguf<q6_k>>

// CHECK-LABEL: func.func private @six_bits(
// CHECK: scf.for
// CHECK: arith.shli %{{.*}} : vector<2xi32>
// CHECK: arith.andi %{{.*}}, %{{.*}} : vector<2xi32>
// CHECK: arith.ori %{{.*}}, %{{.*}} : vector<2xi32>
// CHECK: vector.bitcast %{{.*}} : vector<2xi32> to vector<4xi16>
func.func private @six_bits(%b: memref<420xi8>, %x: memref<256xf32>, %y: memref<2xf32>)
    attributes {headrace.kernel = {subgroup_rows = 2 : i64, workgroup = array<i32: 32, 1, 1>}} {
  %w = qlinear.from_bytes %b : memref<420xi8> to !w
  qlinear.matvec ins(%w, %x : !w, memref<256xf32>) outs(%y : memref<2xf32>)
  return
}

// -----

// Sixteen rows at a time: each nibble of a word is of another row.
!w = !qlinear.packed<20x256, #qlinear.q4nx, padded = 32x256>

// CHECK-LABEL: func.func private @bands(
// CHECK: scf.for {{.*}} -> (vector<4xf32>, vector<4xf32>, vector<4xf32>, vector<4xf32>)
// CHECK-COUNT-8: vector.load %{{.*}} {alignment = 8 : i64} : memref<2560xi16>, vector<4xi16>
// CHECK: arith.shli %{{.*}} : vector<4xi32>
// CHECK-COUNT-16: gpu.subgroup_reduce add
func.func private @bands(%b: memref<5120xi8>, %x: memref<256xf32>, %y: memref<20xf32>)
    attributes {headrace.kernel = {subgroup_rows = 16 : i64, workgroup = array<i32: 64, 1, 1>}} {
  %w = qlinear.from_bytes %b : memref<5120xi8> to !w
  qlinear.matvec ins(%w, %x : !w, memref<256xf32>) outs(%y : memref<20xf32>)
  return
}

// -----

// Zero points that are integers: their bytes are behind the scales.
!w = !qlinear.packed<4x256, #qlinear.affine<bits = 4, group = 128, scale = f16, zero_point = integer>>

// CHECK-LABEL: func.func private @zero_points(
// CHECK-SAME: %[[W:.*]]: memref<536xi8>, %{{.*}}: memref<256xf32>
// CHECK: scf.for
// CHECK: %[[ZERO:.*]] = memref.load %[[W]][%{{.*}}] : memref<536xi8>
// CHECK: arith.uitofp %[[ZERO]] : i8 to f32
func.func private @zero_points(%b: memref<536xi8>, %x: memref<256xf32>, %y: memref<4xf32>)
    attributes {headrace.kernel = {subgroup_rows = 4 : i64, workgroup = array<i32: 32, 1, 1>}} {
  %w = qlinear.from_bytes %b : memref<536xi8> to !w
  qlinear.matvec ins(%w, %x : !w, memref<256xf32>) outs(%y : memref<4xf32>)
  return
}

// -----

// Gate and up share the activations; the first lane computes the function.
!w = !qlinear.packed<2x32, #qlinear.gguf<q4_0>>

// CHECK-LABEL: func.func private @gated(
// CHECK: scf.for {{.*}} -> (vector<4xf32>, vector<4xf32>)
// CHECK-COUNT-4: vector.load %{{.*}} : memref<32xf32>
// CHECK-NOT: memref<32xf32>
// CHECK: %[[GATE:.*]] = gpu.subgroup_reduce add
// CHECK: %[[UP:.*]] = gpu.subgroup_reduce add
// CHECK: scf.if
// CHECK: math.exp
// CHECK: %[[OUT:.*]] = arith.mulf %{{.*}}, %[[UP]]
// CHECK: memref.store %[[OUT]]
func.func private @gated(%b: memref<36xi8>, %c: memref<36xi8>, %x: memref<32xf32>, %y: memref<2xf32>)
    attributes {headrace.kernel = {subgroup_rows = 1 : i64, workgroup = array<i32: 64, 1, 1>}} {
  %g = qlinear.from_bytes %b : memref<36xi8> to !w
  %u = qlinear.from_bytes %c : memref<36xi8> to !w
  qlinear.gated_matvec silu ins(%g, %u, %x : !w, !w, memref<32xf32>) outs(%y : memref<2xf32>)
  return
}
