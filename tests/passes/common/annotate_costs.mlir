// RUN: %headrace_opt %s --annotate-costs --split-input-file | FileCheck %s

// Q4_K is 144 bytes for 256 weights; x and y are f32. 2 operations a weight.
// doc: matvec
// CHECK-LABEL: func @matvec(
// CHECK: qlinear.matvec {{.*}} {headrace.cost = {operations = 33554432 : i64, read = 9453568 : i64, transcendentals = 0 : i64, written = 16384 : i64}}
func.func @matvec(%w: !qlinear.packed<4096x4096, #qlinear.gguf<q4_k>>, %x: tensor<4096xf32>, %o: tensor<4096xf32>) -> tensor<4096xf32> {
  %y = qlinear.matvec ins(%w, %x : !qlinear.packed<4096x4096, #qlinear.gguf<q4_k>>, tensor<4096xf32>)
      outs(%o : tensor<4096xf32>) -> tensor<4096xf32>
  return %y : tensor<4096xf32>
}
// doc: end

// -----

// Padding is read: 1152 columns are 5 blocks of 5120 bytes, 216 rows of blocks.
!w = !qlinear.packed<6912x1152, #qlinear.q4nx, padded = 6912x1280>
// CHECK-LABEL: func @gated(
// 2 * 5529600 bytes, x once; 2 products and silu.
// CHECK: qlinear.gated_matvec{{.*}} {headrace.cost = {operations = 31878144 : i64, read = 11063808 : i64, transcendentals = 6912 : i64, written = 27648 : i64}}
func.func @gated(%g: !w, %u: !w, %x: tensor<1152xf32>, %o: tensor<6912xf32>) -> tensor<6912xf32> {
  %y = qlinear.gated_matvec silu ins(%g, %u, %x : !w, !w, tensor<1152xf32>)
      outs(%o : tensor<6912xf32>) -> tensor<6912xf32>
  return %y : tensor<6912xf32>
}

// -----

// The weight is read once for all tokens, here of bf16.
// CHECK-LABEL: func @matmul(
// CHECK: qlinear.matmul {{.*}} {headrace.cost = {operations = 7168 : i64, read = 1440 : i64, transcendentals = 0 : i64, written = 224 : i64}}
func.func @matmul(%w: !qlinear.packed<8x64, #qlinear.gguf<q8_0>>, %x: tensor<7x64xbf16>, %o: tensor<7x8xf32>) -> tensor<7x8xf32> {
  %y = qlinear.matmul ins(%w, %x : !qlinear.packed<8x64, #qlinear.gguf<q8_0>>, tensor<7x64xbf16>)
      outs(%o : tensor<7x8xf32>) -> tensor<7x8xf32>
  return %y : tensor<7x8xf32>
}

// -----

// Activations in and out of storage: 256 int8, 8 scales, 8 sums are 320 bytes.
// CHECK-LABEL: func @storage(
// CHECK: qlinear.quantize {{.*}}operations = 1280 : i64, read = 1024 : i64, {{.*}} written = 320 : i64
// CHECK: qlinear.dequantize {{.*}}operations = 2048 : i64, read = 576 : i64, {{.*}} written = 4096 : i64
func.func @storage(%w: !qlinear.packed<4x256, #qlinear.gguf<q4_k>>, %x: tensor<256xf32>, %o: tensor<4x256xf32>) -> (!qlinear.packed<1x256, #qlinear.act_i8>, tensor<4x256xf32>) {
  %q = qlinear.quantize %x : tensor<256xf32> to !qlinear.packed<1x256, #qlinear.act_i8>
  %d = qlinear.dequantize ins(%w : !qlinear.packed<4x256, #qlinear.gguf<q4_k>>) outs(%o : tensor<4x256xf32>) -> tensor<4x256xf32>
  return %q, %d : !qlinear.packed<1x256, #qlinear.act_i8>, tensor<4x256xf32>
}

// -----

// Tables hold products, so only a product by tables reads them: a block of 512
// rows by 2 columns has 1024 bytes of table, 256 of indices and 128 of
// centroids. The header has 64 centroids of 8 bytes for each block.
!w = !qlinear.packed<512x6, #qlinear.codebook<dim = 2, entries = 16, group = 512, table = i8, activation_entries = 64>>
// CHECK-LABEL: func @tables(
// CHECK: qlinear.matvec {{.*}}operations = 6144 : i64, read = 1176 : i64
// CHECK: qlinear.assign_centroids {{.*}}operations = 960 : i64, read = 1560 : i64, {{.*}} written = 12 : i64
// CHECK: qlinear.lut_matvec {{.*}}operations = 2560 : i64, read = 3860 : i64, {{.*}} written = 2048 : i64
func.func @tables(%w: !w, %x: tensor<6xf32>, %a: tensor<3xi32>, %o: tensor<512xf32>) -> (tensor<512xf32>, tensor<512xf32>) {
  %y = qlinear.matvec ins(%w, %x : !w, tensor<6xf32>) outs(%o : tensor<512xf32>) -> tensor<512xf32>
  %p = qlinear.assign_centroids ins(%w, %x : !w, tensor<6xf32>) outs(%a : tensor<3xi32>) -> tensor<3xi32>
  %z = qlinear.lut_matvec ins(%w, %p : !w, tensor<3xi32>) outs(%o : tensor<512xf32>) -> tensor<512xf32>
  return %y, %z : tensor<512xf32>, tensor<512xf32>
}

// -----

// CHECK-LABEL: func @rows(
// CHECK: qlinear.rms_norm {{.*}}operations = 1088 : i64, read = 1280 : i64, transcendentals = 4 : i64, written = 1024 : i64
// CHECK: qlinear.layer_norm {{.*}}operations = 1792 : i64, read = 1536 : i64, transcendentals = 4 : i64, written = 1024 : i64
// CHECK: qlinear.gated_activation{{.*}}operations = 2304 : i64, read = 2048 : i64, transcendentals = 256 : i64, written = 1024 : i64
func.func @rows(%x: tensor<4x64xf32>, %w: tensor<64xf32>, %o: tensor<4x64xf32>) -> tensor<4x64xf32> {
  %a = qlinear.rms_norm eps = 1.000000e-06 add_unit ins(%x, %w : tensor<4x64xf32>, tensor<64xf32>) outs(%o : tensor<4x64xf32>) -> tensor<4x64xf32>
  %b = qlinear.layer_norm eps = 1.000000e-06 ins(%a, %w, %w : tensor<4x64xf32>, tensor<64xf32>, tensor<64xf32>) outs(%o : tensor<4x64xf32>) -> tensor<4x64xf32>
  %c = qlinear.gated_activation gelu_tanh ins(%a, %b : tensor<4x64xf32>, tensor<4x64xf32>) outs(%o : tensor<4x64xf32>) -> tensor<4x64xf32>
  return %c : tensor<4x64xf32>
}

// -----

// A copy of weights that the program asks for.
!a = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>
// CHECK-LABEL: func @layouts(
// CHECK: qlinear.concat {{.*}}read = 544 : i64, transcendentals = 0 : i64, written = 544 : i64
// CHECK: qlinear.repack {{.*}}read = 544 : i64
func.func @layouts(%a: !a, %b: !a) -> !qlinear.packed<8x64, #qlinear.repacked<#qlinear.gguf<q8_0>, "rows4">> {
  %c = qlinear.concat %a, %b : !a, !a to !qlinear.packed<8x64, #qlinear.gguf<q8_0>>
  %r = qlinear.repack %c : !qlinear.packed<8x64, #qlinear.gguf<q8_0>> to !qlinear.packed<8x64, #qlinear.repacked<#qlinear.gguf<q8_0>, "rows4">>
  return %r : !qlinear.packed<8x64, #qlinear.repacked<#qlinear.gguf<q8_0>, "rows4">>
}

// -----

// Other operations, and views, have no cost.
// CHECK-LABEL: func @none(
// CHECK-NOT: headrace.cost
// CHECK: return
func.func @none(%b: tensor<272xi8>, %x: tensor<4xf32>) -> (!qlinear.packed<4x64, #qlinear.gguf<q8_0>>, tensor<4xf32>) {
  %w = qlinear.from_bytes %b : tensor<272xi8> to !qlinear.packed<4x64, #qlinear.gguf<q8_0>>
  %y = arith.addf %x, %x : tensor<4xf32>
  return %w, %y : !qlinear.packed<4x64, #qlinear.gguf<q8_0>>, tensor<4xf32>
}

// -----

// The buffer form counts the same.
// CHECK-LABEL: func @repack_into(
// CHECK: qlinear.repack %{{.*}} into %{{.*}} {headrace.cost = {operations = 0 : i64, read = 864 : i64, transcendentals = 0 : i64, written = 1152 : i64}}
func.func @repack_into(%w: !qlinear.packed<6x256, #qlinear.gguf<q4_k>>, %out: memref<1152xi8>) {
  %view = qlinear.from_bytes %out : memref<1152xi8> to !qlinear.packed<6x256, #qlinear.repacked<#qlinear.gguf<q4_k>, "rows4">, padded = 8x256>
  qlinear.repack %w into %view : !qlinear.packed<6x256, #qlinear.gguf<q4_k>>, !qlinear.packed<6x256, #qlinear.repacked<#qlinear.gguf<q4_k>, "rows4">, padded = 8x256>
  return
}
