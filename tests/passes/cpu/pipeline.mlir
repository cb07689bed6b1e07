// RUN: %headrace_opt %s --headrace-cpu-pipeline="capabilities=%tests/../python/headrace/targets/cpu/capabilities.json dot=vnni abi=plan" -o %t.plan
// RUN: FileCheck %s --check-prefixes=PLAN --input-file=%t.plan --implicit-check-not=unrealized --implicit-check-not=func.func --implicit-check-not=@unused --implicit-check-not=@main
// RUN: %headrace_opt %s --headrace-cpu-pipeline="dot=portable abi=iree" -o %t.iree
// RUN: FileCheck %s --check-prefixes=IREE --input-file=%t.iree --implicit-check-not=unrealized --implicit-check-not=func.func --implicit-check-not=llvm.x86
//
// The objects need no symbol from elsewhere, on any CPU that is allowed: inside an
// IREE module there is no library to call.
// RUN: mlir-translate --mlir-to-llvmir %t.plan -o %t.vnni.ll
// RUN: mlir-translate --mlir-to-llvmir %t.iree -o %t.portable.ll
// DEFINE: %{cpu} =
// DEFINE: %{symbols} = llc -filetype=obj %{cpu} -o - | llvm-nm - | FileCheck %s --check-prefix=SYMBOLS "--implicit-check-not={{ U }}"
// REDEFINE: %{cpu} = -mtriple=x86_64-linux-gnu -mcpu=znver4 %t.vnni.ll
// RUN: %if x86-registered-target %{ %{symbols} %}
// REDEFINE: %{cpu} = -mtriple=x86_64-linux-gnu -mcpu=x86-64-v3 %t.portable.ll
// RUN: %if x86-registered-target %{ %{symbols} %}
// REDEFINE: %{cpu} = -mtriple=aarch64-linux-gnu %t.portable.ll
// RUN: %if aarch64-registered-target %{ %{symbols} %}

// All operations, from tensors to functions in the llvm dialect. The plan and the
// unused function are gone.

// PLAN-DAG: llvm.func @quantize_act_i8_1x256(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr)
// PLAN-DAG: llvm.func @gated_matvec_q4nx_40x256_silu_f32(
// IREE-DAG: llvm.func @matvec_q4_k_32x256_i8_iree(%{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: i64)
// PLAN: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"

// SYMBOLS: T gated_matvec_q4nx_40x256_silu_f32

!k = !qlinear.packed<32x256, #qlinear.gguf<q4_k>>
!n = !qlinear.packed<40x256, #qlinear.q4nx, padded = 64x256>
!q = !qlinear.packed<1x256, #qlinear.act_i8>

func.func private @unused(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

func.func @main(%x: tensor<256xf32>, %xs: tensor<7x256xbf16>, %k: !k, %g: !n, %u: !n)
    -> (tensor<32xf32>, tensor<7x32xf32>, tensor<40xf32>, tensor<40xf32>, tensor<32x256xf32>) {
  %m = tensor.empty() : tensor<32xf32>
  %t = tensor.empty() : tensor<7x32xf32>
  %r = tensor.empty() : tensor<40xf32>
  %e = tensor.empty() : tensor<32x256xf32>
  %q = qlinear.quantize %x : tensor<256xf32> to !q
  %0 = qlinear.matvec ins(%k, %q : !k, !q) outs(%m : tensor<32xf32>) -> tensor<32xf32>
  %1 = qlinear.matmul ins(%k, %xs : !k, tensor<7x256xbf16>) outs(%t : tensor<7x32xf32>) -> tensor<7x32xf32>
  %2 = qlinear.gated_matvec silu ins(%g, %u, %x : !n, !n, tensor<256xf32>) outs(%r : tensor<40xf32>) -> tensor<40xf32>
  %3 = qlinear.gated_matvec gelu_tanh ins(%g, %u, %q : !n, !n, !q) outs(%r : tensor<40xf32>) -> tensor<40xf32>
  %4 = qlinear.dequantize ins(%k : !k) outs(%e : tensor<32x256xf32>) -> tensor<32x256xf32>
  return %0, %1, %2, %3, %4 : tensor<32xf32>, tensor<7x32xf32>, tensor<40xf32>, tensor<40xf32>, tensor<32x256xf32>
}
