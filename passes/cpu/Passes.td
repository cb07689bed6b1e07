//===- Passes.td - passes of the CPU target --------------------------------===//

#ifndef HEADRACE_PASSES_CPU
#define HEADRACE_PASSES_CPU

include "mlir/Pass/PassBase.td"

def CpuFormKernels : Pass<"cpu-form-kernels", "::mlir::ModuleOp"> {
  let summary = "Turn each operation into a kernel and the function into a plan";
  let description = [{
    Every qlinear operation of a public function moves into a kernel, a private
    function on memrefs; equal operations share one. What remains of the function
    is the plan: its arguments, then its results, as memrefs, transient buffers
    (`memref.alloc`), and one call for each kernel launch with its grid of
    workgroups. Weights are plain bytes from here on; a kernel sees them through
    `qlinear.from_bytes`.

    Before:
    ```mlir
    func.func @main(%x: tensor<256xf32>, %w: !qlinear.packed<64x256, #qlinear.gguf<q4_k>>) -> tensor<64xf32> {
      %0 = tensor.empty() : tensor<64xf32>
      %y = qlinear.matvec ins(%w, %x : ...) outs(%0 : tensor<64xf32>) -> tensor<64xf32>
      return %y : tensor<64xf32>
    }
    ```
    After:
    ```mlir
    func.func @main(%x: memref<256xf32>, %w: memref<9216xi8>, %y: memref<64xf32>) attributes {headrace.plan} {
      call @matvec_q4_k_64x256_f32(%w, %x, %y) {headrace.grid = array<i64: 2, 1, 1>} : ...
      return
    }
    func.func private @matvec_q4_k_64x256_f32(%w: memref<9216xi8>, ...) attributes {headrace.kernel = {...}} {
      %0 = qlinear.from_bytes %w : memref<9216xi8> to !qlinear.packed<64x256, #qlinear.gguf<q4_k>>
      qlinear.matvec ins(%0, %x : ...) outs(%y : memref<64xf32>)
      return
    }
    ```

    <!-- lit: tests/passes/cpu/form_kernels.mlir#plan -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::memref::MemRefDialect"];
}

def CpuLowerQuantize : Pass<"cpu-lower-quantize", "::mlir::ModuleOp"> {
  let summary = "Vector code for qlinear.quantize";
  let description = [{
    One workgroup quantizes one row (token) of activations to `act_i8`, a group
    of 32 at a time. Rounding to the nearest even integer adds and subtracts
    1.5 * 2^23, which needs no instruction beyond addition.

    Before:
    ```mlir
    qlinear.quantize %x into %q : memref<256xf32>, !qlinear.packed<1x256, #qlinear.act_i8>
    ```
    After (shortened):
    ```mlir
    scf.for %group = %c0 to %c8 step %c1 {
      %v = vector.load %x[%col] : memref<256xf32>, vector<32xf32>
      %max = vector.reduction <maximumf>, %abs : vector<32xf32> into f32
      ...
      vector.store %q, %bytes[%col] : memref<320xi8>, vector<32xi8>
    }
    ```

    <!-- lit: tests/passes/cpu/lower_quantize.mlir#vector -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def CpuLowerDequantize : Pass<"cpu-lower-dequantize", "::mlir::ModuleOp"> {
  let summary = "Vector code for qlinear.dequantize";
  let description = [{
    Each workgroup decodes a range of rows with the same block decoders as the
    products, 16 columns at a time.

    Before:
    ```mlir
    qlinear.dequantize ins(%w : !qlinear.packed<64x256, #qlinear.gguf<q4_k>>) outs(%y : memref<64x256xf32>)
    ```
    After (shortened):
    ```mlir
    %wg = gpu.block_id x
    scf.for %row = %first to %last step %c1 {
      vector.store %weights, %y[%row, %col] : memref<64x256xf32>, vector<16xf32>
    }
    ```

    <!-- lit: tests/passes/cpu/lower_dequantize.mlir#q4_k -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"];
}

def CpuLowerProducts : Pass<"cpu-lower-products", "::mlir::ModuleOp"> {
  let summary = "Vector code for matvec, matmul and gated_matvec";
  let description = [{
    Tiles a product by rows (workgroups) and tokens (registers) and decodes the
    weights in registers, once for all tokens of a tile; with many tokens and
    packed activations, in a tile of memory instead. With packed activations
    the products are integers; `dot` says with which instructions:

    * `vnni`: AVX-512 VNNI, 64 products of 8 bits an instruction;
    * `avx2`: AVX2, 32 products in two instructions;
    * `portable`: vector arithmetic for any CPU.

    `bf16` says the same of products of bf16 weights and bf16 activations:
    `avx512` sums pairs of products, `portable` widens both to f32.

    Weights in zigzag bands are multiplied as f32 whatever the activations are:
    their scales differ from column to column. With `vnni` nibbles become f32 by
    a table in a register (`vpermps`).

    Before:
    ```mlir
    qlinear.matvec ins(%w, %x : !qlinear.packed<64x256, #qlinear.gguf<q4_k>>, memref<256xf32>)
                   outs(%y : memref<64xf32>)
    ```
    After (shortened):
    ```mlir
    %wg = gpu.block_id x
    scf.for %row = %first to %last step %c1 {
      %sums:2 = scf.for %piece = %c0 to %c1 step %c1 iter_args(...) -> (vector<16xf32>, vector<16xf32>) {
        %q = vector.load %bytes[%at] : memref<9216xi8>, vector<16xi8>
        ...
        %s = vector.fma %weights, %x0, %sum : vector<16xf32>
      }
      %y0 = vector.reduction <add>, %total fastmath<reassoc> : vector<16xf32> into f32
      memref.store %y0, %y[%row] : memref<64xf32>
    }
    ```

    <!-- lit: tests/passes/cpu/lower_products_rows.mlir#f32 -->
  }];
  let options = [
    Option<"dot", "dot", "std::string", /*default=*/"\"portable\"",
           "Instructions for 8-bit products: vnni, avx2 or portable">,
    Option<"bf16", "bf16", "std::string", /*default=*/"\"portable\"",
           "Instructions for products of bf16: avx512 or portable">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"];
}

def CpuLowerRows : Pass<"cpu-lower-rows", "::mlir::ModuleOp"> {
  let summary = "Vector code for norms and gated activations";
  let description = [{
    One workgroup computes one row (token), 16 columns at a time; the columns
    behind the last whole vector are masked. Sums have four accumulators, so that
    additions do not wait for each other.

    Before:
    ```mlir
    qlinear.rms_norm eps = 9.99999997E-7 ins(%x, %w : memref<1152xf32>, memref<1152xf32>) outs(%y : memref<1152xf32>)
    ```
    After (shortened):
    ```mlir
    %sums:4 = scf.for %col = %c0 to %c1152 step %c64 iter_args(...) -> (vector<16xf32>, ...) {
      %x0 = vector.load %x[%col] : memref<1152xf32>, vector<16xf32>
      %s0 = vector.fma %x0, %x0, %sum0 : vector<16xf32>
      ...
    }
    %root = math.sqrt %mean : f32
    scf.for %col = %c0 to %c1152 step %c16 {
      vector.store %scaled, %y[%col] : memref<1152xf32>, vector<16xf32>
    }
    ```

    <!-- lit: tests/passes/cpu/lower_rows.mlir#rms_norm -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def CpuLowerRope : Pass<"cpu-lower-rope", "::mlir::ModuleOp"> {
  let summary = "Vector code for qattn.rope";
  let description = [{
    One workgroup turns one token: cosines and sines of its position are computed
    once, 16 pairs at a time, and serve all heads.

    Before:
    ```mlir
    qattn.rope ins(%x, %positions, %frequencies : memref<1x8x64xf32>, memref<1xi32>, memref<32xf32>)
        outs(%y : memref<1x8x64xf32>)
    ```
    After (shortened):
    ```mlir
    scf.for %pair = %c0 to %c32 step %c16 {
      %cosine = math.cos %angle : vector<16xf32>
      vector.store %cosine, %turns[%c0, %pair] : memref<2x32xf32>, vector<16xf32>
      ...
    }
    scf.for %head = %c0 to %c8 step %c1 {
      ...
      vector.store %first, %y[%token, %head, %pair] : memref<1x8x64xf32>, vector<16xf32>
    }
    ```

    <!-- lit: tests/passes/cpu/lower_rope.mlir#halves -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def CpuLowerDecode : Pass<"cpu-lower-decode", "::mlir::ModuleOp"> {
  let summary = "Vector code for qattn.decode";
  let description = [{
    Tokens are taken in blocks of 32, whose slots are listed first: pages that do
    not exist are left out there, so that nothing of them is ever read. Then four
    heads of queries that share keys are computed together: 16 sums stay in
    registers, and each key and value that is loaded and decoded serves all four.
    Softmax runs along; each block rescales what was summed before it. With
    `splits` a workgroup has a part of the tokens and all heads, so that it reads
    the cache from front to back; without, it has a head of keys.

    Before:
    ```mlir
    qattn.decode ins(%q, %cache, %length : memref<8x64xf32>, !qattn.kv_cache<4096x2x64, f16>, memref<1xi32>)
        outs(%o, %lse : memref<8x64xf32>, memref<8xf32>) {scale = 1.250000e-01 : f32}
    ```
    After (shortened):
    ```mlir
    scf.for %first = %c0 to %left step %c32 {
      %dots:16 = scf.for %col = %c0 to %c64 step %c16 iter_args(...) {
        %h = vector.load %bytes[%at] : memref<2097152xi8>, vector<32xi8>
        %k = arith.extf %f16 : vector<16xf16> to vector<16xf32>
        %s = vector.fma %q, %k, %dot : vector<16xf32>
        ...
      }
      %weight = arith.mulf %power, %exponent : vector<16xf32>
      ...
    }
    ```

    <!-- lit: tests/passes/cpu/lower_decode.mlir#decode -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def CpuLowerAppend : Pass<"cpu-lower-append", "::mlir::ModuleOp"> {
  let summary = "Vector code for qattn.append_kv";
  let description = [{
    A workgroup for each head of keys writes the tokens in order, so that in a
    ring the last of those that share a slot stays. Where a cache has scales the
    largest magnitude is found first, then the numbers are divided by the scale,
    rounded by integer arithmetic and stored. A token whose page does not exist
    is not written.

    Before:
    ```mlir
    qattn.append_kv ins(%k, %v, %position : memref<3x2x64xf32>, memref<3x2x64xf32>, memref<1xi32>)
        outs(%cache : !qattn.kv_cache<4096x2x64, fp8_e4m3, scale = per_token>)
    ```
    After (shortened):
    ```mlir
    scf.for %token = %c0 to %c3 step %c1 {
      scf.if %exists {
        %largest = vector.reduction <maximumf>, %magnitudes : vector<16xf32> into f32
        ...
        vector.store %codes, %bytes[%at] : memref<1114112xi8>, vector<16xi8>
      }
    }
    ```

    <!-- lit: tests/passes/cpu/lower_append.mlir#append -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def CpuLowerFetch : Pass<"cpu-lower-fetch", "::mlir::ModuleOp"> {
  let summary = "Vector code for qattn.fetch_kv";
  let description = [{
    A workgroup for each token: numbers of the cache are widened to f32 and
    multiplied by the scale of their head; tokens without a slot become zeros, and
    nothing is read for them.

    Before:
    ```mlir
    qattn.fetch_kv ins(%cache, %start : !qattn.kv_cache<4096x2x64, bf16>, memref<1xi32>)
        outs(%k, %v : memref<8x2x64xf32>, memref<8x2x64xf32>)
    ```
    After (shortened):
    ```mlir
    scf.if %exists {
      %numbers = vector.load %bytes[%at] : memref<2097152xi8>, vector<32xi8>
      ...
      vector.store %widened, %k[%token, %head, %c0] : memref<8x2x64xf32>, vector<16xf32>
    } else {
      vector.store %zeros, %k[%token, %head, %c0] : memref<8x2x64xf32>, vector<16xf32>
    }
    ```

    <!-- lit: tests/passes/cpu/lower_fetch.mlir#fetch -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"];
}

def CpuLowerMergePartials : Pass<"cpu-lower-merge-partials", "::mlir::ModuleOp"> {
  let summary = "Vector code for qattn.merge_partials";
  let description = [{
    A workgroup for each head of each token. The largest logarithm is found
    first, so that no exponential overflows; a part that saw nothing is left out,
    whatever it holds.

    Before:
    ```mlir
    qattn.merge_partials ins(%parts, %lses : memref<4x8x64xf32>, memref<4x8xf32>)
        outs(%o, %lse : memref<8x64xf32>, memref<8xf32>)
    ```
    After (shortened):
    ```mlir
    %sum = scf.for %part = %c0 to %c4 step %c1 iter_args(%old = %zero) -> (vector<16xf32>) {
      %weight = math.exp %difference : vector<16xf32>
      %part_of = vector.load %parts[%part, %head, %col] : memref<4x8x64xf32>, vector<16xf32>
      ...
    }
    ```

    <!-- lit: tests/passes/cpu/lower_merge_partials.mlir#merge -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def CpuLowerAssign : Pass<"cpu-lower-assign", "::mlir::ModuleOp"> {
  let summary = "Vector code for qlinear.assign_centroids";
  let description = [{
    A workgroup has 256 pieces of columns; the centroids of a piece are the lanes,
    16 in a vector. The least distance of up to 64 centroids is found first, then
    the first that has it. A distance of NaN counts as infinite, and an infinite
    one is never the least.

    Before:
    ```mlir
    qlinear.assign_centroids ins(%w, %x : !codebook, memref<64xf32>) outs(%a : memref<32xi32>)
    ```
    After (shortened):
    ```mlir
    scf.for %piece = %first to %last step %c1 {
      %c = vector.load %bytes[%at] : memref<54792xi8>, vector<128xi8>
      %c0 = vector.shuffle %centroids, %centroids [0, 2, 4, ...] : vector<32xf32>, vector<32xf32>
      %distance = math.absf %difference : vector<16xf32>
      ...
      %equal = arith.cmpf oeq, %distances, %least : vector<16xf32>
      %number = math.cttz %mask : i64
      memref.store %nearest, %a[%piece] : memref<32xi32>
    }
    ```

    <!-- lit: tests/passes/cpu/lower_assign.mlir#assign -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def CpuLowerLookup : Pass<"cpu-lower-lookup", "::mlir::ModuleOp"> {
  let summary = "Vector code for qlinear.lut_matvec";
  let description = [{
    A workgroup has up to 2048 rows, in tiles of up to 512 that take turns. For
    256 pieces it lists first where the rows of tables are that are assigned. Then
    each piece is looked up, a shuffle for as many rows as a vector has bytes, and
    summed in 16 bits, while what the list says of later pieces is fetched. `lookup`
    says with which instructions:

    * `avx512`, `avx2`: shuffles of bytes, in 64 or 32 bytes;
    * `portable`: 16 bytes, lane by lane, which LLVM makes a shuffle of where the
      CPU has one.

    Before:
    ```mlir
    qlinear.lut_matvec ins(%w, %a : !codebook, memref<32xi32>) outs(%y : memref<512xf32>)
    ```
    After (shortened):
    ```mlir
    %sums:16 = scf.for %i = %c0 to %count step %c1 iter_args(...) -> (vector<32xi16>, ...) {
      %table = vector.shuffle %codes, %codes [0, 1, 2, ...] : vector<16xi8>, vector<16xi8>
      %packed = vector.load %bytes[%at] : memref<54792xi8>, vector<64xi8>
      %found = llvm.call_intrinsic "llvm.x86.avx512.pshuf.b.512"(%table, %index)
      %both = vector.bitcast %found : vector<64xi8> to vector<32xi16>
      %sum = arith.addi %old, %both : vector<32xi16>
      ...
    }
    ```

    <!-- lit: tests/passes/cpu/lower_lookup.mlir#lookup -->
  }];
  let options = [
    Option<"lookup", "lookup", "std::string", /*default=*/"\"portable\"",
           "Instructions to look up bytes: avx512, avx2 or portable">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def CpuLowerPrefill : Pass<"cpu-lower-prefill", "::mlir::ModuleOp"> {
  let summary = "Vector code for qattn.prefill";
  let description = [{
    The queries that share a head of keys, and their heads, are rows: lanes, 64 of
    which are a part. Scores, softmax and sums run lane by lane. Queries are
    transposed once; then each number of keys and values is multiplied with all
    lanes. Keys are taken in blocks of 96, which are copied once for all parts (up
    to eight) of a workgroup; each block rescales what was summed before it. Keys
    that no row of a part sees are not visited, and only those are masked that some
    of its rows see and others do not, so that nothing of them reaches a result.
    `vector-bits` says how many sums stay in registers.

    Before:
    ```mlir
    qattn.prefill causal ins(%q, %k, %v : memref<96x8x64xf32>, memref<96x2x64xf32>, memref<96x2x64xf32>)
        outs(%o : memref<96x8x64xf32>) {scale = 1.250000e-01 : f32}
    ```
    After (shortened):
    ```mlir
    scf.for %first = %c0 to %end step %c96 {
      ... // copies keys and values
      scf.for %i = %c0 to %count step %c6 {
        %dots:24 = scf.for %col = %c0 to %c64 step %c1 iter_args(...) {
          %q0 = vector.load %queries[%part, %col, %c0] : memref<1x64x64xf32>, vector<16xf32>
          %number = memref.load %keys[%key, %col] : memref<96x64xf32>
          %s = vector.fma %q0, %everywhere, %dot : vector<16xf32>
          ...
        }
      }
      ...
    }
    ```

    <!-- lit: tests/passes/cpu/lower_prefill.mlir#causal -->
  }];
  let options = [
    Option<"vectorBits", "vector-bits", "int64_t", /*default=*/"128",
           "Bits of the widest vector registers">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def CpuLowerSelect : Pass<"cpu-lower-select", "::mlir::ModuleOp"> {
  let summary = "Vector code for qlinear.select_columns";
  let description = [{
    One workgroup looks at 16 activations at a time. The numbers of the selected
    columns move to the front of a vector, which is stored behind those found so
    far; what the store has too much, the next one overwrites.

    Before:
    ```mlir
    qlinear.select_columns threshold = 1.250000e-01 ins(%x : memref<256xf32>)
        outs(%indices, %count : memref<256xi32>, memref<1xi32>)
    ```
    After (shortened):
    ```mlir
    %found = scf.for %col = %c0 to %c256 step %c16 iter_args(%at = %c0) -> (index) {
      %large = arith.cmpf ugt, %magnitude, %threshold : vector<16xf32>
      %list = llvm.call_intrinsic "llvm.experimental.vector.compress"(%numbers, %large, %zeros) : ...
      vector.store %list, %indices[%at] : memref<256xi32>, vector<16xi32>
      ...
    }
    ```

    <!-- lit: tests/passes/cpu/lower_select.mlir#select -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def CpuLowerSparse : Pass<"cpu-lower-sparse", "::mlir::ModuleOp"> {
  let summary = "Vector code for qlinear.sparse_matvec with zigzag weights";
  let description = [{
    A workgroup has the rows of a band, or an even part of a large one. Their
    sums stay in memory that fits the first cache. The columns of the list are
    taken in batches: first the scales of their groups times x, then, four
    columns at a time, the products that are added to the sums, while the next
    batch is prefetched. Lists that select_columns makes are in order; others are
    put in order first, so that a column that is listed twice counts once.

    `lookup` says how nibbles become f32: `avx512` finds them in a table that a
    register holds (`vpermps`); `avx2` and `portable` convert integers.

    Before:
    ```mlir
    qlinear.sparse_matvec
        ins(%w, %x, %indices, %count : !qlinear.packed<256x512, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>>,
            memref<512xf32>, memref<512xi32>, memref<1xi32>)
        outs(%y : memref<256xf32>)
    ```
    After (shortened):
    ```mlir
    scf.for %first = %c0 to %whole step %c64 {
      scf.for %at = %first to %last step %c4 {
        %column = memref.load %indices[%at] : memref<512xi32>
        ...
        vector.store %scales, %coefficients[%slice, %c0] : memref<64x16xf32>, vector<16xf32>
      }
      scf.for %at = %first to %last step %c4 {
        %sum = vector.load %sums[%row] : memref<256xf32>, vector<16xf32>
        %next = vector.fma %numbers, %scale, %sum : vector<16xf32>
        ...
        vector.store %last, %sums[%row] : memref<256xf32>, vector<16xf32>
      }
    }
    ```

    <!-- lit: tests/passes/cpu/lower_sparse.mlir#columns -->
  }];
  let options = [
    Option<"lookup", "lookup", "std::string", /*default=*/"\"portable\"",
           "Instructions to look up numbers: avx512, avx2 or portable">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"];
}

def CpuLowerQuantizeKv : Pass<"cpu-lower-quantize-kv", "::mlir::ModuleOp"> {
  let summary = "Vector code for qattn.quantize_kv";
  let description = [{
    A workgroup for each row: the largest magnitudes, the scale, then codes and
    rotated part, rounded by integer arithmetic.

    Before:
    ```mlir
    qattn.quantize_kv ins(%content, %rope : memref<16x512xf32>, memref<16x64xf32>)
        outs(%codes, %scale, %r : memref<16x512xi8>, memref<16xf32>, memref<16x64xf32>)
    ```
    After (shortened):
    ```mlir
    %largest = vector.reduction <maximumf>, %magnitudes : vector<16xf32> into f32
    ...
    memref.store %s, %scale[%row] : memref<16xf32>
    vector.store %code, %codes[%row, %c0] : memref<16x512xi8>, vector<16xi8>
    ```

    <!-- lit: tests/passes/cpu/lower_quantize_kv.mlir#quantize -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def CpuLowerAppendMla : Pass<"cpu-lower-append-mla", "::mlir::ModuleOp"> {
  let summary = "Vector code for qattn.append_mla";
  let description = [{
    One workgroup writes the tokens in order, so that the last of those that share
    a slot stays. Content and rotated part are encoded as the cache has them, in
    fp8 over the scale of their token. A token whose page does not exist is not
    written.

    Before:
    ```mlir
    qattn.append_mla %content, %rope into %cache at %position
        : memref<2x512xf32>, memref<2x64xf32>, !qattn.mla_cache<4096x512+64, fp8_e4m3>, memref<1xi32>
    ```
    After (shortened):
    ```mlir
    scf.for %token = %c0 to %c2 step %c1 {
      scf.if %exists {
        %largest = vector.reduction <maximumf>, %magnitudes : vector<16xf32> into f32
        ...
        vector.store %codes, %bytes[%at] : memref<2637824xi8>, vector<16xi8>
      }
    }
    ```

    <!-- lit: tests/passes/cpu/lower_mla_caches.mlir#append -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"];
}

def CpuLowerFetchMla : Pass<"cpu-lower-fetch-mla", "::mlir::ModuleOp"> {
  let summary = "Vector code for qattn.fetch_mla";
  let description = [{
    A workgroup for each token: content and rotated part are widened to f32 and
    multiplied by their scale, if there is one; tokens without a slot become
    zeros, and nothing is read for them.

    Before:
    ```mlir
    qattn.fetch_mla ins(%cache, %start : !qattn.mla_cache<4096x512+64, bf16>, memref<1xi32>)
        outs(%content, %rope : memref<8x512xf32>, memref<8x64xf32>)
    ```
    After (shortened):
    ```mlir
    scf.if %exists {
      %numbers = vector.load %bytes[%at] : memref<4718592xi8>, vector<32xi8>
      ...
      vector.store %widened, %content[%token, %c0] : memref<8x512xf32>, vector<16xf32>
    } else {
      vector.store %zeros, %content[%token, %c0] : memref<8x512xf32>, vector<16xf32>
    }
    ```

    <!-- lit: tests/passes/cpu/lower_mla_caches.mlir#fetch -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"];
}

def CpuLowerMlaDecode : Pass<"cpu-lower-mla-decode", "::mlir::ModuleOp"> {
  let summary = "Vector code for qattn.mla_decode";
  let description = [{
    All heads share one latent for each token. Blocks of 64 tokens are decoded
    once, to f32, for all of them. Scores have a lane for each head: the query is
    transposed first, two vectors of heads and eight tokens make 16 sums, and
    softmax runs along lane by lane. Results have a lane for each column: four
    heads and four vectors of the content that was decoded make 16 sums. With
    registers of less than 512 bits tiles are of six sums.

    With `q_scale` a block is a page of SnapMLA's recurrence: scales multiply
    scores and weights, and weights are rounded to what e4m3 has. Codes are exact
    in f32, so only sums are rounded beside them.

    A workgroup has at most 64 heads, or with `splits` a part of the tokens and at
    most 128 heads.

    Before:
    ```mlir
    qattn.mla_decode ins(%q, %q_rope, %cache, %length
        : memref<128x512xf32>, memref<128x64xf32>, !qattn.mla_cache<4096x512+64, bf16>, memref<1xi32>)
        outs(%o, %lse : memref<128x512xf32>, memref<128xf32>) {scale = 7.216880e-02 : f32}
    ```
    After (shortened):
    ```mlir
    scf.for %first = %c0 to %count step %c64 {
      vector.store %decoded, %keys[%token, %col] : memref<64x576xf32>, vector<16xf32>
      ...
      %sums:16 = scf.for %col = %c0 to %c576 step %c1 iter_args(...) {
        %heads = vector.load %query[%tile, %col, %c0] : memref<2x576x32xf32>, vector<16xf32>
        %s = vector.fma %heads, %key, %sum : vector<16xf32>
        ...
      }
      %weight = arith.mulf %power, %exponent : vector<16xf32>
      ...
      %results:16 = scf.for %token = %c0 to %listed step %c1 iter_args(...) {
        %values = vector.load %keys[%token, %col] : memref<64x576xf32>, vector<16xf32>
        ...
      }
    }
    ```

    <!-- lit: tests/passes/cpu/lower_mla_decode.mlir#decode -->
  }];
  let options = [
    Option<"vectorBits", "vector-bits", "int64_t", /*default=*/"128",
           "Bits of the widest vector registers">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def CpuApproximateMath : Pass<"cpu-approximate-math", "::mlir::ModuleOp"> {
  let summary = "Polynomials for exp, log, tanh, cos and sin";
  let description = [{
    Kernels call no library: inside an IREE module there is none. `math.exp`,
    `math.log`, `math.tanh`, `math.cos` and `math.sin` on f32 become polynomials
    and ratios of them, with an error of a few units in the last place.

    Before:
    ```mlir
    %e = math.exp %v : f32
    ```
    After: arithmetic only.

    <!-- lit: tests/passes/cpu/approximate_math.mlir#exp -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
                           "::mlir::vector::VectorDialect"];
}

def CpuBindWorkgroupIds : Pass<"cpu-bind-workgroup-ids", "::mlir::ModuleOp"> {
  let summary = "Make the workgroup id an argument of each kernel";
  let description = [{
    Kernels get three index arguments behind their memrefs, which replace
    `gpu.block_id`. The plan has been read by now and goes.

    Before:
    ```mlir
    func.func private @k(%y: memref<64xf32>) attributes {headrace.kernel = {}} {
      %wg = gpu.block_id x
    ```
    After:
    ```mlir
    func.func private @k(%y: memref<64xf32>, %wg: index, %wg_y: index, %wg_z: index) attributes {headrace.kernel = {}} {
    ```

    <!-- lit: tests/passes/cpu/bind_workgroup_ids.mlir#ids -->
  }];
}

def CpuAddEntryPoints : Pass<"cpu-add-entry-points", "::mlir::ModuleOp"> {
  let summary = "Give kernels in the llvm dialect their exported signature";
  let description = [{
    * `abi=plan`: `void k(void *const *bindings, const int32_t *constants, const
      uint32_t workgroup[3])`, what the plan executor calls;
    * `abi=iree`: `void k_iree(void *b0, int64_t offset0, ..., int64_t x, int64_t
      y, int64_t z)` with offsets in elements, what a dispatch of an IREE module
      calls.

    The kernel itself becomes internal and is inlined into it.

    Before:
    ```mlir
    llvm.func @k(%w: !llvm.ptr, %x: i64, %y: i64, %z: i64) attributes {headrace.kernel = {}}
    ```
    After, with `abi=plan`:
    ```mlir
    llvm.func internal @k_body(...)
    llvm.func @k(%bindings: !llvm.ptr, %constants: !llvm.ptr, %workgroup: !llvm.ptr)
    ```

    <!-- lit: tests/passes/cpu/add_entry_points.mlir#kernel -->
  }];
  let options = [
    Option<"abi", "abi", "std::string", /*default=*/"\"plan\"",
           "Who calls the kernels: plan or iree">];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

#endif // HEADRACE_PASSES_CPU
