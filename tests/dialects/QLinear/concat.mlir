// RUN: %headrace_opt %s | %headrace_opt | FileCheck %s
// RUN: %headrace_opt %s --canonicalize | FileCheck %s --check-prefix=FOLD

!a = !qlinear.packed<2x256, #qlinear.gguf<q4_k>>
!b = !qlinear.packed<3x256, #qlinear.gguf<q4_k>>

// doc: concat
// CHECK-LABEL: func @concat
// CHECK: qlinear.concat %{{.*}}, %{{.*}} : !qlinear.packed<2x256, #qlinear.gguf<q4_k>>, !qlinear.packed<3x256, #qlinear.gguf<q4_k>> to !qlinear.packed<5x256, #qlinear.gguf<q4_k>>
func.func @concat(%a: !a, %b: !b) -> !qlinear.packed<5x256, #qlinear.gguf<q4_k>> {
  %c = qlinear.concat %a, %b : !a, !b to !qlinear.packed<5x256, #qlinear.gguf<q4_k>>
  return %c : !qlinear.packed<5x256, #qlinear.gguf<q4_k>>
}
// doc: end

!full = !qlinear.packed<64x40, #qlinear.q4nx, padded = 64x256>
!last = !qlinear.packed<7x40, #qlinear.q4nx, padded = 32x256>

// The last matrix may end in a partial block of rows.
// CHECK-LABEL: func @partial
// CHECK: qlinear.concat {{.*}} to !qlinear.packed<71x40, #qlinear.q4nx, padded = 96x256>
func.func @partial(%a: !full, %b: !last) -> !qlinear.packed<71x40, #qlinear.q4nx, padded = 96x256> {
  %c = qlinear.concat %a, %b : !full, !last to !qlinear.packed<71x40, #qlinear.q4nx, padded = 96x256>
  return %c : !qlinear.packed<71x40, #qlinear.q4nx, padded = 96x256>
}

// Activations have rows as well: tokens.
// CHECK-LABEL: func @tokens
// CHECK: qlinear.concat {{.*}} to !qlinear.packed<3x64, #qlinear.act_i8>
func.func @tokens(%a: !qlinear.packed<2x64, #qlinear.act_i8>, %b: !qlinear.packed<1x64, #qlinear.act_i8>)
    -> !qlinear.packed<3x64, #qlinear.act_i8> {
  %c = qlinear.concat %a, %b : !qlinear.packed<2x64, #qlinear.act_i8>, !qlinear.packed<1x64, #qlinear.act_i8>
      to !qlinear.packed<3x64, #qlinear.act_i8>
  return %c : !qlinear.packed<3x64, #qlinear.act_i8>
}

// FOLD-LABEL: func @of_one(
// FOLD-SAME: %[[A:.*]]: !qlinear
// FOLD-NEXT: return %[[A]]
func.func @of_one(%a: !a) -> !a {
  %c = qlinear.concat %a : !a to !a
  return %c : !a
}
