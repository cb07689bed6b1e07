// RUN: %headrace_opt %s --merge-shared-input | FileCheck %s

!q = !qlinear.packed<8x32, #qlinear.gguf<q8_0>>
!k = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>

// doc: qkv
// CHECK-LABEL: func @qkv(
// CHECK-SAME: %[[Q:[a-z0-9]+]]: !qlinear{{[^%]*}} %[[K:[a-z0-9]+]]: !qlinear{{[^%]*}} %[[V:[a-z0-9]+]]: !qlinear{{[^%]*}} %[[X:[a-z0-9]+]]: tensor<32xf32>
// CHECK: %[[W:.*]] = qlinear.concat %[[Q]], %[[K]], %[[V]] : {{.*}} to !qlinear.packed<16x32, #qlinear.gguf<q8_0>>
// CHECK: %[[Y:.*]] = qlinear.matvec ins(%[[W]], %[[X]] :
// CHECK-DAG: %[[A:.*]] = tensor.extract_slice %[[Y]][0] [8] [1] : tensor<16xf32> to tensor<8xf32>
// CHECK-DAG: %[[B:.*]] = tensor.extract_slice %[[Y]][8] [4] [1] : tensor<16xf32> to tensor<4xf32>
// CHECK-DAG: %[[C:.*]] = tensor.extract_slice %[[Y]][12] [4] [1] : tensor<16xf32> to tensor<4xf32>
// CHECK-NOT: qlinear
// CHECK: return %[[A]], %[[B]], %[[C]]
func.func @qkv(%wq: !q, %wk: !k, %wv: !k, %x: tensor<32xf32>, %oq: tensor<8xf32>, %ok: tensor<4xf32>)
    -> (tensor<8xf32>, tensor<4xf32>, tensor<4xf32>) {
  %q = qlinear.matvec ins(%wq, %x : !q, tensor<32xf32>) outs(%oq : tensor<8xf32>) -> tensor<8xf32>
  %k = qlinear.matvec ins(%wk, %x : !k, tensor<32xf32>) outs(%ok : tensor<4xf32>) -> tensor<4xf32>
  %v = qlinear.matvec ins(%wv, %x : !k, tensor<32xf32>) outs(%ok : tensor<4xf32>) -> tensor<4xf32>
  return %q, %k, %v : tensor<8xf32>, tensor<4xf32>, tensor<4xf32>
}
// doc: end

// Gate and up of several tokens.
// CHECK-LABEL: func @tokens(
// CHECK: %[[Y:.*]] = qlinear.matmul {{.*}} outs(%{{.*}} : tensor<3x16xf32>)
// CHECK: tensor.extract_slice %[[Y]][0, 0] [3, 8] [1, 1]
// CHECK: tensor.extract_slice %[[Y]][0, 8] [3, 8] [1, 1]
func.func @tokens(%gate: !q, %up: !q, %x: tensor<3x32xbf16>, %o: tensor<3x8xf32>) -> tensor<3x8xf32> {
  %g = qlinear.matmul ins(%gate, %x : !q, tensor<3x32xbf16>) outs(%o : tensor<3x8xf32>) -> tensor<3x8xf32>
  %u = qlinear.matmul ins(%up, %x : !q, tensor<3x32xbf16>) outs(%o : tensor<3x8xf32>) -> tensor<3x8xf32>
  %y = qlinear.gated_activation silu ins(%g, %u : tensor<3x8xf32>, tensor<3x8xf32>) outs(%o : tensor<3x8xf32>) -> tensor<3x8xf32>
  return %y : tensor<3x8xf32>
}

