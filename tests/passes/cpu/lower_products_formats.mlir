// RUN: %headrace_opt %s --cpu-lower-products=dot=vnni --canonicalize --cse | FileCheck %s
// RUN: %headrace_opt %s --cpu-lower-products="dot=vnni gfni=true" --canonicalize --cse | FileCheck %s --check-prefix=GFNI

// What is particular to each format of rows of blocks.

// The bytes of a row, and the end of a row of 544 columns: two pieces of 8
// blocks and one block, whose other 32 lanes are zeros.
// Before the rows, the token is brought into the order of nibbles, with what
// the zero point takes off and what the scales of the weight are multiplied by.
// All products of a piece are of the same groups in the same lanes.
// CHECK-LABEL: func.func @q4_0(
// CHECK: %[[BUFFER:.*]] = memref.alloca() {alignment = 64 : i64} : memref<768xi8>
// CHECK: scf.for %[[PIECE:.*]] = %c0 to %c2
// CHECK: %[[AT:.*]] = arith.muli %[[PIECE]], %c384
// CHECK: vector.store %{{.*}}, %[[BUFFER]][%[[AT]]] : memref<768xi8>, vector<64xi8>
// CHECK: arith.addi %[[AT]], %c320
// CHECK: vector.store
// CHECK: arith.muli %{{.*}}, %c306
// CHECK: scf.for %[[PIECE:.*]] = %c0 to %c2
// CHECK: %[[BASE:.*]] = memref.extract_aligned_pointer_as_index %[[BUFFER]]
// CHECK: arith.addi %[[BASE]], %{{.*}}
// CHECK: %[[SAME:.*]] = llvm.inline_asm "", "=r,0" %{{.*}} : (i64) -> i64
// CHECK: %[[XS:.*]] = llvm.inttoptr %[[SAME]]
// CHECK: llvm.getelementptr %[[XS]][320]
// CHECK: %[[START:.*]] = llvm.getelementptr %[[XS]][256]
// CHECK: %[[SUM:.*]] = llvm.load %[[START]] {{.*}}vector<16xi32>
// CHECK: %[[SUM2:.*]] = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%[[SUM]], %{{.*}})
// CHECK: %[[SUM3:.*]] = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%[[SUM2]], %{{.*}})
// CHECK: %[[SUM4:.*]] = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%[[SUM3]], %{{.*}})
// CHECK: %[[ALL:.*]] = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%[[SUM4]], %{{.*}})
// CHECK: %[[FLOATS:.*]] = arith.sitofp %[[ALL]]
// CHECK: vector.fma %[[FLOATS]]
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

// Scale and fifth bits are in the first bytes of a block, those of two blocks
// side by side as their nibbles are. A lane is 16 more where its bit is set.
// CHECK-LABEL: func.func @q5_0(
// CHECK-DAG: %[[BITS:.*]] = arith.constant dense<[1, 2, 4, 8, 16, 32, 64, -128, {{.*}}]> : vector<64xi8>
// CHECK-DAG: %[[SIXTEEN:.*]] = arith.constant dense<16> : vector<64xi8>
// CHECK: vector.shuffle %{{.*}} [0, 8, 2, 10, 4, 12, 6, 14] : vector<8xi64>, vector<8xi64>
// CHECK: %[[NIBBLES:.*]] = arith.andi %{{.*}} : vector<64xi8>
// CHECK: %[[SPREAD:.*]] = vector.shuffle %{{.*}} [2, 2, 2, 2, 2, 2, 2, 2, 10, 10, {{.*}}]
// CHECK: %[[OWN:.*]] = arith.andi %[[SPREAD]], %[[BITS]]
// CHECK: %[[SET:.*]] = arith.cmpi ne, %[[OWN]]
// CHECK: %[[MORE:.*]] = arith.addi %[[NIBBLES]], %[[SIXTEEN]]
// CHECK: arith.select %[[SET]], %[[MORE]], %[[NIBBLES]]
// CHECK-COUNT-4: llvm.call_intrinsic
// The starts of blocks are matrices, which bring the bits of all columns of a
// block: those of the first eight in bits 5.
// GFNI-LABEL: func.func @q5_0(
// GFNI-DAG: %[[DIAGONAL:.*]] = arith.constant dense<[1, 2, 4, 8, 16, 32, 64, -128, {{.*}}]> : vector<64xi8>
// GFNI-DAG: %[[FIFTH:.*]] = arith.constant dense<[0, 0, 0, 32, 0, 0, 0, 0, {{.*}}]> : vector<64xi8>
// GFNI-DAG: %[[HIGH:.*]] = arith.constant dense<[0, 0, 0, 8, -128, 64, 32, 16, {{.*}}]> : vector<64xi8>
// GFNI: %[[BITS:.*]] = llvm.call_intrinsic "llvm.x86.vgf2p8affineqb.512"(%[[DIAGONAL]], %{{.*}}, %{{.*}})
// GFNI: %[[UPPER:.*]] = llvm.call_intrinsic "llvm.x86.vgf2p8affineqb.512"(%[[BITS]], %[[FIFTH]], %{{.*}})
// GFNI: arith.ori %{{.*}} : vector<64xi8>
// GFNI: %[[BOTH:.*]] = arith.ori %{{.*}} : vector<64xi8>
// GFNI: llvm.call_intrinsic "llvm.x86.vgf2p8affineqb.512"(%[[BOTH]], %[[HIGH]], %{{.*}})
// GFNI-COUNT-4: vpdpbusd
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

