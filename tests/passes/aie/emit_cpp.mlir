// RUN: %headrace_opt %s --aie-generate-cores | %python %S/Inputs/emit_cpp.py | FileCheck %s

// CHECK: #include <aie_api/aie.hpp>
// CHECK: static inline aie::vector<float, 16> floor_of(
// CHECK: extern "C" {

// CHECK-LABEL: void accumulate_q4nx_512(const bfloat16 *__restrict x, const float *__restrict bias, const bfloat16 *__restrict parts, const int8 *__restrict w, float *__restrict y, int32 block) {
// CHECK-NEXT: aie::set_rounding(aie::rounding_mode::conv_even);
// CHECK-NEXT: const auto y_1 = aie::load_v<16>(y + 0);
// CHECK: aie::accum<accfloat, 16> [[ROW:carried1]] = aie::accum<accfloat, 16>(y_1);
// CHECK: for (int32 i1 = 0; i1 < 8; i1 += 1) {
// CHECK: const float [[START:one[0-9]+]] = bias[{{.*}}];
// CHECK: aie::broadcast<float, 16>([[START]]);
// Codes of four columns, and their activations one by one: products are of bf16.
// CHECK: for (int32 i2 = 0; i2 < 32; i2 += 4) {
// CHECK: [[BYTES:w_[0-9]+]] = aie::load_v<32>(w + {{.*}});
// CHECK-NEXT: [[CODES:bits[0-9]+]] = [[BYTES]].cast_to<uint4>();
// CHECK-NEXT: [[WIDE:wide[0-9]+]] = [[CODES]].unpack().cast_to<int8>();
// CHECK-NEXT: [[BOTH:both[0-9]+]] = aie::interleave_zip([[WIDE]], aie::broadcast<int8, 64>(int8(67)), 1);
// CHECK-NEXT: [[LANES:lanes[0-9]+]] = aie::concat([[BOTH]].first, [[BOTH]].second);
// CHECK-NEXT: [[NUMBERS:bits[0-9]+]] = [[LANES]].cast_to<bfloat16>();
// CHECK-NEXT: [[PART:part[0-9]+]] = [[NUMBERS]].extract<16>(0);
// CHECK-NEXT: const bfloat16 [[ONE:one[0-9]+]] = x[{{.*}} + 0];
// CHECK-NEXT: [[ALL:all[0-9]+]] = aie::broadcast<bfloat16, 16>([[ONE]]);
// CHECK-NEXT: [[SUM:sum[0-9]+]] = aie::mac([[CHAIN:carried[0-9]+]], [[PART]], [[ALL]]);
// CHECK: [[CHAIN]] = sum{{[0-9]+}};
// CHECK: [[FIRST:narrow[0-9]+]] = [[GROUP:sum[0-9]+]].to_vector<bfloat16>();
// CHECK-NEXT: aie::sub([[GROUP]], aie::accum<accfloat, 16>([[FIRST]]));
// CHECK: [[ROW]] = sum{{[0-9]+}};
// CHECK: aie::store_v(y + 0, [[ROW]].to_vector<float>());
func.func private @accumulate_q4nx_512(memref<512xbf16>, memref<16xf32>, memref<32xbf16>, memref<2560xi8>, memref<16xf32>, i32)
    attributes {headrace.core = {kind = "accumulate_q4nx", size = 512 : i64}}

// CHECK-LABEL: void zero_32(float *__restrict y) {
// CHECK-NEXT: aie::store_v(y + 0, aie::zeros<float, 16>());
// CHECK-NEXT: aie::store_v(y + 16, aie::zeros<float, 16>());
// CHECK-NEXT: }
func.func private @zero_32(memref<32xf32>) attributes {headrace.core = {kind = "zero", size = 32 : i64}}

// CHECK-LABEL: void take_q4_0_512(const int8 *__restrict piece, bfloat16 *__restrict x, float *__restrict bias, bfloat16 *__restrict parts, int32 number) {
// CHECK: [[BYTES:piece_[0-9]+]] = aie::load_v<32>(piece + {{.*}});
// CHECK-NEXT: [[LOW:bits[0-9]+]] = [[BYTES]].cast_to<bfloat16>();
// CHECK: aie::store_v(x + {{.*}}, [[LOW]]);
// CHECK: aie::shuffle_down_rotate(sum1.to_vector<float>(), 8);
// CHECK: aie::broadcast<float, 16>(-136.0f)
// CHECK: bias[{{.*}}] = one1;
func.func private @take_q4_0_512(memref<512xi8>, memref<512xbf16>, memref<16xf32>, memref<32xbf16>, i32)
    attributes {headrace.core = {kind = "take_q4_0", size = 512 : i64}}

// CHECK-LABEL: void copy_512(const int8 *__restrict from, int8 *__restrict to) {
// CHECK: [[BYTES:from_[0-9]+]] = aie::load_v<64>(from + {{.*}});
// CHECK-NEXT: aie::store_v(to + {{.*}}, [[BYTES]]);
func.func private @copy_512(memref<512xi8>, memref<512xi8>) attributes {headrace.core = {kind = "copy", size = 512 : i64}}

// The exponential as a polynomial. Where a comparison fails, a NaN among them, the
// first of two is chosen.
// CHECK-LABEL: void gate_silu_32(const float *__restrict gate, float *__restrict y) {
// CHECK: [[X:negative[0-9]+]] = aie::neg(gate_1);
// CHECK-NEXT: [[LOW:which[0-9]+]] = aie::lt([[X]], aie::broadcast<float, 16>(-87.8f));
// CHECK-NEXT: aie::select([[X]], aie::broadcast<float, 16>(-87.8f), [[LOW]]);
// CHECK: floor_of(
// CHECK: aie::mac({{.*}}aie::broadcast<float, 16>(-0.6933594f), {{.*}});
// CHECK: aie::to_fixed<int32>(
// CHECK: aie::upshift({{.*}}, 23);
// CHECK: aie::div(gate_1, {{.*}});
// CHECK: } // extern "C"
func.func private @gate_silu_32(memref<32xf32>, memref<32xf32>)
    attributes {headrace.core = {kind = "gate_silu", size = 32 : i64}}
