// RUN: %headrace_opt %s --annotate-costs=length=100 | FileCheck %s

// 644 bytes a token in fp8, 1152 in bf16, whatever the number of heads.
!fp8 = !qattn.mla_cache<4096x512+64, fp8_e4m3>
!bf16 = !qattn.mla_cache<4096x512+64, bf16>

// q: 16 * 512 codes and 16 * 64 f32, 16 scales, the length.
// CHECK-LABEL: func @decode(
// CHECK: qattn.mla_decode {{.*}}operations = 3520624 : i64, read = 76756 : i64, transcendentals = 1616 : i64, written = 32832 : i64
// CHECK: qattn.mla_decode {{.*}}operations = 3496208 : i64, read = 152068 : i64, transcendentals = 1616 : i64
func.func @decode(%q8: tensor<16x512xi8>, %q: tensor<16x512xf32>, %r: tensor<16x64xf32>, %s: tensor<16xf32>, %c8: !fp8, %c: !bf16, %n: tensor<1xi32>, %o: tensor<16x512xf32>, %l: tensor<16xf32>) -> (tensor<16x512xf32>, tensor<16x512xf32>) {
  %y, %lse = qattn.mla_decode ins(%q8, %r, %c8, %n q_scale %s : tensor<16x512xi8>, tensor<16x64xf32>, !fp8, tensor<1xi32> q_scale tensor<16xf32>)
      outs(%o, %l : tensor<16x512xf32>, tensor<16xf32>) {scale = 7.216880e-02 : f32} -> tensor<16x512xf32>, tensor<16xf32>
  %z, %lse2 = qattn.mla_decode ins(%q, %r, %c, %n : tensor<16x512xf32>, tensor<16x64xf32>, !bf16, tensor<1xi32>)
      outs(%o, %l : tensor<16x512xf32>, tensor<16xf32>) {scale = 7.216880e-02 : f32} -> tensor<16x512xf32>, tensor<16xf32>
  return %y, %z : tensor<16x512xf32>, tensor<16x512xf32>
}

// Before absorption, each head forms keys and values: 2 * 512 * 256 operations
// a token, and 8 MiB of projections are read.
// CHECK-LABEL: func @attention(
// CHECK: qattn.mla_attention {{.*}}operations = 420462864 : i64, read = 8516100 : i64, transcendentals = 1616 : i64, written = 8192 : i64
func.func @attention(%q: tensor<16x128xf32>, %r: tensor<16x64xf32>, %k: tensor<16x128x512xf32>, %v: tensor<16x128x512xf32>, %c: !bf16, %n: tensor<1xi32>, %o: tensor<16x128xf32>) -> tensor<16x128xf32> {
  %y = qattn.mla_attention ins(%q, %r, %k, %v, %c, %n : tensor<16x128xf32>, tensor<16x64xf32>, tensor<16x128x512xf32>, tensor<16x128x512xf32>, !bf16, tensor<1xi32>)
      outs(%o : tensor<16x128xf32>) {scale = 7.216880e-02 : f32} -> tensor<16x128xf32>
  return %y : tensor<16x128xf32>
}

// CHECK-LABEL: func @quantize(
// CHECK: qattn.quantize_kv {{.*}}operations = 25600 : i64, read = 36864 : i64, transcendentals = 0 : i64, written = 12352 : i64
func.func @quantize(%c: tensor<16x512xf32>, %r: tensor<16x64xf32>, %ci: tensor<16x512xi8>, %si: tensor<16xf32>, %ri: tensor<16x64xf32>) -> tensor<16x512xi8> {
  %codes, %scale, %rope = qattn.quantize_kv ins(%c, %r : tensor<16x512xf32>, tensor<16x64xf32>)
      outs(%ci, %si, %ri : tensor<16x512xi8>, tensor<16xf32>, tensor<16x64xf32>) -> tensor<16x512xi8>, tensor<16xf32>, tensor<16x64xf32>
  return %codes : tensor<16x512xi8>
}

// CHECK-LABEL: func @append(
// CHECK: qattn.append_mla {{.*}}read = 4612 : i64, transcendentals = 0 : i64, written = 1288 : i64
// CHECK: qattn.fetch_mla {{.*}}read = 1292 : i64, transcendentals = 0 : i64, written = 4608 : i64
func.func @append(%x: tensor<2x512xf32>, %r: tensor<2x64xf32>, %c: !fp8, %p: tensor<1xi32>) -> tensor<2x512xf32> {
  %new = qattn.append_mla %x, %r into %c at %p : tensor<2x512xf32>, tensor<2x64xf32>, !fp8, tensor<1xi32> -> !fp8
  %f, %g = qattn.fetch_mla ins(%new, %p : !fp8, tensor<1xi32>) outs(%x, %r : tensor<2x512xf32>, tensor<2x64xf32>) -> tensor<2x512xf32>, tensor<2x64xf32>
  return %f : tensor<2x512xf32>
}
