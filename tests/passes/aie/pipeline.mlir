// RUN: %headrace_opt %s --headrace-aie-pipeline="device=npu1 columns=4 devices=%tests/../python/headrace/targets/aie/devices.json" --split-input-file | FileCheck %s
// RUN: not %headrace_opt %s --headrace-aie-pipeline="device=npu1 devices=%tests/../python/headrace/targets/aie/devices.json" 2>&1 | FileCheck %s --check-prefix=WIDE

// An array of 8 columns is no npu1.
// WIDE: error: 'aie.tile' op expected a tile of npu1, but got column 4, row 0; allowed: columns 0 to 3

!w = !qlinear.packed<700x640, #qlinear.q4nx, padded = 704x768>

// CHECK: module attributes {headrace.packing = {product = {products = [{activations = array<i64: 1, 0, 2560>, channels = array<i64: 2, 2>, columns = 64 : i64, results = array<i64: 2, 0, 2816>, rounds = array<i64: 2, 3, 3, 3>, sources = [!qlinear.packed<700x640, #qlinear.q4nx, padded = 704x768>], weights = array<i64: 0, 0, 337920>}]}}} {
// CHECK: module @cores {
// CHECK-DAG: func.func @take_q4nx_1024(
// CHECK-DAG: func.func @copy_640(
// CHECK-NOT: func.func private
// CHECK: aie.device(npu1) @product {
// CHECK: func.func private @take_q4nx_1024(memref<640xi8>, memref<1024xbf16>, memref<32xf32>, memref<64xbf16>, i32) attributes {code_bytes = {{[0-9]+}} : i32, link_with = "cores.o"}
// CHECK: aie.objectfifo.link [@w1] -> [@w1_0, @w1_1]([] [0, 640])
// CHECK-COUNT-16: aie.core(
// CHECK-NOT: aie.core(
// CHECK: aie.runtime_sequence @sequence(%[[W:.*]]: memref<337920xi8>, %[[X:.*]]: memref<2560xi8>, %[[Y:.*]]: memref<704xf32>) {
// CHECK: aiex.dma_configure_task_for @w0 {
// CHECK-NEXT: aie.dma_bd(%[[X]] : memref<2560xi8>, 0, 2560)
// CHECK: aiex.dma_configure_task_for @w1 {
// CHECK-NEXT: aie.dma_bd(%[[W]] : memref<337920xi8>, 30720, 30720)
// CHECK: aiex.dma_configure_task_for @w0 {
// CHECK-NEXT: aie.dma_bd(%[[W]] : memref<337920xi8>, 0, 30720)
func.func @product(%w: !w, %x: tensor<640xbf16>) -> tensor<700xf32> {
  %0 = tensor.empty() : tensor<700xf32>
  %y = qlinear.matvec ins(%w, %x : !w, tensor<640xbf16>) outs(%0 : tensor<700xf32>) -> tensor<700xf32>
  return %y : tensor<700xf32>
}

// -----

// Odd numbers of rounds and blocks, two products: the code of a core is longest.
// CHECK: aie.device(npu1) @gated {
// CHECK: aie.objectfifo @y1_0({{.*}}, 1 : i32) : !aie.objectfifo<memref<16xf32>>
!g = !qlinear.packed<3000x1152, #qlinear.q4nx, padded = 3008x1280>
func.func @gated(%g: !g, %u: !g, %x: tensor<1152xbf16>) -> tensor<3000xf32> {
  %0 = tensor.empty() : tensor<3000xf32>
  %y = qlinear.gated_matvec silu ins(%g, %u, %x : !g, !g, tensor<1152xbf16>) outs(%0 : tensor<3000xf32>) -> tensor<3000xf32>
  return %y : tensor<3000xf32>
}
