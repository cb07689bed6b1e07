// RUN: %headrace_opt %s --decompose-qlinear --canonicalize | FileCheck %s --implicit-check-not=qlinear.

!a = !qlinear.packed<2x64, #qlinear.gguf<q8_0>>
!b = !qlinear.packed<3x64, #qlinear.gguf<q8_0>>

// Bytes behind bytes.
// CHECK-LABEL: func @concat(
// CHECK-SAME: %[[A:.*]]: tensor<136xi8>, %[[B:.*]]: tensor<204xi8>
// CHECK: %[[O:.*]] = tensor.empty() : tensor<340xi8>
// CHECK: %[[C:.*]] = tensor.insert_slice %[[A]] into %[[O]][0] [136] [1]
// CHECK: %[[D:.*]] = tensor.insert_slice %[[B]] into %[[C]][136] [204] [1]
// CHECK: return %[[D]]
func.func @concat(%a: !a, %b: !b) -> !qlinear.packed<5x64, #qlinear.gguf<q8_0>> {
  %c = qlinear.concat %a, %b : !a, !b to !qlinear.packed<5x64, #qlinear.gguf<q8_0>>
  return %c : !qlinear.packed<5x64, #qlinear.gguf<q8_0>>
}

!rows4 = !qlinear.packed<3x64, #qlinear.repacked<#qlinear.gguf<q8_0>, "rows4">, padded = 4x64>
!rows8 = !qlinear.packed<3x64, #qlinear.repacked<#qlinear.gguf<q8_0>, "rows8">, padded = 8x64>

// [row, block, byte] with a row of zeros, then [tile, row, block, byte] to
// [tile, block, row, byte].
// CHECK-LABEL: func @to_rows4(
// CHECK: tensor.expand_shape %{{.*}} output_shape [3, 2, 34] : tensor<204xi8> into tensor<3x2x34xi8>
// CHECK: linalg.fill ins(%{{.*}} : i8) outs(%{{.*}} : tensor<4x2x34xi8>)
// CHECK: tensor.insert_slice %{{.*}} into %{{.*}}[0, 0, 0] [3, 2, 34]
// CHECK: linalg.transpose ins(%{{.*}} : tensor<1x4x2x34xi8>) outs(%{{.*}} : tensor<1x2x4x34xi8>) permutation = [0, 2, 1, 3]
// CHECK: tensor.collapse_shape %{{.*}} into tensor<272xi8>
func.func @to_rows4(%b: !b) -> !rows4 {
  %r = qlinear.repack %b : !b to !rows4
  return %r : !rows4
}

// CHECK-LABEL: func @from_rows4(
// CHECK: linalg.transpose ins(%{{.*}} : tensor<1x2x4x34xi8>) outs(%{{.*}} : tensor<1x4x2x34xi8>)
// CHECK: tensor.extract_slice %{{.*}}[0, 0, 0] [3, 2, 34]
// CHECK: tensor.collapse_shape %{{.*}} into tensor<204xi8>
func.func @from_rows4(%r: !rows4) -> !b {
  %b = qlinear.repack %r : !rows4 to !b
  return %b : !b
}

// CHECK-LABEL: func @rows4_to_rows8(
// CHECK: linalg.transpose {{.*}} outs(%{{.*}} : tensor<1x4x2x34xi8>)
// CHECK: linalg.transpose {{.*}} outs(%{{.*}} : tensor<1x2x8x34xi8>)
func.func @rows4_to_rows8(%r: !rows4) -> !rows8 {
  %s = qlinear.repack %r : !rows4 to !rows8
  return %s : !rows8
}

!strips = !qlinear.packed<3x96, #qlinear.repacked<#qlinear.gguf<q8_0>, "strips16">, padded = 16x128>
!three = !qlinear.packed<3x96, #qlinear.gguf<q8_0>>

// Rows and blocks are padded. Then each run of bytes of the two blocks of a
// piece, as [piece, unit, row, byte]: 2 bytes of a scale, 4 of codes.
// CHECK-LABEL: func @to_strips16(
// CHECK: tensor.insert_slice %{{.*}} into %{{.*}}[0, 0, 0] [3, 3, 34] [1, 1, 1] : tensor<3x3x34xi8> into tensor<16x4x34xi8>
// CHECK: linalg.transpose ins(%{{.*}} : tensor<1x16x2x68xi8>) outs(%{{.*}} : tensor<1x2x16x68xi8>)
// CHECK: tensor.extract_slice %{{.*}}[0, 0, 0] [2, 16, 2]
// CHECK: linalg.transpose ins(%{{.*}} : tensor<2x16x1x2xi8>) outs(%{{.*}} : tensor<2x1x16x2xi8>)
// CHECK: tensor.extract_slice %{{.*}}[0, 0, 34] [2, 16, 2]
// CHECK: tensor.insert_slice %{{.*}}[0, 32] [2, 32]
// CHECK: tensor.extract_slice %{{.*}}[0, 0, 2] [2, 16, 32]
// CHECK: linalg.transpose ins(%{{.*}} : tensor<2x16x8x4xi8>) outs(%{{.*}} : tensor<2x8x16x4xi8>)
// CHECK: tensor.insert_slice %{{.*}}[0, 64] [2, 512]
// CHECK: tensor.extract_slice %{{.*}}[0, 0, 36] [2, 16, 32]
// CHECK: tensor.insert_slice %{{.*}}[0, 576] [2, 512]
// CHECK: tensor.collapse_shape %{{.*}} into tensor<2176xi8>
func.func @to_strips16(%b: !three) -> !strips {
  %r = qlinear.repack %b : !three to !strips
  return %r : !strips
}

