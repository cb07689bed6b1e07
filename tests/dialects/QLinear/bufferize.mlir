// RUN: %headrace_opt %s --one-shot-bufferize="bufferize-function-boundaries=true function-boundary-type-conversion=identity-layout-map" | FileCheck %s

!q8_0 = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>
!half = !qlinear.packed<2x64, #qlinear.gguf<q8_0>>
!act = !qlinear.packed<1x64, #qlinear.act_i8>

// Everything in destination style writes into the buffer of its destination;
// a weight is a view of its bytes, quantized activations are of a new buffer.
// CHECK-LABEL: func @products
// CHECK-SAME: %[[BYTES:.*]]: memref<272xi8>, %[[X:.*]]: memref<64xf32>, %[[Y:.*]]: memref<4xf32>, %[[D:.*]]: memref<4x64xf32>)
// CHECK-NEXT: %[[W:.*]] = qlinear.from_bytes %[[BYTES]] : memref<272xi8> to !qlinear.packed<4x64, #qlinear.gguf<q8_0>>
// CHECK-NEXT: %[[A:.*]] = memref.alloc() {{.*}} : memref<80xi8>
// CHECK-NEXT: %[[Q:.*]] = qlinear.from_bytes %[[A]] : memref<80xi8> to !qlinear.packed<1x64, #qlinear.act_i8>
// CHECK-NEXT: qlinear.quantize %[[X]] into %[[Q]] : memref<64xf32>, !qlinear.packed<1x64, #qlinear.act_i8>
// CHECK-NEXT: qlinear.matvec ins(%[[W]], %[[Q]] : {{.*}}) outs(%[[Y]] : memref<4xf32>){{$}}
// CHECK-NEXT: qlinear.dequantize ins(%[[W]] : {{.*}}) outs(%[[D]] : memref<4x64xf32>){{$}}
// CHECK-NEXT: return %[[Y]], %[[D]]
func.func @products(%bytes: tensor<272xi8>, %x: tensor<64xf32>, %y: tensor<4xf32>, %d: tensor<4x64xf32>) -> (tensor<4xf32>, tensor<4x64xf32>) {
  %w = qlinear.from_bytes %bytes : tensor<272xi8> to !q8_0
  %q = qlinear.quantize %x : tensor<64xf32> to !act
  %0 = qlinear.matvec ins(%w, %q : !q8_0, !act) outs(%y : tensor<4xf32>) -> tensor<4xf32>
  %1 = qlinear.dequantize ins(%w : !q8_0) outs(%d : tensor<4x64xf32>) -> tensor<4x64xf32>
  return %0, %1 : tensor<4xf32>, tensor<4x64xf32>
}

