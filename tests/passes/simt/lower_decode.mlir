// RUN: %headrace_opt %s --split-input-file --simt-form-kernels --simt-lower-decode --canonicalize --cse | FileCheck %s

// doc: f16
// Two queries for each head of keys: a lane has both, and 16 of 128 columns of
// one of four tokens. Eight subgroups share the tokens.
// CHECK-LABEL: func.func @main(
// CHECK:         call @decode_kv_f16_4x128_of_64x2({{.*}}) {headrace.grid = array<i64: 2, 1, 1>}
// CHECK-LABEL: func.func private @decode_kv_f16_4x128_of_64x2(
// CHECK-SAME:    %[[Q:[^:]*]]: memref<4x128xf32>, %[[CACHE:[^:]*]]: memref<65536xi8>, %[[LENGTH:[^:]*]]: memref<1xi32>
// CHECK-SAME:    workgroup = array<i32: 256, 1, 1>
// CHECK-DAG:     %[[BASES:.*]] = memref.alloca() : memref<8x2xf32, #gpu.address_space<workgroup>>
// CHECK-DAG:     %[[SUMS:.*]] = memref.alloca() : memref<8x2x128xf32, #gpu.address_space<workgroup>>
// CHECK:         %[[WORDS:.*]] = memref.view %[[CACHE]]{{.*}} to memref<16384xi32>
// CHECK:         %[[STATE:.*]]:12 = scf.for %{{.*}} = %{{.*}} to %{{.*}} step %c64 iter_args
// CHECK:           %[[KEYS:.*]] = vector.load %[[WORDS]][%{{.*}}] {alignment = 16 : i64} : memref<16384xi32>, vector<4xi32>
// CHECK:           %[[FIRST:.*]] = vector.shuffle %[[KEYS]], %[[KEYS]] [0, 1]
// CHECK:           %[[HALVES:.*]] = vector.bitcast %[[FIRST]] : vector<2xi32> to vector<4xf16>
// CHECK:           %[[KEY:.*]] = arith.extf %[[HALVES]]
// Both queries are multiplied with what is loaded once.
// CHECK:           arith.mulf %{{.*}}, %[[KEY]]
// CHECK:           arith.mulf %{{.*}}, %[[KEY]]
// Products are summed over eight lanes.
// CHECK:           gpu.shuffle xor %{{.*}}, %c1_i32, %c32_i32 : vector<2xf32>
// CHECK:           gpu.shuffle xor %{{.*}}, %c2_i32, %c32_i32 : vector<2xf32>
// CHECK:           gpu.shuffle xor %{{.*}}, %c4_i32, %c32_i32 : vector<2xf32>
// CHECK:           %[[LARGEST:.*]] = arith.maxnumf
// CHECK:           math.exp2 %{{.*}} : f32
// CHECK:           math.exp2 %{{.*}} : vector<2xf32>
// The values of one token have the slots of its keys.
// CHECK:           vector.load %[[WORDS]]
// CHECK:         scf.for %{{.*}} = %{{.*}} to %{{.*}} step %c32 iter_args
// CHECK:           arith.minui
// CHECK:           arith.select %{{.*}}, %{{.*}}, %{{.*}} : vector<4xi32>
// CHECK:         gpu.shuffle xor %{{.*}}, %c8_i32, %c32_i32 : f32
// CHECK:         gpu.shuffle xor %{{.*}}, %c16_i32, %c32_i32 : f32
// CHECK:         memref.store %{{.*}}, %[[BASES]]
// CHECK:         vector.store %{{.*}}, %[[SUMS]]
// CHECK:         gpu.barrier
// CHECK:         math.log2
// CHECK-NOT:     qattn.decode
!f16 = !qattn.kv_cache<64x2x128, f16>
func.func @main(%q: tensor<4x128xf32>, %cache: !f16, %length: tensor<1xi32>) -> (tensor<4x128xf32>, tensor<4xf32>) {
  %o = tensor.empty() : tensor<4x128xf32>
  %l = tensor.empty() : tensor<4xf32>
  %y, %lse = qattn.decode ins(%q, %cache, %length : tensor<4x128xf32>, !f16, tensor<1xi32>)
      outs(%o, %l : tensor<4x128xf32>, tensor<4xf32>) {scale = 8.838835e-02 : f32}
      -> tensor<4x128xf32>, tensor<4xf32>
  return %y, %lse : tensor<4x128xf32>, tensor<4xf32>
}
// doc: end

// -----