// CHECK-LABEL: func @from_strips16(
// CHECK: tensor.extract_slice %{{.*}}[0, 64] [2, 512]
// CHECK: linalg.transpose ins(%{{.*}} : tensor<2x8x16x4xi8>) outs(%{{.*}} : tensor<2x16x8x4xi8>)
// CHECK: tensor.insert_slice %{{.*}}[0, 0, 2] [2, 16, 32]
// CHECK: tensor.extract_slice %{{.*}}[0, 0, 0] [3, 3, 34] [1, 1, 1] : tensor<16x4x34xi8> to tensor<3x3x34xi8>
// CHECK: tensor.collapse_shape %{{.*}} into tensor<306xi8>
func.func @from_strips16(%r: !strips) -> !three {
  %b = qlinear.repack %r : !strips to !three
  return %b : !three
}

!affine = !qlinear.packed<4x64, #qlinear.affine<bits = 4, group = 32, scale = f16, zero_point = integer>>
!affine4 = !qlinear.packed<4x64, #qlinear.repacked<#qlinear.affine<bits = 4, group = 32, scale = f16, zero_point = integer>, "rows4">>

// Codes, scales and zero points of a row lie apart, those of a block together.
// CHECK-LABEL: func @affine(
// CHECK: tensor.extract_slice %{{.*}}[0, 0] [4, 32]
// CHECK: tensor.insert_slice %{{.*}}[0, 0, 0] [4, 2, 16]
// CHECK: tensor.extract_slice %{{.*}}[0, 32] [4, 4]
// CHECK: tensor.insert_slice %{{.*}}[0, 0, 16] [4, 2, 2]
// CHECK: tensor.extract_slice %{{.*}}[0, 36] [4, 2]
// CHECK: tensor.insert_slice %{{.*}}[0, 0, 18] [4, 2, 1]
// CHECK: linalg.transpose
func.func @affine(%w: !affine) -> !affine4 {
  %r = qlinear.repack %w : !affine to !affine4
  return %r : !affine4
}

// CHECK-LABEL: func @to_itself(
// CHECK-SAME: %[[W:.*]]: tensor<272xi8>
// CHECK-NEXT: return %[[W]]
func.func @to_itself(%r: !rows4) -> !rows4 {
  %s = qlinear.repack %r : !rows4 to !rows4
  return %s : !rows4
}

!groups = !qlinear.packed<3x192, #qlinear.affine<bits = 4, group = 64, scale = f16, zero_point = integer>>
!strips4 = !qlinear.packed<3x192, #qlinear.repacked<#qlinear.affine<bits = 4, group = 64, scale = f16, zero_point = integer>, "strips16">, padded = 16x256>

// Of 16 bytes of codes, the first and the last eight become the even and the odd
// ones; then runs, as above: four scales, four zero points, codes.
// CHECK-LABEL: func @nibbles(
// CHECK: %[[ALL:.*]] = tensor.insert_slice %{{.*}} into %{{.*}}[0, 0, 0] [3, 3, 35] [1, 1, 1] : tensor<3x3x35xi8> into tensor<16x4x35xi8>
// CHECK: tensor.extract_slice %[[ALL]][0, 0, 0] [16, 4, 32]
// CHECK: tensor.extract_slice %[[CODES:.*]][0, 0, 0] [128, 1, 8]
// CHECK: tensor.extract_slice %[[CODES]][0, 1, 0] [128, 1, 8]
// CHECK: linalg.generic
// CHECK: %[[LOW:.*]] = arith.andi %{{.*}}, %c15_i8
// CHECK: %[[HIGH:.*]] = arith.shli %{{.*}}, %c4_i8
// CHECK: arith.ori %[[LOW]], %[[HIGH]]
// CHECK: tensor.insert_slice %{{.*}}[0, 0, 0] [128, 8, 1]
// CHECK: linalg.generic
// CHECK: %[[UPPER:.*]] = arith.shrui %{{.*}}, %c4_i8
// CHECK: %[[KEPT:.*]] = arith.andi %{{.*}}, %c-16_i8
// CHECK: arith.ori %[[UPPER]], %[[KEPT]]
// CHECK: tensor.insert_slice %{{.*}}[0, 0, 1] [128, 8, 1]
// CHECK: tensor.insert_slice %{{.*}} into %[[ALL]][0, 0, 0] [16, 4, 32]
// CHECK: tensor.extract_slice %{{.*}}[0, 0, 32] [1, 16, 2]
// CHECK: tensor.extract_slice %{{.*}}[0, 0, 34] [1, 16, 1]
// CHECK: linalg.transpose ins(%{{.*}} : tensor<1x16x1x1xi8>)
// CHECK: tensor.extract_slice %{{.*}}[0, 0, 0] [1, 16, 32]
// CHECK: tensor.collapse_shape %{{.*}} into tensor<2240xi8>
func.func @nibbles(%w: !groups) -> !strips4 {
  %r = qlinear.repack %w : !groups to !strips4
  return %r : !strips4
}
