// RUN: %headrace_opt %s | FileCheck %s
// RUN: %headrace_opt %s | %headrace_opt | FileCheck %s

// Defaults are not written.
// CHECK-LABEL: func private @dtypes(
// CHECK-SAME: !qattn.kv_cache<4096x8x128, f32>,
// CHECK-SAME: !qattn.kv_cache<1x1x1, bf16>,
// CHECK-SAME: !qattn.kv_cache<4096x8x128, f16>,
// CHECK-SAME: !qattn.kv_cache<4096x8x128, fp8_e4m3, scale = per_token>,
// CHECK-SAME: !qattn.kv_cache<4096x8x128, i8, scale = per_token>)
func.func private @dtypes(!qattn.kv_cache<4096x8x128, f32>, !qattn.kv_cache<1x1x1, bf16, layout = contiguous>,
                          !qattn.kv_cache<4096x8x128, f16>,
                          !qattn.kv_cache<4096x8x128, fp8_e4m3, scale = per_token>,
                          !qattn.kv_cache<4096x8x128, i8, scale = per_token>)

// CHECK-LABEL: func private @layouts(
// CHECK-SAME: !qattn.kv_cache<512x8x128, bf16, layout = ring>,
// CHECK-SAME: !qattn.kv_cache<4096x8x128, bf16, layout = paged<64>>,
// CHECK-SAME: !qattn.kv_cache<4096x8x128, i8, scale = per_token, layout = paged<4096>>,
// CHECK-SAME: !qattn.kv_cache<4x8x128, fp8_e4m3, scale = per_token, layout = paged<1>>)
func.func private @layouts(!qattn.kv_cache<512x8x128, bf16, layout = ring>,
                           !qattn.kv_cache<4096x8x128, bf16, layout = paged<64>>,
                           !qattn.kv_cache<4096x8x128, i8, layout = paged<4096>, scale = per_token>,
                           !qattn.kv_cache<4x8x128, fp8_e4m3, scale = per_token, layout = paged<1>>)

// CHECK-LABEL: func private @mla(
// CHECK-SAME: !qattn.mla_cache<4096x512+64, fp8_e4m3>,
// CHECK-SAME: !qattn.mla_cache<4096x512+64, bf16, layout = paged<64>>,
// CHECK-SAME: !qattn.mla_cache<1x1+1, f32, layout = ring>)
func.func private @mla(!qattn.mla_cache<4096x512+64, fp8_e4m3>,
                       !qattn.mla_cache<4096x512+64, bf16, layout = paged<64>>,
                       !qattn.mla_cache<1x1+1, f32, layout = ring>)

// Bytes: keys and values, then scales; SnapMLA's 644 bytes of a token.
// CHECK-LABEL: func @bytes
func.func @bytes(%a: tensor<16384xi8>, %b: tensor<8448xi8>, %c: tensor<2576xi8>, %d: tensor<4608xi8>) {
  // CHECK: tensor<16384xi8> to !qattn.kv_cache<16x2x128, f16>
  %0 = qattn.cache_from_bytes %a : tensor<16384xi8> to !qattn.kv_cache<16x2x128, f16>
  // CHECK: tensor<8448xi8> to !qattn.kv_cache<16x2x128, i8, scale = per_token>
  %1 = qattn.cache_from_bytes %b : tensor<8448xi8> to !qattn.kv_cache<16x2x128, i8, scale = per_token>
  // CHECK: tensor<2576xi8> to !qattn.mla_cache<4x512+64, fp8_e4m3>
  %2 = qattn.cache_from_bytes %c : tensor<2576xi8> to !qattn.mla_cache<4x512+64, fp8_e4m3>
  // CHECK: tensor<4608xi8> to !qattn.mla_cache<4x512+64, bf16>
  %3 = qattn.cache_from_bytes %d : tensor<4608xi8> to !qattn.mla_cache<4x512+64, bf16>
  return
}

// The most that fits: 2^59 - 2^31 numbers.
// CHECK-LABEL: func private @largest(
// CHECK-SAME: !qattn.kv_cache<268435455x1x2147483648, f32>
func.func private @largest(!qattn.kv_cache<268435455x1x2147483648, f32>)
