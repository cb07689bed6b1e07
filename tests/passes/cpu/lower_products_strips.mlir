// RUN: %headrace_opt %s --cpu-lower-products="dot=vnni bf16=avx512" --canonicalize --cse | FileCheck %s --implicit-check-not=qlinear.matvec --implicit-check-not=vector.reduction
// RUN: %headrace_opt %s --cpu-lower-products=dot=portable --canonicalize --cse | FileCheck %s --check-prefix=PORTABLE --implicit-check-not=qlinear.matvec --implicit-check-not=call_intrinsic

// Strips of 16 rows: a lane for each row, nothing summed across lanes.

!q4_k = !qlinear.packed<32x512, #qlinear.repacked<#qlinear.gguf<q4_k>, "strips16">>
!x512 = !qlinear.packed<1x512, #qlinear.act_i8>

// A piece is 36 lines: four of numbers and four chunks. The lines of a chunk are
// loaded before any is used, and prefetches lie between products: fences keep
// LLVM from moving them together. High nibbles are used where they are, as codes times
// 16, which the scale takes back. d and -dmin are multiplied with sums over the
// piece. Sums of activations are scaled before there are any rows.
// CHECK-LABEL: func.func @q4_k(
// CHECK-DAG: %[[SIXTEENTH:.*]] = arith.constant dense<6.250000e-02> : vector<16xf32>
// CHECK-DAG: %[[HIGH:.*]] = arith.constant dense<-16> : vector<64xi8>
// CHECK-DAG: %[[LOW:.*]] = arith.constant dense<15> : vector<64xi8>
// CHECK: %[[XSUMS:.*]] = memref.alloca() {alignment = 64 : i64} : memref<16xf32>
// CHECK: vector.store %{{.*}}, %[[XSUMS]]
// CHECK: scf.for %[[ROW:.*]] = %{{.*}} to %{{.*}} step %c16
// CHECK: %[[STRIP:.*]] = arith.muli %[[ROW]], %c288
// CHECK: scf.for %[[PIECE:.*]] = %c0 to %c2 step %c1 iter_args(%[[SUM:.*]] = %{{.*}})
// CHECK: %[[OFFSET:.*]] = arith.muli %[[PIECE]], %c2304
// CHECK: %[[AT:.*]] = arith.addi %[[STRIP]], %[[OFFSET]]
// CHECK-COUNT-3: vector.load %{{.*}} : memref<9216xi8>, vector<64xi8>
// CHECK: %[[LINE:.*]] = vector.load %{{.*}} : memref<9216xi8>, vector<64xi8>
// CHECK-COUNT-7: vector.load %{{.*}} : memref<9216xi8>, vector<64xi8>
// CHECK: %[[Q:.*]] = memref.extract_aligned_pointer_as_index %{{.*}} : memref<640xi8> -> index
// CHECK: llvm.inline_asm "", "=r,0" %{{.*}} : (i64) -> i64
// CHECK: llvm.fence syncscope("singlethread") acq_rel
// CHECK: %[[CODES:.*]] = arith.andi %[[LINE]], %[[LOW]]
// CHECK: %[[FOUR:.*]] = llvm.load %{{.*}} : !llvm.ptr -> vector<4xi8>
// CHECK: %[[WORD:.*]] = vector.extract
// CHECK: %[[LANES:.*]] = vector.broadcast %[[WORD]] : i32 to vector<16xi32>
// CHECK: %[[X:.*]] = vector.bitcast %[[LANES]] : vector<16xi32> to vector<64xi8>
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%{{.*}}, %[[CODES]], %[[X]])
// CHECK: %[[TIMES16:.*]] = arith.andi %[[LINE]], %[[HIGH]]
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%{{.*}}, %[[TIMES16]], %{{.*}})
// CHECK: memref.prefetch %{{.*}}, read, locality<2>
// CHECK: memref.prefetch %{{.*}}, read, locality<3>
// CHECK: llvm.fence syncscope("singlethread") acq_rel
// CHECK-COUNT-14: llvm.call_intrinsic
// CHECK: arith.mulf %{{.*}}, %[[SIXTEENTH]]
// CHECK-COUNT-48: llvm.call_intrinsic
// CHECK-NOT: llvm.call_intrinsic
// CHECK: %[[D:.*]] = arith.extf %{{.*}} : vector<16xf16> to vector<16xf32>
// CHECK: %[[SCALED:.*]] = vector.fma %{{.*}}, %[[D]], %[[SUM]]
// CHECK: %[[DMIN:.*]] = arith.negf %{{.*}} : vector<16xf32>
// CHECK: %[[NEXT:.*]] = vector.fma %{{.*}}, %[[DMIN]], %[[SCALED]]
// CHECK: scf.yield %[[NEXT]]
// CHECK: vector.store %{{.*}} : memref<32xf32>, vector<16xf32>
// PORTABLE-LABEL: func.func @q4_k(
func.func @q4_k(%bytes: memref<9216xi8>, %q: memref<640xi8>, %y: memref<32xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<9216xi8> to !q4_k
  %x = qlinear.from_bytes %q : memref<640xi8> to !x512
  qlinear.matvec ins(%w, %x : !q4_k, !x512) outs(%y : memref<32xf32>)
  return
}

