// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

func.func @concat_of_none() {
  // expected-error@+1 {{'qlinear.concat' op expected at least one matrix, but got none}}
  %c = "qlinear.concat"() : () -> !qlinear.packed<2x32, #qlinear.gguf<q8_0>>
  return
}

// -----

!a = !qlinear.packed<2x32, #qlinear.gguf<q8_0>>
!b = !qlinear.packed<2x32, #qlinear.gguf<q4_0>>

func.func @concat_formats(%a: !a, %b: !b) {
  // expected-error@+1 {{'qlinear.concat' op expected matrices of one format, but got #qlinear.gguf<q8_0> and #qlinear.gguf<q4_0>}}
  %c = qlinear.concat %a, %b : !a, !b to !qlinear.packed<4x32, #qlinear.gguf<q8_0>>
  return
}

// -----

!a = !qlinear.packed<2x32, #qlinear.gguf<q8_0>>
!b = !qlinear.packed<2x64, #qlinear.gguf<q8_0>>

func.func @concat_columns(%a: !a, %b: !b) {
  // expected-error@+1 {{'qlinear.concat' op expected columns of matrix 1 of 32 (those of the first), but got 64}}
  %c = qlinear.concat %a, %b : !a, !b to !qlinear.packed<4x32, #qlinear.gguf<q8_0>>
  return
}

// -----

!a = !qlinear.packed<2x32, #qlinear.nvfp4>

// Each matrix has its own scale, but the result would have one.
func.func @concat_header(%a: !a) {
  // expected-error@+1 {{'qlinear.concat' op expected rows that stand alone, but got #qlinear.nvfp4, whose rows share the header of the matrix; allowed: for example #qlinear.gguf<q4_k>}}
  %c = qlinear.concat %a, %a : !a, !a to !qlinear.packed<4x32, #qlinear.nvfp4>
  return
}

// -----

!a = !qlinear.packed<16x256, #qlinear.q4nx, padded = 32x256>
!b = !qlinear.packed<32x256, #qlinear.q4nx>

func.func @concat_partial_block(%a: !a, %b: !b) {
  %last = qlinear.concat %b, %a : !b, !a to !qlinear.packed<48x256, #qlinear.q4nx, padded = 64x256>
  // expected-error@+1 {{'qlinear.concat' op expected rows of matrix 0 in multiples of 32 (the block of q4nx), but got 16; allowed: a partial block in the last matrix}}
  %c = qlinear.concat %a, %b : !a, !b to !qlinear.packed<48x256, #qlinear.q4nx, padded = 64x256>
  return
}

// -----

!a = !qlinear.packed<2x32, #qlinear.gguf<q8_0>>

func.func @concat_result(%a: !a) {
  // expected-error@+1 {{'qlinear.concat' op expected a result of 4x32 in #qlinear.gguf<q8_0>, but got '!qlinear.packed<5x32, #qlinear.gguf<q8_0>>'}}
  %c = qlinear.concat %a, %a : !a, !a to !qlinear.packed<5x32, #qlinear.gguf<q8_0>>
  return
}

// -----

!big = !qlinear.packed<268435456x32, #qlinear.gguf<q8_0>>

// More rows than a packed type may have.
func.func @concat_huge(%a: !big) {
  // expected-error@+1 {{'qlinear.concat' op expected a result of 536870912x32 in #qlinear.gguf<q8_0>, but got}}
  %c = qlinear.concat %a, %a : !big, !big to !big
  return
}

// -----

!w = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>

func.func @repack_shape(%w: !w) {
  // expected-error@+1 {{'qlinear.repack' op expected a result of 4x32, as the operand, but got '!qlinear.packed<8x32, #qlinear.repacked<#qlinear.gguf<q8_0>, "rows8">>'}}
  %r = qlinear.repack %w : !w to !qlinear.packed<8x32, #qlinear.repacked<#qlinear.gguf<q8_0>, "rows8">>
  return
}

// -----

!w = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>

// Other codes would be other values.
func.func @repack_format(%w: !w) {
  // expected-error@+1 {{'qlinear.repack' op expected another order of the blocks of #qlinear.gguf<q8_0>, but got #qlinear.repacked<#qlinear.gguf<q4_0>, "rows4">; allowed: #qlinear.gguf<q8_0> and #qlinear.repacked of it with "rows4", "rows8", "rows16" or "strips16"}}
  %r = qlinear.repack %w : !w to !qlinear.packed<4x32, #qlinear.repacked<#qlinear.gguf<q4_0>, "rows4">>
  return
}

// -----

!w = !qlinear.packed<32x32, #qlinear.gguf<q8_0>>

// Blocks of zigzag lie along rows: this would need quantizing.
func.func @repack_zigzag(%w: !w) {
  // expected-error@+1 {{'qlinear.repack' op expected another order of the blocks of #qlinear.gguf<q8_0>, but got #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 32>}}
  %r = qlinear.repack %w : !w to !qlinear.packed<32x32, #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 32>>
  return
}

// -----

!w = !qlinear.packed<16x64, #qlinear.gguf<q8_0>>
!r = !qlinear.packed<16x64, #qlinear.repacked<#qlinear.gguf<q8_0>, "rows4">>

func.func @repack_twice(%w: !w, %r: !r) {
  // expected-error@+1 {{'qlinear.repack' op expected either a destination (in a kernel) or a result, but got both}}
  %s = qlinear.repack %w into %r : !w, !r to !r
  return
}

// -----

!w = !qlinear.packed<16x64, #qlinear.gguf<q8_0>>

func.func @repack_nowhere(%w: !w) {
  // expected-error@+1 {{'qlinear.repack' op expected either a destination (in a kernel) or a result, but got neither}}
  qlinear.repack %w : !w
  return
}
