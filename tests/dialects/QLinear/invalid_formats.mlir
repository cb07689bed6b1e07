// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

// expected-error@+1 {{affine: expected 2, 4 or 8 bits, but got 3}}
func.func private @bits(!qlinear.packed<4x32, #qlinear.affine<bits = 3, group = 32, scale = f16>>)

// -----

// expected-error@+1 {{affine: expected a group of a multiple of 8 columns or 'channel', but got 12}}
func.func private @group(!qlinear.packed<4x24, #qlinear.affine<bits = 4, group = 12, scale = f16>>)

// -----

// expected-error@+1 {{expected a positive group or 'channel', but got 0}}
func.func private @no_group(!qlinear.packed<4x24, #qlinear.affine<bits = 4, group = 0, scale = f16>>)

// -----

// expected-error@+1 {{expected one of f16, bf16, f32, but got 'f64'}}
func.func private @scale(!qlinear.packed<4x24, #qlinear.affine<bits = 4, group = 8, scale = f64>>)

// -----

// expected-error@+1 {{expected one of integer, float, but got 'fixed'}}
func.func private @zero_point(!qlinear.packed<4x24, #qlinear.affine<bits = 4, group = 8, scale = f16, zero_point = fixed>>)

// -----

// expected-error@+1 {{packed type: expected columns in multiples of 2 (the block of int4:channel), but got 3}}
func.func private @half_bytes(!qlinear.packed<4x3, #qlinear.affine<bits = 4, group = channel, scale = f16>>)

// -----

// expected-error@+1 {{packed type: expected columns in multiples of 64 (the block of int4:g64:zp:bf16:act_order), but got 96}}
func.func private @partial_group(!qlinear.packed<4x96, #qlinear.affine<bits = 4, group = 64, scale = bf16, zero_point = integer, act_order>>)

// -----

// expected-error@+1 {{codebook: expected dim from 1 to 8, but got 9}}
func.func private @dim(!qlinear.packed<8x9, #qlinear.codebook<dim = 9, entries = 16, group = 8>>)

// -----

// expected-error@+1 {{codebook: expected 4, 16 or 256 entries, but got 32}}
func.func private @entries(!qlinear.packed<8x2, #qlinear.codebook<dim = 2, entries = 32, group = 8>>)

// -----

// expected-error@+1 {{codebook: expected a group of a multiple of 8 rows, at most 1048576, but got 12}}
func.func private @rows(!qlinear.packed<12x2, #qlinear.codebook<dim = 2, entries = 16, group = 12>>)

// -----

// expected-error@+1 {{expected 'table'}}
func.func private @no_table(!qlinear.packed<8x2, #qlinear.codebook<dim = 2, entries = 16, group = 8, activation_entries = 4>>)

// -----

// expected-error@+1 {{codebook: expected activation_entries to be a power of two from 2 to 256, but got 48}}
func.func private @activations(!qlinear.packed<8x2, #qlinear.codebook<dim = 2, entries = 16, group = 8, table = i8, activation_entries = 48>>)

// -----

// expected-error@+1 {{expected one of i8, i4, but got 'i16'}}
func.func private @table(!qlinear.packed<8x2, #qlinear.codebook<dim = 2, entries = 16, group = 8, table = i16, activation_entries = 64>>)

// -----

// expected-error@+1 {{expected 'split'}}
func.func private @split(!qlinear.packed<8x2, #qlinear.codebook<dim = 2, entries = 16, group = 8, table = i8, activation_entries = 64, apart>>)

// -----

// expected-error@+1 {{zigzag: expected a band of a multiple of 256 rows (the block of q4_k), at most 1048576, but got 128}}
func.func private @band(!qlinear.packed<128x2, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 128>>)

// -----

// expected-error@+1 {{zigzag: expected a format whose rows are runs of blocks, but got #qlinear.q4nx; allowed: for example #qlinear.gguf<q4_k>}}
func.func private @inner(!qlinear.packed<256x2, #qlinear.zigzag<#qlinear.q4nx, band = 256>>)

// -----

// expected-error@+1 {{zigzag: expected a format whose rows are runs of blocks, but got #qlinear.nvfp4}}
func.func private @inner_header(!qlinear.packed<256x2, #qlinear.zigzag<#qlinear.nvfp4, band = 256>>)

// -----

// expected-error@+1 {{repacked: expected the layout "rows4", "rows8", "rows16" or "strips16", but got "rows5"}}
func.func private @layout(!qlinear.packed<5x32, #qlinear.repacked<#qlinear.gguf<q4_0>, "rows5">>)

// -----

// expected-error@+1 {{repacked: expected bf16, a block type of GGUF files, or 4 or 8 bits in groups of 32, 64, 128 or 256, for "strips16", but got #qlinear.plain<f16>}}
func.func private @strips(!qlinear.packed<16x64, #qlinear.repacked<#qlinear.plain<f16>, "strips16">>)

// -----

// expected-error@+1 {{expected padded = 16x64 for 16x32 in q4_0:strips16, but got 16x32}}
func.func private @padded_piece(!qlinear.packed<16x32, #qlinear.repacked<#qlinear.gguf<q4_0>, "strips16">>)

// -----

// expected-error@+1 {{repacked: expected a format whose rows are runs of blocks, but got #qlinear.fp8<e4m3, scale = per_token>}}
func.func private @inner_row(!qlinear.packed<8x32, #qlinear.repacked<#qlinear.fp8<e4m3, scale = per_token>, "rows8">>)

// -----

// expected-error@+1 {{expected padded = 512x7 for 300x7 in q4_k:zigzag, but got 300x7}}
func.func private @padded(!qlinear.packed<300x7, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>>)
