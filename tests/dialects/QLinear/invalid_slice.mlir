// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

!w = !qlinear.packed<16x4, #qlinear.codebook<dim = 2, entries = 16, group = 8, table = i8, activation_entries = 4, split>>
!s = !qlinear.packed<8x4, #qlinear.codebook<dim = 2, entries = 16, group = 8, table = i8, activation_entries = 4, split>>

func.func @parts(%w: !w) {
  // expected-error@+1 {{split>, whose blocks are split; allowed: for example #qlinear.gguf<q4_k>}}
  %s = qlinear.slice %w rows [8, 8] : !w to !s
  return
}

// -----

!w = !qlinear.packed<80x256, #qlinear.q4nx, padded = 96x256>

func.func @offset_in_a_block(%w: !w) {
  // expected-error@+1 {{'qlinear.slice' op expected offset and size in multiples of 32 rows (the block of q4nx), but got [16, 32]}}
  %s = qlinear.slice %w rows [16, 32] : !w to !qlinear.packed<32x256, #qlinear.q4nx>
  return
}

// -----

!w = !qlinear.packed<80x256, #qlinear.q4nx, padded = 96x256>
!s = !qlinear.packed<16x256, #qlinear.q4nx, padded = 32x256>

// A partial block is allowed only where the matrix ends.
func.func @partial_block(%w: !w) {
  %end = qlinear.slice %w rows [64, 16] : !w to !s
  // expected-error@+1 {{expected offset and size in multiples of 32 rows (the block of q4nx), but got [32, 16]}}
  %s = qlinear.slice %w rows [32, 16] : !w to !s
  return
}

// -----

!w = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>

func.func @past_the_end(%w: !w) {
  // expected-error@+1 {{expected rows [offset, size] within 4 rows, but got [2, 3]}}
  %s = qlinear.slice %w rows [2, 3] : !w to !qlinear.packed<3x32, #qlinear.gguf<q8_0>>
  return
}

// -----

!w = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>

func.func @negative_offset(%w: !w) {
  // expected-error@+1 {{expected rows [offset, size] within 4 rows, but got [-1, 2]}}
  %s = qlinear.slice %w rows [-1, 2] : !w to !qlinear.packed<2x32, #qlinear.gguf<q8_0>>
  return
}

// -----

!w = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>

func.func @no_rows(%w: !w) {
  // expected-error@+1 {{expected rows [offset, size] within 4 rows, but got [4, 0]}}
  %s = qlinear.slice %w rows [4, 0] : !w to !w
  return
}

// -----

!w = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>

// The sum of offset and size overflows.
func.func @huge(%w: !w) {
  // expected-error@+1 {{expected rows [offset, size] within 4 rows}}
  %s = qlinear.slice %w rows [9223372036854775807, 9223372036854775807] : !w to !w
  return
}

// -----

!w = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>

func.func @result_type(%w: !w) {
  // expected-error@+1 {{expected a result of type '!qlinear.packed<2x32, #qlinear.gguf<q8_0>>', but got '!qlinear.packed<2x32, #qlinear.gguf<q4_0>>'}}
  %s = qlinear.slice %w rows [0, 2] : !w to !qlinear.packed<2x32, #qlinear.gguf<q4_0>>
  return
}

// -----

!w = !qlinear.packed<200x32, #qlinear.fp8<e4m3, scale = per_block>>
!s = !qlinear.packed<130x32, #qlinear.fp8<e4m3, scale = per_block>>

// The tiles of scales begin at row 0 of the matrix, not at that of the slice.
func.func @header(%w: !w) {
  // expected-error@+1 {{expected rows that stand alone, or with a header that is the same for all, but got #qlinear.fp8<e4m3, scale = per_block>, whose header is of tiles of rows; allowed: for example #qlinear.gguf<q4_k>}}
  %s = qlinear.slice %w rows [70, 130] : !w to !s
  return
}

// -----

!w = !qlinear.packed<80x256, #qlinear.q4nx, padded = 96x256>

func.func @dynamic_size_in_a_block(%w: !w, %i: index) {
  // The last tile may end within the padding.
  %ok = qlinear.slice %w rows [%i, 64] : !w to !qlinear.packed<64x256, #qlinear.q4nx>
  // expected-error@+1 {{expected offset and size in multiples of 32 rows (the block of q4nx), but got [%, 40]}}
  %s = qlinear.slice %w rows [%i, 40] : !w to !qlinear.packed<40x256, #qlinear.q4nx, padded = 64x256>
  return
}

// -----

!w = !qlinear.packed<80x256, #qlinear.q4nx, padded = 96x256>

func.func @dynamic_past_the_end(%w: !w, %i: index) {
  // expected-error@+1 {{expected rows [offset, size] within 96 rows, but got [%, 128]}}
  %s = qlinear.slice %w rows [%i, 128] : !w to !qlinear.packed<128x256, #qlinear.q4nx>
  return
}

// -----

!w = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>

func.func @two_offsets(%w: !w, %i: index) {
  // expected-error@+1 {{expected the offset -9223372036854775808 beside an offset known at run time, but got 2}}
  %s = "qlinear.slice"(%w, %i) <{offset = 2 : i64, size = 1 : i64}> : (!w, index) -> !qlinear.packed<1x32, #qlinear.gguf<q8_0>>
  return
}

// -----

!w = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>

func.func @no_offset(%w: !w) {
  // expected-error@+1 {{expected rows [offset, size] within 4 rows, but got [-9223372036854775808, 1]}}
  %s = "qlinear.slice"(%w) <{offset = -9223372036854775808 : i64, size = 1 : i64}> : (!w) -> !qlinear.packed<1x32, #qlinear.gguf<q8_0>>
  return
}
