// RUN: %headrace_opt %s --annotate-costs=length=100 | FileCheck %s
// RUN: %headrace_opt %s --annotate-costs | FileCheck %s --check-prefix=FULL

// A token is 2 heads of 64 keys and values in 2 bytes: 512 bytes. Beside the
// cache q (2048 bytes) and the length are read. Each of 8 heads does 4 * 64
// operations for a token's products and 4 for its score, and 65 at the end.
// CHECK-LABEL: func @decode(
// CHECK: qattn.decode {{.*}}operations = 208520 : i64, read = 53252 : i64, transcendentals = 808 : i64, written = 2080 : i64
// FULL-LABEL: func @decode(
// FULL: qattn.decode {{.*}}operations = 8520200 : i64, read = 2099204 : i64, transcendentals = 32776 : i64
func.func @decode(%q: tensor<8x64xf32>, %c: !qattn.kv_cache<4096x2x64, bf16>, %n: tensor<1xi32>, %o: tensor<8x64xf32>, %l: tensor<8xf32>) -> tensor<8x64xf32> {
  %y, %lse = qattn.decode ins(%q, %c, %n : tensor<8x64xf32>, !qattn.kv_cache<4096x2x64, bf16>, tensor<1xi32>)
      outs(%o, %l : tensor<8x64xf32>, tensor<8xf32>) {scale = 1.250000e-01 : f32} -> tensor<8x64xf32>, tensor<8xf32>
  return %y : tensor<8x64xf32>
}

// Tokens outside of the window are not read, so a full cache costs the same.
// CHECK-LABEL: func @window(
// CHECK: qattn.decode {{.*}}read = 10244 : i64
// FULL-LABEL: func @window(
// FULL: qattn.decode {{.*}}read = 10244 : i64
func.func @window(%q: tensor<8x64xf32>, %c: !qattn.kv_cache<4096x2x64, bf16>, %n: tensor<1xi32>, %o: tensor<8x64xf32>, %l: tensor<8xf32>) -> tensor<8x64xf32> {
  %y, %lse = qattn.decode ins(%q, %c, %n : tensor<8x64xf32>, !qattn.kv_cache<4096x2x64, bf16>, tensor<1xi32>)
      outs(%o, %l : tensor<8x64xf32>, tensor<8xf32>) {scale = 1.250000e-01 : f32, window = 16 : i64} -> tensor<8x64xf32>, tensor<8xf32>
  return %y : tensor<8x64xf32>
}

// The cache of 64 slots lost the tokens from 64 on, so of a window of 50 at
// length 100 it has 14; a ring has all 50.
// CHECK-LABEL: func @short(
// CHECK: qattn.decode {{.*}}read = 9220 : i64
// CHECK: qattn.decode {{.*}}read = 27652 : i64
func.func @short(%q: tensor<8x64xf32>, %c: !qattn.kv_cache<64x2x64, bf16>, %r: !qattn.kv_cache<64x2x64, bf16, layout = ring>, %n: tensor<1xi32>, %o: tensor<8x64xf32>, %l: tensor<8xf32>) -> (tensor<8x64xf32>, tensor<8x64xf32>) {
  %y, %lse = qattn.decode ins(%q, %c, %n : tensor<8x64xf32>, !qattn.kv_cache<64x2x64, bf16>, tensor<1xi32>)
      outs(%o, %l : tensor<8x64xf32>, tensor<8xf32>) {scale = 1.250000e-01 : f32, window = 50 : i64} -> tensor<8x64xf32>, tensor<8xf32>
  %z, %lse2 = qattn.decode ins(%q, %r, %n : tensor<8x64xf32>, !qattn.kv_cache<64x2x64, bf16, layout = ring>, tensor<1xi32>)
      outs(%o, %l : tensor<8x64xf32>, tensor<8xf32>) {scale = 1.250000e-01 : f32, window = 50 : i64} -> tensor<8x64xf32>, tensor<8xf32>
  return %y, %z : tensor<8x64xf32>, tensor<8x64xf32>
}

// Scales are read: 4 f32 a token beside 256 bytes. 100 tokens are 7 pages of
// 16, and a table of 5 has only 80 of them.
// CHECK-LABEL: func @pages(
// CHECK: qattn.decode {{.*}}read = 29280 : i64
// CHECK: qattn.decode {{.*}}read = 23832 : i64
func.func @pages(%q: tensor<8x64xf32>, %c: !qattn.kv_cache<4096x2x64, i8, scale = per_token, layout = paged<16>>, %t: tensor<256xi32>, %u: tensor<5xi32>, %n: tensor<1xi32>, %o: tensor<8x64xf32>, %l: tensor<8xf32>) -> (tensor<8x64xf32>, tensor<8x64xf32>) {
  %y, %lse = qattn.decode ins(%q, %c, %n table %t : tensor<8x64xf32>, !qattn.kv_cache<4096x2x64, i8, scale = per_token, layout = paged<16>>, tensor<1xi32>, tensor<256xi32>)
      outs(%o, %l : tensor<8x64xf32>, tensor<8xf32>) {scale = 1.250000e-01 : f32} -> tensor<8x64xf32>, tensor<8xf32>
  %z, %lse2 = qattn.decode ins(%q, %c, %n table %u : tensor<8x64xf32>, !qattn.kv_cache<4096x2x64, i8, scale = per_token, layout = paged<16>>, tensor<1xi32>, tensor<5xi32>)
      outs(%o, %l : tensor<8x64xf32>, tensor<8xf32>) {scale = 1.250000e-01 : f32} -> tensor<8x64xf32>, tensor<8xf32>
  return %y, %z : tensor<8x64xf32>, tensor<8x64xf32>
}