// Eight queries of a head of keys: pairs of lanes with other queries load the
// same bytes. Parts are workgroups. The slot of a token wraps around once.
// CHECK-LABEL: func.func @ring(
// CHECK:         {headrace.grid = array<i64: 3, 1, 1>}
// CHECK-LABEL: func.func private @decode_kv_i8_3x8x64_of_48x1(
// CHECK-DAG:     memref.view %{{.*}} : memref<6528xi8> to memref<1632xi32>
// CHECK-DAG:     %[[SCALES:.*]] = memref.view %{{.*}} : memref<6528xi8> to memref<1632xf32>
// CHECK:         arith.remui %{{.*}}, %c48
// CHECK:         scf.for
// CHECK:           %[[WRAPPED:.*]] = arith.subi %{{.*}}, %c48
// CHECK:           arith.select %{{.*}}, %{{.*}}, %[[WRAPPED]] : index
// CHECK:           %[[CODES:.*]] = vector.bitcast %{{.*}} : vector<1xi32> to vector<4xi8>
// CHECK:           arith.sitofp %[[CODES]] : vector<4xi8> to vector<4xf32>
// CHECK:           memref.load %[[SCALES]]
// CHECK:           math.tanh
!ring = !qattn.kv_cache<48x1x64, i8, scale = per_token, layout = ring>
func.func @ring(%q: tensor<8x64xf32>, %cache: !ring, %length: tensor<1xi32>) -> (tensor<3x8x64xf32>, tensor<3x8xf32>) {
  %o = tensor.empty() : tensor<3x8x64xf32>
  %l = tensor.empty() : tensor<3x8xf32>
  %y, %lse = qattn.decode ins(%q, %cache, %length : tensor<8x64xf32>, !ring, tensor<1xi32>)
      outs(%o, %l : tensor<3x8x64xf32>, tensor<3x8xf32>)
      {scale = 0.125 : f32, window = 40 : i64, softcap = 3.000000e+01 : f32, splits = 3 : i64}
      -> tensor<3x8x64xf32>, tensor<3x8xf32>
  return %y, %lse : tensor<3x8x64xf32>, tensor<3x8xf32>
}

// -----

// 80 columns are ten pieces, of which eight lanes have one or two. Pages that
// do not exist are not seen. bf16 is the upper half of f32.
// CHECK-LABEL: func.func private @decode_kv_bf16_2x80_of_32x1(
// CHECK:         arith.minui %{{.*}}, %c1
// CHECK:         scf.for
// CHECK:           %[[PAGE:.*]] = memref.load %{{.*}} : memref<3xi32>
// CHECK:           %[[EXISTS:.*]] = arith.cmpi ult, %[[PAGE]], %c4_i32
// CHECK:           arith.select %{{.*}}, %{{.*}}, %{{.*}} : vector<4xi32>
// CHECK:           arith.extui %{{.*}} : vector<4xi16> to vector<4xi32>
// CHECK:           arith.shli %{{.*}} : vector<4xi32>
// CHECK:           arith.select %{{.*}}, %{{.*}}, %{{.*}} : f32
!paged = !qattn.kv_cache<32x1x80, bf16, layout = paged<8>>
func.func @paged(%q: tensor<2x80xf32>, %cache: !paged, %length: tensor<1xi32>, %table: tensor<3xi32>) -> tensor<2x80xf32> {
  %o = tensor.empty() : tensor<2x80xf32>
  %l = tensor.empty() : tensor<2xf32>
  %y, %lse = qattn.decode ins(%q, %cache, %length table %table : tensor<2x80xf32>, !paged, tensor<1xi32>, tensor<3xi32>)
      outs(%o, %l : tensor<2x80xf32>, tensor<2xf32>) {scale = 0.125 : f32}
      -> tensor<2x80xf32>, tensor<2xf32>
  return %y : tensor<2x80xf32>
}

// -----

// On tensors there is nothing to store to yet.
// CHECK-LABEL: func.func private @tensors(
// CHECK:         qattn.decode
!c = !qattn.kv_cache<64x2x128, f16>
func.func private @tensors(%q: tensor<4x128xf32>, %cache: !c, %length: tensor<1xi32>, %o: tensor<4x128xf32>, %l: tensor<4xf32>) -> tensor<4x128xf32> {
  %y, %lse = qattn.decode ins(%q, %cache, %length : tensor<4x128xf32>, !c, tensor<1xi32>)
      outs(%o, %l : tensor<4x128xf32>, tensor<4xf32>) {scale = 8.838835e-02 : f32}
      -> tensor<4x128xf32>, tensor<4xf32>
  return %y : tensor<4x128xf32>
}
