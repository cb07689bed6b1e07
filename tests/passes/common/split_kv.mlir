// RUN: %headrace_opt %s --split-kv=splits=4 | FileCheck %s --check-prefixes=CHECK,FOUR
// RUN: %headrace_opt %s --split-kv=tokens-per-split=100 | FileCheck %s --check-prefixes=CHECK,TOKENS
// RUN: %headrace_opt %s --split-kv | FileCheck %s --check-prefixes=CHECK,NONE

!kv = !qattn.kv_cache<1024x2x64, bf16>

// Inits of the merge are those of the operation.
// CHECK-LABEL: func @decode(
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<8x64xf32>, %[[C:[a-z0-9]+]]: !qattn.kv_cache<1024x2x64, bf16>, %[[N:[a-z0-9]+]]: tensor<1xi32>, %[[O:[a-z0-9]+]]: tensor<8x64xf32>, %[[L:[a-z0-9]+]]: tensor<8xf32>
// FOUR-DAG: %[[PO:.*]] = tensor.empty() : tensor<4x8x64xf32>
// FOUR-DAG: %[[PL:.*]] = tensor.empty() : tensor<4x8xf32>
// FOUR: %[[P:.*]]:2 = qattn.decode ins(%[[Q]], %[[C]], %[[N]] : {{.*}}) outs(%[[PO]], %[[PL]] : {{.*}}) {scale = 1.250000e-01 : f32, softcap = 3.000000e+01 : f32, splits = 4 : i64}
// FOUR: %[[M:.*]]:2 = qattn.merge_partials ins(%[[P]]#0, %[[P]]#1 : {{.*}}) outs(%[[O]], %[[L]] : {{.*}})
// FOUR: return %[[M]]#0, %[[M]]#1
// TOKENS: splits = 11 : i64
// NONE-NOT: merge_partials
// doc: split
func.func @decode(%q: tensor<8x64xf32>, %cache: !kv, %length: tensor<1xi32>, %o: tensor<8x64xf32>, %l: tensor<8xf32>)
    -> (tensor<8x64xf32>, tensor<8xf32>) {
  %r:2 = qattn.decode ins(%q, %cache, %length : tensor<8x64xf32>, !kv, tensor<1xi32>)
      outs(%o, %l : tensor<8x64xf32>, tensor<8xf32>) {scale = 1.250000e-01 : f32, softcap = 3.000000e+01 : f32}
      -> tensor<8x64xf32>, tensor<8xf32>
  return %r#0, %r#1 : tensor<8x64xf32>, tensor<8xf32>
}
// doc: end

// The attribute is stronger than options, and goes.
// CHECK-LABEL: func @chosen(
// CHECK: qattn.decode {{.*}} {scale = 1.250000e-01 : f32, splits = 3 : i64}
// CHECK: qattn.merge_partials
func.func @chosen(%q: tensor<8x64xf32>, %cache: !kv, %length: tensor<1xi32>, %o: tensor<8x64xf32>, %l: tensor<8xf32>)
    -> tensor<8x64xf32> {
  %r:2 = qattn.decode ins(%q, %cache, %length : tensor<8x64xf32>, !kv, tensor<1xi32>)
      outs(%o, %l : tensor<8x64xf32>, tensor<8xf32>) {scale = 1.250000e-01 : f32, headrace.splits = 3, headrace.cost = {read = 1.0 : f64}}
      -> tensor<8x64xf32>, tensor<8xf32>
  return %r#0 : tensor<8x64xf32>
}

// The most tokens are 300 in the window, and 3 * 64 in the pages of the table.
// CHECK-LABEL: func @bounds(
// FOUR: qattn.decode {{.*}}splits = 4 : i64
// FOUR: qattn.decode {{.*}}splits = 4 : i64
// TOKENS: qattn.decode {{.*}}splits = 3 : i64
// TOKENS: qattn.decode {{.*}}table {{.*}}splits = 2 : i64
// NONE-NOT: splits
func.func @bounds(%q: tensor<8x64xf32>, %cache: !kv, %paged: !qattn.kv_cache<1024x2x64, bf16, layout = paged<64>>,
                  %table: tensor<3xi32>, %length: tensor<1xi32>, %o: tensor<8x64xf32>, %l: tensor<8xf32>)
    -> (tensor<8x64xf32>, tensor<8x64xf32>) {
  %a:2 = qattn.decode ins(%q, %cache, %length : tensor<8x64xf32>, !kv, tensor<1xi32>)
      outs(%o, %l : tensor<8x64xf32>, tensor<8xf32>) {scale = 1.250000e-01 : f32, window = 300 : i64}
      -> tensor<8x64xf32>, tensor<8xf32>
  %b:2 = qattn.decode ins(%q, %paged, %length table %table : tensor<8x64xf32>, !qattn.kv_cache<1024x2x64, bf16, layout = paged<64>>, tensor<1xi32>, tensor<3xi32>)
      outs(%o, %l : tensor<8x64xf32>, tensor<8xf32>) {scale = 1.250000e-01 : f32}
      -> tensor<8x64xf32>, tensor<8xf32>
  return %a#0, %b#0 : tensor<8x64xf32>, tensor<8x64xf32>
}