// Groups of 16: low nibbles and high ones have sums of their own. The upper two
// bits are rotated to where they belong.
// CHECK-LABEL: func.func @q6_k(
// CHECK-DAG: %[[MASK:.*]] = arith.constant dense<48> : vector<64xi8>
// CHECK-DAG: %[[AMOUNTS:.*]] = arith.constant dense<[28, 28, 28, 28, 28, 28, 28, 28, 30, 30, 30, 30, 30, 30, 30, 30]> : vector<16xi32>
// CHECK: memref.alloca() {alignment = 64 : i64} : memref<448xi8>
// CHECK: %[[A:.*]] = vector.load %{{.*}} : memref<840xi8>, vector<64xi8>
// CHECK: %[[B:.*]] = vector.load %{{.*}} : memref<840xi8>, vector<64xi8>
// CHECK: %[[ROTATED:.*]] = llvm.intr.fshr(%[[UPPER:.*]], %[[UPPER]], %[[AMOUNTS]])
// CHECK: %[[BYTES:.*]] = vector.bitcast %[[ROTATED]] : vector<16xi32> to vector<64xi8>
// CHECK: %[[TWO:.*]] = arith.andi %[[BYTES]], %[[MASK]]
// CHECK: %[[CODES:.*]] = arith.ori %{{.*}}, %[[TWO]]
// CHECK: %[[SUM:.*]] = llvm.call_intrinsic {{.*}}(%{{.*}}, %[[CODES]], %{{.*}}) :
// CHECK: llvm.call_intrinsic {{.*}}(%[[SUM]], %{{.*}}) :
// CHECK: vector.fma
// CHECK-COUNT-2: llvm.call_intrinsic
// CHECK: vector.fma
func.func @q6_k(%bytes: memref<840xi8>, %q: memref<320xi8>, %y: memref<4xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<840xi8> to !qlinear.packed<4x256, #qlinear.gguf<q6_k>>
  %x = qlinear.from_bytes %q : memref<320xi8> to !qlinear.packed<1x256, #qlinear.act_i8>
  qlinear.matvec ins(%w, %x : !qlinear.packed<4x256, #qlinear.gguf<q6_k>>, !qlinear.packed<1x256, #qlinear.act_i8>) outs(%y : memref<4xf32>)
  return
}

// A scale and a minimum side by side: those of four blocks in each of two
// lines. Both are multiplied at once, and the minima added up as they are.
// CHECK-LABEL: func.func @q4_1(
// CHECK: vector.shuffle %{{.*}} [0, 5, 10, 15, 16, 21, 26, 31]
// CHECK: %[[BOTH:.*]] = arith.extf %{{.*}} : vector<16xf16> to vector<16xf32>
// CHECK: %[[SCALED:.*]] = arith.mulf %[[BOTH]], %{{.*}} : vector<16xf32>
// CHECK-COUNT-4: llvm.call_intrinsic
// CHECK: vector.shuffle %[[SCALED]], %[[SCALED]] [0, 0, 8, 8, 2, 2, 10, 10, 4, 4, 12, 12, 6, 6, 14, 14]
// CHECK: vector.fma
// CHECK: arith.addf %[[SCALED]], %{{.*}} : vector<16xf32>
func.func @q4_1(%bytes: memref<640xi8>, %q: memref<320xi8>, %y: memref<4xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<640xi8> to !qlinear.packed<4x256, #qlinear.gguf<q4_1>>
  %x = qlinear.from_bytes %q : memref<320xi8> to !qlinear.packed<1x256, #qlinear.act_i8>
  qlinear.matvec ins(%w, %x : !qlinear.packed<4x256, #qlinear.gguf<q4_1>>, !qlinear.packed<1x256, #qlinear.act_i8>) outs(%y : memref<4xf32>)
  return
}

// Bits in planes: the byte that has bit g of 8 groups is rotated to where the
// fifth bit belongs, left for the first groups and right for the last.
// CHECK-LABEL: func.func @q5_k(
// CHECK-DAG: %[[EVEN:.*]] = arith.constant dense<[28, 28, 28, 28, 30, 30, 30, 30, 0, 0, 0, 0, 2, 2, 2, 2]> : vector<16xi32>
// CHECK-DAG: %[[ODD:.*]] = arith.constant dense<[29, 29, 29, 29, 31, 31, 31, 31, 1, 1, 1, 1, 3, 3, 3, 3]> : vector<16xi32>
// CHECK: llvm.intr.fshr(%[[BITS:.*]], %[[BITS]], %[[EVEN]])
// CHECK: llvm.intr.fshr(%[[BITS]], %[[BITS]], %[[ODD]])
// CHECK-COUNT-4: llvm.call_intrinsic
func.func @q5_k(%bytes: memref<704xi8>, %q: memref<320xi8>, %y: memref<4xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<704xi8> to !qlinear.packed<4x256, #qlinear.gguf<q5_k>>
  %x = qlinear.from_bytes %q : memref<320xi8> to !qlinear.packed<1x256, #qlinear.act_i8>
  qlinear.matvec ins(%w, %x : !qlinear.packed<4x256, #qlinear.gguf<q5_k>>, !qlinear.packed<1x256, #qlinear.act_i8>) outs(%y : memref<4xf32>)
  return
}

// Minima of groups of 16, which are finer than the sums of the activations:
// products with ones are these sums.
// CHECK-LABEL: func.func @q2_k(
// CHECK-DAG: %[[ONES:.*]] = arith.constant dense<1> : vector<64xi8>
// CHECK: %[[DOT:.*]] = llvm.call_intrinsic {{.*}}(%{{.*}}, %{{.*}}, %[[X:.*]]) :
// CHECK: %[[SCALED:.*]] = vector.fma
// CHECK: %[[SUM:.*]] = llvm.call_intrinsic {{.*}}(%{{.*}}, %[[ONES]], %[[X]]) :
// CHECK: %[[F:.*]] = arith.sitofp %[[SUM]]
// CHECK: vector.fma %[[F]], %{{.*}}, %[[SCALED]]
func.func @q2_k(%bytes: memref<336xi8>, %q: memref<320xi8>, %y: memref<4xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<336xi8> to !qlinear.packed<4x256, #qlinear.gguf<q2_k>>
  %x = qlinear.from_bytes %q : memref<320xi8> to !qlinear.packed<1x256, #qlinear.act_i8>
  qlinear.matvec ins(%w, %x : !qlinear.packed<4x256, #qlinear.gguf<q2_k>>, !qlinear.packed<1x256, #qlinear.act_i8>) outs(%y : memref<4xf32>)
  return
}

// Scales of six bits from nibbles and pairs of bits.
// CHECK-LABEL: func.func @q3_k(
// CHECK: arith.subi %{{.*}} : vector<16xi32>
// CHECK: arith.mulf %{{.*}} : vector<16xf32>
// CHECK: llvm.call_intrinsic
func.func @q3_k(%bytes: memref<440xi8>, %q: memref<320xi8>, %y: memref<4xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<440xi8> to !qlinear.packed<4x256, #qlinear.gguf<q3_k>>
  %x = qlinear.from_bytes %q : memref<320xi8> to !qlinear.packed<1x256, #qlinear.act_i8>
  qlinear.matvec ins(%w, %x : !qlinear.packed<4x256, #qlinear.gguf<q3_k>>, !qlinear.packed<1x256, #qlinear.act_i8>) outs(%y : memref<4xf32>)
  return
}

// Codes of a table: its numbers plus 128, of which 128 is taken off as a zero
// point.
// CHECK-LABEL: func.func @iq4_nl(
// CHECK-DAG: %[[TABLE:.*]] = arith.constant dense<[1, 24, 45, 63, 79, 93, 106, 118, -127, -115, -103, -90, -75, -59, -39, -15, 1,
// CHECK: scf.for
// CHECK: scf.for
// CHECK: %[[Q:.*]] = llvm.call_intrinsic "llvm.x86.avx512.pshuf.b.512"(%[[TABLE]], %{{.*}})
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%{{.*}}, %[[Q]], %{{.*}})
func.func @iq4_nl(%bytes: memref<1152xi8>, %q: memref<640xi8>, %y: memref<4xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<1152xi8> to !qlinear.packed<4x512, #qlinear.gguf<iq4_nl>>
  %x = qlinear.from_bytes %q : memref<640xi8> to !qlinear.packed<1x512, #qlinear.act_i8>
  qlinear.matvec ins(%w, %x : !qlinear.packed<4x512, #qlinear.gguf<iq4_nl>>, !qlinear.packed<1x512, #qlinear.act_i8>) outs(%y : memref<4xf32>)
  return
}

// As floats: the numbers of the table at once, signed.
// CHECK-LABEL: func.func @iq4_nl_floats(
// CHECK-DAG: %[[TABLE:.*]] = arith.constant dense<[-1.270000e+02, -1.040000e+02,
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.permvar.sf.512"(%[[TABLE]], %{{.*}}) : (vector<16xf32>, vector<16xi32>) -> vector<16xf32>
func.func @iq4_nl_floats(%bytes: memref<72xi8>, %x: memref<32xf32>, %y: memref<4xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<72xi8> to !qlinear.packed<4x32, #qlinear.gguf<iq4_nl>>
  qlinear.matvec ins(%w, %x : !qlinear.packed<4x32, #qlinear.gguf<iq4_nl>>, memref<32xf32>) outs(%y : memref<4xf32>)
  return
}
