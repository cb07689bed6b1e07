// RUN: %headrace_opt %s "--choose-kernel=read-bandwidth=3000 dense-gops=60000 threads=132 overhead-us=2" | FileCheck %s --check-prefixes=CHECK,MANY
// RUN: %headrace_opt %s "--choose-kernel=read-bandwidth=48 dense-gops=500 threads=2 overhead-us=1" | FileCheck %s --check-prefixes=CHECK,TWO
// RUN: %headrace_opt %s "--choose-kernel=read-bandwidth=3000 dense-gops=60000 threads=132 overhead-us=2 length=100" | FileCheck %s --check-prefix=SHORT
// RUN: %headrace_opt %s "--choose-kernel=read-bandwidth=48 dense-gops=500" | FileCheck %s --check-prefix=ONE
// RUN: %headrace_opt %s "--choose-kernel=read-bandwidth=3000 dense-gops=60000 threads=132 overhead-us=2" --split-kv | FileCheck %s --check-prefix=REWRITTEN

// ONE-NOT: headrace.splits
// ONE: func @unchanged
// A part of less than 64 tokens is not worth it.
// SHORT-COUNT-3: headrace.splits = 1 : i64
// SHORT: headrace.splits = 3 : i64

// 8 heads keep two threads busy, but not 132: 16.5 parts would fill them once,
// and 16 leave 4 of them idle.
// CHECK-LABEL: func @decode(
// MANY: qattn.decode {{.*}}headrace.splits = 33 : i64
// TWO: qattn.decode {{.*}}headrace.splits = 1 : i64
// REWRITTEN-LABEL: func @decode(
// REWRITTEN: qattn.decode {{.*}}splits = 33 : i64
// REWRITTEN: qattn.merge_partials
func.func @decode(%q: tensor<32x128xf32>, %c: !qattn.kv_cache<32768x8x128, bf16>, %n: tensor<1xi32>, %o: tensor<32x128xf32>, %l: tensor<32xf32>) -> tensor<32x128xf32> {
  %y, %lse = qattn.decode ins(%q, %c, %n : tensor<32x128xf32>, !qattn.kv_cache<32768x8x128, bf16>, tensor<1xi32>)
      outs(%o, %l : tensor<32x128xf32>, tensor<32xf32>) {scale = 8.838835e-02 : f32} -> tensor<32x128xf32>, tensor<32xf32>
  return %y : tensor<32x128xf32>
}

// A window leaves few tokens for many parts.
// CHECK-LABEL: func @window(
// MANY: qattn.decode {{.*}}headrace.splits = 1 : i64
// TWO: qattn.decode {{.*}}headrace.splits = 1 : i64
func.func @window(%q: tensor<32x128xf32>, %c: !qattn.kv_cache<32768x8x128, bf16>, %n: tensor<1xi32>, %o: tensor<32x128xf32>, %l: tensor<32xf32>) -> tensor<32x128xf32> {
  %y, %lse = qattn.decode ins(%q, %c, %n : tensor<32x128xf32>, !qattn.kv_cache<32768x8x128, bf16>, tensor<1xi32>)
      outs(%o, %l : tensor<32x128xf32>, tensor<32xf32>) {scale = 8.838835e-02 : f32, window = 127 : i64} -> tensor<32x128xf32>, tensor<32xf32>
  return %y : tensor<32x128xf32>
}

// The heads of latent attention read the same tokens, so that only parts can be
// spread over threads.
// CHECK-LABEL: func @mla(
// TWO: qattn.mla_decode {{.*}}headrace.splits = 2 : i64
func.func @mla(%q: tensor<16x512xf32>, %r: tensor<16x64xf32>, %c: !qattn.mla_cache<32768x512+64, bf16>, %n: tensor<1xi32>, %o: tensor<16x512xf32>, %l: tensor<16xf32>) -> tensor<16x512xf32> {
  %y, %lse = qattn.mla_decode ins(%q, %r, %c, %n : tensor<16x512xf32>, tensor<16x64xf32>, !qattn.mla_cache<32768x512+64, bf16>, tensor<1xi32>)
      outs(%o, %l : tensor<16x512xf32>, tensor<16xf32>) {scale = 7.216880e-02 : f32} -> tensor<16x512xf32>, tensor<16xf32>
  return %y : tensor<16x512xf32>
}

// What is decided stays.
// CHECK-LABEL: func @unchanged(
// CHECK: qattn.decode {{.*}}headrace.splits = 3 : i64
// CHECK: qattn.decode {{.*}}splits = 4 : i64} ->
func.func @unchanged(%q: tensor<32x128xf32>, %c: !qattn.kv_cache<32768x8x128, bf16>, %n: tensor<1xi32>, %o: tensor<32x128xf32>, %l: tensor<32xf32>, %po: tensor<4x32x128xf32>, %pl: tensor<4x32xf32>) -> (tensor<32x128xf32>, tensor<4x32x128xf32>) {
  %y, %lse = qattn.decode ins(%q, %c, %n : tensor<32x128xf32>, !qattn.kv_cache<32768x8x128, bf16>, tensor<1xi32>)
      outs(%o, %l : tensor<32x128xf32>, tensor<32xf32>) {scale = 8.838835e-02 : f32, headrace.splits = 3 : i64} -> tensor<32x128xf32>, tensor<32xf32>
  %z, %zl = qattn.decode ins(%q, %c, %n : tensor<32x128xf32>, !qattn.kv_cache<32768x8x128, bf16>, tensor<1xi32>)
      outs(%po, %pl : tensor<4x32x128xf32>, tensor<4x32xf32>) {scale = 8.838835e-02 : f32, splits = 4 : i64} -> tensor<4x32x128xf32>, tensor<4x32xf32>
  return %y, %z : tensor<32x128xf32>, tensor<4x32x128xf32>
}
