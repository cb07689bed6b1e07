// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

// K is not a multiple of the block.
// expected-error@+1 {{packed type: expected columns in multiples of 256 (the block of q4_k), but got 384; pad the matrix with zeros, or use a format that pads, for example #qlinear.q4nx}}
func.func private @columns(!qlinear.packed<384x384, #qlinear.gguf<q4_k>>)

// -----

// expected-error@+1 {{expected columns in multiples of 32 (the block of act_i8), but got 33}}
func.func private @act_columns(!qlinear.packed<1x33, #qlinear.act_i8>)

// -----

// expected-error@+1 {{packed type: expected positive rows and columns, but got 0x32}}
func.func private @no_rows(!qlinear.packed<0x32, #qlinear.gguf<q8_0>>)

// -----

// expected-error@+1 {{packed type: expected positive rows and columns, but got 4x0}}
func.func private @no_columns(!qlinear.packed<4x0, #qlinear.gguf<q8_0>>)

// -----

// expected-error@+1 {{packed type: expected at most 268435456 rows and columns, but got 268435457x32}}
func.func private @too_many_rows(!qlinear.packed<268435457x32, #qlinear.gguf<q8_0>>)

// -----

// expected-error@+1 {{packed type: expected at most 268435456 rows and columns, but got 1x268435488}}
func.func private @too_many_columns(!qlinear.packed<1x268435488, #qlinear.gguf<q8_0>>)

// -----

// expected-error@+1 {{invalid dimension}}
func.func private @overflow(!qlinear.packed<9223372036854775808x32, #qlinear.gguf<q8_0>>)

// -----

// expected-error@+1 {{packed type: expected padded = 384x512 for 384x384 in q4nx, but got 384x384}}
func.func private @padding_is_missing(!qlinear.packed<384x384, #qlinear.q4nx>)

// -----

// expected-error@+1 {{packed type: expected padded = 384x512 for 384x384 in q4nx, but got 416x512}}
func.func private @padding_is_wrong(!qlinear.packed<384x384, #qlinear.q4nx, padded = 416x512>)

// -----

// expected-error@+1 {{packed type: expected padded = 4x32 for 4x32 in q8_0, but got 32x32}}
func.func private @format_does_not_pad(!qlinear.packed<4x32, #qlinear.gguf<q8_0>, padded = 32x32>)
