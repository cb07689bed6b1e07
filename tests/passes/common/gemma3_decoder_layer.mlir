// RUN: %headrace_opt %s --raise-torch-ops --raise-dequantize --raise-attention --canonicalize --cse --outline-weights \
// RUN:     --fuse-dequant-matvec --fuse-gated-matvec --merge-shared-input --chunk-prefill=queries=4 --split-kv=splits=2 \
// RUN:     --canonicalize --cse | FileCheck %s --implicit-check-not=call --implicit-check-not="linalg.{{matmul|batch_matmul|matvec|vecmat}}" --implicit-check-not=qlinear.dequantize

// A decoder layer of Gemma 3 (transformers), through torch.export and torch-mlir: 4-bit weights that
// are dequantized by arithmetic, attention for 8 tokens that is decomposed, and one step of decoding
// that calls operators of headrace. It is raised, fused, merged and split; what it computes is
// compared with PyTorch in tests/python/test_raise_gemma3.py.

// The bytes of seven weights are packed before the layer runs.
// CHECK-LABEL: func.func @prefill_weights(
// CHECK-SAME: -> (tensor<2688xi8>, tensor<1344xi8>, tensor<1344xi8>, tensor<2688xi8>, tensor<4032xi8>, tensor<4032xi8>, tensor<4032xi8>)
// CHECK-NOT: arith.{{sitofp|uitofp|mulf|subf}}
// CHECK: return

// One product makes queries, keys and values.
// CHECK-LABEL: func.func @prefill(
// CHECK-NOT: i8>
// CHECK-SAME: %[[WQ:[a-z0-9]+]]: tensor<2688xi8>, %[[WK:[a-z0-9]+]]: tensor<1344xi8>, %[[WV:[a-z0-9]+]]: tensor<1344xi8>, %[[WO:[a-z0-9]+]]: tensor<2688xi8>, %[[WG:[a-z0-9]+]]: tensor<4032xi8>, %[[WU:[a-z0-9]+]]: tensor<4032xi8>, %[[WD:[a-z0-9]+]]: tensor<4032xi8>)
// CHECK-DAG: %[[Q:.*]] = qlinear.from_bytes %[[WQ]]
// CHECK-DAG: %[[K:.*]] = qlinear.from_bytes %[[WK]]
// CHECK-DAG: %[[V:.*]] = qlinear.from_bytes %[[WV]]
// CHECK: %[[QKV:.*]] = qlinear.concat %[[Q]], %[[K]], %[[V]]
// CHECK-SAME: to !qlinear.packed<128x64, #qlinear.affine<bits = 4, group = 32, scale = f32, zero_point = integer>>
// CHECK: qlinear.matmul ins(%[[QKV]], %{{.*}} tensor<8x64xf32>) outs(%{{.*}}) -> tensor<8x128xf32>
// CHECK: tensor.extract_slice %{{.*}}[0, 0] [8, 64]
// CHECK: tensor.extract_slice %{{.*}}[0, 64] [8, 32]
// CHECK: tensor.extract_slice %{{.*}}[0, 96] [8, 32]

// Attention of four queries at a time, heads of keys and values once, with the
// window that the mask has.
// CHECK: scf.for
// CHECK: qattn.prefill causal
// CHECK-SAME: tensor<4x4x16xf32>, tensor<8x2x16xf32>, tensor<8x2x16xf32>
// CHECK-SAME: {scale = 2.500000e-01 : f32, window = 4 : i64} -> tensor<4x4x16xf32>
// CHECK: scf.yield
// CHECK: %[[O:.*]] = qlinear.from_bytes %[[WO]]
// CHECK: qlinear.matmul ins(%[[O]],

// One product makes gate and up.
// CHECK-DAG: %[[G:.*]] = qlinear.from_bytes %[[WG]]
// CHECK-DAG: %[[U:.*]] = qlinear.from_bytes %[[WU]]
// CHECK: %[[GU:.*]] = qlinear.concat %[[G]], %[[U]]
// CHECK: qlinear.matmul ins(%[[GU]], {{.*}} -> tensor<8x192xf32>
// CHECK: %[[D:.*]] = qlinear.from_bytes %[[WD]]
// CHECK: qlinear.matmul ins(%[[D]],
// CHECK: return %{{.*}} : tensor<1x8x64xf32>

// A step: products with one vector, a cache that is read in two parts, and gate,
// up and their activation in one.
// CHECK-LABEL: func.func @decode_step_weights(
// CHECK-LABEL: func.func @decode_step(
// CHECK: qlinear.matvec {{.*}} -> tensor<128xf32>
// CHECK: %[[CACHE:.*]] = qattn.append_kv
// CHECK: qattn.cache_to_bytes %[[CACHE]]
// CHECK: %[[PARTS:.*]]:2 = qattn.decode ins(%{{.*}}, %[[CACHE]],
// CHECK-SAME: {scale = 2.500000e-01 : f32, splits = 2 : i64, window = 4 : i64}
// CHECK: qattn.merge_partials ins(%[[PARTS]]#0, %[[PARTS]]#1 :
// CHECK: qlinear.matvec
// CHECK: qlinear.gated_matvec gelu_tanh
// CHECK: qlinear.matvec
// CHECK: return %{{.*}}, %{{.*}} : tensor<1x1x64xf32>, tensor<8192xi8>

// From here on as scripts/gemma3_layer.py writes it.

