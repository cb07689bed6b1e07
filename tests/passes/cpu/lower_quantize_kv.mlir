// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-quantize-kv --canonicalize --cse | FileCheck %s

// doc: quantize
// A workgroup for each row; the scale is of the content, raised where the
// rotated part over it would be too large.
// CHECK-LABEL: func.func @main(
// CHECK:         call @quantize_kv_16x512_16x64({{.*}}) {headrace.grid = array<i64: 16, 1, 1>}
// CHECK-LABEL: func.func private @quantize_kv_16x512_16x64(
// CHECK-SAME:    %[[C:[^:]*]]: memref<16x512xf32>, %[[R:[^:]*]]: memref<16x64xf32>, %[[CODES:[^:]*]]: memref<16x512xi8>, %[[SCALE:[^:]*]]: memref<16xf32>, %[[OUT:[^:]*]]: memref<16x64xf32>
// CHECK:         %[[ROW:.*]] = gpu.block_id x
// CHECK-COUNT-32: vector.load %[[C]][%[[ROW]], {{.*}}]
// CHECK:         vector.reduction <maximumf>
// CHECK:         vector.reduction <maximumf>
// CHECK:         memref.store %[[S:.*]], %[[SCALE]][%[[ROW]]]
// CHECK:         %[[ALL:.*]] = vector.broadcast %[[S]] : f32 to vector<16xf32>
// CHECK:         arith.divf %{{.*}}, %[[ALL]]
// CHECK-COUNT-32: vector.store %{{.*}}, %[[CODES]][%[[ROW]], {{.*}}] : memref<16x512xi8>, vector<16xi8>
// CHECK-COUNT-4: vector.store %{{.*}}, %[[OUT]][%[[ROW]], {{.*}}] : memref<16x64xf32>, vector<16xf32>
// CHECK-NOT:     qattn.quantize_kv
func.func @main(%content: tensor<16x512xf32>, %rope: tensor<16x64xf32>)
    -> (tensor<16x512xi8>, tensor<16xf32>, tensor<16x64xf32>) {
  %ci = tensor.empty() : tensor<16x512xi8>
  %si = tensor.empty() : tensor<16xf32>
  %ri = tensor.empty() : tensor<16x64xf32>
  %codes, %scale, %r = qattn.quantize_kv ins(%content, %rope : tensor<16x512xf32>, tensor<16x64xf32>)
      outs(%ci, %si, %ri : tensor<16x512xi8>, tensor<16xf32>, tensor<16x64xf32>)
      -> tensor<16x512xi8>, tensor<16xf32>, tensor<16x64xf32>
  return %codes, %scale, %r : tensor<16x512xi8>, tensor<16xf32>, tensor<16x64xf32>
}
// doc: end

// -----

// What is left of a vector is masked; a single number is stored alone.
// CHECK-LABEL: func.func private @quantize_kv_1x17_1x3(
// CHECK-SAME:    %{{[^:]*}}: memref<1x17xf32>, %{{[^:]*}}: memref<1x3xf32>, %[[CODES:[^:]*]]: memref<1x17xi8>, %{{[^:]*}}: memref<1xf32>, %[[OUT:[^:]*]]: memref<1x3xf32>
// CHECK:         vector.store %{{.*}}, %[[CODES]]{{.*}} vector<16xi8>
// CHECK:         memref.store %{{.*}}, %[[CODES]]
// CHECK:         vector.maskedstore %[[OUT]]
func.func @main(%content: tensor<1x17xf32>, %rope: tensor<1x3xf32>)
    -> (tensor<1x17xi8>, tensor<1xf32>, tensor<1x3xf32>) {
  %ci = tensor.empty() : tensor<1x17xi8>
  %si = tensor.empty() : tensor<1xf32>
  %ri = tensor.empty() : tensor<1x3xf32>
  %codes, %scale, %r = qattn.quantize_kv ins(%content, %rope : tensor<1x17xf32>, tensor<1x3xf32>)
      outs(%ci, %si, %ri : tensor<1x17xi8>, tensor<1xf32>, tensor<1x3xf32>)
      -> tensor<1x17xi8>, tensor<1xf32>, tensor<1x3xf32>
  return %codes, %scale, %r : tensor<1x17xi8>, tensor<1xf32>, tensor<1x3xf32>
}
