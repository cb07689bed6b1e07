// RUN: %headrace_opt %s --split-input-file --simt-choose-splits=cores=38 | FileCheck %s
// RUN: %headrace_opt %s --split-input-file --simt-choose-splits=cores=38 --split-kv | FileCheck %s --check-prefix=SPLIT
// RUN: not %headrace_opt %s --split-input-file --simt-choose-splits=cores=0 2>&1 | FileCheck %s --check-prefix=CORES

// doc: cores
// Eight heads of keys: ten parts make 80 workgroups for 38 cores.
// CHECK-LABEL: func.func @long(
// CHECK:         qattn.decode {{.*}} {headrace.splits = 10 : i64, scale
// SPLIT-LABEL: func.func @long(
// SPLIT:         qattn.decode {{.*}} splits = 10 : i64
// SPLIT:         qattn.merge_partials
// CORES: simt-choose-splits: expected at least 1 core, but got 0
!long = !qattn.kv_cache<4096x8x128, f16>
func.func @long(%q: tensor<32x128xf32>, %cache: !long, %length: tensor<1xi32>, %oi: tensor<32x128xf32>, %li: tensor<32xf32>) -> tensor<32x128xf32> {
  %o, %lse = qattn.decode ins(%q, %cache, %length : tensor<32x128xf32>, !long, tensor<1xi32>)
      outs(%oi, %li : tensor<32x128xf32>, tensor<32xf32>) {scale = 8.838835e-02 : f32}
      -> tensor<32x128xf32>, tensor<32xf32>
  return %o : tensor<32x128xf32>
}
// doc: end

// -----

// A window of 1000 tokens of 512 bytes leaves 128 KiB for each of three.
// CHECK-LABEL: func.func @window(
// CHECK:         headrace.splits = 3 : i64
!long = !qattn.kv_cache<4096x8x128, f16>
func.func @window(%q: tensor<32x128xf32>, %cache: !long, %length: tensor<1xi32>, %oi: tensor<32x128xf32>, %li: tensor<32xf32>) -> tensor<32x128xf32> {
  %o, %lse = qattn.decode ins(%q, %cache, %length : tensor<32x128xf32>, !long, tensor<1xi32>)
      outs(%oi, %li : tensor<32x128xf32>, tensor<32xf32>) {scale = 8.838835e-02 : f32, window = 1000 : i64}
      -> tensor<32x128xf32>, tensor<32xf32>
  return %o : tensor<32x128xf32>
}

// -----

// Little is not cut, and what was decided stays.
// CHECK-LABEL: func.func @decided(
// CHECK:         headrace.splits = 1 : i64
// CHECK:         headrace.splits = 2 : i64
// CHECK:         splits = 3 : i64
// SPLIT-LABEL: func.func @decided(
// SPLIT-NOT:     qattn.merge_partials
// SPLIT:         splits = 2 : i64
!short = !qattn.kv_cache<100x2x64, f16>
func.func @decided(%q: tensor<4x64xf32>, %cache: !short, %length: tensor<1xi32>, %oi: tensor<4x64xf32>, %li: tensor<4xf32>, %os: tensor<3x4x64xf32>, %ls: tensor<3x4xf32>) -> (tensor<4x64xf32>, tensor<4x64xf32>, tensor<3x4x64xf32>) {
  %o, %lse = qattn.decode ins(%q, %cache, %length : tensor<4x64xf32>, !short, tensor<1xi32>)
      outs(%oi, %li : tensor<4x64xf32>, tensor<4xf32>) {scale = 0.125 : f32} -> tensor<4x64xf32>, tensor<4xf32>
  %p, %plse = qattn.decode ins(%q, %cache, %length : tensor<4x64xf32>, !short, tensor<1xi32>)
      outs(%oi, %li : tensor<4x64xf32>, tensor<4xf32>) {scale = 0.125 : f32, headrace.splits = 2 : i64} -> tensor<4x64xf32>, tensor<4xf32>
  %s, %slse = qattn.decode ins(%q, %cache, %length : tensor<4x64xf32>, !short, tensor<1xi32>)
      outs(%os, %ls : tensor<3x4x64xf32>, tensor<3x4xf32>) {scale = 0.125 : f32, splits = 3 : i64} -> tensor<3x4x64xf32>, tensor<3x4xf32>
  return %o, %p, %s : tensor<4x64xf32>, tensor<4x64xf32>, tensor<3x4x64xf32>
}