// A weight from bytes that comes into being later moves up.
// CHECK-LABEL: func @bytes(
// CHECK: %[[A:.*]] = qlinear.from_bytes
// CHECK: %[[B:.*]] = qlinear.from_bytes
// CHECK: %[[W:.*]] = qlinear.concat %[[A]], %[[B]]
// CHECK: qlinear.matvec ins(%[[W]], %{{.*}} : {{.*}}, !qlinear.packed<1x32, #qlinear.act_i8>)
// CHECK-NOT: qlinear.matvec
func.func @bytes(%a: tensor<272xi8>, %b: tensor<136xi8>, %x: !qlinear.packed<1x32, #qlinear.act_i8>, %o: tensor<8xf32>, %p: tensor<4xf32>)
    -> (tensor<8xf32>, tensor<4xf32>) {
  %wa = qlinear.from_bytes %a : tensor<272xi8> to !q
  %0 = qlinear.matvec ins(%wa, %x : !q, !qlinear.packed<1x32, #qlinear.act_i8>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %wb = qlinear.from_bytes %b : tensor<136xi8> to !k
  %1 = qlinear.matvec ins(%wb, %x : !k, !qlinear.packed<1x32, #qlinear.act_i8>) outs(%p : tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<8xf32>, tensor<4xf32>
}

!full = !qlinear.packed<32x32, #qlinear.q4nx, padded = 32x256>
!part = !qlinear.packed<5x32, #qlinear.q4nx, padded = 32x256>

// What ends within a block of rows goes last, and one only.
// CHECK-LABEL: func @partial_blocks(
// CHECK-SAME: %[[A:[a-z0-9]+]]: !qlinear{{[^%]*}} %[[B:[a-z0-9]+]]: !qlinear{{[^%]*}} %[[C:[a-z0-9]+]]: !qlinear
// CHECK: %[[W:.*]] = qlinear.concat %[[C]], %[[A]] : {{.*}} to !qlinear.packed<37x32, #qlinear.q4nx, padded = 64x256>
// CHECK: %[[Y:.*]] = qlinear.matvec ins(%[[W]],
// CHECK-DAG: %[[YC:.*]] = tensor.extract_slice %[[Y]][0] [32] [1]
// CHECK-DAG: %[[YA:.*]] = tensor.extract_slice %[[Y]][32] [5] [1]
// CHECK: %[[YB:.*]] = qlinear.matvec ins(%[[B]],
// CHECK: return %[[YA]], %[[YB]], %[[YC]]
func.func @partial_blocks(%a: !part, %b: !part, %c: !full, %x: tensor<32xf32>, %o: tensor<5xf32>, %p: tensor<32xf32>)
    -> (tensor<5xf32>, tensor<5xf32>, tensor<32xf32>) {
  %0 = qlinear.matvec ins(%a, %x : !part, tensor<32xf32>) outs(%o : tensor<5xf32>) -> tensor<5xf32>
  %1 = qlinear.matvec ins(%b, %x : !part, tensor<32xf32>) outs(%o : tensor<5xf32>) -> tensor<5xf32>
  %2 = qlinear.matvec ins(%c, %x : !full, tensor<32xf32>) outs(%p : tensor<32xf32>) -> tensor<32xf32>
  return %0, %1, %2 : tensor<5xf32>, tensor<5xf32>, tensor<32xf32>
}

// What was decided is kept; what it cost is no longer true.
// CHECK-LABEL: func @choices(
// CHECK: qlinear.matvec
// CHECK-SAME: {headrace.threshold = 5.000000e-01 : f32} -> tensor<12xf32>
// CHECK: qlinear.matvec
// CHECK-SAME: outs(%{{.*}} : tensor<4xf32>) -> tensor<4xf32>
func.func @choices(%a: !q, %b: !k, %c: !k, %x: tensor<32xf32>, %o: tensor<8xf32>, %p: tensor<4xf32>)
    -> (tensor<8xf32>, tensor<4xf32>, tensor<4xf32>) {
  %0 = qlinear.matvec ins(%a, %x : !q, tensor<32xf32>) outs(%o : tensor<8xf32>) {headrace.threshold = 0.5 : f32, headrace.cost = {read = 1.0 : f64}} -> tensor<8xf32>
  %1 = qlinear.matvec ins(%b, %x : !k, tensor<32xf32>) outs(%p : tensor<4xf32>) {headrace.threshold = 0.5 : f32, headrace.cost = {read = 2.0 : f64}} -> tensor<4xf32>
  %2 = qlinear.matvec ins(%c, %x : !k, tensor<32xf32>) outs(%p : tensor<4xf32>) -> tensor<4xf32>
  return %0, %1, %2 : tensor<8xf32>, tensor<4xf32>, tensor<4xf32>
}

// The same token, reshaped twice.
// CHECK-LABEL: func @reshaped(
// CHECK: qlinear.matvec {{.*}} -> tensor<12xf32>
// CHECK-NOT: qlinear.matvec
func.func @reshaped(%a: !q, %b: !k, %x: tensor<1x32xf32>, %o: tensor<8xf32>, %p: tensor<4xf32>) -> (tensor<8xf32>, tensor<4xf32>) {
  %x0 = tensor.collapse_shape %x [[0, 1]] : tensor<1x32xf32> into tensor<32xf32>
  %0 = qlinear.matvec ins(%a, %x0 : !q, tensor<32xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %x1 = tensor.collapse_shape %x [[0, 1]] : tensor<1x32xf32> into tensor<32xf32>
  %1 = qlinear.matvec ins(%b, %x1 : !k, tensor<32xf32>) outs(%p : tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<8xf32>, tensor<4xf32>
}
