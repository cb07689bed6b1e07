// RUN: %headrace_opt %s --aie-generate-cores | %python %S/Inputs/emit_cpp.py | FileCheck %s

// Both factors in two parts of bfp16, the second of which is what the first leaves.
// CHECK: using Blocks = aie::block_vector<bfp16ebs8, 64>;
// CHECK: static inline Parts split_bfp16(const aie::vector<bfloat16, 64> &x) {
// CHECK: bfloat16(-1.0f), bfloat16(0.0f), bfloat16(0.0f),
// CHECK-NEXT: bfloat16(0.0f), bfloat16(-1.0f), bfloat16(0.0f),
// CHECK: const Blocks first = all.to_vector<bfp16ebs8>();
// CHECK: mac_8x8_8x8T(first, minus.to_vector<bfp16ebs8>(), all);
// CHECK: multiply_add(const aie::accum<accfloat, M * N> &sum, const aie::vector<bfloat16, M * K> &a,
// CHECK: aie::mmul<M, K, N, bfloat16, bfloat16, accauto> product(sum);
// CHECK-NEXT: product.mac(a, b);
// CHECK-NEXT: return product.to_accum();

// CHECK-LABEL: void multiply_8x8x8_64(const bfloat16 *__restrict x, const bfloat16 *__restrict weights, float *__restrict y) {
// CHECK-NEXT: aie::set_rounding(aie::rounding_mode::conv_even);
// CHECK: [[START:y_[0-9]+]] = aie::load_v<64>(y + {{.*}});
// CHECK: aie::accum<accfloat, 64> [[SUM:carried1]] = aie::accum<accfloat, 64>([[START]]);
// CHECK: [[A:x_[0-9]+]] = aie::load_v<64>(x + {{.*}});
// CHECK: [[B:weights_[0-9]+]] = aie::load_v<64>(weights + {{.*}});
// CHECK: [[LEFT:parts[0-9]+]] = split_bfp16([[A]]);
// CHECK: [[TURNED:turned[0-9]+]] = aie::transpose([[B]], 8, 8);
// CHECK: [[RIGHT:parts[0-9]+]] = split_bfp16([[TURNED]]);
// CHECK: [[ONE:sum[0-9]+]] = mac_8x8_8x8T([[LEFT]].first, [[RIGHT]].first, [[SUM]]);
// CHECK-NEXT: [[TWO:sum[0-9]+]] = mac_8x8_8x8T([[LEFT]].first, [[RIGHT]].rest, [[ONE]]);
// CHECK-NEXT: [[NEXT:sum[0-9]+]] = mac_8x8_8x8T([[LEFT]].rest, [[RIGHT]].first, [[TWO]]);
// CHECK: [[SUM]] = [[NEXT]];
// CHECK: aie::store_v(y + {{.*}}, [[SUM]].to_vector<float>());
func.func private @multiply_8x8x8_64(memref<2048xbf16>, memref<4096xbf16>, memref<2048xf32>)
    attributes {headrace.core = {kind = "multiply_8x8x8", size = 64 : i64}}

// CHECK-LABEL: void multiply_4x8x4_64(
// CHECK: [[A:x_[0-9]+]] = aie::load_v<32>(x + {{.*}});
// CHECK: multiply_add<4, 8, 4>(carried1, [[A]], weights_1);
func.func private @multiply_4x8x4_64(memref<2048xbf16>, memref<4096xbf16>, memref<2048xf32>)
    attributes {headrace.core = {kind = "multiply_4x8x4", size = 64 : i64}}

// CHECK-LABEL: void dequantize_q4nx_8x8x8_64(const int8 *__restrict w, bfloat16 *__restrict weights, int32 part) {
// CHECK: [[D:bits[0-9]+]] = w_1.cast_to<bfloat16>();
// CHECK: [[TWICE:turned[0-9]+]] = aie::interleave_zip([[D]], [[D]], 8).first;
// CHECK: [[TWICE]].grow_replicate<32>();
// CHECK: aie::mac({{.*}}, aie::broadcast<bfloat16, 32>(bfloat16(-128.0f)));
// CHECK: [[CODES:bits[0-9]+]] = {{.*}}.cast_to<int32>();
// CHECK: [[TILE:lanes[0-9]+]] = aie::filter_even([[CODES]]);
// CHECK: aie::filter_odd([[CODES]]);
// CHECK: [[TILE]].cast_to<uint4>();
// CHECK: aie::bit_or(uint16(0x4300),
// CHECK: aie::store_v(weights + {{.*}}, {{.*}});
func.func private @dequantize_q4nx_8x8x8_64(memref<5120xi8>, memref<4096xbf16>, i32)
    attributes {headrace.core = {kind = "dequantize_q4nx_8x8x8", size = 64 : i64}}

// CHECK-LABEL: void dequantize_q4_k_4x8x4_64(
// CHECK: [[TWO:turned[0-9]+]] = aie::interleave_zip({{.*}}, 4).second;
// CHECK: aie::interleave_zip([[TWO]], [[TWO]], 8).first;
// CHECK: aie::filter_odd(
func.func private @dequantize_q4_k_4x8x4_64(memref<5120xi8>, memref<4096xbf16>, i32)
    attributes {headrace.core = {kind = "dequantize_q4_k_4x8x4", size = 64 : i64}}
