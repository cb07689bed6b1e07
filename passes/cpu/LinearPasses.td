//===- LinearPasses.td - passes on qlinear of the CPU target ---------------===//

#ifndef HEADRACE_PASSES_CPU_LINEAR_PASSES
#define HEADRACE_PASSES_CPU_LINEAR_PASSES

include "mlir/Pass/PassBase.td"

def CpuLowerQuantize : Pass<"cpu-lower-quantize", "::mlir::ModuleOp"> {
  let summary = "Vector code for qlinear.quantize";
  let description = [{
    One workgroup quantizes one row (token) of activations to `act_i8`, 16
    groups of 32 at a time, whose scales and sums are lanes of one vector.
    Magnitudes are compared as integers, in which order NaN is the largest.
    Rounding to the nearest even integer adds and subtracts 1.5 * 2^23, which
    needs no instruction beyond addition.

    Before:
    ```mlir
    qlinear.quantize %x into %q : memref<512xf32>, !qlinear.packed<1x512, #qlinear.act_i8>
    ```
    After (shortened):
    ```mlir
    scf.for %group = %c0 to %c16 step %c16 {
      %v = vector.load %x[%col] : memref<512xf32>, vector<16xf32>
      %larger = arith.maxsi %first, %second : vector<16xi32>
      ...
      vector.store %q, %bytes[%col] : memref<640xi8>, vector<16xi8>
    }
    ```

    <!-- lit: tests/passes/cpu/lower_quantize.mlir#vector -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"];
}

def CpuLowerRepack : Pass<"cpu-lower-repack", "::mlir::ModuleOp"> {
  let summary = "Vector code for qlinear.repack to strips";
  let description = [{
    A workgroup makes one strip of 16 rows, a piece after the other. The layout
    of a piece says where in the blocks of a row each line comes from: 16 bytes
    of each row become four lines, of which each has 4 bytes of every row; what
    has units of 2 bytes, one of 32 bytes. What lies behind the last row and the
    last block is zero bytes.

    Before:
    ```mlir
    qlinear.repack %w into %s : !qlinear.packed<16x256, #qlinear.gguf<q4_k>>, !qlinear.packed<16x256, #qlinear.repacked<#qlinear.gguf<q4_k>, "strips16">>
    ```
    After (shortened):
    ```mlir
    %wg = gpu.block_id x
    scf.for %piece = %c0 to %c1 step %c1 {
      %row0 = vector.load %bytes[%at0] : memref<2304xi8>, vector<16xi8>
      ...
      %pairs = vector.shuffle %rows0, %rows1 [0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29] : vector<16xi32>, vector<16xi32>
      ...
      vector.store %line, %strips[%to] : memref<2304xi8>, vector<64xi8>
    }
    ```

    <!-- lit: tests/passes/cpu/lower_repack.mlir#q4_k -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"];
}

def CpuLowerDequantize : Pass<"cpu-lower-dequantize", "::mlir::ModuleOp"> {
  let summary = "Vector code for qlinear.dequantize";
  let description = [{
    Each workgroup decodes a range of rows with the same decoders as the products:
    of blocks, 16 columns of a row at a time; of strips, a column of 16 rows at a
    time, into a piece of the strip on the stack, whose rows are copied out. Plain
    floats are widened, and q4nx is decoded number by number: neighbours of a row
    are 8 bytes apart.

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
    <!-- lit: tests/passes/cpu/lower_dequantize.mlir#strips -->
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
    * `i8mm`, `dotprod`: AArch64, 16 products an instruction, of which the second
      takes signed numbers only;
    * `neon`: any AArch64, 16 products in four instructions;
    * `portable`: vector arithmetic for any CPU.

    `bf16` says the same of products of bf16 weights and bf16 activations:
    `avx512` and `neon` sum pairs of products, `portable` widens both to f32. Many
    tokens get a tile of weights that became f32 once, unless `fast-bf16` says that
    sums of pairs take less time. With `gfni`, codes whose bits lie in two places
    are put together by matrices of bits, one instruction for 64 bytes.

    Strips of 16 rows have a lane for each row: nothing is added across lanes, and
    four activations that are spread to all lanes serve all rows. For one token and
    `vnni`, the chunks of a piece follow each other in the code; else they are in a
    loop, before which scales and offsets go to the stack. What only depends on
    activations, like the part of a zero point, is computed before the rows.

    Zigzag weights are multiplied with f32 whatever the activations are, as their
    scales differ from column to column: one token as `cpu-lower-sparse` does, with
    both weights of a gated product in turn; several tokens share a tile of 64
    columns that became f32, with `vnni` nibbles by a table in a register (`vpermps`).

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
           "Instructions for 8-bit products: vnni, avx2, i8mm, dotprod, neon or portable">,
    Option<"bf16", "bf16", "std::string", /*default=*/"\"portable\"",
           "Instructions for products of bf16: avx512, neon or portable">,
    Option<"fastBf16", "fast-bf16", "bool", /*default=*/"true",
           "Whether sums of pairs of bf16 are faster than sums of f32">,
    Option<"gfni", "gfni", "bool", /*default=*/"false",
           "Whether there are GFNI's instructions for 64 bytes">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"];
}

def CpuLowerSelect : Pass<"cpu-lower-select", "::mlir::ModuleOp"> {
  let summary = "Vector code for qlinear.select_columns";
  let description = [{
    One workgroup looks at as many activations at a time as a register holds (16 of
    512 bits). The numbers of the selected columns move to the front of a vector,
    which is stored behind those found so far; what the store has too much, the next
    one overwrites.

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
  let options = [
    Option<"vectorBits", "vector-bits", "int64_t", /*default=*/"512",
           "Bits of the widest vector registers">];
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
    register holds (`vpermps`); `avx2`, `neon` and `portable` convert integers. With
    `dot=vnni` columns are added in integers: in a batch, what the numbers
    of a group are multiplied with is the largest that 256 rows can have times an
    integer of three limbs of 8 bits, of two where activations are bf16 (2^-22 and
    2^-15 of the largest), so `vpdpbusd` adds 64 products of a limb. Slices of 256
    rows of a batch of which a scale is infinite, or all are tiny, are added in f32.

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
           "Instructions to look up numbers: avx512, avx2, neon or portable">,
    Option<"dot", "dot", "std::string", /*default=*/"\"portable\"",
           "Instructions for 8-bit products: vnni, avx2, i8mm, dotprod, neon or portable">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"];
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

    * `avx512`, `avx2`, `neon`: shuffles of bytes, in 64, 32 or 16 bytes;
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
           "Instructions to look up bytes: avx512, avx2, neon or portable">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

#endif // HEADRACE_PASSES_CPU_LINEAR_PASSES