#map = affine_map<(d0) -> (d0)>
#map1 = affine_map<(d0, d1) -> (d0, 0)>
#map2 = affine_map<(d0, d1) -> (0, d1)>
#map3 = affine_map<(d0, d1) -> (d0, d1)>
#map4 = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#map5 = affine_map<(d0, d1, d2) -> (d0, d1, 0)>
#map6 = affine_map<(d0, d1, d2) -> (d2)>
#map7 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#map8 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, 0)>
#map9 = affine_map<(d0, d1, d2, d3) -> (d3)>
#map10 = affine_map<(d0, d1, d2, d3) -> (d0, 0, d2, d3)>
#map11 = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d3, d4)>
#map12 = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d3, d4)>
#map13 = affine_map<(d0, d1, d2, d3) -> ()>
#map14 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
module {
  func.func @prefill(%arg0: tensor<1x8x64xf32>, %arg1: tensor<1x8x16xf32>, %arg2: tensor<1x8x16xf32>, %arg3: tensor<64x32xi8>, %arg4: tensor<64x2xf32>, %arg5: tensor<64x2xi8>, %arg6: tensor<32x32xi8>, %arg7: tensor<32x2xf32>, %arg8: tensor<32x2xi8>, %arg9: tensor<32x32xi8>, %arg10: tensor<32x2xf32>, %arg11: tensor<32x2xi8>, %arg12: tensor<64x32xi8>, %arg13: tensor<64x2xf32>, %arg14: tensor<64x2xi8>, %arg15: tensor<16xf32>, %arg16: tensor<16xf32>, %arg17: tensor<96x32xi8>, %arg18: tensor<96x2xf32>, %arg19: tensor<96x2xi8>, %arg20: tensor<96x32xi8>, %arg21: tensor<96x2xf32>, %arg22: tensor<96x2xi8>, %arg23: tensor<64x48xi8>, %arg24: tensor<64x3xf32>, %arg25: tensor<64x3xi8>, %arg26: tensor<64xf32>, %arg27: tensor<64xf32>, %arg28: tensor<64xf32>, %arg29: tensor<64xf32>) -> tensor<1x8x64xf32> {
    %c2_i64 = arith.constant 2 : i64
    %c4_i64 = arith.constant 4 : i64
    %c0_i64 = arith.constant 0 : i64
    %cst = arith.constant 0.000000e+00 : f32
    %cst_0 = arith.constant 0xFF800000 : f32
    %true = arith.constant true
    %cst_1 = arith.constant dense<0.000000e+00> : tensor<1x4x8x8xf32>
    %cst_2 = arith.constant dense<0.000000e+00> : tensor<f32>
    %cst_3 = arith.constant dense<0xFF800000> : tensor<f32>
    %cst_4 = arith.constant 0.79788456080286541 : f64
    %cst_5 = arith.constant 4.471500e-02 : f64
    %cst_6 = arith.constant 0xFFF0000000000000 : f64
    %cst_7 = arith.constant 9.9999999999999995E-7 : f64
    %cst_8 = arith.constant 6.400000e+01 : f32
    %cst_9 = arith.constant 1.000000e+00 : f32
    %c15_i8 = arith.constant 15 : i8
    %c4_i8 = arith.constant 4 : i8
    %cst_10 = arith.constant 1.600000e+01 : f32
    %cst_11 = arith.constant 5.000000e-01 : f32
    %0 = tensor.empty() : tensor<8xi64>
    %1 = linalg.generic {indexing_maps = [#map], iterator_types = ["parallel"]} outs(%0 : tensor<8xi64>) {
    ^bb0(%out: i64):
      %192 = linalg.index 0 : index
      %193 = arith.index_cast %192 : index to i64
      linalg.yield %193 : i64
    } -> tensor<8xi64>
    %expanded = tensor.expand_shape %1 [[0, 1]] output_shape [8, 1] : tensor<8xi64> into tensor<8x1xi64>
    %expanded_12 = tensor.expand_shape %1 [[0, 1]] output_shape [1, 8] : tensor<8xi64> into tensor<1x8xi64>
    %2 = tensor.empty() : tensor<8x8xi64>
    %3 = linalg.generic {indexing_maps = [#map1, #map2, #map3], iterator_types = ["parallel", "parallel"]} ins(%expanded, %expanded_12 : tensor<8x1xi64>, tensor<1x8xi64>) outs(%2 : tensor<8x8xi64>) {
    ^bb0(%in: i64, %in_105: i64, %out: i64):
      %192 = arith.subi %in, %in_105 : i64
      linalg.yield %192 : i64
    } -> tensor<8x8xi64>
    %4 = tensor.empty() : tensor<8x8xi1>
    %5 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%3 : tensor<8x8xi64>) outs(%4 : tensor<8x8xi1>) {
    ^bb0(%in: i64, %out: i1):
      %192 = arith.cmpi sge, %in, %c0_i64 : i64
      linalg.yield %192 : i1
    } -> tensor<8x8xi1>
    %6 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%3 : tensor<8x8xi64>) outs(%4 : tensor<8x8xi1>) {
    ^bb0(%in: i64, %out: i1):
      %192 = arith.cmpi slt, %in, %c4_i64 : i64
      linalg.yield %192 : i1
    } -> tensor<8x8xi1>
    %7 = linalg.generic {indexing_maps = [#map3, #map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%5, %6 : tensor<8x8xi1>, tensor<8x8xi1>) outs(%4 : tensor<8x8xi1>) {
    ^bb0(%in: i1, %in_105: i1, %out: i1):
      %192 = arith.andi %in, %in_105 : i1
      linalg.yield %192 : i1
    } -> tensor<8x8xi1>
    %expanded_13 = tensor.expand_shape %7 [[0, 1, 2], [3]] output_shape [1, 1, 8, 8] : tensor<8x8xi1> into tensor<1x1x8x8xi1>
    %8 = tensor.empty() : tensor<1x8x64xf32>
    %9 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%arg0 : tensor<1x8x64xf32>) outs(%8 : tensor<1x8x64xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = math.fpowi %in, %c2_i64 : f32, i64
      linalg.yield %192 : f32
    } -> tensor<1x8x64xf32>
    %10 = tensor.empty() : tensor<1x8x1xf32>
    %11 = linalg.fill ins(%cst : f32) outs(%10 : tensor<1x8x1xf32>) -> tensor<1x8x1xf32>
    %12 = linalg.generic {indexing_maps = [#map4, #map5], iterator_types = ["parallel", "parallel", "reduction"]} ins(%9 : tensor<1x8x64xf32>) outs(%11 : tensor<1x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.addf %in, %out : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x1xf32>
    %13 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%12 : tensor<1x8x1xf32>) outs(%10 : tensor<1x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.divf %in, %cst_8 : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x1xf32>
    %14 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%13 : tensor<1x8x1xf32>) outs(%10 : tensor<1x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.truncf %cst_7 : f64 to f32
      %193 = arith.addf %in, %192 : f32
      linalg.yield %193 : f32
    } -> tensor<1x8x1xf32>
    %15 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%14 : tensor<1x8x1xf32>) outs(%10 : tensor<1x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = math.rsqrt %in : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x1xf32>
    %16 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%arg0, %15 : tensor<1x8x64xf32>, tensor<1x8x1xf32>) outs(%8 : tensor<1x8x64xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x64xf32>
    %17 = tensor.empty() : tensor<64xf32>
    %18 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]} ins(%arg26 : tensor<64xf32>) outs(%17 : tensor<64xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.addf %in, %cst_9 : f32
      linalg.yield %192 : f32
    } -> tensor<64xf32>
    %19 = linalg.generic {indexing_maps = [#map4, #map6, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%16, %18 : tensor<1x8x64xf32>, tensor<64xf32>) outs(%8 : tensor<1x8x64xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x64xf32>
    %20 = tensor.empty() : tensor<64x32xi8>
    %21 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg3 : tensor<64x32xi8>) outs(%20 : tensor<64x32xi8>) {
    ^bb0(%in: i8, %out: i8):
      %192 = arith.andi %in, %c15_i8 : i8
      linalg.yield %192 : i8
    } -> tensor<64x32xi8>
    %22 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg3 : tensor<64x32xi8>) outs(%20 : tensor<64x32xi8>) {
    ^bb0(%in: i8, %out: i8):
      %192 = arith.shrui %in, %c4_i8 : i8
      linalg.yield %192 : i8
    } -> tensor<64x32xi8>
    %expanded_14 = tensor.expand_shape %21 [[0], [1, 2]] output_shape [64, 32, 1] : tensor<64x32xi8> into tensor<64x32x1xi8>
    %expanded_15 = tensor.expand_shape %22 [[0], [1, 2]] output_shape [64, 32, 1] : tensor<64x32xi8> into tensor<64x32x1xi8>
    %concat = tensor.concat dim(2) %expanded_14, %expanded_15 : (tensor<64x32x1xi8>, tensor<64x32x1xi8>) -> tensor<64x32x2xi8>
    %collapsed = tensor.collapse_shape %concat [[0], [1, 2]] : tensor<64x32x2xi8> into tensor<64x64xi8>
    %expanded_16 = tensor.expand_shape %collapsed [[0], [1, 2]] output_shape [64, 2, 32] : tensor<64x64xi8> into tensor<64x2x32xi8>
    %23 = tensor.empty() : tensor<64x2x32xf32>
    %24 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_16 : tensor<64x2x32xi8>) outs(%23 : tensor<64x2x32xf32>) {
    ^bb0(%in: i8, %out: f32):
      %192 = arith.uitofp %in : i8 to f32
      linalg.yield %192 : f32
    } -> tensor<64x2x32xf32>
    %25 = tensor.empty() : tensor<64x2xf32>
    %26 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg5 : tensor<64x2xi8>) outs(%25 : tensor<64x2xf32>) {
    ^bb0(%in: i8, %out: f32):
      %192 = arith.uitofp %in : i8 to f32
      linalg.yield %192 : f32
    } -> tensor<64x2xf32>
    %expanded_17 = tensor.expand_shape %26 [[0], [1, 2]] output_shape [64, 2, 1] : tensor<64x2xf32> into tensor<64x2x1xf32>
    %27 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%24, %expanded_17 : tensor<64x2x32xf32>, tensor<64x2x1xf32>) outs(%23 : tensor<64x2x32xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.subf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<64x2x32xf32>
    %expanded_18 = tensor.expand_shape %arg4 [[0], [1, 2]] output_shape [64, 2, 1] : tensor<64x2xf32> into tensor<64x2x1xf32>
    %28 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%27, %expanded_18 : tensor<64x2x32xf32>, tensor<64x2x1xf32>) outs(%23 : tensor<64x2x32xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<64x2x32xf32>
    %collapsed_19 = tensor.collapse_shape %28 [[0], [1, 2]] : tensor<64x2x32xf32> into tensor<64x64xf32>
    %29 = tensor.empty() : tensor<64x64xf32>
    %transposed = linalg.transpose ins(%collapsed_19 : tensor<64x64xf32>) outs(%29 : tensor<64x64xf32>) permutation = [1, 0] 
    %collapsed_20 = tensor.collapse_shape %19 [[0, 1], [2]] : tensor<1x8x64xf32> into tensor<8x64xf32>
    %30 = tensor.empty() : tensor<8x64xf32>
    %31 = linalg.fill ins(%cst : f32) outs(%30 : tensor<8x64xf32>) -> tensor<8x64xf32>
    %32 = linalg.matmul ins(%collapsed_20, %transposed : tensor<8x64xf32>, tensor<64x64xf32>) outs(%31 : tensor<8x64xf32>) -> tensor<8x64xf32>
    %expanded_21 = tensor.expand_shape %32 [[0, 1], [2, 3]] output_shape [1, 8, 4, 16] : tensor<8x64xf32> into tensor<1x8x4x16xf32>
    %33 = tensor.empty() : tensor<1x4x8x16xf32>
    %transposed_22 = linalg.transpose ins(%expanded_21 : tensor<1x8x4x16xf32>) outs(%33 : tensor<1x4x8x16xf32>) permutation = [0, 2, 1, 3] 
    %34 = tensor.empty() : tensor<32x32xi8>
    %35 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg6 : tensor<32x32xi8>) outs(%34 : tensor<32x32xi8>) {
    ^bb0(%in: i8, %out: i8):
      %192 = arith.andi %in, %c15_i8 : i8
      linalg.yield %192 : i8
    } -> tensor<32x32xi8>
    %36 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg6 : tensor<32x32xi8>) outs(%34 : tensor<32x32xi8>) {
    ^bb0(%in: i8, %out: i8):
      %192 = arith.shrui %in, %c4_i8 : i8
      linalg.yield %192 : i8
    } -> tensor<32x32xi8>
    %expanded_23 = tensor.expand_shape %35 [[0], [1, 2]] output_shape [32, 32, 1] : tensor<32x32xi8> into tensor<32x32x1xi8>
    %expanded_24 = tensor.expand_shape %36 [[0], [1, 2]] output_shape [32, 32, 1] : tensor<32x32xi8> into tensor<32x32x1xi8>
    %concat_25 = tensor.concat dim(2) %expanded_23, %expanded_24 : (tensor<32x32x1xi8>, tensor<32x32x1xi8>) -> tensor<32x32x2xi8>
    %collapsed_26 = tensor.collapse_shape %concat_25 [[0], [1, 2]] : tensor<32x32x2xi8> into tensor<32x64xi8>
    %expanded_27 = tensor.expand_shape %collapsed_26 [[0], [1, 2]] output_shape [32, 2, 32] : tensor<32x64xi8> into tensor<32x2x32xi8>
    %37 = tensor.empty() : tensor<32x2x32xf32>
    %38 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_27 : tensor<32x2x32xi8>) outs(%37 : tensor<32x2x32xf32>) {
    ^bb0(%in: i8, %out: f32):
      %192 = arith.uitofp %in : i8 to f32
      linalg.yield %192 : f32
    } -> tensor<32x2x32xf32>
    %39 = tensor.empty() : tensor<32x2xf32>
    %40 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg8 : tensor<32x2xi8>) outs(%39 : tensor<32x2xf32>) {
    ^bb0(%in: i8, %out: f32):
      %192 = arith.uitofp %in : i8 to f32
      linalg.yield %192 : f32
    } -> tensor<32x2xf32>
    %expanded_28 = tensor.expand_shape %40 [[0], [1, 2]] output_shape [32, 2, 1] : tensor<32x2xf32> into tensor<32x2x1xf32>
    %41 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%38, %expanded_28 : tensor<32x2x32xf32>, tensor<32x2x1xf32>) outs(%37 : tensor<32x2x32xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.subf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<32x2x32xf32>
    %expanded_29 = tensor.expand_shape %arg7 [[0], [1, 2]] output_shape [32, 2, 1] : tensor<32x2xf32> into tensor<32x2x1xf32>
    %42 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%41, %expanded_29 : tensor<32x2x32xf32>, tensor<32x2x1xf32>) outs(%37 : tensor<32x2x32xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<32x2x32xf32>
    %collapsed_30 = tensor.collapse_shape %42 [[0], [1, 2]] : tensor<32x2x32xf32> into tensor<32x64xf32>
    %43 = tensor.empty() : tensor<64x32xf32>
    %transposed_31 = linalg.transpose ins(%collapsed_30 : tensor<32x64xf32>) outs(%43 : tensor<64x32xf32>) permutation = [1, 0] 
    %44 = tensor.empty() : tensor<8x32xf32>
    %45 = linalg.fill ins(%cst : f32) outs(%44 : tensor<8x32xf32>) -> tensor<8x32xf32>
    %46 = linalg.matmul ins(%collapsed_20, %transposed_31 : tensor<8x64xf32>, tensor<64x32xf32>) outs(%45 : tensor<8x32xf32>) -> tensor<8x32xf32>
    %expanded_32 = tensor.expand_shape %46 [[0, 1], [2, 3]] output_shape [1, 8, 2, 16] : tensor<8x32xf32> into tensor<1x8x2x16xf32>
    %47 = tensor.empty() : tensor<1x2x8x16xf32>
    %transposed_33 = linalg.transpose ins(%expanded_32 : tensor<1x8x2x16xf32>) outs(%47 : tensor<1x2x8x16xf32>) permutation = [0, 2, 1, 3] 
    %48 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg9 : tensor<32x32xi8>) outs(%34 : tensor<32x32xi8>) {
    ^bb0(%in: i8, %out: i8):
      %192 = arith.andi %in, %c15_i8 : i8
      linalg.yield %192 : i8
    } -> tensor<32x32xi8>
    %49 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg9 : tensor<32x32xi8>) outs(%34 : tensor<32x32xi8>) {
    ^bb0(%in: i8, %out: i8):
      %192 = arith.shrui %in, %c4_i8 : i8
      linalg.yield %192 : i8
    } -> tensor<32x32xi8>
    %expanded_34 = tensor.expand_shape %48 [[0], [1, 2]] output_shape [32, 32, 1] : tensor<32x32xi8> into tensor<32x32x1xi8>
    %expanded_35 = tensor.expand_shape %49 [[0], [1, 2]] output_shape [32, 32, 1] : tensor<32x32xi8> into tensor<32x32x1xi8>
    %concat_36 = tensor.concat dim(2) %expanded_34, %expanded_35 : (tensor<32x32x1xi8>, tensor<32x32x1xi8>) -> tensor<32x32x2xi8>
    %collapsed_37 = tensor.collapse_shape %concat_36 [[0], [1, 2]] : tensor<32x32x2xi8> into tensor<32x64xi8>
    %expanded_38 = tensor.expand_shape %collapsed_37 [[0], [1, 2]] output_shape [32, 2, 32] : tensor<32x64xi8> into tensor<32x2x32xi8>
    %50 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_38 : tensor<32x2x32xi8>) outs(%37 : tensor<32x2x32xf32>) {
    ^bb0(%in: i8, %out: f32):
      %192 = arith.uitofp %in : i8 to f32
      linalg.yield %192 : f32
    } -> tensor<32x2x32xf32>
    %51 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg11 : tensor<32x2xi8>) outs(%39 : tensor<32x2xf32>) {
    ^bb0(%in: i8, %out: f32):
      %192 = arith.uitofp %in : i8 to f32
      linalg.yield %192 : f32
    } -> tensor<32x2xf32>
    %expanded_39 = tensor.expand_shape %51 [[0], [1, 2]] output_shape [32, 2, 1] : tensor<32x2xf32> into tensor<32x2x1xf32>
    %52 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%50, %expanded_39 : tensor<32x2x32xf32>, tensor<32x2x1xf32>) outs(%37 : tensor<32x2x32xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.subf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<32x2x32xf32>
    %expanded_40 = tensor.expand_shape %arg10 [[0], [1, 2]] output_shape [32, 2, 1] : tensor<32x2xf32> into tensor<32x2x1xf32>
    %53 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%52, %expanded_40 : tensor<32x2x32xf32>, tensor<32x2x1xf32>) outs(%37 : tensor<32x2x32xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<32x2x32xf32>
    %collapsed_41 = tensor.collapse_shape %53 [[0], [1, 2]] : tensor<32x2x32xf32> into tensor<32x64xf32>
    %transposed_42 = linalg.transpose ins(%collapsed_41 : tensor<32x64xf32>) outs(%43 : tensor<64x32xf32>) permutation = [1, 0] 
    %54 = linalg.matmul ins(%collapsed_20, %transposed_42 : tensor<8x64xf32>, tensor<64x32xf32>) outs(%45 : tensor<8x32xf32>) -> tensor<8x32xf32>
    %expanded_43 = tensor.expand_shape %54 [[0, 1], [2, 3]] output_shape [1, 8, 2, 16] : tensor<8x32xf32> into tensor<1x8x2x16xf32>
    %transposed_44 = linalg.transpose ins(%expanded_43 : tensor<1x8x2x16xf32>) outs(%47 : tensor<1x2x8x16xf32>) permutation = [0, 2, 1, 3] 
    %55 = linalg.generic {indexing_maps = [#map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%transposed_22 : tensor<1x4x8x16xf32>) outs(%33 : tensor<1x4x8x16xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = math.fpowi %in, %c2_i64 : f32, i64
      linalg.yield %192 : f32
    } -> tensor<1x4x8x16xf32>
    %56 = tensor.empty() : tensor<1x4x8x1xf32>
    %57 = linalg.fill ins(%cst : f32) outs(%56 : tensor<1x4x8x1xf32>) -> tensor<1x4x8x1xf32>
    %58 = linalg.generic {indexing_maps = [#map7, #map8], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%55 : tensor<1x4x8x16xf32>) outs(%57 : tensor<1x4x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.addf %in, %out : f32
      linalg.yield %192 : f32
    } -> tensor<1x4x8x1xf32>
    %59 = linalg.generic {indexing_maps = [#map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%58 : tensor<1x4x8x1xf32>) outs(%56 : tensor<1x4x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.divf %in, %cst_10 : f32
      linalg.yield %192 : f32
    } -> tensor<1x4x8x1xf32>
    %60 = linalg.generic {indexing_maps = [#map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%59 : tensor<1x4x8x1xf32>) outs(%56 : tensor<1x4x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.truncf %cst_7 : f64 to f32
      %193 = arith.addf %in, %192 : f32
      linalg.yield %193 : f32
    } -> tensor<1x4x8x1xf32>
    %61 = linalg.generic {indexing_maps = [#map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%60 : tensor<1x4x8x1xf32>) outs(%56 : tensor<1x4x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = math.rsqrt %in : f32
      linalg.yield %192 : f32
    } -> tensor<1x4x8x1xf32>
    %62 = linalg.generic {indexing_maps = [#map7, #map8, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%transposed_22, %61 : tensor<1x4x8x16xf32>, tensor<1x4x8x1xf32>) outs(%33 : tensor<1x4x8x16xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x4x8x16xf32>
    %63 = tensor.empty() : tensor<16xf32>
    %64 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]} ins(%arg15 : tensor<16xf32>) outs(%63 : tensor<16xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.addf %in, %cst_9 : f32
      linalg.yield %192 : f32
    } -> tensor<16xf32>
    %65 = linalg.generic {indexing_maps = [#map7, #map9, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%62, %64 : tensor<1x4x8x16xf32>, tensor<16xf32>) outs(%33 : tensor<1x4x8x16xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x4x8x16xf32>
    %66 = linalg.generic {indexing_maps = [#map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%transposed_33 : tensor<1x2x8x16xf32>) outs(%47 : tensor<1x2x8x16xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = math.fpowi %in, %c2_i64 : f32, i64
      linalg.yield %192 : f32
    } -> tensor<1x2x8x16xf32>
    %67 = tensor.empty() : tensor<1x2x8x1xf32>
    %68 = linalg.fill ins(%cst : f32) outs(%67 : tensor<1x2x8x1xf32>) -> tensor<1x2x8x1xf32>
    %69 = linalg.generic {indexing_maps = [#map7, #map8], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%66 : tensor<1x2x8x16xf32>) outs(%68 : tensor<1x2x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.addf %in, %out : f32
      linalg.yield %192 : f32
    } -> tensor<1x2x8x1xf32>
    %70 = linalg.generic {indexing_maps = [#map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%69 : tensor<1x2x8x1xf32>) outs(%67 : tensor<1x2x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.divf %in, %cst_10 : f32
      linalg.yield %192 : f32
    } -> tensor<1x2x8x1xf32>
    %71 = linalg.generic {indexing_maps = [#map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%70 : tensor<1x2x8x1xf32>) outs(%67 : tensor<1x2x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.truncf %cst_7 : f64 to f32
      %193 = arith.addf %in, %192 : f32
      linalg.yield %193 : f32
    } -> tensor<1x2x8x1xf32>
    %72 = linalg.generic {indexing_maps = [#map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%71 : tensor<1x2x8x1xf32>) outs(%67 : tensor<1x2x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = math.rsqrt %in : f32
      linalg.yield %192 : f32
    } -> tensor<1x2x8x1xf32>
    %73 = linalg.generic {indexing_maps = [#map7, #map8, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%transposed_33, %72 : tensor<1x2x8x16xf32>, tensor<1x2x8x1xf32>) outs(%47 : tensor<1x2x8x16xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x2x8x16xf32>
    %74 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]} ins(%arg16 : tensor<16xf32>) outs(%63 : tensor<16xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.addf %in, %cst_9 : f32
      linalg.yield %192 : f32
    } -> tensor<16xf32>
    %75 = linalg.generic {indexing_maps = [#map7, #map9, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%73, %74 : tensor<1x2x8x16xf32>, tensor<16xf32>) outs(%47 : tensor<1x2x8x16xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x2x8x16xf32>
    %expanded_45 = tensor.expand_shape %arg1 [[0], [1, 2], [3]] output_shape [1, 1, 8, 16] : tensor<1x8x16xf32> into tensor<1x1x8x16xf32>
    %expanded_46 = tensor.expand_shape %arg2 [[0], [1, 2], [3]] output_shape [1, 1, 8, 16] : tensor<1x8x16xf32> into tensor<1x1x8x16xf32>
    %76 = linalg.generic {indexing_maps = [#map7, #map10, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%65, %expanded_45 : tensor<1x4x8x16xf32>, tensor<1x1x8x16xf32>) outs(%33 : tensor<1x4x8x16xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x4x8x16xf32>
    %extracted_slice = tensor.extract_slice %65[0, 0, 0, 0] [1, 4, 8, 8] [1, 1, 1, 1] : tensor<1x4x8x16xf32> to tensor<1x4x8x8xf32>
    %extracted_slice_47 = tensor.extract_slice %65[0, 0, 0, 8] [1, 4, 8, 8] [1, 1, 1, 1] : tensor<1x4x8x16xf32> to tensor<1x4x8x8xf32>
    %77 = tensor.empty() : tensor<1x4x8x8xf32>
    %78 = linalg.generic {indexing_maps = [#map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%extracted_slice_47 : tensor<1x4x8x8xf32>) outs(%77 : tensor<1x4x8x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.negf %in : f32
      linalg.yield %192 : f32
    } -> tensor<1x4x8x8xf32>
    %concat_48 = tensor.concat dim(3) %78, %extracted_slice : (tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) -> tensor<1x4x8x16xf32>
    %79 = linalg.generic {indexing_maps = [#map7, #map10, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%concat_48, %expanded_46 : tensor<1x4x8x16xf32>, tensor<1x1x8x16xf32>) outs(%33 : tensor<1x4x8x16xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x4x8x16xf32>
    %80 = linalg.generic {indexing_maps = [#map7, #map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%76, %79 : tensor<1x4x8x16xf32>, tensor<1x4x8x16xf32>) outs(%33 : tensor<1x4x8x16xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.addf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x4x8x16xf32>
    %81 = linalg.generic {indexing_maps = [#map7, #map10, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%75, %expanded_45 : tensor<1x2x8x16xf32>, tensor<1x1x8x16xf32>) outs(%47 : tensor<1x2x8x16xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x2x8x16xf32>
    %extracted_slice_49 = tensor.extract_slice %75[0, 0, 0, 0] [1, 2, 8, 8] [1, 1, 1, 1] : tensor<1x2x8x16xf32> to tensor<1x2x8x8xf32>
    %extracted_slice_50 = tensor.extract_slice %75[0, 0, 0, 8] [1, 2, 8, 8] [1, 1, 1, 1] : tensor<1x2x8x16xf32> to tensor<1x2x8x8xf32>
    %82 = tensor.empty() : tensor<1x2x8x8xf32>
    %83 = linalg.generic {indexing_maps = [#map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%extracted_slice_50 : tensor<1x2x8x8xf32>) outs(%82 : tensor<1x2x8x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.negf %in : f32
      linalg.yield %192 : f32
    } -> tensor<1x2x8x8xf32>
    %concat_51 = tensor.concat dim(3) %83, %extracted_slice_49 : (tensor<1x2x8x8xf32>, tensor<1x2x8x8xf32>) -> tensor<1x2x8x16xf32>
    %84 = linalg.generic {indexing_maps = [#map7, #map10, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%concat_51, %expanded_46 : tensor<1x2x8x16xf32>, tensor<1x1x8x16xf32>) outs(%47 : tensor<1x2x8x16xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x2x8x16xf32>
    %85 = linalg.generic {indexing_maps = [#map7, #map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%81, %84 : tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>) outs(%47 : tensor<1x2x8x16xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.addf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x2x8x16xf32>
    %86 = tensor.empty() : tensor<1x2x2x8x16xf32>
    %87 = linalg.generic {indexing_maps = [#map11, #map12], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel"]} ins(%85 : tensor<1x2x8x16xf32>) outs(%86 : tensor<1x2x2x8x16xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<1x2x2x8x16xf32>
    %collapsed_52 = tensor.collapse_shape %87 [[0], [1, 2], [3], [4]] : tensor<1x2x2x8x16xf32> into tensor<1x4x8x16xf32>
    %88 = linalg.generic {indexing_maps = [#map11, #map12], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel"]} ins(%transposed_44 : tensor<1x2x8x16xf32>) outs(%86 : tensor<1x2x2x8x16xf32>) {
    ^bb0(%in: f32, %out: f32):
      linalg.yield %in : f32
    } -> tensor<1x2x2x8x16xf32>
    %89 = tensor.empty() : tensor<1x1x8x8xf32>
    %90 = linalg.generic {indexing_maps = [#map7, #map13, #map13, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%expanded_13, %cst_2, %cst_3 : tensor<1x1x8x8xi1>, tensor<f32>, tensor<f32>) outs(%89 : tensor<1x1x8x8xf32>) {
    ^bb0(%in: i1, %in_105: f32, %in_106: f32, %out: f32):
      %192 = arith.select %in, %in_105, %in_106 : f32
      linalg.yield %192 : f32
    } -> tensor<1x1x8x8xf32>
    %91 = linalg.generic {indexing_maps = [#map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%80 : tensor<1x4x8x16xf32>) outs(%33 : tensor<1x4x8x16xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.mulf %in, %cst_11 : f32
      linalg.yield %192 : f32
    } -> tensor<1x4x8x16xf32>
    %92 = tensor.empty() : tensor<1x4x16x8xf32>
    %transposed_53 = linalg.transpose ins(%collapsed_52 : tensor<1x4x8x16xf32>) outs(%92 : tensor<1x4x16x8xf32>) permutation = [0, 1, 3, 2] 
    %93 = linalg.generic {indexing_maps = [#map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%transposed_53 : tensor<1x4x16x8xf32>) outs(%92 : tensor<1x4x16x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.mulf %in, %cst_11 : f32
      linalg.yield %192 : f32
    } -> tensor<1x4x16x8xf32>
    %collapsed_54 = tensor.collapse_shape %91 [[0, 1], [2], [3]] : tensor<1x4x8x16xf32> into tensor<4x8x16xf32>
    %collapsed_55 = tensor.collapse_shape %93 [[0, 1], [2], [3]] : tensor<1x4x16x8xf32> into tensor<4x16x8xf32>
    %94 = tensor.empty() : tensor<4x8x8xf32>
    %95 = linalg.fill ins(%cst : f32) outs(%94 : tensor<4x8x8xf32>) -> tensor<4x8x8xf32>
    %96 = linalg.batch_matmul ins(%collapsed_54, %collapsed_55 : tensor<4x8x16xf32>, tensor<4x16x8xf32>) outs(%95 : tensor<4x8x8xf32>) -> tensor<4x8x8xf32>
    %expanded_56 = tensor.expand_shape %96 [[0, 1], [2], [3]] output_shape [1, 4, 8, 8] : tensor<4x8x8xf32> into tensor<1x4x8x8xf32>
    %97 = linalg.generic {indexing_maps = [#map7, #map10, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%expanded_56, %90 : tensor<1x4x8x8xf32>, tensor<1x1x8x8xf32>) outs(%77 : tensor<1x4x8x8xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.addf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x4x8x8xf32>
    %98 = tensor.empty() : tensor<1x4x8xi64>
    %99 = linalg.fill ins(%c0_i64 : i64) outs(%98 : tensor<1x4x8xi64>) -> tensor<1x4x8xi64>
    %100 = tensor.empty() : tensor<1x4x8xf32>
    %101 = linalg.fill ins(%cst_0 : f32) outs(%100 : tensor<1x4x8xf32>) -> tensor<1x4x8xf32>
    %102:2 = linalg.generic {indexing_maps = [#map7, #map14, #map14], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%97 : tensor<1x4x8x8xf32>) outs(%101, %99 : tensor<1x4x8xf32>, tensor<1x4x8xi64>) {
    ^bb0(%in: f32, %out: f32, %out_105: i64):
      %192 = linalg.index 3 : index
      %193 = arith.index_cast %192 : index to i64
      %194 = arith.maximumf %in, %out : f32
      %195 = arith.cmpf ogt, %in, %out : f32
      %196 = arith.select %195, %193, %out_105 : i64
      linalg.yield %194, %196 : f32, i64
    } -> (tensor<1x4x8xf32>, tensor<1x4x8xi64>)
    %expanded_57 = tensor.expand_shape %102#0 [[0], [1], [2, 3]] output_shape [1, 4, 8, 1] : tensor<1x4x8xf32> into tensor<1x4x8x1xf32>
    %103 = linalg.generic {indexing_maps = [#map7, #map8, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%97, %expanded_57 : tensor<1x4x8x8xf32>, tensor<1x4x8x1xf32>) outs(%77 : tensor<1x4x8x8xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.subf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x4x8x8xf32>
    %104 = linalg.generic {indexing_maps = [#map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%103 : tensor<1x4x8x8xf32>) outs(%77 : tensor<1x4x8x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = math.exp %in : f32
      linalg.yield %192 : f32
    } -> tensor<1x4x8x8xf32>
    %105 = linalg.generic {indexing_maps = [#map7, #map8], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%104 : tensor<1x4x8x8xf32>) outs(%57 : tensor<1x4x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.addf %in, %out : f32
      linalg.yield %192 : f32
    } -> tensor<1x4x8x1xf32>
    %106 = linalg.generic {indexing_maps = [#map7, #map8, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%104, %105 : tensor<1x4x8x8xf32>, tensor<1x4x8x1xf32>) outs(%77 : tensor<1x4x8x8xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.divf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x4x8x8xf32>
    %107 = tensor.empty() : tensor<1x4x8x8xi1>
    %108 = linalg.generic {indexing_maps = [#map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%97 : tensor<1x4x8x8xf32>) outs(%107 : tensor<1x4x8x8xi1>) {
    ^bb0(%in: f32, %out: i1):
      %192 = arith.extf %in : f32 to f64
      %193 = arith.cmpf oeq, %192, %cst_6 : f64
      linalg.yield %193 : i1
    } -> tensor<1x4x8x8xi1>
    %109 = tensor.empty() : tensor<1x4x8x1xi1>
    %110 = linalg.fill ins(%true : i1) outs(%109 : tensor<1x4x8x1xi1>) -> tensor<1x4x8x1xi1>
    %111 = linalg.generic {indexing_maps = [#map7, #map8], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%108 : tensor<1x4x8x8xi1>) outs(%110 : tensor<1x4x8x1xi1>) {
    ^bb0(%in: i1, %out: i1):
      %192 = arith.andi %in, %out : i1
      linalg.yield %192 : i1
    } -> tensor<1x4x8x1xi1>
    %112 = linalg.generic {indexing_maps = [#map8, #map7, #map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%111, %cst_1, %106 : tensor<1x4x8x1xi1>, tensor<1x4x8x8xf32>, tensor<1x4x8x8xf32>) outs(%77 : tensor<1x4x8x8xf32>) {
    ^bb0(%in: i1, %in_105: f32, %in_106: f32, %out: f32):
      %192 = arith.select %in, %in_105, %in_106 : f32
      linalg.yield %192 : f32
    } -> tensor<1x4x8x8xf32>
    %collapsed_58 = tensor.collapse_shape %112 [[0, 1], [2], [3]] : tensor<1x4x8x8xf32> into tensor<4x8x8xf32>
    %collapsed_59 = tensor.collapse_shape %88 [[0, 1, 2], [3], [4]] : tensor<1x2x2x8x16xf32> into tensor<4x8x16xf32>
    %113 = tensor.empty() : tensor<4x8x16xf32>
    %114 = linalg.fill ins(%cst : f32) outs(%113 : tensor<4x8x16xf32>) -> tensor<4x8x16xf32>
    %115 = linalg.batch_matmul ins(%collapsed_58, %collapsed_59 : tensor<4x8x8xf32>, tensor<4x8x16xf32>) outs(%114 : tensor<4x8x16xf32>) -> tensor<4x8x16xf32>
    %expanded_60 = tensor.expand_shape %115 [[0, 1], [2], [3]] output_shape [1, 4, 8, 16] : tensor<4x8x16xf32> into tensor<1x4x8x16xf32>
    %116 = tensor.empty() : tensor<1x8x4x16xf32>
    %transposed_61 = linalg.transpose ins(%expanded_60 : tensor<1x4x8x16xf32>) outs(%116 : tensor<1x8x4x16xf32>) permutation = [0, 2, 1, 3] 
    %117 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg12 : tensor<64x32xi8>) outs(%20 : tensor<64x32xi8>) {
    ^bb0(%in: i8, %out: i8):
      %192 = arith.andi %in, %c15_i8 : i8
      linalg.yield %192 : i8
    } -> tensor<64x32xi8>
    %118 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg12 : tensor<64x32xi8>) outs(%20 : tensor<64x32xi8>) {
    ^bb0(%in: i8, %out: i8):
      %192 = arith.shrui %in, %c4_i8 : i8
      linalg.yield %192 : i8
    } -> tensor<64x32xi8>
    %expanded_62 = tensor.expand_shape %117 [[0], [1, 2]] output_shape [64, 32, 1] : tensor<64x32xi8> into tensor<64x32x1xi8>
    %expanded_63 = tensor.expand_shape %118 [[0], [1, 2]] output_shape [64, 32, 1] : tensor<64x32xi8> into tensor<64x32x1xi8>
    %concat_64 = tensor.concat dim(2) %expanded_62, %expanded_63 : (tensor<64x32x1xi8>, tensor<64x32x1xi8>) -> tensor<64x32x2xi8>
    %collapsed_65 = tensor.collapse_shape %concat_64 [[0], [1, 2]] : tensor<64x32x2xi8> into tensor<64x64xi8>
    %expanded_66 = tensor.expand_shape %collapsed_65 [[0], [1, 2]] output_shape [64, 2, 32] : tensor<64x64xi8> into tensor<64x2x32xi8>
    %119 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_66 : tensor<64x2x32xi8>) outs(%23 : tensor<64x2x32xf32>) {
    ^bb0(%in: i8, %out: f32):
      %192 = arith.uitofp %in : i8 to f32
      linalg.yield %192 : f32
    } -> tensor<64x2x32xf32>
    %120 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg14 : tensor<64x2xi8>) outs(%25 : tensor<64x2xf32>) {
    ^bb0(%in: i8, %out: f32):
      %192 = arith.uitofp %in : i8 to f32
      linalg.yield %192 : f32
    } -> tensor<64x2xf32>
    %expanded_67 = tensor.expand_shape %120 [[0], [1, 2]] output_shape [64, 2, 1] : tensor<64x2xf32> into tensor<64x2x1xf32>
    %121 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%119, %expanded_67 : tensor<64x2x32xf32>, tensor<64x2x1xf32>) outs(%23 : tensor<64x2x32xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.subf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<64x2x32xf32>
    %expanded_68 = tensor.expand_shape %arg13 [[0], [1, 2]] output_shape [64, 2, 1] : tensor<64x2xf32> into tensor<64x2x1xf32>
    %122 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%121, %expanded_68 : tensor<64x2x32xf32>, tensor<64x2x1xf32>) outs(%23 : tensor<64x2x32xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<64x2x32xf32>
    %collapsed_69 = tensor.collapse_shape %122 [[0], [1, 2]] : tensor<64x2x32xf32> into tensor<64x64xf32>
    %transposed_70 = linalg.transpose ins(%collapsed_69 : tensor<64x64xf32>) outs(%29 : tensor<64x64xf32>) permutation = [1, 0] 
    %collapsed_71 = tensor.collapse_shape %transposed_61 [[0, 1], [2, 3]] : tensor<1x8x4x16xf32> into tensor<8x64xf32>
    %123 = linalg.matmul ins(%collapsed_71, %transposed_70 : tensor<8x64xf32>, tensor<64x64xf32>) outs(%31 : tensor<8x64xf32>) -> tensor<8x64xf32>
    %expanded_72 = tensor.expand_shape %123 [[0, 1], [2]] output_shape [1, 8, 64] : tensor<8x64xf32> into tensor<1x8x64xf32>
    %124 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_72 : tensor<1x8x64xf32>) outs(%8 : tensor<1x8x64xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = math.fpowi %in, %c2_i64 : f32, i64
      linalg.yield %192 : f32
    } -> tensor<1x8x64xf32>
    %125 = linalg.generic {indexing_maps = [#map4, #map5], iterator_types = ["parallel", "parallel", "reduction"]} ins(%124 : tensor<1x8x64xf32>) outs(%11 : tensor<1x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.addf %in, %out : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x1xf32>
    %126 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%125 : tensor<1x8x1xf32>) outs(%10 : tensor<1x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.divf %in, %cst_8 : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x1xf32>
    %127 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%126 : tensor<1x8x1xf32>) outs(%10 : tensor<1x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.truncf %cst_7 : f64 to f32
      %193 = arith.addf %in, %192 : f32
      linalg.yield %193 : f32
    } -> tensor<1x8x1xf32>
    %128 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%127 : tensor<1x8x1xf32>) outs(%10 : tensor<1x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = math.rsqrt %in : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x1xf32>
    %129 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_72, %128 : tensor<1x8x64xf32>, tensor<1x8x1xf32>) outs(%8 : tensor<1x8x64xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x64xf32>
    %130 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]} ins(%arg27 : tensor<64xf32>) outs(%17 : tensor<64xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.addf %in, %cst_9 : f32
      linalg.yield %192 : f32
    } -> tensor<64xf32>
    %131 = linalg.generic {indexing_maps = [#map4, #map6, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%129, %130 : tensor<1x8x64xf32>, tensor<64xf32>) outs(%8 : tensor<1x8x64xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x64xf32>
    %132 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%arg0, %131 : tensor<1x8x64xf32>, tensor<1x8x64xf32>) outs(%8 : tensor<1x8x64xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.addf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x64xf32>
    %133 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%132 : tensor<1x8x64xf32>) outs(%8 : tensor<1x8x64xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = math.fpowi %in, %c2_i64 : f32, i64
      linalg.yield %192 : f32
    } -> tensor<1x8x64xf32>
    %134 = linalg.generic {indexing_maps = [#map4, #map5], iterator_types = ["parallel", "parallel", "reduction"]} ins(%133 : tensor<1x8x64xf32>) outs(%11 : tensor<1x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.addf %in, %out : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x1xf32>
    %135 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%134 : tensor<1x8x1xf32>) outs(%10 : tensor<1x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.divf %in, %cst_8 : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x1xf32>
    %136 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%135 : tensor<1x8x1xf32>) outs(%10 : tensor<1x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.truncf %cst_7 : f64 to f32
      %193 = arith.addf %in, %192 : f32
      linalg.yield %193 : f32
    } -> tensor<1x8x1xf32>
    %137 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%136 : tensor<1x8x1xf32>) outs(%10 : tensor<1x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = math.rsqrt %in : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x1xf32>
    %138 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%132, %137 : tensor<1x8x64xf32>, tensor<1x8x1xf32>) outs(%8 : tensor<1x8x64xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x64xf32>
    %139 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]} ins(%arg28 : tensor<64xf32>) outs(%17 : tensor<64xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.addf %in, %cst_9 : f32
      linalg.yield %192 : f32
    } -> tensor<64xf32>
    %140 = linalg.generic {indexing_maps = [#map4, #map6, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%138, %139 : tensor<1x8x64xf32>, tensor<64xf32>) outs(%8 : tensor<1x8x64xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x64xf32>
    %141 = tensor.empty() : tensor<96x32xi8>
    %142 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg17 : tensor<96x32xi8>) outs(%141 : tensor<96x32xi8>) {
    ^bb0(%in: i8, %out: i8):
      %192 = arith.andi %in, %c15_i8 : i8
      linalg.yield %192 : i8
    } -> tensor<96x32xi8>
    %143 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg17 : tensor<96x32xi8>) outs(%141 : tensor<96x32xi8>) {
    ^bb0(%in: i8, %out: i8):
      %192 = arith.shrui %in, %c4_i8 : i8
      linalg.yield %192 : i8
    } -> tensor<96x32xi8>
    %expanded_73 = tensor.expand_shape %142 [[0], [1, 2]] output_shape [96, 32, 1] : tensor<96x32xi8> into tensor<96x32x1xi8>
    %expanded_74 = tensor.expand_shape %143 [[0], [1, 2]] output_shape [96, 32, 1] : tensor<96x32xi8> into tensor<96x32x1xi8>
    %concat_75 = tensor.concat dim(2) %expanded_73, %expanded_74 : (tensor<96x32x1xi8>, tensor<96x32x1xi8>) -> tensor<96x32x2xi8>
    %collapsed_76 = tensor.collapse_shape %concat_75 [[0], [1, 2]] : tensor<96x32x2xi8> into tensor<96x64xi8>
    %expanded_77 = tensor.expand_shape %collapsed_76 [[0], [1, 2]] output_shape [96, 2, 32] : tensor<96x64xi8> into tensor<96x2x32xi8>
    %144 = tensor.empty() : tensor<96x2x32xf32>
    %145 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_77 : tensor<96x2x32xi8>) outs(%144 : tensor<96x2x32xf32>) {
    ^bb0(%in: i8, %out: f32):
      %192 = arith.uitofp %in : i8 to f32
      linalg.yield %192 : f32
    } -> tensor<96x2x32xf32>
    %146 = tensor.empty() : tensor<96x2xf32>
    %147 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg19 : tensor<96x2xi8>) outs(%146 : tensor<96x2xf32>) {
    ^bb0(%in: i8, %out: f32):
      %192 = arith.uitofp %in : i8 to f32
      linalg.yield %192 : f32
    } -> tensor<96x2xf32>
    %expanded_78 = tensor.expand_shape %147 [[0], [1, 2]] output_shape [96, 2, 1] : tensor<96x2xf32> into tensor<96x2x1xf32>
    %148 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%145, %expanded_78 : tensor<96x2x32xf32>, tensor<96x2x1xf32>) outs(%144 : tensor<96x2x32xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.subf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<96x2x32xf32>
    %expanded_79 = tensor.expand_shape %arg18 [[0], [1, 2]] output_shape [96, 2, 1] : tensor<96x2xf32> into tensor<96x2x1xf32>
    %149 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%148, %expanded_79 : tensor<96x2x32xf32>, tensor<96x2x1xf32>) outs(%144 : tensor<96x2x32xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<96x2x32xf32>
    %collapsed_80 = tensor.collapse_shape %149 [[0], [1, 2]] : tensor<96x2x32xf32> into tensor<96x64xf32>
    %150 = tensor.empty() : tensor<64x96xf32>
    %transposed_81 = linalg.transpose ins(%collapsed_80 : tensor<96x64xf32>) outs(%150 : tensor<64x96xf32>) permutation = [1, 0] 
    %collapsed_82 = tensor.collapse_shape %140 [[0, 1], [2]] : tensor<1x8x64xf32> into tensor<8x64xf32>
    %151 = tensor.empty() : tensor<8x96xf32>
    %152 = linalg.fill ins(%cst : f32) outs(%151 : tensor<8x96xf32>) -> tensor<8x96xf32>
    %153 = linalg.matmul ins(%collapsed_82, %transposed_81 : tensor<8x64xf32>, tensor<64x96xf32>) outs(%152 : tensor<8x96xf32>) -> tensor<8x96xf32>
    %expanded_83 = tensor.expand_shape %153 [[0, 1], [2]] output_shape [1, 8, 96] : tensor<8x96xf32> into tensor<1x8x96xf32>
    %154 = tensor.empty() : tensor<1x8x96xf32>
    %155 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_83, %expanded_83 : tensor<1x8x96xf32>, tensor<1x8x96xf32>) outs(%154 : tensor<1x8x96xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x96xf32>
    %156 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%155, %expanded_83 : tensor<1x8x96xf32>, tensor<1x8x96xf32>) outs(%154 : tensor<1x8x96xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x96xf32>
    %157 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%156 : tensor<1x8x96xf32>) outs(%154 : tensor<1x8x96xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.truncf %cst_5 : f64 to f32
      %193 = arith.mulf %in, %192 : f32
      linalg.yield %193 : f32
    } -> tensor<1x8x96xf32>
    %158 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_83, %157 : tensor<1x8x96xf32>, tensor<1x8x96xf32>) outs(%154 : tensor<1x8x96xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.addf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x96xf32>
    %159 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%158 : tensor<1x8x96xf32>) outs(%154 : tensor<1x8x96xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.truncf %cst_4 : f64 to f32
      %193 = arith.mulf %in, %192 : f32
      linalg.yield %193 : f32
    } -> tensor<1x8x96xf32>
    %160 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_83 : tensor<1x8x96xf32>) outs(%154 : tensor<1x8x96xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.mulf %in, %cst_11 : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x96xf32>
    %161 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%159 : tensor<1x8x96xf32>) outs(%154 : tensor<1x8x96xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = math.tanh %in : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x96xf32>
    %162 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%161 : tensor<1x8x96xf32>) outs(%154 : tensor<1x8x96xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.addf %in, %cst_9 : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x96xf32>
    %163 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%160, %162 : tensor<1x8x96xf32>, tensor<1x8x96xf32>) outs(%154 : tensor<1x8x96xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x96xf32>
    %164 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg20 : tensor<96x32xi8>) outs(%141 : tensor<96x32xi8>) {
    ^bb0(%in: i8, %out: i8):
      %192 = arith.andi %in, %c15_i8 : i8
      linalg.yield %192 : i8
    } -> tensor<96x32xi8>
    %165 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg20 : tensor<96x32xi8>) outs(%141 : tensor<96x32xi8>) {
    ^bb0(%in: i8, %out: i8):
      %192 = arith.shrui %in, %c4_i8 : i8
      linalg.yield %192 : i8
    } -> tensor<96x32xi8>
    %expanded_84 = tensor.expand_shape %164 [[0], [1, 2]] output_shape [96, 32, 1] : tensor<96x32xi8> into tensor<96x32x1xi8>
    %expanded_85 = tensor.expand_shape %165 [[0], [1, 2]] output_shape [96, 32, 1] : tensor<96x32xi8> into tensor<96x32x1xi8>
    %concat_86 = tensor.concat dim(2) %expanded_84, %expanded_85 : (tensor<96x32x1xi8>, tensor<96x32x1xi8>) -> tensor<96x32x2xi8>
    %collapsed_87 = tensor.collapse_shape %concat_86 [[0], [1, 2]] : tensor<96x32x2xi8> into tensor<96x64xi8>
    %expanded_88 = tensor.expand_shape %collapsed_87 [[0], [1, 2]] output_shape [96, 2, 32] : tensor<96x64xi8> into tensor<96x2x32xi8>
    %166 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_88 : tensor<96x2x32xi8>) outs(%144 : tensor<96x2x32xf32>) {
    ^bb0(%in: i8, %out: f32):
      %192 = arith.uitofp %in : i8 to f32
      linalg.yield %192 : f32
    } -> tensor<96x2x32xf32>
    %167 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg22 : tensor<96x2xi8>) outs(%146 : tensor<96x2xf32>) {
    ^bb0(%in: i8, %out: f32):
      %192 = arith.uitofp %in : i8 to f32
      linalg.yield %192 : f32
    } -> tensor<96x2xf32>
    %expanded_89 = tensor.expand_shape %167 [[0], [1, 2]] output_shape [96, 2, 1] : tensor<96x2xf32> into tensor<96x2x1xf32>
    %168 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%166, %expanded_89 : tensor<96x2x32xf32>, tensor<96x2x1xf32>) outs(%144 : tensor<96x2x32xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.subf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<96x2x32xf32>
    %expanded_90 = tensor.expand_shape %arg21 [[0], [1, 2]] output_shape [96, 2, 1] : tensor<96x2xf32> into tensor<96x2x1xf32>
    %169 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%168, %expanded_90 : tensor<96x2x32xf32>, tensor<96x2x1xf32>) outs(%144 : tensor<96x2x32xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<96x2x32xf32>
    %collapsed_91 = tensor.collapse_shape %169 [[0], [1, 2]] : tensor<96x2x32xf32> into tensor<96x64xf32>
    %transposed_92 = linalg.transpose ins(%collapsed_91 : tensor<96x64xf32>) outs(%150 : tensor<64x96xf32>) permutation = [1, 0] 
    %170 = linalg.matmul ins(%collapsed_82, %transposed_92 : tensor<8x64xf32>, tensor<64x96xf32>) outs(%152 : tensor<8x96xf32>) -> tensor<8x96xf32>
    %expanded_93 = tensor.expand_shape %170 [[0, 1], [2]] output_shape [1, 8, 96] : tensor<8x96xf32> into tensor<1x8x96xf32>
    %171 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%163, %expanded_93 : tensor<1x8x96xf32>, tensor<1x8x96xf32>) outs(%154 : tensor<1x8x96xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x96xf32>
    %172 = tensor.empty() : tensor<64x48xi8>
    %173 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg23 : tensor<64x48xi8>) outs(%172 : tensor<64x48xi8>) {
    ^bb0(%in: i8, %out: i8):
      %192 = arith.andi %in, %c15_i8 : i8
      linalg.yield %192 : i8
    } -> tensor<64x48xi8>
    %174 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg23 : tensor<64x48xi8>) outs(%172 : tensor<64x48xi8>) {
    ^bb0(%in: i8, %out: i8):
      %192 = arith.shrui %in, %c4_i8 : i8
      linalg.yield %192 : i8
    } -> tensor<64x48xi8>
    %expanded_94 = tensor.expand_shape %173 [[0], [1, 2]] output_shape [64, 48, 1] : tensor<64x48xi8> into tensor<64x48x1xi8>
    %expanded_95 = tensor.expand_shape %174 [[0], [1, 2]] output_shape [64, 48, 1] : tensor<64x48xi8> into tensor<64x48x1xi8>
    %concat_96 = tensor.concat dim(2) %expanded_94, %expanded_95 : (tensor<64x48x1xi8>, tensor<64x48x1xi8>) -> tensor<64x48x2xi8>
    %collapsed_97 = tensor.collapse_shape %concat_96 [[0], [1, 2]] : tensor<64x48x2xi8> into tensor<64x96xi8>
    %expanded_98 = tensor.expand_shape %collapsed_97 [[0], [1, 2]] output_shape [64, 3, 32] : tensor<64x96xi8> into tensor<64x3x32xi8>
    %175 = tensor.empty() : tensor<64x3x32xf32>
    %176 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_98 : tensor<64x3x32xi8>) outs(%175 : tensor<64x3x32xf32>) {
    ^bb0(%in: i8, %out: f32):
      %192 = arith.uitofp %in : i8 to f32
      linalg.yield %192 : f32
    } -> tensor<64x3x32xf32>
    %177 = tensor.empty() : tensor<64x3xf32>
    %178 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg25 : tensor<64x3xi8>) outs(%177 : tensor<64x3xf32>) {
    ^bb0(%in: i8, %out: f32):
      %192 = arith.uitofp %in : i8 to f32
      linalg.yield %192 : f32
    } -> tensor<64x3xf32>
    %expanded_99 = tensor.expand_shape %178 [[0], [1, 2]] output_shape [64, 3, 1] : tensor<64x3xf32> into tensor<64x3x1xf32>
    %179 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%176, %expanded_99 : tensor<64x3x32xf32>, tensor<64x3x1xf32>) outs(%175 : tensor<64x3x32xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.subf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<64x3x32xf32>
    %expanded_100 = tensor.expand_shape %arg24 [[0], [1, 2]] output_shape [64, 3, 1] : tensor<64x3xf32> into tensor<64x3x1xf32>
    %180 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%179, %expanded_100 : tensor<64x3x32xf32>, tensor<64x3x1xf32>) outs(%175 : tensor<64x3x32xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<64x3x32xf32>
    %collapsed_101 = tensor.collapse_shape %180 [[0], [1, 2]] : tensor<64x3x32xf32> into tensor<64x96xf32>
    %181 = tensor.empty() : tensor<96x64xf32>
    %transposed_102 = linalg.transpose ins(%collapsed_101 : tensor<64x96xf32>) outs(%181 : tensor<96x64xf32>) permutation = [1, 0] 
    %collapsed_103 = tensor.collapse_shape %171 [[0, 1], [2]] : tensor<1x8x96xf32> into tensor<8x96xf32>
    %182 = linalg.matmul ins(%collapsed_103, %transposed_102 : tensor<8x96xf32>, tensor<96x64xf32>) outs(%31 : tensor<8x64xf32>) -> tensor<8x64xf32>
    %expanded_104 = tensor.expand_shape %182 [[0, 1], [2]] output_shape [1, 8, 64] : tensor<8x64xf32> into tensor<1x8x64xf32>
    %183 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_104 : tensor<1x8x64xf32>) outs(%8 : tensor<1x8x64xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = math.fpowi %in, %c2_i64 : f32, i64
      linalg.yield %192 : f32
    } -> tensor<1x8x64xf32>
    %184 = linalg.generic {indexing_maps = [#map4, #map5], iterator_types = ["parallel", "parallel", "reduction"]} ins(%183 : tensor<1x8x64xf32>) outs(%11 : tensor<1x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.addf %in, %out : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x1xf32>
    %185 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%184 : tensor<1x8x1xf32>) outs(%10 : tensor<1x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.divf %in, %cst_8 : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x1xf32>
    %186 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%185 : tensor<1x8x1xf32>) outs(%10 : tensor<1x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.truncf %cst_7 : f64 to f32
      %193 = arith.addf %in, %192 : f32
      linalg.yield %193 : f32
    } -> tensor<1x8x1xf32>
    %187 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%186 : tensor<1x8x1xf32>) outs(%10 : tensor<1x8x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = math.rsqrt %in : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x1xf32>
    %188 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_104, %187 : tensor<1x8x64xf32>, tensor<1x8x1xf32>) outs(%8 : tensor<1x8x64xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x64xf32>
    %189 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]} ins(%arg29 : tensor<64xf32>) outs(%17 : tensor<64xf32>) {
    ^bb0(%in: f32, %out: f32):
      %192 = arith.addf %in, %cst_9 : f32
      linalg.yield %192 : f32
    } -> tensor<64xf32>
    %190 = linalg.generic {indexing_maps = [#map4, #map6, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%188, %189 : tensor<1x8x64xf32>, tensor<64xf32>) outs(%8 : tensor<1x8x64xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.mulf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x64xf32>
    %191 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%132, %190 : tensor<1x8x64xf32>, tensor<1x8x64xf32>) outs(%8 : tensor<1x8x64xf32>) {
    ^bb0(%in: f32, %in_105: f32, %out: f32):
      %192 = arith.addf %in, %in_105 : f32
      linalg.yield %192 : f32
    } -> tensor<1x8x64xf32>
    return %191 : tensor<1x8x64xf32>
  }
  func.func private @headrace.decode.1(tensor<4x16xf32>, tensor<8192xi8>, tensor<1xi32>) -> tensor<4x16xf32> attributes {headrace.arguments = ["!qattn.kv_cache<32x2x16, f32>", 4, 2.500000e-01, 0.000000e+00], headrace.operator = "headrace.decode"}
  func.func private @headrace.append_kv.0(tensor<1x2x16xf32>, tensor<1x2x16xf32>, tensor<8192xi8>, tensor<1xi32>) -> tensor<8192xi8> attributes {headrace.arguments = ["!qattn.kv_cache<32x2x16, f32>"], headrace.operator = "headrace.append_kv"}
  func.func @decode_step(%arg0: tensor<1x1x64xf32>, %arg1: tensor<1x1x16xf32>, %arg2: tensor<1x1x16xf32>, %arg3: tensor<8192xi8>, %arg4: tensor<1xi32>, %arg5: tensor<64x32xi8>, %arg6: tensor<64x2xf32>, %arg7: tensor<64x2xi8>, %arg8: tensor<32x32xi8>, %arg9: tensor<32x2xf32>, %arg10: tensor<32x2xi8>, %arg11: tensor<32x32xi8>, %arg12: tensor<32x2xf32>, %arg13: tensor<32x2xi8>, %arg14: tensor<64x32xi8>, %arg15: tensor<64x2xf32>, %arg16: tensor<64x2xi8>, %arg17: tensor<16xf32>, %arg18: tensor<16xf32>, %arg19: tensor<96x32xi8>, %arg20: tensor<96x2xf32>, %arg21: tensor<96x2xi8>, %arg22: tensor<96x32xi8>, %arg23: tensor<96x2xf32>, %arg24: tensor<96x2xi8>, %arg25: tensor<64x48xi8>, %arg26: tensor<64x3xf32>, %arg27: tensor<64x3xi8>, %arg28: tensor<64xf32>, %arg29: tensor<64xf32>, %arg30: tensor<64xf32>, %arg31: tensor<64xf32>) -> (tensor<1x1x64xf32>, tensor<8192xi8>) {
    %c2_i64 = arith.constant 2 : i64
    %cst = arith.constant 0.000000e+00 : f32
    %cst_0 = arith.constant 0.79788456080286541 : f64
    %cst_1 = arith.constant 4.471500e-02 : f64
    %cst_2 = arith.constant 9.9999999999999995E-7 : f64
    %cst_3 = arith.constant 6.400000e+01 : f32
    %cst_4 = arith.constant 1.000000e+00 : f32
    %c15_i8 = arith.constant 15 : i8
    %c4_i8 = arith.constant 4 : i8
    %cst_5 = arith.constant 1.600000e+01 : f32
    %c1_i32 = arith.constant 1 : i32
    %cst_6 = arith.constant 5.000000e-01 : f32
    %0 = tensor.empty() : tensor<1x1x64xf32>
    %1 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%arg0 : tensor<1x1x64xf32>) outs(%0 : tensor<1x1x64xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = math.fpowi %in, %c2_i64 : f32, i64
      linalg.yield %157 : f32
    } -> tensor<1x1x64xf32>
    %2 = tensor.empty() : tensor<1x1x1xf32>
    %3 = linalg.fill ins(%cst : f32) outs(%2 : tensor<1x1x1xf32>) -> tensor<1x1x1xf32>
    %4 = linalg.generic {indexing_maps = [#map4, #map5], iterator_types = ["parallel", "parallel", "reduction"]} ins(%1 : tensor<1x1x64xf32>) outs(%3 : tensor<1x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.addf %in, %out : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x1xf32>
    %5 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%4 : tensor<1x1x1xf32>) outs(%2 : tensor<1x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.divf %in, %cst_3 : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x1xf32>
    %6 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%5 : tensor<1x1x1xf32>) outs(%2 : tensor<1x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.truncf %cst_2 : f64 to f32
      %158 = arith.addf %in, %157 : f32
      linalg.yield %158 : f32
    } -> tensor<1x1x1xf32>
    %7 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%6 : tensor<1x1x1xf32>) outs(%2 : tensor<1x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = math.rsqrt %in : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x1xf32>
    %8 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%arg0, %7 : tensor<1x1x64xf32>, tensor<1x1x1xf32>) outs(%0 : tensor<1x1x64xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x64xf32>
    %9 = tensor.empty() : tensor<64xf32>
    %10 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]} ins(%arg28 : tensor<64xf32>) outs(%9 : tensor<64xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.addf %in, %cst_4 : f32
      linalg.yield %157 : f32
    } -> tensor<64xf32>
    %11 = linalg.generic {indexing_maps = [#map4, #map6, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%8, %10 : tensor<1x1x64xf32>, tensor<64xf32>) outs(%0 : tensor<1x1x64xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x64xf32>
    %12 = tensor.empty() : tensor<64x32xi8>
    %13 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg5 : tensor<64x32xi8>) outs(%12 : tensor<64x32xi8>) {
    ^bb0(%in: i8, %out: i8):
      %157 = arith.andi %in, %c15_i8 : i8
      linalg.yield %157 : i8
    } -> tensor<64x32xi8>
    %14 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg5 : tensor<64x32xi8>) outs(%12 : tensor<64x32xi8>) {
    ^bb0(%in: i8, %out: i8):
      %157 = arith.shrui %in, %c4_i8 : i8
      linalg.yield %157 : i8
    } -> tensor<64x32xi8>
    %expanded = tensor.expand_shape %13 [[0], [1, 2]] output_shape [64, 32, 1] : tensor<64x32xi8> into tensor<64x32x1xi8>
    %expanded_7 = tensor.expand_shape %14 [[0], [1, 2]] output_shape [64, 32, 1] : tensor<64x32xi8> into tensor<64x32x1xi8>
    %concat = tensor.concat dim(2) %expanded, %expanded_7 : (tensor<64x32x1xi8>, tensor<64x32x1xi8>) -> tensor<64x32x2xi8>
    %collapsed = tensor.collapse_shape %concat [[0], [1, 2]] : tensor<64x32x2xi8> into tensor<64x64xi8>
    %expanded_8 = tensor.expand_shape %collapsed [[0], [1, 2]] output_shape [64, 2, 32] : tensor<64x64xi8> into tensor<64x2x32xi8>
    %15 = tensor.empty() : tensor<64x2x32xf32>
    %16 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_8 : tensor<64x2x32xi8>) outs(%15 : tensor<64x2x32xf32>) {
    ^bb0(%in: i8, %out: f32):
      %157 = arith.uitofp %in : i8 to f32
      linalg.yield %157 : f32
    } -> tensor<64x2x32xf32>
    %17 = tensor.empty() : tensor<64x2xf32>
    %18 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg7 : tensor<64x2xi8>) outs(%17 : tensor<64x2xf32>) {
    ^bb0(%in: i8, %out: f32):
      %157 = arith.uitofp %in : i8 to f32
      linalg.yield %157 : f32
    } -> tensor<64x2xf32>
    %expanded_9 = tensor.expand_shape %18 [[0], [1, 2]] output_shape [64, 2, 1] : tensor<64x2xf32> into tensor<64x2x1xf32>
    %19 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%16, %expanded_9 : tensor<64x2x32xf32>, tensor<64x2x1xf32>) outs(%15 : tensor<64x2x32xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.subf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<64x2x32xf32>
    %expanded_10 = tensor.expand_shape %arg6 [[0], [1, 2]] output_shape [64, 2, 1] : tensor<64x2xf32> into tensor<64x2x1xf32>
    %20 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%19, %expanded_10 : tensor<64x2x32xf32>, tensor<64x2x1xf32>) outs(%15 : tensor<64x2x32xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<64x2x32xf32>
    %collapsed_11 = tensor.collapse_shape %20 [[0], [1, 2]] : tensor<64x2x32xf32> into tensor<64x64xf32>
    %21 = tensor.empty() : tensor<64x64xf32>
    %transposed = linalg.transpose ins(%collapsed_11 : tensor<64x64xf32>) outs(%21 : tensor<64x64xf32>) permutation = [1, 0] 
    %collapsed_12 = tensor.collapse_shape %11 [[0], [1, 2]] : tensor<1x1x64xf32> into tensor<1x64xf32>
    %22 = tensor.empty() : tensor<1x64xf32>
    %23 = linalg.fill ins(%cst : f32) outs(%22 : tensor<1x64xf32>) -> tensor<1x64xf32>
    %24 = linalg.matmul ins(%collapsed_12, %transposed : tensor<1x64xf32>, tensor<64x64xf32>) outs(%23 : tensor<1x64xf32>) -> tensor<1x64xf32>
    %expanded_13 = tensor.expand_shape %24 [[0], [1, 2, 3]] output_shape [1, 1, 4, 16] : tensor<1x64xf32> into tensor<1x1x4x16xf32>
    %25 = tensor.empty() : tensor<1x4x1x16xf32>
    %transposed_14 = linalg.transpose ins(%expanded_13 : tensor<1x1x4x16xf32>) outs(%25 : tensor<1x4x1x16xf32>) permutation = [0, 2, 1, 3] 
    %26 = tensor.empty() : tensor<32x32xi8>
    %27 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg8 : tensor<32x32xi8>) outs(%26 : tensor<32x32xi8>) {
    ^bb0(%in: i8, %out: i8):
      %157 = arith.andi %in, %c15_i8 : i8
      linalg.yield %157 : i8
    } -> tensor<32x32xi8>
    %28 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg8 : tensor<32x32xi8>) outs(%26 : tensor<32x32xi8>) {
    ^bb0(%in: i8, %out: i8):
      %157 = arith.shrui %in, %c4_i8 : i8
      linalg.yield %157 : i8
    } -> tensor<32x32xi8>
    %expanded_15 = tensor.expand_shape %27 [[0], [1, 2]] output_shape [32, 32, 1] : tensor<32x32xi8> into tensor<32x32x1xi8>
    %expanded_16 = tensor.expand_shape %28 [[0], [1, 2]] output_shape [32, 32, 1] : tensor<32x32xi8> into tensor<32x32x1xi8>
    %concat_17 = tensor.concat dim(2) %expanded_15, %expanded_16 : (tensor<32x32x1xi8>, tensor<32x32x1xi8>) -> tensor<32x32x2xi8>
    %collapsed_18 = tensor.collapse_shape %concat_17 [[0], [1, 2]] : tensor<32x32x2xi8> into tensor<32x64xi8>
    %expanded_19 = tensor.expand_shape %collapsed_18 [[0], [1, 2]] output_shape [32, 2, 32] : tensor<32x64xi8> into tensor<32x2x32xi8>
    %29 = tensor.empty() : tensor<32x2x32xf32>
    %30 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_19 : tensor<32x2x32xi8>) outs(%29 : tensor<32x2x32xf32>) {
    ^bb0(%in: i8, %out: f32):
      %157 = arith.uitofp %in : i8 to f32
      linalg.yield %157 : f32
    } -> tensor<32x2x32xf32>
    %31 = tensor.empty() : tensor<32x2xf32>
    %32 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg10 : tensor<32x2xi8>) outs(%31 : tensor<32x2xf32>) {
    ^bb0(%in: i8, %out: f32):
      %157 = arith.uitofp %in : i8 to f32
      linalg.yield %157 : f32
    } -> tensor<32x2xf32>
    %expanded_20 = tensor.expand_shape %32 [[0], [1, 2]] output_shape [32, 2, 1] : tensor<32x2xf32> into tensor<32x2x1xf32>
    %33 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%30, %expanded_20 : tensor<32x2x32xf32>, tensor<32x2x1xf32>) outs(%29 : tensor<32x2x32xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.subf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<32x2x32xf32>
    %expanded_21 = tensor.expand_shape %arg9 [[0], [1, 2]] output_shape [32, 2, 1] : tensor<32x2xf32> into tensor<32x2x1xf32>
    %34 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%33, %expanded_21 : tensor<32x2x32xf32>, tensor<32x2x1xf32>) outs(%29 : tensor<32x2x32xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<32x2x32xf32>
    %collapsed_22 = tensor.collapse_shape %34 [[0], [1, 2]] : tensor<32x2x32xf32> into tensor<32x64xf32>
    %35 = tensor.empty() : tensor<64x32xf32>
    %transposed_23 = linalg.transpose ins(%collapsed_22 : tensor<32x64xf32>) outs(%35 : tensor<64x32xf32>) permutation = [1, 0] 
    %36 = tensor.empty() : tensor<1x32xf32>
    %37 = linalg.fill ins(%cst : f32) outs(%36 : tensor<1x32xf32>) -> tensor<1x32xf32>
    %38 = linalg.matmul ins(%collapsed_12, %transposed_23 : tensor<1x64xf32>, tensor<64x32xf32>) outs(%37 : tensor<1x32xf32>) -> tensor<1x32xf32>
    %expanded_24 = tensor.expand_shape %38 [[0], [1, 2, 3]] output_shape [1, 1, 2, 16] : tensor<1x32xf32> into tensor<1x1x2x16xf32>
    %39 = tensor.empty() : tensor<1x2x1x16xf32>
    %transposed_25 = linalg.transpose ins(%expanded_24 : tensor<1x1x2x16xf32>) outs(%39 : tensor<1x2x1x16xf32>) permutation = [0, 2, 1, 3] 
    %40 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg11 : tensor<32x32xi8>) outs(%26 : tensor<32x32xi8>) {
    ^bb0(%in: i8, %out: i8):
      %157 = arith.andi %in, %c15_i8 : i8
      linalg.yield %157 : i8
    } -> tensor<32x32xi8>
    %41 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg11 : tensor<32x32xi8>) outs(%26 : tensor<32x32xi8>) {
    ^bb0(%in: i8, %out: i8):
      %157 = arith.shrui %in, %c4_i8 : i8
      linalg.yield %157 : i8
    } -> tensor<32x32xi8>
    %expanded_26 = tensor.expand_shape %40 [[0], [1, 2]] output_shape [32, 32, 1] : tensor<32x32xi8> into tensor<32x32x1xi8>
    %expanded_27 = tensor.expand_shape %41 [[0], [1, 2]] output_shape [32, 32, 1] : tensor<32x32xi8> into tensor<32x32x1xi8>
    %concat_28 = tensor.concat dim(2) %expanded_26, %expanded_27 : (tensor<32x32x1xi8>, tensor<32x32x1xi8>) -> tensor<32x32x2xi8>
    %collapsed_29 = tensor.collapse_shape %concat_28 [[0], [1, 2]] : tensor<32x32x2xi8> into tensor<32x64xi8>
    %expanded_30 = tensor.expand_shape %collapsed_29 [[0], [1, 2]] output_shape [32, 2, 32] : tensor<32x64xi8> into tensor<32x2x32xi8>
    %42 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_30 : tensor<32x2x32xi8>) outs(%29 : tensor<32x2x32xf32>) {
    ^bb0(%in: i8, %out: f32):
      %157 = arith.uitofp %in : i8 to f32
      linalg.yield %157 : f32
    } -> tensor<32x2x32xf32>
    %43 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg13 : tensor<32x2xi8>) outs(%31 : tensor<32x2xf32>) {
    ^bb0(%in: i8, %out: f32):
      %157 = arith.uitofp %in : i8 to f32
      linalg.yield %157 : f32
    } -> tensor<32x2xf32>
    %expanded_31 = tensor.expand_shape %43 [[0], [1, 2]] output_shape [32, 2, 1] : tensor<32x2xf32> into tensor<32x2x1xf32>
    %44 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%42, %expanded_31 : tensor<32x2x32xf32>, tensor<32x2x1xf32>) outs(%29 : tensor<32x2x32xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.subf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<32x2x32xf32>
    %expanded_32 = tensor.expand_shape %arg12 [[0], [1, 2]] output_shape [32, 2, 1] : tensor<32x2xf32> into tensor<32x2x1xf32>
    %45 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%44, %expanded_32 : tensor<32x2x32xf32>, tensor<32x2x1xf32>) outs(%29 : tensor<32x2x32xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<32x2x32xf32>
    %collapsed_33 = tensor.collapse_shape %45 [[0], [1, 2]] : tensor<32x2x32xf32> into tensor<32x64xf32>
    %transposed_34 = linalg.transpose ins(%collapsed_33 : tensor<32x64xf32>) outs(%35 : tensor<64x32xf32>) permutation = [1, 0] 
    %46 = linalg.matmul ins(%collapsed_12, %transposed_34 : tensor<1x64xf32>, tensor<64x32xf32>) outs(%37 : tensor<1x32xf32>) -> tensor<1x32xf32>
    %expanded_35 = tensor.expand_shape %46 [[0], [1, 2, 3]] output_shape [1, 1, 2, 16] : tensor<1x32xf32> into tensor<1x1x2x16xf32>
    %transposed_36 = linalg.transpose ins(%expanded_35 : tensor<1x1x2x16xf32>) outs(%39 : tensor<1x2x1x16xf32>) permutation = [0, 2, 1, 3] 
    %47 = linalg.generic {indexing_maps = [#map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%transposed_14 : tensor<1x4x1x16xf32>) outs(%25 : tensor<1x4x1x16xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = math.fpowi %in, %c2_i64 : f32, i64
      linalg.yield %157 : f32
    } -> tensor<1x4x1x16xf32>
    %48 = tensor.empty() : tensor<1x4x1x1xf32>
    %49 = linalg.fill ins(%cst : f32) outs(%48 : tensor<1x4x1x1xf32>) -> tensor<1x4x1x1xf32>
    %50 = linalg.generic {indexing_maps = [#map7, #map8], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%47 : tensor<1x4x1x16xf32>) outs(%49 : tensor<1x4x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.addf %in, %out : f32
      linalg.yield %157 : f32
    } -> tensor<1x4x1x1xf32>
    %51 = linalg.generic {indexing_maps = [#map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%50 : tensor<1x4x1x1xf32>) outs(%48 : tensor<1x4x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.divf %in, %cst_5 : f32
      linalg.yield %157 : f32
    } -> tensor<1x4x1x1xf32>
    %52 = linalg.generic {indexing_maps = [#map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%51 : tensor<1x4x1x1xf32>) outs(%48 : tensor<1x4x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.truncf %cst_2 : f64 to f32
      %158 = arith.addf %in, %157 : f32
      linalg.yield %158 : f32
    } -> tensor<1x4x1x1xf32>
    %53 = linalg.generic {indexing_maps = [#map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%52 : tensor<1x4x1x1xf32>) outs(%48 : tensor<1x4x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = math.rsqrt %in : f32
      linalg.yield %157 : f32
    } -> tensor<1x4x1x1xf32>
    %54 = linalg.generic {indexing_maps = [#map7, #map8, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%transposed_14, %53 : tensor<1x4x1x16xf32>, tensor<1x4x1x1xf32>) outs(%25 : tensor<1x4x1x16xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x4x1x16xf32>
    %55 = tensor.empty() : tensor<16xf32>
    %56 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]} ins(%arg17 : tensor<16xf32>) outs(%55 : tensor<16xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.addf %in, %cst_4 : f32
      linalg.yield %157 : f32
    } -> tensor<16xf32>
    %57 = linalg.generic {indexing_maps = [#map7, #map9, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%54, %56 : tensor<1x4x1x16xf32>, tensor<16xf32>) outs(%25 : tensor<1x4x1x16xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x4x1x16xf32>
    %58 = linalg.generic {indexing_maps = [#map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%transposed_25 : tensor<1x2x1x16xf32>) outs(%39 : tensor<1x2x1x16xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = math.fpowi %in, %c2_i64 : f32, i64
      linalg.yield %157 : f32
    } -> tensor<1x2x1x16xf32>
    %59 = tensor.empty() : tensor<1x2x1x1xf32>
    %60 = linalg.fill ins(%cst : f32) outs(%59 : tensor<1x2x1x1xf32>) -> tensor<1x2x1x1xf32>
    %61 = linalg.generic {indexing_maps = [#map7, #map8], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%58 : tensor<1x2x1x16xf32>) outs(%60 : tensor<1x2x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.addf %in, %out : f32
      linalg.yield %157 : f32
    } -> tensor<1x2x1x1xf32>
    %62 = linalg.generic {indexing_maps = [#map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%61 : tensor<1x2x1x1xf32>) outs(%59 : tensor<1x2x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.divf %in, %cst_5 : f32
      linalg.yield %157 : f32
    } -> tensor<1x2x1x1xf32>
    %63 = linalg.generic {indexing_maps = [#map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%62 : tensor<1x2x1x1xf32>) outs(%59 : tensor<1x2x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.truncf %cst_2 : f64 to f32
      %158 = arith.addf %in, %157 : f32
      linalg.yield %158 : f32
    } -> tensor<1x2x1x1xf32>
    %64 = linalg.generic {indexing_maps = [#map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%63 : tensor<1x2x1x1xf32>) outs(%59 : tensor<1x2x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = math.rsqrt %in : f32
      linalg.yield %157 : f32
    } -> tensor<1x2x1x1xf32>
    %65 = linalg.generic {indexing_maps = [#map7, #map8, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%transposed_25, %64 : tensor<1x2x1x16xf32>, tensor<1x2x1x1xf32>) outs(%39 : tensor<1x2x1x16xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x2x1x16xf32>
    %66 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]} ins(%arg18 : tensor<16xf32>) outs(%55 : tensor<16xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.addf %in, %cst_4 : f32
      linalg.yield %157 : f32
    } -> tensor<16xf32>
    %67 = linalg.generic {indexing_maps = [#map7, #map9, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%65, %66 : tensor<1x2x1x16xf32>, tensor<16xf32>) outs(%39 : tensor<1x2x1x16xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x2x1x16xf32>
    %expanded_37 = tensor.expand_shape %arg1 [[0], [1, 2], [3]] output_shape [1, 1, 1, 16] : tensor<1x1x16xf32> into tensor<1x1x1x16xf32>
    %expanded_38 = tensor.expand_shape %arg2 [[0], [1, 2], [3]] output_shape [1, 1, 1, 16] : tensor<1x1x16xf32> into tensor<1x1x1x16xf32>
    %68 = linalg.generic {indexing_maps = [#map7, #map10, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%57, %expanded_37 : tensor<1x4x1x16xf32>, tensor<1x1x1x16xf32>) outs(%25 : tensor<1x4x1x16xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x4x1x16xf32>
    %extracted_slice = tensor.extract_slice %57[0, 0, 0, 0] [1, 4, 1, 8] [1, 1, 1, 1] : tensor<1x4x1x16xf32> to tensor<1x4x1x8xf32>
    %extracted_slice_39 = tensor.extract_slice %57[0, 0, 0, 8] [1, 4, 1, 8] [1, 1, 1, 1] : tensor<1x4x1x16xf32> to tensor<1x4x1x8xf32>
    %69 = tensor.empty() : tensor<1x4x1x8xf32>
    %70 = linalg.generic {indexing_maps = [#map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%extracted_slice_39 : tensor<1x4x1x8xf32>) outs(%69 : tensor<1x4x1x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.negf %in : f32
      linalg.yield %157 : f32
    } -> tensor<1x4x1x8xf32>
    %concat_40 = tensor.concat dim(3) %70, %extracted_slice : (tensor<1x4x1x8xf32>, tensor<1x4x1x8xf32>) -> tensor<1x4x1x16xf32>
    %71 = linalg.generic {indexing_maps = [#map7, #map10, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%concat_40, %expanded_38 : tensor<1x4x1x16xf32>, tensor<1x1x1x16xf32>) outs(%25 : tensor<1x4x1x16xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x4x1x16xf32>
    %72 = linalg.generic {indexing_maps = [#map7, #map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%68, %71 : tensor<1x4x1x16xf32>, tensor<1x4x1x16xf32>) outs(%25 : tensor<1x4x1x16xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.addf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x4x1x16xf32>
    %73 = linalg.generic {indexing_maps = [#map7, #map10, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%67, %expanded_37 : tensor<1x2x1x16xf32>, tensor<1x1x1x16xf32>) outs(%39 : tensor<1x2x1x16xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x2x1x16xf32>
    %extracted_slice_41 = tensor.extract_slice %67[0, 0, 0, 0] [1, 2, 1, 8] [1, 1, 1, 1] : tensor<1x2x1x16xf32> to tensor<1x2x1x8xf32>
    %extracted_slice_42 = tensor.extract_slice %67[0, 0, 0, 8] [1, 2, 1, 8] [1, 1, 1, 1] : tensor<1x2x1x16xf32> to tensor<1x2x1x8xf32>
    %74 = tensor.empty() : tensor<1x2x1x8xf32>
    %75 = linalg.generic {indexing_maps = [#map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%extracted_slice_42 : tensor<1x2x1x8xf32>) outs(%74 : tensor<1x2x1x8xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.negf %in : f32
      linalg.yield %157 : f32
    } -> tensor<1x2x1x8xf32>
    %concat_43 = tensor.concat dim(3) %75, %extracted_slice_41 : (tensor<1x2x1x8xf32>, tensor<1x2x1x8xf32>) -> tensor<1x2x1x16xf32>
    %76 = linalg.generic {indexing_maps = [#map7, #map10, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%concat_43, %expanded_38 : tensor<1x2x1x16xf32>, tensor<1x1x1x16xf32>) outs(%39 : tensor<1x2x1x16xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x2x1x16xf32>
    %77 = linalg.generic {indexing_maps = [#map7, #map7, #map7], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%73, %76 : tensor<1x2x1x16xf32>, tensor<1x2x1x16xf32>) outs(%39 : tensor<1x2x1x16xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.addf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x2x1x16xf32>
    %collapsed_44 = tensor.collapse_shape %77 [[0], [1], [2, 3]] : tensor<1x2x1x16xf32> into tensor<1x2x16xf32>
    %collapsed_45 = tensor.collapse_shape %transposed_36 [[0], [1], [2, 3]] : tensor<1x2x1x16xf32> into tensor<1x2x16xf32>
    %78 = call @headrace.append_kv.0(%collapsed_44, %collapsed_45, %arg3, %arg4) : (tensor<1x2x16xf32>, tensor<1x2x16xf32>, tensor<8192xi8>, tensor<1xi32>) -> tensor<8192xi8>
    %collapsed_46 = tensor.collapse_shape %72 [[0, 1], [2, 3]] : tensor<1x4x1x16xf32> into tensor<4x16xf32>
    %79 = tensor.empty() : tensor<1xi32>
    %80 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]} ins(%arg4 : tensor<1xi32>) outs(%79 : tensor<1xi32>) {
    ^bb0(%in: i32, %out: i32):
      %157 = arith.addi %in, %c1_i32 : i32
      linalg.yield %157 : i32
    } -> tensor<1xi32>
    %81 = call @headrace.decode.1(%collapsed_46, %78, %80) : (tensor<4x16xf32>, tensor<8192xi8>, tensor<1xi32>) -> tensor<4x16xf32>
    %expanded_47 = tensor.expand_shape %81 [[0, 1, 2], [3]] output_shape [1, 1, 4, 16] : tensor<4x16xf32> into tensor<1x1x4x16xf32>
    %82 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg14 : tensor<64x32xi8>) outs(%12 : tensor<64x32xi8>) {
    ^bb0(%in: i8, %out: i8):
      %157 = arith.andi %in, %c15_i8 : i8
      linalg.yield %157 : i8
    } -> tensor<64x32xi8>
    %83 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg14 : tensor<64x32xi8>) outs(%12 : tensor<64x32xi8>) {
    ^bb0(%in: i8, %out: i8):
      %157 = arith.shrui %in, %c4_i8 : i8
      linalg.yield %157 : i8
    } -> tensor<64x32xi8>
    %expanded_48 = tensor.expand_shape %82 [[0], [1, 2]] output_shape [64, 32, 1] : tensor<64x32xi8> into tensor<64x32x1xi8>
    %expanded_49 = tensor.expand_shape %83 [[0], [1, 2]] output_shape [64, 32, 1] : tensor<64x32xi8> into tensor<64x32x1xi8>
    %concat_50 = tensor.concat dim(2) %expanded_48, %expanded_49 : (tensor<64x32x1xi8>, tensor<64x32x1xi8>) -> tensor<64x32x2xi8>
    %collapsed_51 = tensor.collapse_shape %concat_50 [[0], [1, 2]] : tensor<64x32x2xi8> into tensor<64x64xi8>
    %expanded_52 = tensor.expand_shape %collapsed_51 [[0], [1, 2]] output_shape [64, 2, 32] : tensor<64x64xi8> into tensor<64x2x32xi8>
    %84 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_52 : tensor<64x2x32xi8>) outs(%15 : tensor<64x2x32xf32>) {
    ^bb0(%in: i8, %out: f32):
      %157 = arith.uitofp %in : i8 to f32
      linalg.yield %157 : f32
    } -> tensor<64x2x32xf32>
    %85 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg16 : tensor<64x2xi8>) outs(%17 : tensor<64x2xf32>) {
    ^bb0(%in: i8, %out: f32):
      %157 = arith.uitofp %in : i8 to f32
      linalg.yield %157 : f32
    } -> tensor<64x2xf32>
    %expanded_53 = tensor.expand_shape %85 [[0], [1, 2]] output_shape [64, 2, 1] : tensor<64x2xf32> into tensor<64x2x1xf32>
    %86 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%84, %expanded_53 : tensor<64x2x32xf32>, tensor<64x2x1xf32>) outs(%15 : tensor<64x2x32xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.subf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<64x2x32xf32>
    %expanded_54 = tensor.expand_shape %arg15 [[0], [1, 2]] output_shape [64, 2, 1] : tensor<64x2xf32> into tensor<64x2x1xf32>
    %87 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%86, %expanded_54 : tensor<64x2x32xf32>, tensor<64x2x1xf32>) outs(%15 : tensor<64x2x32xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<64x2x32xf32>
    %collapsed_55 = tensor.collapse_shape %87 [[0], [1, 2]] : tensor<64x2x32xf32> into tensor<64x64xf32>
    %transposed_56 = linalg.transpose ins(%collapsed_55 : tensor<64x64xf32>) outs(%21 : tensor<64x64xf32>) permutation = [1, 0] 
    %collapsed_57 = tensor.collapse_shape %expanded_47 [[0], [1, 2, 3]] : tensor<1x1x4x16xf32> into tensor<1x64xf32>
    %88 = linalg.matmul ins(%collapsed_57, %transposed_56 : tensor<1x64xf32>, tensor<64x64xf32>) outs(%23 : tensor<1x64xf32>) -> tensor<1x64xf32>
    %expanded_58 = tensor.expand_shape %88 [[0], [1, 2]] output_shape [1, 1, 64] : tensor<1x64xf32> into tensor<1x1x64xf32>
    %89 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_58 : tensor<1x1x64xf32>) outs(%0 : tensor<1x1x64xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = math.fpowi %in, %c2_i64 : f32, i64
      linalg.yield %157 : f32
    } -> tensor<1x1x64xf32>
    %90 = linalg.generic {indexing_maps = [#map4, #map5], iterator_types = ["parallel", "parallel", "reduction"]} ins(%89 : tensor<1x1x64xf32>) outs(%3 : tensor<1x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.addf %in, %out : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x1xf32>
    %91 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%90 : tensor<1x1x1xf32>) outs(%2 : tensor<1x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.divf %in, %cst_3 : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x1xf32>
    %92 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%91 : tensor<1x1x1xf32>) outs(%2 : tensor<1x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.truncf %cst_2 : f64 to f32
      %158 = arith.addf %in, %157 : f32
      linalg.yield %158 : f32
    } -> tensor<1x1x1xf32>
    %93 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%92 : tensor<1x1x1xf32>) outs(%2 : tensor<1x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = math.rsqrt %in : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x1xf32>
    %94 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_58, %93 : tensor<1x1x64xf32>, tensor<1x1x1xf32>) outs(%0 : tensor<1x1x64xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x64xf32>
    %95 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]} ins(%arg29 : tensor<64xf32>) outs(%9 : tensor<64xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.addf %in, %cst_4 : f32
      linalg.yield %157 : f32
    } -> tensor<64xf32>
    %96 = linalg.generic {indexing_maps = [#map4, #map6, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%94, %95 : tensor<1x1x64xf32>, tensor<64xf32>) outs(%0 : tensor<1x1x64xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x64xf32>
    %97 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%arg0, %96 : tensor<1x1x64xf32>, tensor<1x1x64xf32>) outs(%0 : tensor<1x1x64xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.addf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x64xf32>
    %98 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%97 : tensor<1x1x64xf32>) outs(%0 : tensor<1x1x64xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = math.fpowi %in, %c2_i64 : f32, i64
      linalg.yield %157 : f32
    } -> tensor<1x1x64xf32>
    %99 = linalg.generic {indexing_maps = [#map4, #map5], iterator_types = ["parallel", "parallel", "reduction"]} ins(%98 : tensor<1x1x64xf32>) outs(%3 : tensor<1x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.addf %in, %out : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x1xf32>
    %100 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%99 : tensor<1x1x1xf32>) outs(%2 : tensor<1x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.divf %in, %cst_3 : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x1xf32>
    %101 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%100 : tensor<1x1x1xf32>) outs(%2 : tensor<1x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.truncf %cst_2 : f64 to f32
      %158 = arith.addf %in, %157 : f32
      linalg.yield %158 : f32
    } -> tensor<1x1x1xf32>
    %102 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%101 : tensor<1x1x1xf32>) outs(%2 : tensor<1x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = math.rsqrt %in : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x1xf32>
    %103 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%97, %102 : tensor<1x1x64xf32>, tensor<1x1x1xf32>) outs(%0 : tensor<1x1x64xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x64xf32>
    %104 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]} ins(%arg30 : tensor<64xf32>) outs(%9 : tensor<64xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.addf %in, %cst_4 : f32
      linalg.yield %157 : f32
    } -> tensor<64xf32>
    %105 = linalg.generic {indexing_maps = [#map4, #map6, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%103, %104 : tensor<1x1x64xf32>, tensor<64xf32>) outs(%0 : tensor<1x1x64xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x64xf32>
    %106 = tensor.empty() : tensor<96x32xi8>
    %107 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg19 : tensor<96x32xi8>) outs(%106 : tensor<96x32xi8>) {
    ^bb0(%in: i8, %out: i8):
      %157 = arith.andi %in, %c15_i8 : i8
      linalg.yield %157 : i8
    } -> tensor<96x32xi8>
    %108 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg19 : tensor<96x32xi8>) outs(%106 : tensor<96x32xi8>) {
    ^bb0(%in: i8, %out: i8):
      %157 = arith.shrui %in, %c4_i8 : i8
      linalg.yield %157 : i8
    } -> tensor<96x32xi8>
    %expanded_59 = tensor.expand_shape %107 [[0], [1, 2]] output_shape [96, 32, 1] : tensor<96x32xi8> into tensor<96x32x1xi8>
    %expanded_60 = tensor.expand_shape %108 [[0], [1, 2]] output_shape [96, 32, 1] : tensor<96x32xi8> into tensor<96x32x1xi8>
    %concat_61 = tensor.concat dim(2) %expanded_59, %expanded_60 : (tensor<96x32x1xi8>, tensor<96x32x1xi8>) -> tensor<96x32x2xi8>
    %collapsed_62 = tensor.collapse_shape %concat_61 [[0], [1, 2]] : tensor<96x32x2xi8> into tensor<96x64xi8>
    %expanded_63 = tensor.expand_shape %collapsed_62 [[0], [1, 2]] output_shape [96, 2, 32] : tensor<96x64xi8> into tensor<96x2x32xi8>
    %109 = tensor.empty() : tensor<96x2x32xf32>
    %110 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_63 : tensor<96x2x32xi8>) outs(%109 : tensor<96x2x32xf32>) {
    ^bb0(%in: i8, %out: f32):
      %157 = arith.uitofp %in : i8 to f32
      linalg.yield %157 : f32
    } -> tensor<96x2x32xf32>
    %111 = tensor.empty() : tensor<96x2xf32>
    %112 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg21 : tensor<96x2xi8>) outs(%111 : tensor<96x2xf32>) {
    ^bb0(%in: i8, %out: f32):
      %157 = arith.uitofp %in : i8 to f32
      linalg.yield %157 : f32
    } -> tensor<96x2xf32>
    %expanded_64 = tensor.expand_shape %112 [[0], [1, 2]] output_shape [96, 2, 1] : tensor<96x2xf32> into tensor<96x2x1xf32>
    %113 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%110, %expanded_64 : tensor<96x2x32xf32>, tensor<96x2x1xf32>) outs(%109 : tensor<96x2x32xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.subf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<96x2x32xf32>
    %expanded_65 = tensor.expand_shape %arg20 [[0], [1, 2]] output_shape [96, 2, 1] : tensor<96x2xf32> into tensor<96x2x1xf32>
    %114 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%113, %expanded_65 : tensor<96x2x32xf32>, tensor<96x2x1xf32>) outs(%109 : tensor<96x2x32xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<96x2x32xf32>
    %collapsed_66 = tensor.collapse_shape %114 [[0], [1, 2]] : tensor<96x2x32xf32> into tensor<96x64xf32>
    %115 = tensor.empty() : tensor<64x96xf32>
    %transposed_67 = linalg.transpose ins(%collapsed_66 : tensor<96x64xf32>) outs(%115 : tensor<64x96xf32>) permutation = [1, 0] 
    %collapsed_68 = tensor.collapse_shape %105 [[0], [1, 2]] : tensor<1x1x64xf32> into tensor<1x64xf32>
    %116 = tensor.empty() : tensor<1x96xf32>
    %117 = linalg.fill ins(%cst : f32) outs(%116 : tensor<1x96xf32>) -> tensor<1x96xf32>
    %118 = linalg.matmul ins(%collapsed_68, %transposed_67 : tensor<1x64xf32>, tensor<64x96xf32>) outs(%117 : tensor<1x96xf32>) -> tensor<1x96xf32>
    %expanded_69 = tensor.expand_shape %118 [[0], [1, 2]] output_shape [1, 1, 96] : tensor<1x96xf32> into tensor<1x1x96xf32>
    %119 = tensor.empty() : tensor<1x1x96xf32>
    %120 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_69, %expanded_69 : tensor<1x1x96xf32>, tensor<1x1x96xf32>) outs(%119 : tensor<1x1x96xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x96xf32>
    %121 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%120, %expanded_69 : tensor<1x1x96xf32>, tensor<1x1x96xf32>) outs(%119 : tensor<1x1x96xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x96xf32>
    %122 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%121 : tensor<1x1x96xf32>) outs(%119 : tensor<1x1x96xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.truncf %cst_1 : f64 to f32
      %158 = arith.mulf %in, %157 : f32
      linalg.yield %158 : f32
    } -> tensor<1x1x96xf32>
    %123 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_69, %122 : tensor<1x1x96xf32>, tensor<1x1x96xf32>) outs(%119 : tensor<1x1x96xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.addf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x96xf32>
    %124 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%123 : tensor<1x1x96xf32>) outs(%119 : tensor<1x1x96xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.truncf %cst_0 : f64 to f32
      %158 = arith.mulf %in, %157 : f32
      linalg.yield %158 : f32
    } -> tensor<1x1x96xf32>
    %125 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_69 : tensor<1x1x96xf32>) outs(%119 : tensor<1x1x96xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.mulf %in, %cst_6 : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x96xf32>
    %126 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%124 : tensor<1x1x96xf32>) outs(%119 : tensor<1x1x96xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = math.tanh %in : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x96xf32>
    %127 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%126 : tensor<1x1x96xf32>) outs(%119 : tensor<1x1x96xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.addf %in, %cst_4 : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x96xf32>
    %128 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%125, %127 : tensor<1x1x96xf32>, tensor<1x1x96xf32>) outs(%119 : tensor<1x1x96xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x96xf32>
    %129 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg22 : tensor<96x32xi8>) outs(%106 : tensor<96x32xi8>) {
    ^bb0(%in: i8, %out: i8):
      %157 = arith.andi %in, %c15_i8 : i8
      linalg.yield %157 : i8
    } -> tensor<96x32xi8>
    %130 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg22 : tensor<96x32xi8>) outs(%106 : tensor<96x32xi8>) {
    ^bb0(%in: i8, %out: i8):
      %157 = arith.shrui %in, %c4_i8 : i8
      linalg.yield %157 : i8
    } -> tensor<96x32xi8>
    %expanded_70 = tensor.expand_shape %129 [[0], [1, 2]] output_shape [96, 32, 1] : tensor<96x32xi8> into tensor<96x32x1xi8>
    %expanded_71 = tensor.expand_shape %130 [[0], [1, 2]] output_shape [96, 32, 1] : tensor<96x32xi8> into tensor<96x32x1xi8>
    %concat_72 = tensor.concat dim(2) %expanded_70, %expanded_71 : (tensor<96x32x1xi8>, tensor<96x32x1xi8>) -> tensor<96x32x2xi8>
    %collapsed_73 = tensor.collapse_shape %concat_72 [[0], [1, 2]] : tensor<96x32x2xi8> into tensor<96x64xi8>
    %expanded_74 = tensor.expand_shape %collapsed_73 [[0], [1, 2]] output_shape [96, 2, 32] : tensor<96x64xi8> into tensor<96x2x32xi8>
    %131 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_74 : tensor<96x2x32xi8>) outs(%109 : tensor<96x2x32xf32>) {
    ^bb0(%in: i8, %out: f32):
      %157 = arith.uitofp %in : i8 to f32
      linalg.yield %157 : f32
    } -> tensor<96x2x32xf32>
    %132 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg24 : tensor<96x2xi8>) outs(%111 : tensor<96x2xf32>) {
    ^bb0(%in: i8, %out: f32):
      %157 = arith.uitofp %in : i8 to f32
      linalg.yield %157 : f32
    } -> tensor<96x2xf32>
    %expanded_75 = tensor.expand_shape %132 [[0], [1, 2]] output_shape [96, 2, 1] : tensor<96x2xf32> into tensor<96x2x1xf32>
    %133 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%131, %expanded_75 : tensor<96x2x32xf32>, tensor<96x2x1xf32>) outs(%109 : tensor<96x2x32xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.subf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<96x2x32xf32>
    %expanded_76 = tensor.expand_shape %arg23 [[0], [1, 2]] output_shape [96, 2, 1] : tensor<96x2xf32> into tensor<96x2x1xf32>
    %134 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%133, %expanded_76 : tensor<96x2x32xf32>, tensor<96x2x1xf32>) outs(%109 : tensor<96x2x32xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<96x2x32xf32>
    %collapsed_77 = tensor.collapse_shape %134 [[0], [1, 2]] : tensor<96x2x32xf32> into tensor<96x64xf32>
    %transposed_78 = linalg.transpose ins(%collapsed_77 : tensor<96x64xf32>) outs(%115 : tensor<64x96xf32>) permutation = [1, 0] 
    %135 = linalg.matmul ins(%collapsed_68, %transposed_78 : tensor<1x64xf32>, tensor<64x96xf32>) outs(%117 : tensor<1x96xf32>) -> tensor<1x96xf32>
    %expanded_79 = tensor.expand_shape %135 [[0], [1, 2]] output_shape [1, 1, 96] : tensor<1x96xf32> into tensor<1x1x96xf32>
    %136 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%128, %expanded_79 : tensor<1x1x96xf32>, tensor<1x1x96xf32>) outs(%119 : tensor<1x1x96xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x96xf32>
    %137 = tensor.empty() : tensor<64x48xi8>
    %138 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg25 : tensor<64x48xi8>) outs(%137 : tensor<64x48xi8>) {
    ^bb0(%in: i8, %out: i8):
      %157 = arith.andi %in, %c15_i8 : i8
      linalg.yield %157 : i8
    } -> tensor<64x48xi8>
    %139 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg25 : tensor<64x48xi8>) outs(%137 : tensor<64x48xi8>) {
    ^bb0(%in: i8, %out: i8):
      %157 = arith.shrui %in, %c4_i8 : i8
      linalg.yield %157 : i8
    } -> tensor<64x48xi8>
    %expanded_80 = tensor.expand_shape %138 [[0], [1, 2]] output_shape [64, 48, 1] : tensor<64x48xi8> into tensor<64x48x1xi8>
    %expanded_81 = tensor.expand_shape %139 [[0], [1, 2]] output_shape [64, 48, 1] : tensor<64x48xi8> into tensor<64x48x1xi8>
    %concat_82 = tensor.concat dim(2) %expanded_80, %expanded_81 : (tensor<64x48x1xi8>, tensor<64x48x1xi8>) -> tensor<64x48x2xi8>
    %collapsed_83 = tensor.collapse_shape %concat_82 [[0], [1, 2]] : tensor<64x48x2xi8> into tensor<64x96xi8>
    %expanded_84 = tensor.expand_shape %collapsed_83 [[0], [1, 2]] output_shape [64, 3, 32] : tensor<64x96xi8> into tensor<64x3x32xi8>
    %140 = tensor.empty() : tensor<64x3x32xf32>
    %141 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_84 : tensor<64x3x32xi8>) outs(%140 : tensor<64x3x32xf32>) {
    ^bb0(%in: i8, %out: f32):
      %157 = arith.uitofp %in : i8 to f32
      linalg.yield %157 : f32
    } -> tensor<64x3x32xf32>
    %142 = tensor.empty() : tensor<64x3xf32>
    %143 = linalg.generic {indexing_maps = [#map3, #map3], iterator_types = ["parallel", "parallel"]} ins(%arg27 : tensor<64x3xi8>) outs(%142 : tensor<64x3xf32>) {
    ^bb0(%in: i8, %out: f32):
      %157 = arith.uitofp %in : i8 to f32
      linalg.yield %157 : f32
    } -> tensor<64x3xf32>
    %expanded_85 = tensor.expand_shape %143 [[0], [1, 2]] output_shape [64, 3, 1] : tensor<64x3xf32> into tensor<64x3x1xf32>
    %144 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%141, %expanded_85 : tensor<64x3x32xf32>, tensor<64x3x1xf32>) outs(%140 : tensor<64x3x32xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.subf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<64x3x32xf32>
    %expanded_86 = tensor.expand_shape %arg26 [[0], [1, 2]] output_shape [64, 3, 1] : tensor<64x3xf32> into tensor<64x3x1xf32>
    %145 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%144, %expanded_86 : tensor<64x3x32xf32>, tensor<64x3x1xf32>) outs(%140 : tensor<64x3x32xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<64x3x32xf32>
    %collapsed_87 = tensor.collapse_shape %145 [[0], [1, 2]] : tensor<64x3x32xf32> into tensor<64x96xf32>
    %146 = tensor.empty() : tensor<96x64xf32>
    %transposed_88 = linalg.transpose ins(%collapsed_87 : tensor<64x96xf32>) outs(%146 : tensor<96x64xf32>) permutation = [1, 0] 
    %collapsed_89 = tensor.collapse_shape %136 [[0], [1, 2]] : tensor<1x1x96xf32> into tensor<1x96xf32>
    %147 = linalg.matmul ins(%collapsed_89, %transposed_88 : tensor<1x96xf32>, tensor<96x64xf32>) outs(%23 : tensor<1x64xf32>) -> tensor<1x64xf32>
    %expanded_90 = tensor.expand_shape %147 [[0], [1, 2]] output_shape [1, 1, 64] : tensor<1x64xf32> into tensor<1x1x64xf32>
    %148 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_90 : tensor<1x1x64xf32>) outs(%0 : tensor<1x1x64xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = math.fpowi %in, %c2_i64 : f32, i64
      linalg.yield %157 : f32
    } -> tensor<1x1x64xf32>
    %149 = linalg.generic {indexing_maps = [#map4, #map5], iterator_types = ["parallel", "parallel", "reduction"]} ins(%148 : tensor<1x1x64xf32>) outs(%3 : tensor<1x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.addf %in, %out : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x1xf32>
    %150 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%149 : tensor<1x1x1xf32>) outs(%2 : tensor<1x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.divf %in, %cst_3 : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x1xf32>
    %151 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%150 : tensor<1x1x1xf32>) outs(%2 : tensor<1x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.truncf %cst_2 : f64 to f32
      %158 = arith.addf %in, %157 : f32
      linalg.yield %158 : f32
    } -> tensor<1x1x1xf32>
    %152 = linalg.generic {indexing_maps = [#map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%151 : tensor<1x1x1xf32>) outs(%2 : tensor<1x1x1xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = math.rsqrt %in : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x1xf32>
    %153 = linalg.generic {indexing_maps = [#map4, #map5, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%expanded_90, %152 : tensor<1x1x64xf32>, tensor<1x1x1xf32>) outs(%0 : tensor<1x1x64xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x64xf32>
    %154 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]} ins(%arg31 : tensor<64xf32>) outs(%9 : tensor<64xf32>) {
    ^bb0(%in: f32, %out: f32):
      %157 = arith.addf %in, %cst_4 : f32
      linalg.yield %157 : f32
    } -> tensor<64xf32>
    %155 = linalg.generic {indexing_maps = [#map4, #map6, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%153, %154 : tensor<1x1x64xf32>, tensor<64xf32>) outs(%0 : tensor<1x1x64xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.mulf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x64xf32>
    %156 = linalg.generic {indexing_maps = [#map4, #map4, #map4], iterator_types = ["parallel", "parallel", "parallel"]} ins(%97, %155 : tensor<1x1x64xf32>, tensor<1x1x64xf32>) outs(%0 : tensor<1x1x64xf32>) {
    ^bb0(%in: f32, %in_91: f32, %out: f32):
      %157 = arith.addf %in, %in_91 : f32
      linalg.yield %157 : f32
    } -> tensor<1x1x64xf32>
    return %156, %78 : tensor<1x1x64xf32>, tensor<8192xi8>
  }
}
