// RUN: %headrace_opt %s --raise-dequantize --canonicalize --cse | FileCheck %s

// Matrices that are dequantized from codes become qlinear.dequantize.

#all2 = affine_map<(d0, d1) -> (d0, d1)>
#all3 = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#per_group = affine_map<(d0, d1, d2) -> (d0, d1, 0)>
#per_row = affine_map<(d0, d1) -> (d0, 0)>
#nm = affine_map<(n, m, k) -> (n, m)>
#nk = affine_map<(n, m, k) -> (n, k)>
#mk = affine_map<(n, m, k) -> (m, k)>

// Signed codes are stored with their sign bits flipped.
// doc: groups
// CHECK-LABEL: func @groups(
// CHECK-SAME: %[[X:.*]]: tensor<3x64xf32>, %[[CODES:.*]]: tensor<4x64xi8>, %[[SCALES:.*]]: tensor<4x2xf32>
// CHECK-DAG: %[[SIGN:.*]] = arith.constant -128 : i8
// CHECK: %[[FLIPPED:.*]] = linalg.generic {{.*}} ins(%[[CODES]] : tensor<4x64xi8>)
// CHECK: arith.xori %{{.*}}, %[[SIGN]] : i8
// CHECK: %[[BYTES:.*]] = linalg.generic {{.*}} ins(%[[SCALES]] : tensor<4x2xf32>) outs(%{{.*}} : tensor<4x2x4xi8>)
// CHECK: arith.bitcast %{{.*}} : f32 to i32
// CHECK: tensor.insert_slice %[[FLIPPED]] into %{{.*}}[0, 0] [4, 64] [1, 1] : tensor<4x64xi8> into tensor<4x72xi8>
// CHECK: tensor.insert_slice %{{.*}} into %{{.*}}[0, 64] [4, 8] [1, 1] : tensor<4x8xi8> into tensor<4x72xi8>
// CHECK: %[[W:.*]] = qlinear.from_bytes %{{.*}} : tensor<288xi8> to !qlinear.packed<4x64, #qlinear.affine<bits = 8, group = 32, scale = f32>>
// CHECK: %[[D:.*]] = qlinear.dequantize ins(%[[W]] :
// CHECK: %[[T:.*]] = linalg.transpose ins(%[[D]] : tensor<4x64xf32>)
// CHECK: linalg.matmul ins(%[[X]], %[[T]] : tensor<3x64xf32>, tensor<64x4xf32>)
func.func @groups(%x: tensor<3x64xf32>, %codes: tensor<4x64xi8>, %scales: tensor<4x2xf32>) -> tensor<3x4xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4x2x32xf32>
  %c = tensor.expand_shape %codes [[0], [1, 2]] output_shape [4, 2, 32] : tensor<4x64xi8> into tensor<4x2x32xi8>
  %s = tensor.expand_shape %scales [[0], [1, 2]] output_shape [4, 2, 1] : tensor<4x2xf32> into tensor<4x2x1xf32>
  %f = linalg.generic {indexing_maps = [#all3, #all3], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%c : tensor<4x2x32xi8>) outs(%e : tensor<4x2x32xf32>) {
  ^bb0(%in: i8, %out: f32):
    %v = arith.sitofp %in : i8 to f32
    linalg.yield %v : f32
  } -> tensor<4x2x32xf32>
  %v = linalg.generic {indexing_maps = [#all3, #per_group, #all3], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%f, %s : tensor<4x2x32xf32>, tensor<4x2x1xf32>) outs(%e : tensor<4x2x32xf32>) {
  ^bb0(%in: f32, %scale: f32, %out: f32):
    %p = arith.mulf %in, %scale : f32
    linalg.yield %p : f32
  } -> tensor<4x2x32xf32>
  %d = tensor.collapse_shape %v [[0], [1, 2]] : tensor<4x2x32xf32> into tensor<4x64xf32>
  %te = tensor.empty() : tensor<64x4xf32>
  %t = linalg.transpose ins(%d : tensor<4x64xf32>) outs(%te : tensor<64x4xf32>) permutation = [1, 0]
  %ye = tensor.empty() : tensor<3x4xf32>
  %z = linalg.fill ins(%zero : f32) outs(%ye : tensor<3x4xf32>) -> tensor<3x4xf32>
  %y = linalg.matmul ins(%x, %t : tensor<3x64xf32>, tensor<64x4xf32>) outs(%z : tensor<3x4xf32>) -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}
// doc: end

// Two nibbles of a byte, stacked: the bytes are those of the format already.
// Scales are f16, zero points bytes.
// CHECK-LABEL: func @nibbles(
// CHECK-SAME: %[[PACKED:[a-z0-9]+]]: tensor<4x32xi8>, %[[SCALES:[a-z0-9]+]]: tensor<4x2xf16>, %[[ZEROS:[a-z0-9]+]]: tensor<4x2xi8>
// CHECK-NOT: arith.andi
// CHECK: tensor.insert_slice %[[PACKED]] into %{{.*}}[0, 0] [4, 32]
// CHECK: tensor.insert_slice %[[ZEROS]] into %{{.*}}[0, 36] [4, 2]
// CHECK: qlinear.from_bytes %{{.*}} to !qlinear.packed<4x64, #qlinear.affine<bits = 4, group = 32, scale = f16, zero_point = integer>>
func.func @nibbles(%x: tensor<3x64xf32>, %packed: tensor<4x32xi8>, %scales: tensor<4x2xf16>, %zeros: tensor<4x2xi8>, %z: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %c15 = arith.constant 15 : i8
  %c4 = arith.constant 4 : i8
  %b = tensor.empty() : tensor<4x32xi8>
  %low = linalg.generic {indexing_maps = [#all2, #all2], iterator_types = ["parallel", "parallel"]}
      ins(%packed : tensor<4x32xi8>) outs(%b : tensor<4x32xi8>) {
  ^bb0(%in: i8, %out: i8):
    %v = arith.andi %in, %c15 : i8
    linalg.yield %v : i8
  } -> tensor<4x32xi8>
  %high = linalg.generic {indexing_maps = [#all2, #all2], iterator_types = ["parallel", "parallel"]}
      ins(%packed : tensor<4x32xi8>) outs(%b : tensor<4x32xi8>) {
  ^bb0(%in: i8, %out: i8):
    %v = arith.shrui %in, %c4 : i8
    linalg.yield %v : i8
  } -> tensor<4x32xi8>
  %l = tensor.expand_shape %low [[0], [1, 2]] output_shape [4, 32, 1] : tensor<4x32xi8> into tensor<4x32x1xi8>
  %h = tensor.expand_shape %high [[0], [1, 2]] output_shape [4, 32, 1] : tensor<4x32xi8> into tensor<4x32x1xi8>
  %both = tensor.concat dim(2) %l, %h : (tensor<4x32x1xi8>, tensor<4x32x1xi8>) -> tensor<4x32x2xi8>
  %flat = tensor.collapse_shape %both [[0], [1, 2]] : tensor<4x32x2xi8> into tensor<4x64xi8>
  %c = tensor.expand_shape %flat [[0], [1, 2]] output_shape [4, 2, 32] : tensor<4x64xi8> into tensor<4x2x32xi8>
  %s = tensor.expand_shape %scales [[0], [1, 2]] output_shape [4, 2, 1] : tensor<4x2xf16> into tensor<4x2x1xf16>
  %p = tensor.expand_shape %zeros [[0], [1, 2]] output_shape [4, 2, 1] : tensor<4x2xi8> into tensor<4x2x1xi8>
  %e = tensor.empty() : tensor<4x2x32xf32>
  %v = linalg.generic {indexing_maps = [#all3, #per_group, #per_group, #all3], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%c, %p, %s : tensor<4x2x32xi8>, tensor<4x2x1xi8>, tensor<4x2x1xf16>) outs(%e : tensor<4x2x32xf32>) {
  ^bb0(%code: i8, %point: i8, %scale: f16, %out: f32):
    %0 = arith.uitofp %code : i8 to f32
    %1 = arith.uitofp %point : i8 to f32
    %2 = arith.subf %0, %1 : f32
    %3 = arith.extf %scale : f16 to f32
    %4 = arith.mulf %2, %3 : f32
    linalg.yield %4 : f32
  } -> tensor<4x2x32xf32>
  %d = tensor.collapse_shape %v [[0], [1, 2]] : tensor<4x2x32xf32> into tensor<4x64xf32>
  %y = linalg.matmul indexing_maps = [#nk, #mk, #nm] ins(%x, %d : tensor<3x64xf32>, tensor<4x64xf32>) outs(%z : tensor<3x4xf32>) -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}

// A plain conversion is a dequantization with scale 1: what weight-only int8
// does, which multiplies the product by the scales of channels. The codes are
// [columns, rows] here.
// CHECK-LABEL: func @conversion(
// CHECK-SAME: %[[CODES:[a-z0-9]+]]: tensor<64x4xi8>
// CHECK: %[[T:.*]] = linalg.transpose ins(%[[CODES]] : tensor<64x4xi8>) outs(%{{.*}} : tensor<4x64xi8>) permutation = [1, 0]
// CHECK: linalg.generic {{.*}} ins(%[[T]] : tensor<4x64xi8>)
// CHECK: qlinear.from_bytes %{{.*}} to !qlinear.packed<4x64, #qlinear.affine<bits = 8, group = channel, scale = f32>>
func.func @conversion(%x: tensor<64xf32>, %codes: tensor<64x4xi8>, %z: tensor<4xf32>) -> tensor<4xf32> {
  %e = tensor.empty() : tensor<64x4xf32>
  %f = linalg.generic {indexing_maps = [#all2, #all2], iterator_types = ["parallel", "parallel"]}
      ins(%codes : tensor<64x4xi8>) outs(%e : tensor<64x4xf32>) {
  ^bb0(%in: i8, %out: f32):
    %v = arith.sitofp %in : i8 to f32
    linalg.yield %v : f32
  } -> tensor<64x4xf32>
  %y = linalg.vecmat ins(%x, %f : tensor<64xf32>, tensor<64x4xf32>) outs(%z : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// Zero points added behind the scale.
// CHECK-LABEL: func @float_zero_points(
// CHECK: qlinear.from_bytes %{{.*}} to !qlinear.packed<4x64, #qlinear.affine<bits = 8, group = channel, scale = bf16, zero_point = float>>
func.func @float_zero_points(%x: tensor<64xf32>, %codes: tensor<4x64xi8>, %scales: tensor<4x1xbf16>, %zeros: tensor<4x1xbf16>, %z: tensor<4xf32>) -> tensor<4xf32> {
  %e = tensor.empty() : tensor<4x64xf32>
  %f = linalg.generic {indexing_maps = [#all2, #per_row, #per_row, #all2], iterator_types = ["parallel", "parallel"]}
      ins(%codes, %scales, %zeros : tensor<4x64xi8>, tensor<4x1xbf16>, tensor<4x1xbf16>) outs(%e : tensor<4x64xf32>) {
  ^bb0(%code: i8, %scale: bf16, %zero: bf16, %out: f32):
    %0 = arith.sitofp %code : i8 to f32
    %1 = arith.extf %scale : bf16 to f32
    %2 = arith.extf %zero : bf16 to f32
    %3 = arith.mulf %1, %0 : f32
    %4 = arith.addf %3, %2 : f32
    linalg.yield %4 : f32
  } -> tensor<4x64xf32>
  %y = linalg.matvec ins(%f, %x : tensor<4x64xf32>, tensor<64xf32>) outs(%z : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// An unsigned code without a zero point counts from 0.
// CHECK-LABEL: func @unsigned(
// CHECK: %[[ZEROS:.*]] = linalg.fill ins(%c0_i8 : i8) outs(%{{.*}} : tensor<4x1xi8>)
// CHECK: tensor.insert_slice %[[ZEROS]] into %{{.*}}[0, 68] [4, 1]
// CHECK: zero_point = integer>>
func.func @unsigned(%x: tensor<64xf32>, %codes: tensor<4x64xi8>, %scales: tensor<4xf32>, %z: tensor<4xf32>) -> tensor<4xf32> {
  %e = tensor.empty() : tensor<4x64xf32>
  %f = linalg.generic {indexing_maps = [#all2, affine_map<(d0, d1) -> (d0)>, #all2], iterator_types = ["parallel", "parallel"]}
      ins(%codes, %scales : tensor<4x64xi8>, tensor<4xf32>) outs(%e : tensor<4x64xf32>) {
  ^bb0(%code: i8, %scale: f32, %out: f32):
    %0 = arith.uitofp %code : i8 to f32
    %1 = arith.mulf %0, %scale : f32
    linalg.yield %1 : f32
  } -> tensor<4x64xf32>
  %y = linalg.matvec ins(%f, %x : tensor<4x64xf32>, tensor<64xf32>) outs(%z : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
