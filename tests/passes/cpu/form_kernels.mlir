// RUN: %headrace_opt %s --cpu-form-kernels | FileCheck %s

// doc: plan
// Two equal products are two launches of one kernel; what lies between kernels
// is a buffer; results are the last arguments.
!w = !qlinear.packed<40x96, #qlinear.gguf<q4_0>>
!q = !qlinear.packed<1x96, #qlinear.act_i8>

// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: memref<96xf32> {headrace.name = "x"}, %[[W:.*]]: memref<2160xi8>, %[[U:.*]]: memref<2160xi8>, %[[Y:.*]]: memref<40xf32>, %[[Z:.*]]: memref<40xf32>)
// CHECK-SAME: attributes {headrace.outputs = array<i64: 0, 1>, headrace.plan}
// CHECK-NEXT: %[[Q:.*]] = memref.alloc() {alignment = 64 : i64} : memref<120xi8>
// CHECK-NEXT: call @quantize_act_i8_1x96(%[[X]], %[[Q]]) {headrace.grid = array<i64: 1, 1, 1>}
// CHECK-NEXT: call @matvec_q4_0_40x96_i8(%[[W]], %[[Q]], %[[Y]]) {headrace.grid = array<i64: 2, 1, 1>}
// CHECK-NEXT: call @matvec_q4_0_40x96_i8(%[[U]], %[[Q]], %[[Z]]) {headrace.grid = array<i64: 2, 1, 1>}
// CHECK-NEXT: return
func.func @main(%x: tensor<96xf32> {headrace.name = "x"}, %w: !w, %u: !w) -> (tensor<40xf32>, tensor<40xf32>) {
  %o = tensor.empty() : tensor<40xf32>
  %q = qlinear.quantize %x : tensor<96xf32> to !q
  %y = qlinear.matvec ins(%w, %q : !w, !q) outs(%o : tensor<40xf32>) -> tensor<40xf32>
  %z = qlinear.matvec ins(%u, %q : !w, !q) outs(%o : tensor<40xf32>) -> tensor<40xf32>
  return %y, %z : tensor<40xf32>, tensor<40xf32>
}

// CHECK-LABEL: func.func private @quantize_act_i8_1x96(
// CHECK-SAME: op = "qlinear.quantize"

// 2160 + 120 + 40 * 4 bytes; two operations for each of 40 * 96 weights.
// CHECK-LABEL: func.func private @matvec_q4_0_40x96_i8(
// CHECK-SAME: %[[WB:.*]]: memref<2160xi8>, %[[QB:.*]]: memref<120xi8>, %[[OUT:.*]]: memref<40xf32>)
// CHECK-SAME: headrace.kernel = {activations = "i8", bytes = 2440 : i64, element_bytes = array<i64: 1, 1, 4>, format = "q4_0", k = 96 : i64, m = 40 : i64, n = 1 : i64, op = "qlinear.matvec", operations = 7680 : i64, workgroup_rows = 32 : i64}
// CHECK-NEXT: %[[PACKED:.*]] = qlinear.from_bytes %[[WB]]
// CHECK-NEXT: %[[ACT:.*]] = qlinear.from_bytes %[[QB]]
// CHECK-NEXT: qlinear.matvec ins(%[[PACKED]], %[[ACT]] : {{.*}}) outs(%[[OUT]] : memref<40xf32>)
// doc: end
// CHECK-NOT: func.func private @matvec