// 4 parts of 8 heads: partial results are written, and read by the merge.
// CHECK-LABEL: func @splits(
// CHECK: qattn.decode {{.*}}written = 8320 : i64
// CHECK: qattn.merge_partials {{.*}}operations = 4712 : i64, read = 8320 : i64, transcendentals = 40 : i64, written = 2080 : i64
func.func @splits(%q: tensor<8x64xf32>, %c: !qattn.kv_cache<4096x2x64, bf16>, %n: tensor<1xi32>, %po: tensor<4x8x64xf32>, %pl: tensor<4x8xf32>, %o: tensor<8x64xf32>, %l: tensor<8xf32>) -> tensor<8x64xf32> {
  %p, %plse = qattn.decode ins(%q, %c, %n : tensor<8x64xf32>, !qattn.kv_cache<4096x2x64, bf16>, tensor<1xi32>)
      outs(%po, %pl : tensor<4x8x64xf32>, tensor<4x8xf32>) {scale = 1.250000e-01 : f32, splits = 4 : i64} -> tensor<4x8x64xf32>, tensor<4x8xf32>
  %y, %lse = qattn.merge_partials ins(%p, %plse : tensor<4x8x64xf32>, tensor<4x8xf32>)
      outs(%o, %l : tensor<8x64xf32>, tensor<8xf32>) -> tensor<8x64xf32>, tensor<8xf32>
  return %y : tensor<8x64xf32>
}

// Pairs that are seen: 7 * 8 / 2 = 28 causal, 49 without a mask, 7 + 6 + 5 = 18
// in a causal window of 3, 29 in one to both sides. A pair is 4 * 16 operations
// and 4 for its score in each of 2 heads, a row 17 at its end.
// CHECK-LABEL: func @prefill(
// CHECK: qattn.prefill{{ *}}causal {{.*}}operations = 4046 : i64, read = 1792 : i64, transcendentals = 70 : i64, written = 896 : i64
// CHECK: qattn.prefill{{ *}}bidirectional {{.*}}operations = 6902 : i64
// CHECK: qattn.prefill{{ *}}causal {{.*}}operations = 2686 : i64
// CHECK: qattn.prefill{{ *}}bidirectional {{.*}}operations = 4182 : i64
func.func @prefill(%q: tensor<7x2x16xf32>, %k: tensor<7x1x16xf32>, %o: tensor<7x2x16xf32>) -> (tensor<7x2x16xf32>, tensor<7x2x16xf32>, tensor<7x2x16xf32>, tensor<7x2x16xf32>) {
  %a = qattn.prefill causal ins(%q, %k, %k : tensor<7x2x16xf32>, tensor<7x1x16xf32>, tensor<7x1x16xf32>)
      outs(%o : tensor<7x2x16xf32>) {scale = 2.500000e-01 : f32} -> tensor<7x2x16xf32>
  %b = qattn.prefill bidirectional ins(%q, %k, %k : tensor<7x2x16xf32>, tensor<7x1x16xf32>, tensor<7x1x16xf32>)
      outs(%o : tensor<7x2x16xf32>) {scale = 2.500000e-01 : f32} -> tensor<7x2x16xf32>
  %c = qattn.prefill causal ins(%q, %k, %k : tensor<7x2x16xf32>, tensor<7x1x16xf32>, tensor<7x1x16xf32>)
      outs(%o : tensor<7x2x16xf32>) {scale = 2.500000e-01 : f32, window = 3 : i64} -> tensor<7x2x16xf32>
  %d = qattn.prefill bidirectional ins(%q, %k, %k : tensor<7x2x16xf32>, tensor<7x1x16xf32>, tensor<7x1x16xf32>)
      outs(%o : tensor<7x2x16xf32>) {scale = 2.500000e-01 : f32, window = 3 : i64} -> tensor<7x2x16xf32>
  return %a, %b, %c, %d : tensor<7x2x16xf32>, tensor<7x2x16xf32>, tensor<7x2x16xf32>, tensor<7x2x16xf32>
}

