// RUN: %headrace_opt %s --raise-dequantize | FileCheck %s --implicit-check-not=qlinear.

// What the format cannot say in every element stays as it is.

#all2 = affine_map<(d0, d1) -> (d0, d1)>
#per_row = affine_map<(d0, d1) -> (d0)>
#per_col = affine_map<(d0, d1) -> (d1)>

// A scale for each column is no scale of a group of columns.
// CHECK-LABEL: func @scales_of_columns(
// CHECK: arith.sitofp
// CHECK: linalg.matvec
func.func @scales_of_columns(%x: tensor<64xf32>, %codes: tensor<4x64xi8>, %scales: tensor<64xf32>, %z: tensor<4xf32>) -> tensor<4xf32> {
  %e = tensor.empty() : tensor<4x64xf32>
  %f = linalg.generic {indexing_maps = [#all2, #per_col, #all2], iterator_types = ["parallel", "parallel"]}
      ins(%codes, %scales : tensor<4x64xi8>, tensor<64xf32>) outs(%e : tensor<4x64xf32>) {
  ^bb0(%code: i8, %scale: f32, %out: f32):
    %0 = arith.sitofp %code : i8 to f32
    %1 = arith.mulf %0, %scale : f32
    linalg.yield %1 : f32
  } -> tensor<4x64xf32>
  %y = linalg.matvec ins(%f, %x : tensor<4x64xf32>, tensor<64xf32>) outs(%z : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// A subtraction in 8 bits wraps around; the format's does not.
// CHECK-LABEL: func @wraps(
// CHECK: arith.subi
func.func @wraps(%x: tensor<64xf32>, %codes: tensor<4x64xi8>, %zeros: tensor<4xi8>, %scales: tensor<4xf32>, %z: tensor<4xf32>) -> tensor<4xf32> {
  %e = tensor.empty() : tensor<4x64xf32>
  %f = linalg.generic {indexing_maps = [#all2, #per_row, #per_row, #all2], iterator_types = ["parallel", "parallel"]}
      ins(%codes, %zeros, %scales : tensor<4x64xi8>, tensor<4xi8>, tensor<4xf32>) outs(%e : tensor<4x64xf32>) {
  ^bb0(%code: i8, %zero: i8, %scale: f32, %out: f32):
    %0 = arith.subi %code, %zero : i8
    %1 = arith.sitofp %0 : i8 to f32
    %2 = arith.mulf %1, %scale : f32
    linalg.yield %2 : f32
  } -> tensor<4x64xf32>
  %y = linalg.matvec ins(%f, %x : tensor<4x64xf32>, tensor<64xf32>) outs(%z : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// A zero point between two codes.
// CHECK-LABEL: func @fraction(
// CHECK: arith.subf
func.func @fraction(%x: tensor<64xf32>, %codes: tensor<4x64xi8>, %z: tensor<4xf32>) -> tensor<4xf32> {
  %half = arith.constant 7.5 : f32
  %e = tensor.empty() : tensor<4x64xf32>
  %f = linalg.generic {indexing_maps = [#all2, #all2], iterator_types = ["parallel", "parallel"]}
      ins(%codes : tensor<4x64xi8>) outs(%e : tensor<4x64xf32>) {
  ^bb0(%code: i8, %out: f32):
    %0 = arith.sitofp %code : i8 to f32
    %1 = arith.subf %0, %half : f32
    linalg.yield %1 : f32
  } -> tensor<4x64xf32>
  %y = linalg.matvec ins(%f, %x : tensor<4x64xf32>, tensor<64xf32>) outs(%z : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// Zero points of a wider range than a byte.
// CHECK-LABEL: func @zero_points_of_16_bits(
// CHECK: arith.subf
func.func @zero_points_of_16_bits(%x: tensor<64xf32>, %codes: tensor<4x64xi8>, %zeros: tensor<4xi16>, %z: tensor<4xf32>) -> tensor<4xf32> {
  %e = tensor.empty() : tensor<4x64xf32>
  %f = linalg.generic {indexing_maps = [#all2, #per_row, #all2], iterator_types = ["parallel", "parallel"]}
      ins(%codes, %zeros : tensor<4x64xi8>, tensor<4xi16>) outs(%e : tensor<4x64xf32>) {
  ^bb0(%code: i8, %zero: i16, %out: f32):
    %0 = arith.sitofp %code : i8 to f32
    %1 = arith.sitofp %zero : i16 to f32
    %2 = arith.subf %0, %1 : f32
    linalg.yield %2 : f32
  } -> tensor<4x64xf32>
  %y = linalg.matvec ins(%f, %x : tensor<4x64xf32>, tensor<64xf32>) outs(%z : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// Arithmetic in 16 bits rounds otherwise.
// CHECK-LABEL: func @product_of_halves(
// CHECK: arith.mulf %{{.*}} : f16
func.func @product_of_halves(%x: tensor<64xf32>, %codes: tensor<4x64xi8>, %scales: tensor<4xf16>, %z: tensor<4xf32>) -> tensor<4xf32> {
  %e = tensor.empty() : tensor<4x64xf32>
  %f = linalg.generic {indexing_maps = [#all2, #per_row, #all2], iterator_types = ["parallel", "parallel"]}
      ins(%codes, %scales : tensor<4x64xi8>, tensor<4xf16>) outs(%e : tensor<4x64xf32>) {
  ^bb0(%code: i8, %scale: f16, %out: f32):
    %0 = arith.sitofp %code : i8 to f16
    %1 = arith.mulf %0, %scale : f16
    %2 = arith.extf %1 : f16 to f32
    linalg.yield %2 : f32
  } -> tensor<4x64xf32>
  %y = linalg.matvec ins(%f, %x : tensor<4x64xf32>, tensor<64xf32>) outs(%z : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// Codes that are computed are activations.
// CHECK-LABEL: func @activations(
// CHECK: arith.fptosi
func.func @activations(%x: tensor<64xf32>, %a: tensor<4x64xf32>, %z: tensor<4xf32>) -> tensor<4xf32> {
  %b = tensor.empty() : tensor<4x64xi8>
  %codes = linalg.generic {indexing_maps = [#all2, #all2], iterator_types = ["parallel", "parallel"]}
      ins(%a : tensor<4x64xf32>) outs(%b : tensor<4x64xi8>) {
  ^bb0(%in: f32, %out: i8):
    %0 = arith.fptosi %in : f32 to i8
    linalg.yield %0 : i8
  } -> tensor<4x64xi8>
  %e = tensor.empty() : tensor<4x64xf32>
  %f = linalg.generic {indexing_maps = [#all2, #all2], iterator_types = ["parallel", "parallel"]}
      ins(%codes : tensor<4x64xi8>) outs(%e : tensor<4x64xf32>) {
  ^bb0(%in: i8, %out: f32):
    %0 = arith.sitofp %in : i8 to f32
    linalg.yield %0 : f32
  } -> tensor<4x64xf32>
  %y = linalg.matvec ins(%f, %x : tensor<4x64xf32>, tensor<64xf32>) outs(%z : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// CHECK-LABEL: func @dynamic(
// CHECK: linalg.matvec
func.func @dynamic(%x: tensor<?xf32>, %codes: tensor<4x?xi8>, %e: tensor<4x?xf32>, %z: tensor<4xf32>) -> tensor<4xf32> {
  %f = linalg.generic {indexing_maps = [#all2, #all2], iterator_types = ["parallel", "parallel"]}
      ins(%codes : tensor<4x?xi8>) outs(%e : tensor<4x?xf32>) {
  ^bb0(%in: i8, %out: f32):
    %0 = arith.sitofp %in : i8 to f32
    linalg.yield %0 : f32
  } -> tensor<4x?xf32>
  %y = linalg.matvec ins(%f, %x : tensor<4x?xf32>, tensor<?xf32>) outs(%z : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
