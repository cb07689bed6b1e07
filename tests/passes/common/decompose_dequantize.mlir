// RUN: %headrace_opt %s --decompose-qlinear --canonicalize --cse | FileCheck %s

// How a byte becomes a number, format by format: where the block starts, which
// bits are read, and the arithmetic. Values are checked by test_reference_jit.py.

// Blocks of 18 bytes; nibbles from byte 2, columns 16 to 31 are high ones.
// CHECK-LABEL: func @q4_0(
// CHECK: %[[BLOCK:.*]] = arith.muli %{{.*}}, %c18 : index
// CHECK: arith.addi %[[BLOCK]], %c2
// CHECK: %[[HIGH:.*]] = arith.cmpi uge, %{{.*}}, %c16
// CHECK: %[[SHIFT:.*]] = arith.select %[[HIGH]], %c4_i32, %c0_i32
// CHECK: arith.shrui %{{.*}}, %[[SHIFT]]
// CHECK: %[[Q:.*]] = arith.subi %{{.*}}, %c8_i32
// CHECK: arith.extf %{{.*}} : f16 to f32
// CHECK: arith.sitofp %[[Q]]
// CHECK-NEXT: arith.mulf
!q4_0 = !qlinear.packed<2x64, #qlinear.gguf<q4_0>>
func.func @q4_0(%w: !q4_0, %o: tensor<2x64xf32>) -> tensor<2x64xf32> {
  %d = qlinear.dequantize ins(%w : !q4_0) outs(%o : tensor<2x64xf32>) -> tensor<2x64xf32>
  return %d : tensor<2x64xf32>
}

// The fifth bit of column c is bit c of the u32 at byte 2.
// CHECK-LABEL: func @q5_0(
// CHECK: %[[BLOCK:.*]] = arith.muli %{{.*}}, %c22 : index
// CHECK: %[[WITHIN:.*]] = arith.remui %{{.*}}, %c32
// CHECK: arith.addi %[[BLOCK]], %c6
// CHECK: %[[COL:.*]] = arith.index_cast %[[WITHIN]]
// CHECK-NEXT: %[[BIT:.*]] = arith.shrui %{{.*}}, %[[COL]]
// CHECK-NEXT: %[[FIFTH:.*]] = arith.andi %[[BIT]], %c1_i32
// CHECK-NEXT: arith.shli %[[FIFTH]], %c4_i32
// CHECK: arith.subi %{{.*}}, %c16_i32
!q5_0 = !qlinear.packed<2x64, #qlinear.gguf<q5_0>>
func.func @q5_0(%w: !q5_0, %o: tensor<2x64xf32>) -> tensor<2x64xf32> {
  %d = qlinear.dequantize ins(%w : !q5_0) outs(%o : tensor<2x64xf32>) -> tensor<2x64xf32>
  return %d : tensor<2x64xf32>
}

// CHECK-LABEL: func @q8_0(
// CHECK: %[[BLOCK:.*]] = arith.muli %{{.*}}, %c34 : index
// CHECK: arith.addi %[[BLOCK]], %c2
// CHECK: arith.extsi %{{.*}} : i8 to i32
// CHECK-NOT: arith.subi
// CHECK: arith.mulf
!q8_0 = !qlinear.packed<2x64, #qlinear.gguf<q8_0>>
func.func @q8_0(%w: !q8_0, %o: tensor<2x64xf32>) -> tensor<2x64xf32> {
  %d = qlinear.dequantize ins(%w : !q8_0) outs(%o : tensor<2x64xf32>) -> tensor<2x64xf32>
  return %d : tensor<2x64xf32>
}

// Six bits each of scale and minimum, in two layouts for groups 0-3 and 4-7.
// CHECK-LABEL: func @q4_k(
// CHECK: arith.muli %{{.*}}, %c144 : index
// CHECK: %[[FIRST:.*]] = arith.cmpi ult, %{{.*}}, %c4
// CHECK: arith.shrui %{{.*}}, %c6_i32
// CHECK: %[[SCALE:.*]] = arith.select %[[FIRST]]
// CHECK: %[[MIN:.*]] = arith.select %[[FIRST]]
// CHECK: arith.sitofp %[[SCALE]]
// CHECK: arith.sitofp %[[MIN]]
// CHECK: arith.subf
// CHECK-NEXT: linalg.yield
!q4_k = !qlinear.packed<2x512, #qlinear.gguf<q4_k>>
func.func @q4_k(%w: !q4_k, %o: tensor<2x512xf32>) -> tensor<2x512xf32> {
  %d = qlinear.dequantize ins(%w : !q4_k) outs(%o : tensor<2x512xf32>) -> tensor<2x512xf32>
  return %d : tensor<2x512xf32>
}

// CHECK-LABEL: func @q6_k(
// CHECK: %[[BLOCK:.*]] = arith.muli %{{.*}}, %c210 : index
// CHECK: arith.andi %{{.*}}, %c15_i32
// CHECK: arith.andi %{{.*}}, %c3_i32
// CHECK: arith.subi %{{.*}}, %c32_i32
// CHECK: arith.addi %[[BLOCK]], %c192
// CHECK: arith.extsi
// CHECK: arith.addi %[[BLOCK]], %c208
!q6_k = !qlinear.packed<2x512, #qlinear.gguf<q6_k>>
func.func @q6_k(%w: !q6_k, %o: tensor<2x512xf32>) -> tensor<2x512xf32> {
  %d = qlinear.dequantize ins(%w : !q6_k) outs(%o : tensor<2x512xf32>) -> tensor<2x512xf32>
  return %d : tensor<2x512xf32>
}

// Bytes of the padded matrix, values of the matrix: 2 blocks a row of blocks.
// CHECK-LABEL: func @q4nx(
// CHECK-SAME: tensor<20480xi8>
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<33x300xf32>)
// CHECK: %[[BAND:.*]] = arith.divui %{{.*}}, %c32
// CHECK: arith.muli %[[BAND]], %c2
// CHECK: arith.muli %{{.*}}, %c5120
// CHECK: %[[SCALE:.*]] = arith.bitcast %{{.*}} : i32 to f32
// CHECK: arith.addi %{{.*}}, %c512
// CHECK: %[[MIN:.*]] = arith.bitcast %{{.*}} : i32 to f32
// CHECK: %[[STEP:.*]] = arith.mulf %[[SCALE]], %{{.*}}
// CHECK-NEXT: arith.addf %[[STEP]], %[[MIN]]
!q4nx = !qlinear.packed<33x300, #qlinear.q4nx, padded = 64x512>
func.func @q4nx(%w: !q4nx, %o: tensor<33x300xf32>) -> tensor<33x300xf32> {
  %d = qlinear.dequantize ins(%w : !q4nx) outs(%o : tensor<33x300xf32>) -> tensor<33x300xf32>
  return %d : tensor<33x300xf32>
}
