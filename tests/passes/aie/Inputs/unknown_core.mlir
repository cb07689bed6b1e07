func.func private @negate_32(memref<32xf32>) attributes {headrace.core = {kind = "negate", size = 32 : i64}}