!q4_0 = !qlinear.packed<16x96, #qlinear.repacked<#qlinear.gguf<q4_0>, "strips16">, padded = 16x128>
!x96 = !qlinear.packed<1x96, #qlinear.act_i8>

// Two blocks are a piece; of the second piece there is one. The zero point
// starts the sum of a group, whose high nibbles are summed apart.
// CHECK-LABEL: func.func @q4_0(
// CHECK-COUNT-16: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// CHECK: arith.shrsi %{{.*}} : vector<16xi32>
// CHECK-COUNT-8: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// CHECK-NOT: llvm.call_intrinsic
func.func @q4_0(%bytes: memref<1152xi8>, %q: memref<120xi8>, %y: memref<16xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<1152xi8> to !q4_0
  %x = qlinear.from_bytes %q : memref<120xi8> to !x96
  qlinear.matvec ins(%w, %x : !q4_0, !x96) outs(%y : memref<16xf32>)
  return
}

// Floats: a nibble is looked up as what it stands for, the zero point included.
// CHECK-LABEL: func.func @f32(
// CHECK-DAG: %[[TABLE:.*]] = arith.constant dense<[-8.000000e+00, -7.000000e+00, {{.*}}, 7.000000e+00]> : vector<16xf32>
// CHECK: %[[WEIGHT:.*]] = llvm.call_intrinsic "llvm.x86.avx512.permvar.sf.512"(%[[TABLE]], %{{.*}})
// CHECK: vector.fma %[[WEIGHT]], %{{.*}}
// PORTABLE-LABEL: func.func @f32(
// PORTABLE: %[[CODE:.*]] = arith.andi %{{.*}} : vector<16xi32>
// PORTABLE: %[[LESS:.*]] = arith.subi %[[CODE]], %{{.*}} : vector<16xi32>
// PORTABLE: arith.sitofp %[[LESS]] : vector<16xi32> to vector<16xf32>
func.func @f32(%bytes: memref<1152xi8>, %x: memref<96xf32>, %y: memref<16xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<1152xi8> to !q4_0
  qlinear.matvec ins(%w, %x : !q4_0, memref<96xf32>) outs(%y : memref<16xf32>)
  return
}

// Two columns of each row, a code in both bytes of 16 bits, of which the
// look-up reads five bits.
// CHECK-LABEL: func.func @bf16(
// CHECK-DAG: %[[TABLE:.*]] = arith.constant dense<[-8.000000e+00, {{.*}}]> : vector<32xbf16>
// CHECK: vector.shuffle %{{.*}} [0, 0, 1, 1, 4, 4, 5, 5,
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.permvar.hi.512"
// CHECK: llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"
// PORTABLE-LABEL: func.func @bf16(
// PORTABLE: arith.shli %{{.*}} : vector<16xi32>
// PORTABLE: vector.fma
func.func @bf16(%bytes: memref<1152xi8>, %x: memref<96xbf16>, %y: memref<16xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<1152xi8> to !q4_0
  qlinear.matvec ins(%w, %x : !q4_0, memref<96xbf16>) outs(%y : memref<16xf32>)
  return
}

!q6_k = !qlinear.packed<16x256, #qlinear.repacked<#qlinear.gguf<q6_k>, "strips16">>
!x256 = !qlinear.packed<1x256, #qlinear.act_i8>

// 12 lines: high bits of four quarters, then low bits. Groups of 16 columns
// have no sum of their own in activations: what the zero point takes off is
// computed before the rows, for four groups at once.
// CHECK-LABEL: func.func @q6_k(
// CHECK: %[[ZEROS:.*]] = memref.alloca() {{.*}} : memref<1x16xi32>
// CHECK: %[[SUMS:.*]] = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// CHECK: vector.shuffle %[[SUMS]], %[[SUMS]] [1, 0, 3, 2,
// CHECK: vector.store %{{.*}}, %[[ZEROS]]{{.*}} vector<4xi32>
// CHECK-COUNT-4: vector.load %{{.*}} : memref<3360xi8>, vector<64xi8>
// CHECK-COUNT-12: vector.load %{{.*}} : memref<3360xi8>, vector<64xi8>
// CHECK: memref.prefetch
// CHECK: arith.ori
// CHECK: vector.load %[[ZEROS]]{{.*}} vector<1xi32>
// CHECK-COUNT-16: llvm.call_intrinsic
// CHECK-NOT: arith.subi
// CHECK: arith.sitofp
// PORTABLE-LABEL: func.func @q6_k(
func.func @q6_k(%bytes: memref<3360xi8>, %q: memref<320xi8>, %y: memref<16xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<3360xi8> to !q6_k
  %x = qlinear.from_bytes %q : memref<320xi8> to !x256
  qlinear.matvec ins(%w, %x : !q6_k, !x256) outs(%y : memref<16xf32>)
  return
}