// 2 queries at the end of 7 keys see 6 + 7 of them; in a window of 2 the keys
// from 4 on, 3 of 7. At offset 1 they see 2 + 3; before the first key nothing.
// CHECK-LABEL: func @offset(
// CHECK: qattn.prefill{{ *}}causal {{.*}}operations = 1836 : i64, read = 1156 : i64
// CHECK: qattn.prefill{{ *}}causal {{.*}}operations = 612 : i64, read = 644 : i64
// CHECK: qattn.prefill{{ *}}causal {{.*}}operations = 748 : i64, read = 644 : i64
// CHECK: qattn.prefill{{ *}}causal {{.*}}operations = 68 : i64, read = 260 : i64
func.func @offset(%q: tensor<2x2x16xf32>, %k: tensor<7x1x16xf32>, %at: tensor<1xi32>, %o: tensor<2x2x16xf32>) -> (tensor<2x2x16xf32>, tensor<2x2x16xf32>, tensor<2x2x16xf32>, tensor<2x2x16xf32>) {
  %one = arith.constant dense<1> : tensor<1xi32>
  %early = arith.constant dense<-5> : tensor<1xi32>
  %a = qattn.prefill causal ins(%q, %k, %k offset %at : tensor<2x2x16xf32>, tensor<7x1x16xf32>, tensor<7x1x16xf32>, tensor<1xi32>)
      outs(%o : tensor<2x2x16xf32>) {scale = 2.500000e-01 : f32} -> tensor<2x2x16xf32>
  %b = qattn.prefill causal ins(%q, %k, %k offset %at : tensor<2x2x16xf32>, tensor<7x1x16xf32>, tensor<7x1x16xf32>, tensor<1xi32>)
      outs(%o : tensor<2x2x16xf32>) {scale = 2.500000e-01 : f32, window = 2 : i64} -> tensor<2x2x16xf32>
  %c = qattn.prefill causal ins(%q, %k, %k offset %one : tensor<2x2x16xf32>, tensor<7x1x16xf32>, tensor<7x1x16xf32>, tensor<1xi32>)
      outs(%o : tensor<2x2x16xf32>) {scale = 2.500000e-01 : f32} -> tensor<2x2x16xf32>
  %d = qattn.prefill causal ins(%q, %k, %k offset %early : tensor<2x2x16xf32>, tensor<7x1x16xf32>, tensor<7x1x16xf32>, tensor<1xi32>)
      outs(%o : tensor<2x2x16xf32>) {scale = 2.500000e-01 : f32} -> tensor<2x2x16xf32>
  return %a, %b, %c, %d : tensor<2x2x16xf32>, tensor<2x2x16xf32>, tensor<2x2x16xf32>, tensor<2x2x16xf32>
}

// CHECK-LABEL: func @positions(
// CHECK: qattn.rope {{.*}}operations = 5488 : i64, read = 14428 : i64, transcendentals = 224 : i64, written = 14336 : i64
func.func @positions(%x: tensor<7x8x64xf32>, %p: tensor<7xi32>, %f: tensor<16xf32>, %o: tensor<7x8x64xf32>) -> tensor<7x8x64xf32> {
  %y = qattn.rope ins(%x, %p, %f : tensor<7x8x64xf32>, tensor<7xi32>, tensor<16xf32>) outs(%o : tensor<7x8x64xf32>) -> tensor<7x8x64xf32>
  return %y : tensor<7x8x64xf32>
}

// Of 10 tokens a ring of 8 keeps 8: those are read, and stored with scales.
// CHECK-LABEL: func @append(
// CHECK: qattn.append_kv {{.*}}operations = 6144 : i64, read = 8196 : i64, transcendentals = 0 : i64, written = 2176 : i64
// CHECK: qattn.fetch_kv {{.*}}operations = 1024 : i64, read = 1092 : i64, transcendentals = 0 : i64, written = 4096 : i64
func.func @append(%k: tensor<10x2x64xf32>, %c: !qattn.kv_cache<8x2x64, i8, scale = per_token, layout = ring>, %p: tensor<1xi32>, %ki: tensor<4x2x64xf32>) -> tensor<4x2x64xf32> {
  %new = qattn.append_kv %k, %k into %c at %p : tensor<10x2x64xf32>, tensor<10x2x64xf32>, !qattn.kv_cache<8x2x64, i8, scale = per_token, layout = ring>, tensor<1xi32>
      -> !qattn.kv_cache<8x2x64, i8, scale = per_token, layout = ring>
  %kf, %vf = qattn.fetch_kv ins(%new, %p : !qattn.kv_cache<8x2x64, i8, scale = per_token, layout = ring>, tensor<1xi32>)
      outs(%ki, %ki : tensor<4x2x64xf32>, tensor<4x2x64xf32>) -> tensor<4x2x64xf32>, tensor<4x2x64xf32>
  return %kf : tensor<4x2x64xf32>
}
