// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

// expected-error@+1 {{expected slots x heads x dim, but got 2 dimensions; allowed: three positive numbers, for example 4096x8x128}}
func.func private @dimensions(!qattn.kv_cache<4096x8, bf16>)

// -----

// expected-error@+1 {{expected static shape}}
func.func private @dynamic(!qattn.kv_cache<?x8x128, bf16>)

// -----

// expected-error@+1 {{kv_cache: expected positive slots, but got 0}}
func.func private @slots(!qattn.kv_cache<0x8x128, bf16>)

// -----

// expected-error@+1 {{kv_cache: expected positive heads, but got 0}}
func.func private @heads(!qattn.kv_cache<4096x0x128, bf16>)

// -----

// expected-error@+1 {{kv_cache: expected positive dim, but got 0}}
func.func private @dim(!qattn.kv_cache<4096x8x0, bf16>)

// -----

// expected-error@+1 {{kv_cache: expected less than 2^59 numbers, but got more; allowed: smaller dim}}
func.func private @too_large(!qattn.kv_cache<268435456x1x2147483648, f32>)

// -----

// expected-error@+1 {{unknown cache dtype 'f64'; allowed: f32, bf16, f16, fp8_e4m3, i8}}
func.func private @dtype(!qattn.kv_cache<4096x8x128, f64>)

// -----

// expected-error@+1 {{kv_cache: expected scale = per_token with fp8_e4m3}}
func.func private @no_scale(!qattn.kv_cache<4096x8x128, fp8_e4m3>)

// -----

// expected-error@+1 {{kv_cache: expected scale = per_token with i8}}
func.func private @no_scale_i8(!qattn.kv_cache<4096x8x128, i8, layout = ring>)

// -----

// expected-error@+1 {{kv_cache: expected no scale with bf16}}
func.func private @scale(!qattn.kv_cache<4096x8x128, bf16, scale = per_token>)

// -----

// expected-error@+1 {{expected 'per_token'}}
func.func private @other_scale(!qattn.kv_cache<4096x8x128, i8, scale = per_head>)

// -----

// expected-error@+1 {{unknown parameter 'page'; allowed: scale, layout}}
func.func private @parameter(!qattn.kv_cache<4096x8x128, bf16, page = 64>)

// -----

// expected-error@+1 {{unknown layout 'linear'; allowed: contiguous, paged<PAGE>, ring}}
func.func private @layout(!qattn.kv_cache<4096x8x128, bf16, layout = linear>)

// -----

// expected-error@+1 {{expected '<'}}
func.func private @no_page(!qattn.kv_cache<4096x8x128, bf16, layout = paged>)

// -----

// expected-error@+1 {{expected a positive page, but got 0}}
func.func private @page_zero(!qattn.kv_cache<4096x8x128, bf16, layout = paged<0>>)

// -----

// expected-error@+1 {{kv_cache: expected slots in whole pages, but got 4096 slots in pages of -64}}
func.func private @page_negative(!qattn.kv_cache<4096x8x128, bf16, layout = paged<-64>>)

// -----

// expected-error@+1 {{kv_cache: expected slots in whole pages, but got 100 slots in pages of 64}}
func.func private @pages(!qattn.kv_cache<100x8x128, bf16, layout = paged<64>>)

// -----

// expected-error@+1 {{kv_cache: expected a page size with layout paged only, but got 64 with layout ring}}
func.func private @two_layouts(!qattn.kv_cache<4096x8x128, bf16, layout = paged<64>, layout = ring>)

// -----

// expected-error@+1 {{expected slots x content + rope, for example 4096x512+64}}
func.func private @mla_dimensions(!qattn.mla_cache<4096x512x64, bf16>)

// -----

// expected-error@+1 {{expected slots x content + rope, for example 4096x512+64}}
func.func private @mla_no_rope(!qattn.mla_cache<4096x512, bf16>)

// -----

// expected-error@+1 {{mla_cache: expected positive rope, but got 0}}
func.func private @mla_rope(!qattn.mla_cache<4096x512+0, bf16>)

// -----

// expected-error@+1 {{mla_cache: expected positive rope, but got -64}}
func.func private @mla_rope(!qattn.mla_cache<4096x512+-64, bf16>)

// -----

// expected-error@+1 {{mla_cache: expected fp8_e4m3, bf16 or f32, but got f16}}
func.func private @mla_f16(!qattn.mla_cache<4096x512+64, f16>)

// -----

// expected-error@+1 {{mla_cache: expected fp8_e4m3, bf16 or f32, but got i8}}
func.func private @mla_i8(!qattn.mla_cache<4096x512+64, i8>)

// -----

// expected-error@+1 {{mla_cache: expected slots in whole pages, but got 100 slots in pages of 64}}
func.func private @mla_pages(!qattn.mla_cache<100x512+64, bf16, layout = paged<64>>)

// -----

// expected-error@+1 {{mla_cache: expected less than 2^59 numbers, but got more; allowed: smaller slots}}
func.func private @mla_too_large(!qattn.mla_cache<4611686018427387904x512+64, bf16>)

// -----

// expected-error@+1 {{expected 'layout'}}
func.func private @mla_parameter(!qattn.mla_cache<4096x512+64, bf16, scale = per_token>)