!q5_k = !qlinear.packed<16x256, #qlinear.repacked<#qlinear.gguf<q5_k>, "strips16">>

// 8 lines of fifth bits serve all chunks: bits 2 c and 2 c + 1 of a byte belong
// to the groups of chunk c.
// CHECK-LABEL: func.func @q5_k(
// CHECK-DAG: %[[SIX:.*]] = arith.constant dense<6> : vector<16xi32>
// CHECK: arith.ori %{{.*}} : vector<16xi32>
// CHECK-COUNT-48: llvm.call_intrinsic
// CHECK-COUNT-8: arith.shrui %{{.*}}, %[[SIX]] : vector<16xi32>
// CHECK-COUNT-16: llvm.call_intrinsic
// CHECK-NOT: llvm.call_intrinsic
// PORTABLE-LABEL: func.func @q5_k(
func.func @q5_k(%bytes: memref<2816xi8>, %q: memref<320xi8>, %y: memref<16xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<2816xi8> to !q5_k
  %x = qlinear.from_bytes %q : memref<320xi8> to !x256
  qlinear.matvec ins(%w, %x : !q5_k, !x256) outs(%y : memref<16xf32>)
  return
}

!q5_0 = !qlinear.packed<16x64, #qlinear.repacked<#qlinear.gguf<q5_0>, "strips16">>
!x64 = !qlinear.packed<1x64, #qlinear.act_i8>

// The byte with the fifth bits of four columns goes to all of them: the bits of
// columns 0 to 3 are shifted to its upper half, of which each column masks its
// own.
// CHECK-LABEL: func.func @q5_0(
// CHECK-DAG: %[[OWN:.*]] = arith.constant dense<-2143281136> : vector<16xi32>
// CHECK: %[[BITS:.*]] = vector.load %{{.*}} : memref<704xi8>, vector<64xi8>
// CHECK: %[[FIRST:.*]] = vector.shuffle %[[BITS]], %[[BITS]] [0, 0, 0, 0, 4, 4, 4, 4,
// CHECK: %[[LANES:.*]] = vector.bitcast %[[FIRST]] : vector<64xi8> to vector<16xi32>
// CHECK: arith.shli %[[LANES]]
// CHECK: %[[MASKED:.*]] = arith.andi
// CHECK: %[[FIFTH:.*]] = arith.minui %[[MASKED]]
// CHECK: arith.ori %{{.*}}, %[[FIFTH]]
// CHECK-COUNT-16: llvm.call_intrinsic
// CHECK-NOT: llvm.call_intrinsic
// PORTABLE-LABEL: func.func @q5_0(
func.func @q5_0(%bytes: memref<704xi8>, %q: memref<80xi8>, %y: memref<16xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<704xi8> to !q5_0
  %x = qlinear.from_bytes %q : memref<80xi8> to !x64
  qlinear.matvec ins(%w, %x : !q5_0, !x64) outs(%y : memref<16xf32>)
  return
}

!q8_0 = !qlinear.packed<20x64, #qlinear.repacked<#qlinear.gguf<q8_0>, "strips16">, padded = 32x64>
!three = !qlinear.packed<3x64, #qlinear.act_i8>

// A few tokens share what is loaded. Signed codes plus 128 are unsigned. 20 rows
// are two strips.
// CHECK-LABEL: func.func @few(
// CHECK: scf.for {{.*}} step %c16
// CHECK: arith.xori %{{.*}} : vector<64xi8>
// CHECK-COUNT-24: llvm.call_intrinsic
// CHECK-NOT: llvm.call_intrinsic
// CHECK: vector.maskedstore
// PORTABLE-LABEL: func.func @few(
func.func @few(%bytes: memref<2176xi8>, %q: memref<240xi8>, %y: memref<3x20xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<2176xi8> to !q8_0
  %x = qlinear.from_bytes %q : memref<240xi8> to !three
  qlinear.matmul ins(%w, %x : !q8_0, !three) outs(%y : memref<3x20xf32>)
  return
}

!many = !qlinear.packed<103x64, #qlinear.act_i8>