// Several destinations; a packed argument stays what it is.
// CHECK-LABEL: func @sparse
// CHECK-SAME: %[[W:.*]]: !qlinear.packed<4x64, #qlinear.gguf<q8_0>>, %[[X:.*]]: memref<64xf32>, %[[I:.*]]: memref<64xi32>, %[[N:.*]]: memref<1xi32>, %[[Y:.*]]: memref<4xf32>)
// CHECK-NEXT: qlinear.select_columns {{.*}} ins(%[[X]] : memref<64xf32>) outs(%[[I]], %[[N]] : memref<64xi32>, memref<1xi32>){{$}}
// CHECK-NEXT: qlinear.sparse_matvec ins(%[[W]], %[[X]], %[[I]], %[[N]] : {{.*}}) outs(%[[Y]] : memref<4xf32>){{$}}
func.func @sparse(%w: !q8_0, %x: tensor<64xf32>, %i: tensor<64xi32>, %n: tensor<1xi32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %0:2 = qlinear.select_columns threshold = 0.5 ins(%x : tensor<64xf32>) outs(%i, %n : tensor<64xi32>, tensor<1xi32>) -> tensor<64xi32>, tensor<1xi32>
  %1 = qlinear.sparse_matvec ins(%w, %x, %0#0, %0#1 : !q8_0, tensor<64xf32>, tensor<64xi32>, tensor<1xi32>) outs(%y : tensor<4xf32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// A norm reads its whole row before and while it writes, so x and its
// destination may not be one buffer; the elements of a gate may.
// CHECK-LABEL: func @in_place
// CHECK-SAME: %[[X:.*]]: memref<8xf32>, %[[W:.*]]: memref<8xf32>, %[[G:.*]]: memref<8xf32>)
// CHECK-NEXT: %[[A:.*]] = memref.alloc() {{.*}} : memref<8xf32>
// CHECK-NEXT: qlinear.rms_norm {{.*}} ins(%[[X]], %[[W]] : memref<8xf32>, memref<8xf32>) outs(%[[A]] : memref<8xf32>)
// CHECK-NEXT: qlinear.gated_activation silu ins(%[[G]], %[[A]] : {{.*}}) outs(%[[G]] : memref<8xf32>)
func.func @in_place(%x: tensor<8xf32>, %w: tensor<8xf32>, %g: tensor<8xf32>) -> tensor<8xf32> {
  %0 = qlinear.rms_norm eps = 1.0e-6 ins(%x, %w : tensor<8xf32>, tensor<8xf32>) outs(%x : tensor<8xf32>) -> tensor<8xf32>
  %1 = qlinear.gated_activation silu ins(%g, %0 : tensor<8xf32>, tensor<8xf32>) outs(%g : tensor<8xf32>) -> tensor<8xf32>
  return %1 : tensor<8xf32>
}

// What destinations held is not read: a new buffer, but no copy.
// CHECK-LABEL: func @reused
// CHECK-NOT: memref.copy
// CHECK: qlinear.matvec {{.*}} outs(%[[A:.*]] : memref<4xf32>)
// CHECK-NOT: memref.copy
// CHECK: qlinear.matvec {{.*}} outs(%[[B:.*]] : memref<4xf32>)
// CHECK: return %[[A]], %[[B]]
func.func @reused(%w: !q8_0, %x: tensor<64xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %e = tensor.empty() : tensor<4xf32>
  %0 = qlinear.matvec ins(%w, %x : !q8_0, tensor<64xf32>) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  %1 = qlinear.matvec ins(%w, %x : !q8_0, tensor<64xf32>) outs(%0 : tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// Bytes that are constant, or written before they become a view, are viewed.
// CHECK-LABEL: func @written_before
// CHECK-NOT: memref.alloc
// CHECK: memref.store %{{.*}}, %[[BYTES:.*]][%{{.*}}] : memref<272xi8>
// CHECK: qlinear.from_bytes %[[BYTES]]
func.func @written_before(%bytes: tensor<272xi8>, %v: i8, %i: index, %x: tensor<64xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %b = tensor.insert %v into %bytes[%i] : tensor<272xi8>
  %w = qlinear.from_bytes %b : tensor<272xi8> to !q8_0
  %0 = qlinear.matvec ins(%w, %x : !q8_0, tensor<64xf32>) outs(%y : tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: func @constant
// CHECK: %[[C:.*]] = memref.get_global
// CHECK: qlinear.from_bytes %[[C]] :
func.func @constant(%x: tensor<64xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  %bytes = arith.constant dense<1> : tensor<272xi8>
  %w = qlinear.from_bytes %bytes : tensor<272xi8> to !q8_0
  %0 = qlinear.matvec ins(%w, %x : !q8_0, tensor<64xf32>) outs(%y : tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// Bytes written after they became a view: the view is of a copy, or it would
// see them.
// CHECK-LABEL: func @written_after
// CHECK-SAME: %[[BYTES:.*]]: memref<272xi8>,
// CHECK: %[[COPY:.*]] = memref.alloc() {{.*}} : memref<272xi8>
// CHECK: memref.copy %[[BYTES]], %[[COPY]]
// CHECK: %[[W:.*]] = qlinear.from_bytes %[[COPY]]
// CHECK: memref.store %{{.*}}, %[[BYTES]]
// CHECK: qlinear.matvec ins(%[[W]],
func.func @written_after(%bytes: tensor<272xi8>, %v: i8, %i: index, %x: tensor<64xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<272xi8>) {
  %w = qlinear.from_bytes %bytes : tensor<272xi8> to !q8_0
  %b = tensor.insert %v into %bytes[%i] : tensor<272xi8>
  %0 = qlinear.matvec ins(%w, %x : !q8_0, tensor<64xf32>) outs(%y : tensor<4xf32>) -> tensor<4xf32>
  return %0, %b : tensor<4xf32>, tensor<272xi8>
}

// Overwritten as a whole, without being read: the analysis of tensors alone
// would not see it.
// CHECK-LABEL: func @filled_after
// CHECK-SAME: %[[BYTES:.*]]: memref<272xi8>,
// CHECK: memref.copy %[[BYTES]], %[[COPY:.*]] :
// CHECK: qlinear.from_bytes %[[COPY]]
// CHECK: linalg.fill {{.*}} outs(%[[BYTES]] : memref<272xi8>)
func.func @filled_after(%bytes: tensor<272xi8>, %v: i8, %x: tensor<64xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<272xi8>) {
  %w = qlinear.from_bytes %bytes : tensor<272xi8> to !q8_0
  %b = linalg.fill ins(%v : i8) outs(%bytes : tensor<272xi8>) -> tensor<272xi8>
  %0 = qlinear.matvec ins(%w, %x : !q8_0, tensor<64xf32>) outs(%y : tensor<4xf32>) -> tensor<4xf32>
  return %0, %b : tensor<4xf32>, tensor<272xi8>
}

// The bytes of a part of a matrix: a view, unless somebody writes to them.
// CHECK-LABEL: func @bytes_of_rows
// CHECK: %[[W:.*]] = qlinear.from_bytes %{{.*}} : memref<272xi8>
// CHECK: %[[S:.*]] = qlinear.slice %[[W]]
// CHECK: %[[B:.*]] = qlinear.to_bytes %[[S]] : {{.*}} to memref<136xi8
// CHECK-NOT: memref.copy
// CHECK: memref.load %[[B]]
func.func @bytes_of_rows(%bytes: tensor<272xi8>, %i: index) -> i8 {
  %w = qlinear.from_bytes %bytes : tensor<272xi8> to !q8_0
  %s = qlinear.slice %w rows [2, 2] : !q8_0 to !half
  %b = qlinear.to_bytes %s : !half to tensor<136xi8>
  %v = tensor.extract %b[%i] : tensor<136xi8>
  return %v : i8
}

// CHECK-LABEL: func @bytes_changed
// CHECK: %[[B:.*]] = qlinear.to_bytes %{{.*}} : {{.*}} to memref<272xi8
// CHECK: %[[COPY:.*]] = memref.alloc() {{.*}} : memref<272xi8>
// CHECK: memref.copy %[[B]], %[[COPY]]
// CHECK: memref.store %{{.*}}, %[[COPY]]
// CHECK: qlinear.matvec
func.func @bytes_changed(%w: !q8_0, %v: i8, %i: index, %x: tensor<64xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<272xi8>) {
  %b = qlinear.to_bytes %w : !q8_0 to tensor<272xi8>
  %n = tensor.insert %v into %b[%i] : tensor<272xi8>
  %0 = qlinear.matvec ins(%w, %x : !q8_0, tensor<64xf32>) outs(%y : tensor<4xf32>) -> tensor<4xf32>
  return %0, %n : tensor<4xf32>, tensor<272xi8>
}