// No more parts than tokens.
// CHECK-LABEL: func @few(
// FOUR: qattn.decode {{.*}}splits = 2 : i64
// TOKENS-NOT: splits
func.func @few(%q: tensor<8x64xf32>, %cache: !qattn.kv_cache<2x2x64, f32, layout = ring>, %length: tensor<1xi32>,
               %o: tensor<8x64xf32>, %l: tensor<8xf32>) -> tensor<8x64xf32> {
  %r:2 = qattn.decode ins(%q, %cache, %length : tensor<8x64xf32>, !qattn.kv_cache<2x2x64, f32, layout = ring>, tensor<1xi32>)
      outs(%o, %l : tensor<8x64xf32>, tensor<8xf32>) {scale = 1.250000e-01 : f32}
      -> tensor<8x64xf32>, tensor<8xf32>
  return %r#0 : tensor<8x64xf32>
}

!mla = !qattn.mla_cache<1024x512+64, fp8_e4m3>

// CHECK-LABEL: func @latent(
// FOUR: qattn.mla_decode ins(%{{.*}} q_scale %{{.*}} : {{.*}}) outs({{.*}} : tensor<4x16x512xf32>, tensor<4x16xf32>) {{.*}}splits = 4 : i64
// FOUR: qattn.merge_partials
// TOKENS: qattn.mla_decode {{.*}}splits = 11 : i64
func.func @latent(%q: tensor<16x512xi8>, %qr: tensor<16x64xf32>, %cache: !mla, %length: tensor<1xi32>, %s: tensor<16xf32>,
                  %o: tensor<16x512xf32>, %l: tensor<16xf32>) -> (tensor<16x512xf32>, tensor<16xf32>) {
  %r:2 = qattn.mla_decode ins(%q, %qr, %cache, %length q_scale %s : tensor<16x512xi8>, tensor<16x64xf32>, !mla, tensor<1xi32> q_scale tensor<16xf32>)
      outs(%o, %l : tensor<16x512xf32>, tensor<16xf32>) {scale = 7.216880e-02 : f32} -> tensor<16x512xf32>, tensor<16xf32>
  return %r#0, %r#1 : tensor<16x512xf32>, tensor<16xf32>
}

// What is in parts, is to stay whole, or is on memrefs.
// CHECK-LABEL: func @stay(
// CHECK-NOT: merge_partials
// CHECK: splits = 2 : i64
// CHECK-NOT: merge_partials
// CHECK: headrace.splits = 1
// CHECK-NOT: merge_partials
func.func @stay(%q: tensor<8x64xf32>, %cache: !kv, %length: tensor<1xi32>, %po: tensor<2x8x64xf32>, %pl: tensor<2x8xf32>,
                %o: tensor<8x64xf32>, %l: tensor<8xf32>, %qm: memref<8x64xf32>, %nm: memref<1xi32>, %om: memref<8x64xf32>,
                %lm: memref<8xf32>) -> (tensor<2x8x64xf32>, tensor<8x64xf32>) {
  %a:2 = qattn.decode ins(%q, %cache, %length : tensor<8x64xf32>, !kv, tensor<1xi32>)
      outs(%po, %pl : tensor<2x8x64xf32>, tensor<2x8xf32>) {scale = 1.250000e-01 : f32, splits = 2 : i64}
      -> tensor<2x8x64xf32>, tensor<2x8xf32>
  %b:2 = qattn.decode ins(%q, %cache, %length : tensor<8x64xf32>, !kv, tensor<1xi32>)
      outs(%o, %l : tensor<8x64xf32>, tensor<8xf32>) {scale = 1.250000e-01 : f32, headrace.splits = 1}
      -> tensor<8x64xf32>, tensor<8xf32>
  qattn.decode ins(%qm, %cache, %nm : memref<8x64xf32>, !kv, memref<1xi32>)
      outs(%om, %lm : memref<8x64xf32>, memref<8xf32>) {scale = 1.250000e-01 : f32}
  return %a#0, %b#0 : tensor<2x8x64xf32>, tensor<8x64xf32>
}
