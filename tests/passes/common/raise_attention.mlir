// RUN: %headrace_opt %s --raise-attention --canonicalize --cse | FileCheck %s --implicit-check-not=linalg.batch_matmul

// Attention as torch-mlir writes it becomes qattn.prefill.

#all2 = affine_map<(d0, d1) -> (d0, d1)>
#all4 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#last = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, 0)>

// scaled_dot_product_attention with a boolean mask and shared heads: the scale
// is taken as its root to queries and keys, heads are repeated, rows that see
// nothing are set to 0.
// doc: window
// CHECK-LABEL: func @window(
// CHECK-SAME: %[[Q:.*]]: tensor<1x4x6x8xf32>, %[[K:.*]]: tensor<1x2x6x8xf32>, %[[V:.*]]: tensor<1x2x6x8xf32>
// CHECK: %[[Q1:.*]] = tensor.collapse_shape %[[Q]] {{.*}} into tensor<4x6x8xf32>
// CHECK: %[[Q2:.*]] = linalg.transpose ins(%[[Q1]] : {{.*}} permutation = [1, 0, 2]
// CHECK: %[[K1:.*]] = tensor.collapse_shape %[[K]] {{.*}} into tensor<2x6x8xf32>
// CHECK: %[[K2:.*]] = linalg.transpose ins(%[[K1]] : {{.*}} permutation = [1, 0, 2]
// CHECK: %[[V1:.*]] = tensor.collapse_shape %[[V]] {{.*}} into tensor<2x6x8xf32>
// CHECK: %[[V2:.*]] = linalg.transpose ins(%[[V1]] : {{.*}} permutation = [1, 0, 2]
// CHECK: %[[O:.*]] = qattn.prefill causal ins(%[[Q2]], %[[K2]], %[[V2]] : tensor<6x4x8xf32>, tensor<6x2x8xf32>, tensor<6x2x8xf32>)
// CHECK-SAME: {scale = 0.353553385 : f32, window = 3 : i64} -> tensor<6x4x8xf32>
// CHECK: %[[T:.*]] = linalg.transpose ins(%[[O]] : {{.*}} permutation = [1, 0, 2]
// CHECK: tensor.expand_shape %[[T]]
func.func @window(%arg0: tensor<1x4x6x8xf32>, %arg1: tensor<1x2x6x8xf32>, %arg2: tensor<1x2x6x8xf32>) -> tensor<1x4x6x8xf32> {
  %c3_i64 = arith.constant 3 : i64
  %c0_i64 = arith.constant 0 : i64
  %cst = arith.constant 0.000000e+00 : f32
  %cst_0 = arith.constant 0xFF800000 : f32
  %true = arith.constant true
  %cst_1 = arith.constant dense<0.000000e+00> : tensor<1x4x6x6xf32>
  %cst_2 = arith.constant dense<0.000000e+00> : tensor<f32>
  %cst_3 = arith.constant dense<0xFF800000> : tensor<f32>
  %cst_4 = arith.constant 0.59460355750136051 : f64
  %cst_5 = arith.constant 0xFFF0000000000000 : f64
  %0 = tensor.empty() : tensor<6xi64>
  %1 = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} outs(%0 : tensor<6xi64>) {
  ^bb0(%out: i64):
    %42 = linalg.index 0 : index
    %43 = arith.index_cast %42 : index to i64
    linalg.yield %43 : i64
  } -> tensor<6xi64>
  %expanded = tensor.expand_shape %1 [[0, 1]] output_shape [6, 1] : tensor<6xi64> into tensor<6x1xi64>
  %expanded_6 = tensor.expand_shape %1 [[0, 1]] output_shape [1, 6] : tensor<6xi64> into tensor<1x6xi64>
  %2 = tensor.empty() : tensor<6x6xi64>
  %3 = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, 0)>, affine_map<(d0, d1) -> (0, d1)>, #all2], iterator_types = ["parallel", "parallel"]} ins(%expanded, %expanded_6 : tensor<6x1xi64>, tensor<1x6xi64>) outs(%2 : tensor<6x6xi64>) {
  ^bb0(%in: i64, %in_14: i64, %out: i64):
    %42 = arith.subi %in, %in_14 : i64
    linalg.yield %42 : i64
  } -> tensor<6x6xi64>
  %4 = tensor.empty() : tensor<6x6xi1>
  %5 = linalg.generic {indexing_maps = [#all2, #all2], iterator_types = ["parallel", "parallel"]} ins(%3 : tensor<6x6xi64>) outs(%4 : tensor<6x6xi1>) {
  ^bb0(%in: i64, %out: i1):
    %42 = arith.cmpi sge, %in, %c0_i64 : i64
    linalg.yield %42 : i1
  } -> tensor<6x6xi1>
  %6 = linalg.generic {indexing_maps = [#all2, #all2], iterator_types = ["parallel", "parallel"]} ins(%3 : tensor<6x6xi64>) outs(%4 : tensor<6x6xi1>) {
  ^bb0(%in: i64, %out: i1):
    %42 = arith.cmpi slt, %in, %c3_i64 : i64
    linalg.yield %42 : i1
  } -> tensor<6x6xi1>
  %7 = linalg.generic {indexing_maps = [#all2, #all2, #all2], iterator_types = ["parallel", "parallel"]} ins(%5, %6 : tensor<6x6xi1>, tensor<6x6xi1>) outs(%4 : tensor<6x6xi1>) {
  ^bb0(%in: i1, %in_14: i1, %out: i1):
    %42 = arith.andi %in, %in_14 : i1
    linalg.yield %42 : i1
  } -> tensor<6x6xi1>
  %8 = tensor.empty() : tensor<6x6xf32>
  %9 = linalg.generic {indexing_maps = [#all2, affine_map<(d0, d1) -> ()>, affine_map<(d0, d1) -> ()>, #all2], iterator_types = ["parallel", "parallel"]} ins(%7, %cst_2, %cst_3 : tensor<6x6xi1>, tensor<f32>, tensor<f32>) outs(%8 : tensor<6x6xf32>) {
  ^bb0(%in: i1, %in_14: f32, %in_15: f32, %out: f32):
    %42 = arith.select %in, %in_14, %in_15 : f32
    linalg.yield %42 : f32
  } -> tensor<6x6xf32>
  %10 = tensor.empty() : tensor<1x4x6x8xf32>
  %11 = linalg.generic {indexing_maps = [#all4, #all4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%arg0 : tensor<1x4x6x8xf32>) outs(%10 : tensor<1x4x6x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    %42 = arith.truncf %cst_4 : f64 to f32
    %43 = arith.mulf %in, %42 : f32
    linalg.yield %43 : f32
  } -> tensor<1x4x6x8xf32>
  %12 = tensor.empty() : tensor<1x2x2x6x8xf32>
  %13 = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d3, d4)>, affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d3, d4)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel"]} ins(%arg1 : tensor<1x2x6x8xf32>) outs(%12 : tensor<1x2x2x6x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    linalg.yield %in : f32
  } -> tensor<1x2x2x6x8xf32>
  %collapsed = tensor.collapse_shape %13 [[0], [1, 2], [3], [4]] : tensor<1x2x2x6x8xf32> into tensor<1x4x6x8xf32>
  %14 = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d3, d4)>, affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d3, d4)>], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel"]} ins(%arg2 : tensor<1x2x6x8xf32>) outs(%12 : tensor<1x2x2x6x8xf32>) {
  ^bb0(%in: f32, %out: f32):
    linalg.yield %in : f32
  } -> tensor<1x2x2x6x8xf32>
  %15 = tensor.empty() : tensor<1x4x8x6xf32>
  %transposed = linalg.transpose ins(%collapsed : tensor<1x4x6x8xf32>) outs(%15 : tensor<1x4x8x6xf32>) permutation = [0, 1, 3, 2] 
  %16 = linalg.generic {indexing_maps = [#all4, #all4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%transposed : tensor<1x4x8x6xf32>) outs(%15 : tensor<1x4x8x6xf32>) {
  ^bb0(%in: f32, %out: f32):
    %42 = arith.truncf %cst_4 : f64 to f32
    %43 = arith.mulf %in, %42 : f32
    linalg.yield %43 : f32
  } -> tensor<1x4x8x6xf32>
  %collapsed_7 = tensor.collapse_shape %11 [[0, 1], [2], [3]] : tensor<1x4x6x8xf32> into tensor<4x6x8xf32>
  %collapsed_8 = tensor.collapse_shape %16 [[0, 1], [2], [3]] : tensor<1x4x8x6xf32> into tensor<4x8x6xf32>
  %17 = tensor.empty() : tensor<4x6x6xf32>
  %18 = linalg.fill ins(%cst : f32) outs(%17 : tensor<4x6x6xf32>) -> tensor<4x6x6xf32>
  %19 = linalg.batch_matmul ins(%collapsed_7, %collapsed_8 : tensor<4x6x8xf32>, tensor<4x8x6xf32>) outs(%18 : tensor<4x6x6xf32>) -> tensor<4x6x6xf32>
  %expanded_9 = tensor.expand_shape %19 [[0, 1], [2], [3]] output_shape [1, 4, 6, 6] : tensor<4x6x6xf32> into tensor<1x4x6x6xf32>
  %20 = tensor.empty() : tensor<1x4x6x6xf32>
  %21 = linalg.generic {indexing_maps = [#all4, affine_map<(d0, d1, d2, d3) -> (d2, d3)>, #all4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%expanded_9, %9 : tensor<1x4x6x6xf32>, tensor<6x6xf32>) outs(%20 : tensor<1x4x6x6xf32>) {
  ^bb0(%in: f32, %in_14: f32, %out: f32):
    %42 = arith.addf %in, %in_14 : f32
    linalg.yield %42 : f32
  } -> tensor<1x4x6x6xf32>
  %22 = tensor.empty() : tensor<1x4x6xi64>
  %23 = linalg.fill ins(%c0_i64 : i64) outs(%22 : tensor<1x4x6xi64>) -> tensor<1x4x6xi64>
  %24 = tensor.empty() : tensor<1x4x6xf32>
  %25 = linalg.fill ins(%cst_0 : f32) outs(%24 : tensor<1x4x6xf32>) -> tensor<1x4x6xf32>
  %26:2 = linalg.generic {indexing_maps = [#all4, affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>, affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%21 : tensor<1x4x6x6xf32>) outs(%25, %23 : tensor<1x4x6xf32>, tensor<1x4x6xi64>) {
  ^bb0(%in: f32, %out: f32, %out_14: i64):
    %42 = linalg.index 3 : index
    %43 = arith.index_cast %42 : index to i64
    %44 = arith.maximumf %in, %out : f32
    %45 = arith.cmpf ogt, %in, %out : f32
    %46 = arith.select %45, %43, %out_14 : i64
    linalg.yield %44, %46 : f32, i64
  } -> (tensor<1x4x6xf32>, tensor<1x4x6xi64>)
  %expanded_10 = tensor.expand_shape %26#0 [[0], [1], [2, 3]] output_shape [1, 4, 6, 1] : tensor<1x4x6xf32> into tensor<1x4x6x1xf32>
  %27 = linalg.generic {indexing_maps = [#all4, #last, #all4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%21, %expanded_10 : tensor<1x4x6x6xf32>, tensor<1x4x6x1xf32>) outs(%20 : tensor<1x4x6x6xf32>) {
  ^bb0(%in: f32, %in_14: f32, %out: f32):
    %42 = arith.subf %in, %in_14 : f32
    linalg.yield %42 : f32
  } -> tensor<1x4x6x6xf32>
  %28 = linalg.generic {indexing_maps = [#all4, #all4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%27 : tensor<1x4x6x6xf32>) outs(%20 : tensor<1x4x6x6xf32>) {
  ^bb0(%in: f32, %out: f32):
    %42 = math.exp %in : f32
    linalg.yield %42 : f32
  } -> tensor<1x4x6x6xf32>
  %29 = tensor.empty() : tensor<1x4x6x1xf32>
  %30 = linalg.fill ins(%cst : f32) outs(%29 : tensor<1x4x6x1xf32>) -> tensor<1x4x6x1xf32>
  %31 = linalg.generic {indexing_maps = [#all4, #last], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%28 : tensor<1x4x6x6xf32>) outs(%30 : tensor<1x4x6x1xf32>) {
  ^bb0(%in: f32, %out: f32):
    %42 = arith.addf %in, %out : f32
    linalg.yield %42 : f32
  } -> tensor<1x4x6x1xf32>
  %32 = linalg.generic {indexing_maps = [#all4, #last, #all4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%28, %31 : tensor<1x4x6x6xf32>, tensor<1x4x6x1xf32>) outs(%20 : tensor<1x4x6x6xf32>) {
  ^bb0(%in: f32, %in_14: f32, %out: f32):
    %42 = arith.divf %in, %in_14 : f32
    linalg.yield %42 : f32
  } -> tensor<1x4x6x6xf32>
  %33 = tensor.empty() : tensor<1x4x6x6xi1>
  %34 = linalg.generic {indexing_maps = [#all4, #all4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%21 : tensor<1x4x6x6xf32>) outs(%33 : tensor<1x4x6x6xi1>) {
  ^bb0(%in: f32, %out: i1):
    %42 = arith.extf %in : f32 to f64
    %43 = arith.cmpf oeq, %42, %cst_5 : f64
    linalg.yield %43 : i1
  } -> tensor<1x4x6x6xi1>
  %35 = tensor.empty() : tensor<1x4x6x1xi1>
  %36 = linalg.fill ins(%true : i1) outs(%35 : tensor<1x4x6x1xi1>) -> tensor<1x4x6x1xi1>
  %37 = linalg.generic {indexing_maps = [#all4, #last], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%34 : tensor<1x4x6x6xi1>) outs(%36 : tensor<1x4x6x1xi1>) {
  ^bb0(%in: i1, %out: i1):
    %42 = arith.andi %in, %out : i1
    linalg.yield %42 : i1
  } -> tensor<1x4x6x1xi1>
  %38 = linalg.generic {indexing_maps = [#last, #all4, #all4, #all4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%37, %cst_1, %32 : tensor<1x4x6x1xi1>, tensor<1x4x6x6xf32>, tensor<1x4x6x6xf32>) outs(%20 : tensor<1x4x6x6xf32>) {
  ^bb0(%in: i1, %in_14: f32, %in_15: f32, %out: f32):
    %42 = arith.select %in, %in_14, %in_15 : f32
    linalg.yield %42 : f32
  } -> tensor<1x4x6x6xf32>
  %collapsed_11 = tensor.collapse_shape %38 [[0, 1], [2], [3]] : tensor<1x4x6x6xf32> into tensor<4x6x6xf32>
  %collapsed_12 = tensor.collapse_shape %14 [[0, 1, 2], [3], [4]] : tensor<1x2x2x6x8xf32> into tensor<4x6x8xf32>
  %39 = tensor.empty() : tensor<4x6x8xf32>
  %40 = linalg.fill ins(%cst : f32) outs(%39 : tensor<4x6x8xf32>) -> tensor<4x6x8xf32>
  %41 = linalg.batch_matmul ins(%collapsed_11, %collapsed_12 : tensor<4x6x6xf32>, tensor<4x6x8xf32>) outs(%40 : tensor<4x6x8xf32>) -> tensor<4x6x8xf32>
  %expanded_13 = tensor.expand_shape %41 [[0, 1], [2], [3]] output_shape [1, 4, 6, 8] : tensor<4x6x8xf32> into tensor<1x4x6x8xf32>
  return %expanded_13 : tensor<1x4x6x8xf32>
}
// doc: end

// Eager attention: a soft cap, a mask that is added, more keys than queries.
// CHECK-LABEL: func @softcap(
// CHECK: %[[TWO:.*]] = arith.constant dense<2> : tensor<1xi32>
// CHECK: qattn.prefill causal ins(%{{.*}}, %{{.*}}, %{{.*}} offset %[[TWO]] : tensor<4x2x8xf32>, tensor<6x2x8xf32>, tensor<6x2x4xf32>, tensor<1xi32>)
// CHECK-SAME: {scale = 5.000000e-01 : f32, softcap = 2.000000e+01 : f32} -> tensor<4x2x4xf32>
func.func @softcap(%arg0: tensor<1x2x4x8xf32>, %arg1: tensor<1x2x6x8xf32>, %arg2: tensor<1x2x6x4xf32>) -> tensor<1x2x4x4xf32> {
  %c0_i64 = arith.constant 0 : i64
  %c2_i64 = arith.constant 2 : i64
  %cst = arith.constant 0.000000e+00 : f32
  %cst_0 = arith.constant 0xFF800000 : f32
  %cst_1 = arith.constant dense<0.000000e+00> : tensor<f32>
  %cst_2 = arith.constant dense<-3.40282347E+38> : tensor<f32>
  %cst_3 = arith.constant 5.000000e-01 : f32
  %cst_4 = arith.constant 2.000000e+01 : f32
  %0 = tensor.empty() : tensor<1x2x8x6xf32>
  %transposed = linalg.transpose ins(%arg1 : tensor<1x2x6x8xf32>) outs(%0 : tensor<1x2x8x6xf32>) permutation = [0, 1, 3, 2] 
  %collapsed = tensor.collapse_shape %arg0 [[0, 1], [2], [3]] : tensor<1x2x4x8xf32> into tensor<2x4x8xf32>
  %collapsed_5 = tensor.collapse_shape %transposed [[0, 1], [2], [3]] : tensor<1x2x8x6xf32> into tensor<2x8x6xf32>
  %1 = tensor.empty() : tensor<2x4x6xf32>
  %2 = linalg.fill ins(%cst : f32) outs(%1 : tensor<2x4x6xf32>) -> tensor<2x4x6xf32>
  %3 = linalg.batch_matmul ins(%collapsed, %collapsed_5 : tensor<2x4x8xf32>, tensor<2x8x6xf32>) outs(%2 : tensor<2x4x6xf32>) -> tensor<2x4x6xf32>
  %expanded = tensor.expand_shape %3 [[0, 1], [2], [3]] output_shape [1, 2, 4, 6] : tensor<2x4x6xf32> into tensor<1x2x4x6xf32>
  %4 = tensor.empty() : tensor<1x2x4x6xf32>
  %5 = linalg.generic {indexing_maps = [#all4, #all4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%expanded : tensor<1x2x4x6xf32>) outs(%4 : tensor<1x2x4x6xf32>) {
  ^bb0(%in: f32, %out: f32):
    %36 = arith.mulf %in, %cst_3 : f32
    linalg.yield %36 : f32
  } -> tensor<1x2x4x6xf32>
  %6 = linalg.generic {indexing_maps = [#all4, #all4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%5 : tensor<1x2x4x6xf32>) outs(%4 : tensor<1x2x4x6xf32>) {
  ^bb0(%in: f32, %out: f32):
    %36 = arith.divf %in, %cst_4 : f32
    linalg.yield %36 : f32
  } -> tensor<1x2x4x6xf32>
  %7 = linalg.generic {indexing_maps = [#all4, #all4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%6 : tensor<1x2x4x6xf32>) outs(%4 : tensor<1x2x4x6xf32>) {
  ^bb0(%in: f32, %out: f32):
    %36 = math.tanh %in : f32
    linalg.yield %36 : f32
  } -> tensor<1x2x4x6xf32>
  %8 = linalg.generic {indexing_maps = [#all4, #all4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%7 : tensor<1x2x4x6xf32>) outs(%4 : tensor<1x2x4x6xf32>) {
  ^bb0(%in: f32, %out: f32):
    %36 = arith.mulf %in, %cst_4 : f32
    linalg.yield %36 : f32
  } -> tensor<1x2x4x6xf32>
  %9 = tensor.empty() : tensor<4xi64>
  %10 = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} outs(%9 : tensor<4xi64>) {
  ^bb0(%out: i64):
    %36 = linalg.index 0 : index
    %37 = arith.index_cast %36 : index to i64
    linalg.yield %37 : i64
  } -> tensor<4xi64>
  %expanded_6 = tensor.expand_shape %10 [[0, 1]] output_shape [4, 1] : tensor<4xi64> into tensor<4x1xi64>
  %11 = tensor.empty() : tensor<4x1xi64>
  %12 = linalg.generic {indexing_maps = [#all2, #all2], iterator_types = ["parallel", "parallel"]} ins(%expanded_6 : tensor<4x1xi64>) outs(%11 : tensor<4x1xi64>) {
  ^bb0(%in: i64, %out: i64):
    %36 = arith.addi %in, %c2_i64 : i64
    linalg.yield %36 : i64
  } -> tensor<4x1xi64>
  %13 = tensor.empty() : tensor<6xi64>
  %14 = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} outs(%13 : tensor<6xi64>) {
  ^bb0(%out: i64):
    %36 = linalg.index 0 : index
    %37 = arith.index_cast %36 : index to i64
    linalg.yield %37 : i64
  } -> tensor<6xi64>
  %expanded_7 = tensor.expand_shape %14 [[0, 1]] output_shape [1, 6] : tensor<6xi64> into tensor<1x6xi64>
  %15 = tensor.empty() : tensor<4x6xi64>
  %16 = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, 0)>, affine_map<(d0, d1) -> (0, d1)>, #all2], iterator_types = ["parallel", "parallel"]} ins(%12, %expanded_7 : tensor<4x1xi64>, tensor<1x6xi64>) outs(%15 : tensor<4x6xi64>) {
  ^bb0(%in: i64, %in_12: i64, %out: i64):
    %36 = arith.subi %in, %in_12 : i64
    linalg.yield %36 : i64
  } -> tensor<4x6xi64>
  %17 = tensor.empty() : tensor<4x6xi1>
  %18 = linalg.generic {indexing_maps = [#all2, #all2], iterator_types = ["parallel", "parallel"]} ins(%16 : tensor<4x6xi64>) outs(%17 : tensor<4x6xi1>) {
  ^bb0(%in: i64, %out: i1):
    %36 = arith.cmpi sge, %in, %c0_i64 : i64
    linalg.yield %36 : i1
  } -> tensor<4x6xi1>
  %19 = tensor.empty() : tensor<4x6xf32>
  %20 = linalg.generic {indexing_maps = [#all2, affine_map<(d0, d1) -> ()>, affine_map<(d0, d1) -> ()>, #all2], iterator_types = ["parallel", "parallel"]} ins(%18, %cst_1, %cst_2 : tensor<4x6xi1>, tensor<f32>, tensor<f32>) outs(%19 : tensor<4x6xf32>) {
  ^bb0(%in: i1, %in_12: f32, %in_13: f32, %out: f32):
    %36 = arith.select %in, %in_12, %in_13 : f32
    linalg.yield %36 : f32
  } -> tensor<4x6xf32>
  %21 = linalg.generic {indexing_maps = [#all4, affine_map<(d0, d1, d2, d3) -> (d2, d3)>, #all4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%8, %20 : tensor<1x2x4x6xf32>, tensor<4x6xf32>) outs(%4 : tensor<1x2x4x6xf32>) {
  ^bb0(%in: f32, %in_12: f32, %out: f32):
    %36 = arith.addf %in, %in_12 : f32
    linalg.yield %36 : f32
  } -> tensor<1x2x4x6xf32>
  %22 = tensor.empty() : tensor<1x2x4xi64>
  %23 = linalg.fill ins(%c0_i64 : i64) outs(%22 : tensor<1x2x4xi64>) -> tensor<1x2x4xi64>
  %24 = tensor.empty() : tensor<1x2x4xf32>
  %25 = linalg.fill ins(%cst_0 : f32) outs(%24 : tensor<1x2x4xf32>) -> tensor<1x2x4xf32>
  %26:2 = linalg.generic {indexing_maps = [#all4, affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>, affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%21 : tensor<1x2x4x6xf32>) outs(%25, %23 : tensor<1x2x4xf32>, tensor<1x2x4xi64>) {
  ^bb0(%in: f32, %out: f32, %out_12: i64):
    %36 = linalg.index 3 : index
    %37 = arith.index_cast %36 : index to i64
    %38 = arith.maximumf %in, %out : f32
    %39 = arith.cmpf ogt, %in, %out : f32
    %40 = arith.select %39, %37, %out_12 : i64
    linalg.yield %38, %40 : f32, i64
  } -> (tensor<1x2x4xf32>, tensor<1x2x4xi64>)
  %expanded_8 = tensor.expand_shape %26#0 [[0], [1], [2, 3]] output_shape [1, 2, 4, 1] : tensor<1x2x4xf32> into tensor<1x2x4x1xf32>
  %27 = linalg.generic {indexing_maps = [#all4, #last, #all4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%21, %expanded_8 : tensor<1x2x4x6xf32>, tensor<1x2x4x1xf32>) outs(%4 : tensor<1x2x4x6xf32>) {
  ^bb0(%in: f32, %in_12: f32, %out: f32):
    %36 = arith.subf %in, %in_12 : f32
    linalg.yield %36 : f32
  } -> tensor<1x2x4x6xf32>
  %28 = linalg.generic {indexing_maps = [#all4, #all4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%27 : tensor<1x2x4x6xf32>) outs(%4 : tensor<1x2x4x6xf32>) {
  ^bb0(%in: f32, %out: f32):
    %36 = math.exp %in : f32
    linalg.yield %36 : f32
  } -> tensor<1x2x4x6xf32>
  %29 = tensor.empty() : tensor<1x2x4x1xf32>
  %30 = linalg.fill ins(%cst : f32) outs(%29 : tensor<1x2x4x1xf32>) -> tensor<1x2x4x1xf32>
  %31 = linalg.generic {indexing_maps = [#all4, #last], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%28 : tensor<1x2x4x6xf32>) outs(%30 : tensor<1x2x4x1xf32>) {
  ^bb0(%in: f32, %out: f32):
    %36 = arith.addf %in, %out : f32
    linalg.yield %36 : f32
  } -> tensor<1x2x4x1xf32>
  %32 = linalg.generic {indexing_maps = [#all4, #last, #all4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%28, %31 : tensor<1x2x4x6xf32>, tensor<1x2x4x1xf32>) outs(%4 : tensor<1x2x4x6xf32>) {
  ^bb0(%in: f32, %in_12: f32, %out: f32):
    %36 = arith.divf %in, %in_12 : f32
    linalg.yield %36 : f32
  } -> tensor<1x2x4x6xf32>
  %collapsed_9 = tensor.collapse_shape %32 [[0, 1], [2], [3]] : tensor<1x2x4x6xf32> into tensor<2x4x6xf32>
  %collapsed_10 = tensor.collapse_shape %arg2 [[0, 1], [2], [3]] : tensor<1x2x6x4xf32> into tensor<2x6x4xf32>
  %33 = tensor.empty() : tensor<2x4x4xf32>
  %34 = linalg.fill ins(%cst : f32) outs(%33 : tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
  %35 = linalg.batch_matmul ins(%collapsed_9, %collapsed_10 : tensor<2x4x6xf32>, tensor<2x6x4xf32>) outs(%34 : tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
  %expanded_11 = tensor.expand_shape %35 [[0, 1], [2], [3]] output_shape [1, 2, 4, 4] : tensor<2x4x4xf32> into tensor<1x2x4x4xf32>
  return %expanded_11 : tensor<1x2x4x4xf32>
}