// From four tokens on two strips are decoded into a tile and multiplied at
// once, with six tokens at a time: a spread activation serves both strips. The
// second strip is the last one where there is none. 103 tokens are 18 times 6, of
// which the last 5 are not stored. The sums of all are kept until all columns are
// done.
// CHECK-LABEL: func.func @many(
// CHECK: %[[TILE:.*]] = memref.alloca() {alignment = 64 : i64} : memref<64x128xi8>
// CHECK: memref.alloca() {alignment = 64 : i64} : memref<3x8x32xf32>
// CHECK: %[[X:.*]] = memref.alloca() {alignment = 64 : i64} : memref<108x256xi8>
// CHECK: %[[SUMS:.*]] = memref.alloca() {alignment = 64 : i64} : memref<1x108x2x16xf32>
// CHECK: scf.for %[[ROW:.*]] = {{.*}} step %c32
// CHECK: arith.minui %{{.*}}, %c16
// CHECK: %[[CODES:.*]] = arith.xori %{{.*}} : vector<64xi8>
// CHECK: vector.store %[[CODES]], %[[TILE]][
// CHECK: memref.prefetch
// CHECK: scf.for %{{.*}} step %c6
// CHECK: arith.minui %{{.*}}, %c102
// CHECK: vector.store %{{.*}}, %[[X]][
// CHECK: scf.for %{{.*}} iter_args(
// CHECK: %[[FIRST:.*]] = vector.load %[[TILE]][%{{.*}}, %c0]
// CHECK: %[[SECOND:.*]] = vector.load %[[TILE]][%{{.*}}, %c64]
// CHECK: %[[SPREAD:.*]] = vector.bitcast %{{.*}} : vector<16xi32> to vector<64xi8>
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%{{.*}}, %[[FIRST]], %[[SPREAD]])
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%{{.*}}, %[[SECOND]], %[[SPREAD]])
// CHECK-COUNT-94: llvm.call_intrinsic
// CHECK-NOT: llvm.call_intrinsic
// CHECK: vector.store %{{.*}}, %[[SUMS]][
// CHECK: vector.maskedstore
// PORTABLE-LABEL: func.func @many(
// PORTABLE: scf.for %{{.*}} step %c2
func.func @many(%bytes: memref<2176xi8>, %q: memref<8240xi8>, %y: memref<103x20xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<2176xi8> to !q8_0
  %x = qlinear.from_bytes %q : memref<8240xi8> to !many
  qlinear.matmul ins(%w, %x : !q8_0, !many) outs(%y : memref<103x20xf32>)
  return
}

!int4 = !qlinear.packed<16x256, #qlinear.repacked<#qlinear.affine<bits = 4, group = 128, scale = f16, zero_point = integer>, "strips16">>

// Scales and zero points of two groups, then codes. The integers that a zero
// point takes off are an offset of the group.
// CHECK-LABEL: func.func @int4_zp(
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// CHECK: arith.extf %{{.*}} : vector<16xf16> to vector<16xf32>
// CHECK: arith.extui %{{.*}} : vector<16xi8> to vector<16xi32>
// CHECK: %[[ZERO:.*]] = arith.sitofp %{{.*}} : vector<16xi32> to vector<16xf32>
// CHECK: arith.negf %[[ZERO]]
func.func @int4_zp(%bytes: memref<2144xi8>, %q: memref<320xi8>, %y: memref<16xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<2144xi8> to !int4
  %x = qlinear.from_bytes %q : memref<320xi8> to !qlinear.packed<1x256, #qlinear.act_i8>
  qlinear.matvec ins(%w, %x : !int4, !qlinear.packed<1x256, #qlinear.act_i8>) outs(%y : memref<16xf32>)
  return
}

!iq4_nl = !qlinear.packed<16x64, #qlinear.repacked<#qlinear.gguf<iq4_nl>, "strips16">>

// Nibbles stand for numbers of a table, to which 128 is added.
// CHECK-LABEL: func.func @iq4_nl(
// CHECK-DAG: %[[TABLE:.*]] = arith.constant dense<[1, 24, 45, 63,
// CHECK: %[[CODES:.*]] = llvm.call_intrinsic "llvm.x86.avx512.pshuf.b.512"(%[[TABLE]], %{{.*}})
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%{{.*}}, %[[CODES]]
func.func @iq4_nl(%bytes: memref<576xi8>, %q: memref<80xi8>, %y: memref<16xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<576xi8> to !iq4_nl
  %x = qlinear.from_bytes %q : memref<80xi8> to !qlinear.packed<1x64, #qlinear.act_i8>
  qlinear.matvec ins(%w, %x : !iq4_nl, !qlinear.packed<1x64, #qlinear.act_i8>) outs(%y : memref<16xf32>)
  return
}
