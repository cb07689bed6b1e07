#map = affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>
#map1 = affine_map<(d0, d1, d2, d3) -> (d0, d3, d2)>
#map2 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
"builtin.module"() ({
  "func.func"() <{function_type = (tensor<2x2x3x8xf32>, tensor<2x2x9223372036854775807x8xf32>, tensor<2x2x9223372036854775807x8xf32>) -> tensor<4x3x8xf32>, sym_name = "none"}> ({
  ^bb0(%arg0: tensor<2x2x3x8xf32>, %arg1: tensor<2x2x9223372036854775807x8xf32>, %arg2: tensor<2x2x9223372036854775807x8xf32>):
    %0 = "arith.constant"() <{value = 0.000000e+00 : f32}> : () -> f32
    %1 = "tensor.collapse_shape"(%arg0) <{reassociation = [[0, 1], [2], [3]]}> : (tensor<2x2x3x8xf32>) -> tensor<4x3x8xf32>
    %2 = "tensor.collapse_shape"(%arg1) <{reassociation = [[0, 1], [2], [3]]}> : (tensor<2x2x9223372036854775807x8xf32>) -> tensor<4x9223372036854775807x8xf32>
    %3 = "tensor.collapse_shape"(%arg2) <{reassociation = [[0, 1], [2], [3]]}> : (tensor<2x2x9223372036854775807x8xf32>) -> tensor<4x9223372036854775807x8xf32>
    %4 = "tensor.empty"() : () -> tensor<4x8x9223372036854775807xf32>
    %5 = "linalg.transpose"(%2, %4) <{permutation = array<i64: 0, 2, 1>}> ({
    ^bb0(%arg13: f32, %arg14: f32):
      "linalg.yield"(%arg13) : (f32) -> ()
    }) : (tensor<4x9223372036854775807x8xf32>, tensor<4x8x9223372036854775807xf32>) -> tensor<4x8x9223372036854775807xf32>
    %6 = "tensor.empty"() : () -> tensor<4x3x9223372036854775807xf32>
    %7 = "linalg.fill"(%0, %6) <{operandSegmentSizes = array<i32: 1, 1>}> ({
    ^bb0(%arg11: f32, %arg12: f32):
      "linalg.yield"(%arg11) : (f32) -> ()
    }) : (f32, tensor<4x3x9223372036854775807xf32>) -> tensor<4x3x9223372036854775807xf32>
    %8 = "linalg.batch_matmul"(%1, %5, %7) <{indexing_maps = [#map, #map1, #map2], operandSegmentSizes = array<i32: 2, 1>}> ({
    ^bb0(%arg8: f32, %arg9: f32, %arg10: f32):
      %15 = "arith.mulf"(%arg8, %arg9) <{fastmath = #arith.fastmath<none>}> : (f32, f32) -> f32
      %16 = "arith.addf"(%arg10, %15) <{fastmath = #arith.fastmath<none>}> : (f32, f32) -> f32
      "linalg.yield"(%16) : (f32) -> ()
    }) : (tensor<4x3x8xf32>, tensor<4x8x9223372036854775807xf32>, tensor<4x3x9223372036854775807xf32>) -> tensor<4x3x9223372036854775807xf32>
    %9 = "linalg.softmax"(%8, %6) <{dimension = 2 : i64}> : (tensor<4x3x9223372036854775807xf32>, tensor<4x3x9223372036854775807xf32>) -> tensor<4x3x9223372036854775807xf32>
    %10 = "tensor.empty"() : () -> tensor<4x3x8xf32>
    %11 = "linalg.fill"(%0, %10) <{operandSegmentSizes = array<i32: 1, 1>}> ({
    ^bb0(%arg6: f32, %arg7: f32):
      "linalg.yield"(%arg6) : (f32) -> ()
    }) : (f32, tensor<4x3x8xf32>) -> tensor<4x3x8xf32>
    %12 = "linalg.batch_matmul"(%9, %3, %11) <{indexing_maps = [#map, #map1, #map2], operandSegmentSizes = array<i32: 2, 1>}> ({
    ^bb0(%arg3: f32, %arg4: f32, %arg5: f32):
      %13 = "arith.mulf"(%arg3, %arg4) <{fastmath = #arith.fastmath<none>}> : (f32, f32) -> f32
      %14 = "arith.addf"(%arg5, %13) <{fastmath = #arith.fastmath<none>}> : (f32, f32) -> f32
      "linalg.yield"(%14) : (f32) -> ()
    }) : (tensor<4x3x9223372036854775807xf32>, tensor<4x9223372036854775807x8xf32>, tensor<4x3x8xf32>) -> tensor<4x3x8xf32>
    "func.return"(%12) : (tensor<4x3x8xf32>) -> ()
  }) : () -> ()
}) : () -> ()