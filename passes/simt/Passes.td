//===- Passes.td - passes that GPU targets share ---------------------------===//

#ifndef HEADRACE_PASSES_SIMT
#define HEADRACE_PASSES_SIMT

include "mlir/Pass/PassBase.td"
include "passes/simt/AttentionPasses.td"

def SimtFormKernels : Pass<"simt-form-kernels", "::mlir::ModuleOp"> {
  let summary = "Turn each operation into a kernel of a GPU and the function into a plan";
  let description = [{
    As `cpu-form-kernels`, with workgroups of several subgroups (simdgroups, warps):
    a kernel's dictionary has the threads of a workgroup as `workgroup`, and how many
    rows each subgroup and each workgroup compute. Rows for each subgroup share the
    activations that a lane has loaded; how many that are depends on the format. A
    workgroup of zigzag weights has the rows of a slice, as they lie together, or half
    or a quarter of them where there are fewer slices than `cores`.

    Before:
    ```mlir
    func.func @main(%x: tensor<256xf32>, %w: !qlinear.packed<64x256, #qlinear.gguf<q4_0>>) -> tensor<64xf32> {
      %0 = tensor.empty() : tensor<64xf32>
      %y = qlinear.matvec ins(%w, %x : ...) outs(%0 : tensor<64xf32>) -> tensor<64xf32>
      return %y : tensor<64xf32>
    }
    ```
    After:
    ```mlir
    func.func @main(%x: memref<256xf32>, %w: memref<9216xi8>, %y: memref<64xf32>) attributes {headrace.plan} {
      call @matvec_q4_0_64x256_f32(%w, %x, %y) {headrace.grid = array<i64: 8, 1, 1>} : ...
      return
    }
    func.func private @matvec_q4_0_64x256_f32(%w: memref<9216xi8>, ...)
        attributes {headrace.kernel = {subgroup_rows = 4 : i64, workgroup = array<i32: 64, 1, 1>, ...}}
    ```

    <!-- lit: tests/passes/simt/form_kernels.mlir#plan -->
  }];
  let options = [
    Option<"subgroupWidth", "subgroup-width", "int64_t", /*default=*/"32",
           "Lanes of a subgroup">,
    Option<"cores", "cores", "int64_t", /*default=*/"0",
           "Cores that want workgroups; 0: it does not matter">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::memref::MemRefDialect"];
}

def SimtSplitColumns : Pass<"simt-split-columns", "::mlir::ModuleOp"> {
  let summary = "Share the columns of the same rows out to several workgroups";
  let description = [{
    A product of zigzag weights has a workgroup for each slice of its rows, or for a
    part of one: not more than 16 for 1024 rows, which is too few for a device with
    more cores. Here further ones, next to each other in y, get parts of the columns,
    or of the list of columns. Each
    writes its sums to a buffer of the plan; a second kernel adds them up in their
    order, so that results do not depend on what runs first, and there are no atomics.
    Gate and up have sums of their own; the second kernel computes the function.

    The number of parts is the one with the least time, if a core without a
    workgroup draws none of the bandwidth: parts leave no core idle, but cost a
    launch, and are written and read again. 0 cores: nothing is split.

    Before:
    ```mlir
    call @matvec_q8_0_zigzag_512x8192_f32(%w, %x, %y) {headrace.grid = array<i64: 2, 1, 1>} : ...
    ```
    After:
    ```mlir
    %parts = memref.alloc() {alignment = 64 : i64} : memref<4x512xf32>
    call @matvec_q8_0_zigzag_512x8192_f32(%w, %x, %parts) {headrace.grid = array<i64: 2, 4, 1>} : ...
    call @matvec_q8_0_zigzag_512x8192_f32_sum(%parts, %y) {headrace.grid = array<i64: 8, 1, 1>} : ...

    func.func private @matvec_q8_0_zigzag_512x8192_f32(%w: memref<4456448xi8>, %x: memref<8192xf32>, %parts: memref<4x512xf32>) {
      %split = gpu.block_id y
      %part = memref.subview %parts[%split, 0] [1, 512] [1, 1] : memref<4x512xf32> to memref<512xf32, strided<[1], offset: ?>>
      qlinear.matvec ins(%packed, %x : ...) outs(%part : memref<512xf32, strided<[1], offset: ?>>)
    ```

    <!-- lit: tests/passes/simt/split_columns.mlir#matvec -->
  }];
  let options = [
    Option<"cores", "cores", "int64_t", /*default=*/"0",
           "Cores that have workgroups; 0: nothing is split">,
    Option<"readBandwidth", "read-bandwidth", "double", /*default=*/"100",
           "1e9 bytes a second that kernels read">,
    Option<"overhead", "overhead-us", "double", /*default=*/"0",
           "Microseconds that a kernel takes to start">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::gpu::GPUDialect", "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect"];
}

def SimtFuseSelection : Pass<"simt-fuse-selection", "::mlir::ModuleOp"> {
  let summary = "Select columns in the kernel that computes the activations";
  let description = [{
    Where a kernel of one row is followed by one that selects its large values, one
    kernel does both: each value is counted where it is computed, and there is a
    launch less. Activations of a sparse product come from `qlinear.rms_norm`, or, of
    the projection down, from `qlinear.gated_activation`. What other kernels compute
    is selected by a kernel of its own behind them; no list comes from the host.

    Before:
    ```mlir
    call @gated_activation_100_silu(%g, %u, %h) {headrace.grid = array<i64: 1, 1, 1>} : ...
    call @select_columns_100_f32(%h, %list, %count) {headrace.grid = array<i64: 1, 1, 1>} : ...
    ```
    After:
    ```mlir
    call @gated_activation_100_silu_select(%g, %u, %h, %list, %count) {headrace.grid = array<i64: 1, 1, 1>} : ...
    ```

    <!-- lit: tests/passes/simt/fuse_selection.mlir#gated -->
  }];
  let dependentDialects = ["::mlir::func::FuncDialect"];
}

def SimtLowerRows : Pass<"simt-lower-rows", "::mlir::ModuleOp"> {
  let summary = "Norms and gated activations by the threads of workgroups";
  let description = [{
    A workgroup has a row of `qlinear.rms_norm`: each thread squares some columns,
    subgroups add those up, and behind a barrier every thread has the sum of all. Of
    `qlinear.gated_activation` a thread has one value. With a selection in the same
    kernel, `simt-lower-select` has lowered both.

    Before:
    ```mlir
    qlinear.rms_norm eps = 1.0e-6 ins(%x, %w : memref<64xf32>, memref<64xf32>) outs(%y : memref<64xf32>)
    ```
    After (shortened):
    ```mlir
    %squares = memref.alloca() : memref<2xf32, #gpu.address_space<workgroup>>
    %sum = gpu.subgroup_reduce add %own uniform : (f32) -> f32
    memref.store %sum, %squares[%subgroup] : memref<2xf32, #gpu.address_space<workgroup>>
    gpu.barrier
    %all = gpu.subgroup_reduce add %one uniform : (f32) -> f32
    ...
    memref.store %scaled, %y[%column] : memref<64xf32>
    ```

    <!-- lit: tests/passes/simt/lower_rows.mlir#norm -->
  }];
  let options = [
    Option<"subgroupWidth", "subgroup-width", "int64_t", /*default=*/"32",
           "Lanes of a subgroup">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect"];
}

def SimtLowerProducts : Pass<"simt-lower-products", "::mlir::ModuleOp"> {
  let summary = "Matrix-vector products for the lanes of subgroups";
  let description = [{
    A subgroup computes some rows together. Its lanes share out the columns: a lane
    loads its activations once, in the order and with the powers of two that the
    weights' bits ask for, and multiplies them with the weights of all rows. So
    codes are masked where they lie in their word, and zero points are taken off by
    the sum of the activations. A reduction over the subgroup ends it, and its first
    lane writes the rows.

    Rows behind the last one are computed as the last one and not written.

    Before:
    ```mlir
    qlinear.matvec ins(%w, %x : !qlinear.packed<64x256, #qlinear.gguf<q4_0>>, memref<256xf32>) outs(%y : memref<64xf32>)
    ```
    After (shortened):
    ```mlir
    %words = memref.view %bytes[%c0][] : memref<9216xi8> to memref<4608xi16>
    %sums:4 = scf.for %block = %first to %c8 step %c16 iter_args(...) -> (vector<4xf32>, ...) {
      %x0 = vector.load %x[%col] {alignment = 16 : i64} : memref<256xf32>, vector<4xf32>
      ...
      %q = vector.load %words[%at] : memref<4608xi16>, vector<4xi16>
      %low = arith.andi %q, %c15 : vector<4xi16>
      %f = arith.uitofp %low : vector<4xi16> to vector<4xf32>
      %s = math.fma %f, %even, %offset : vector<4xf32>
      ...
    }
    %row = gpu.subgroup_reduce add %sum uniform : (f32) -> f32
    scf.if %isFirstLane {
      memref.store %row, %y[%c0] : memref<64xf32>
    ```

    <!-- lit: tests/passes/simt/lower_products.mlir#q4_0 -->
  }];
  let options = [
    Option<"subgroupWidth", "subgroup-width", "int64_t", /*default=*/"32",
           "Lanes of a subgroup">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def SimtLowerSelect : Pass<"simt-lower-select", "::mlir::ModuleOp"> {
  let summary = "The list of large activations by the lanes of one workgroup";
  let description = [{
    Each subgroup has columns that follow each other. It counts its large
    activations and tells the other subgroups by shared memory. Behind a barrier it
    knows how many are before its own: it looks at its columns again, which are in a
    cache, and writes the large ones. Which lanes have one is a word of bits: lanes
    before a lane are counted in it. So the list is in order whatever order threads
    run in. An operation in the same kernel that computes the activations does so
    where they are counted (`simt-fuse-selection`).

    Magnitudes are compared as integers, which NaN is above and which devices without
    denormal numbers compare exactly.

    Before:
    ```mlir
    qlinear.select_columns threshold = 0.5 ins(%x : memref<256xf32>) outs(%i, %c : memref<256xi32>, memref<1xi32>)
    ```
    After (shortened):
    ```mlir
    %found = gpu.subgroup_reduce add %large uniform : (i32) -> i32
    memref.store %found, %counts[%subgroup] : memref<8xi32, #gpu.address_space<workgroup>>
    gpu.barrier
    %count = memref.load %counts[%at] : memref<8xi32, #gpu.address_space<workgroup>>
    %before = gpu.subgroup_reduce add %counted uniform : (i32) -> i32
    scf.for %start = %first to %last step %c32 iter_args(%next = %before) -> (i32) {
      %bits = gpu.subgroup_reduce or %bit uniform : (i32) -> i32
      ...
      memref.store %column, %i[%place] : memref<256xi32>
    }
    ```

    <!-- lit: tests/passes/simt/lower_select.mlir#select -->
  }];
  let options = [
    Option<"subgroupWidth", "subgroup-width", "int64_t", /*default=*/"32",
           "Lanes of a subgroup">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect"];
}

def SimtLowerZigzag : Pass<"simt-lower-zigzag", "::mlir::ModuleOp"> {
  let summary = "Products of zigzag weights with all columns by the lanes of subgroups";
  let description = [{
    A model whose sparse products have weights in zigzag bands has them once: its
    dense products take the same bytes. A workgroup has a slice of 256 rows (128
    where bands are narrower), and its teams share out the columns as those of
    `simt-lower-sparse` share out a list. Gate and up are added up one after the
    other; the thread that adds the teams' sums of a row computes the function.

    Before:
    ```mlir
    qlinear.matvec ins(%w, %x : !qlinear.packed<512x100, #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 256>>, memref<100xf32>)
        outs(%y : memref<512xf32>)
    ```
    After (shortened):
    ```mlir
    %sums:2 = scf.for %column = %first to %last step %c1 iter_args(...) -> (vector<4xf32>, vector<4xf32>) {
      %factor = memref.load %x[%column] : memref<100xf32>
      %codes = vector.load %words[%at] {alignment = 2 : i64} : memref<27200xi16>, vector<2xi16>
      ...
    }
    vector.store %sums#0, %partial[%subgroup, %row] : memref<16x256xf32, #gpu.address_space<workgroup>>, vector<4xf32>
    gpu.barrier
    ```

    <!-- lit: tests/passes/simt/lower_zigzag.mlir#matvec -->
  }];
  let options = [
    Option<"subgroupWidth", "subgroup-width", "int64_t", /*default=*/"32",
           "Lanes of a subgroup">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def SimtLowerMatmul : Pass<"simt-lower-matmul", "::mlir::ModuleOp"> {
  let summary = "Products of several tokens with zigzag weights by matrices of subgroups";
  let description = [{
    A model whose sparse products have weights in zigzag bands reads its prompt with
    the same bytes. A workgroup has a slice of rows and up to 32 tokens. It decodes 16
    columns at a time into shared memory, a column a team, puts the tokens'
    activations beside them, and its subgroups multiply both as matrices of 8x8. So
    weights are decoded once for 32 tokens. Rows, tokens and columns need not fill
    tiles: what is behind the last is not written, and counts as zero.

    Before:
    ```mlir
    qlinear.matmul ins(%w, %x : !qlinear.packed<300x40, #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 256>, padded = 512x40>, memref<7x40xf32>)
        outs(%y : memref<7x300xf32>)
    ```
    After (shortened):
    ```mlir
    %sums:4 = scf.for %column = %c0 to %c40 step %c16 iter_args(...) -> (!gpu.mma_matrix<8x8xf32, "COp">, ...) {
      memref.store %x, %inputs[%token, %offset] : memref<8x24xf32, #gpu.address_space<workgroup>>
      vector.store %decoded, %weights[%team, %row] : memref<16x264xf32, #gpu.address_space<workgroup>>, vector<4xf32>
      gpu.barrier
      %a = gpu.subgroup_mma_load_matrix %inputs[%c0, %c0] {leadDimension = 24 : index} : ... -> !gpu.mma_matrix<8x8xf32, "AOp">
      %b = gpu.subgroup_mma_load_matrix %weights[%c0, %rows] {leadDimension = 264 : index} : ... -> !gpu.mma_matrix<8x8xf32, "BOp">
      %c = gpu.subgroup_mma_compute %a, %b, %sum : ...
      ...
    }
    ```

    <!-- lit: tests/passes/simt/lower_matmul.mlir#q8_0 -->
  }];
  let options = [
    Option<"subgroupWidth", "subgroup-width", "int64_t", /*default=*/"32",
           "Lanes of a subgroup">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def SimtLowerSparse : Pass<"simt-lower-sparse", "::mlir::ModuleOp"> {
  let summary = "Products of zigzag weights with some columns by the lanes of subgroups";
  let description = [{
    A workgroup has 256 rows: a piece of a column that lies together. Each lane of a
    subgroup owns eight of them, whichever column it is, so columns are summed up in
    registers without exchange. Subgroups share out the list evenly, whatever its
    count, which is read where the kernel runs; their sums are added in order in
    shared memory. Narrow bands have slices of 128 rows, which half of a subgroup
    owns, so that it has two columns at a time.

    Each column counts once. A list of `qlinear.select_columns` (`ascending` in the
    kernel's dictionary) has each once; whether another one rises is looked at first.
    If it does not, its columns are marked, a bit each, and those are shared out.

    Before:
    ```mlir
    qlinear.sparse_matvec ins(%w, %x, %indices, %count : !qlinear.packed<512x2048, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>>,
        memref<2048xf32>, memref<2048xi32>, memref<1xi32>) outs(%y : memref<512xf32>)
    ```
    After (shortened):
    ```mlir
    %sums:4 = scf.for %at = %first to %last step %c1 iter_args(...) -> (vector<4xf32>, vector<4xf32>, f32, f32) {
      %entry = memref.load %indices[%at] : memref<2048xi32>
      ...
      %header = vector.load %words[%start] {alignment = 16 : i64} : memref<294912xi32>, vector<4xi32>
      %codes = memref.load %words[%own] : memref<294912xi32>
      ...
      %low = math.fma %codes_low, %scales, %sum : vector<4xf32>
    }
    vector.store %rows, %partial[%subgroup, %row] {alignment = 16 : i64} : ...
    gpu.barrier
    ```

    <!-- lit: tests/passes/simt/lower_sparse.mlir#q4_k -->
  }];
  let options = [
    Option<"subgroupWidth", "subgroup-width", "int64_t", /*default=*/"32",
           "Lanes of a subgroup">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def SimtVerifyLimits : Pass<"simt-verify-limits", "::mlir::ModuleOp"> {
  let summary = "Refuse kernels that a device cannot launch";
  let description = [{
    Threads of a workgroup, shared memory (`memref.alloca` in
    `#gpu.address_space<workgroup>`), buffers, their
    sizes and grids have limits that differ by device. What is above one is an error
    that names both.

    ```mlir
    // error: needs 128 threads in a workgroup, but the device has a limit of 64
    func.func private @k(%y: memref<4xf32>) attributes {headrace.kernel = {workgroup = array<i32: 128, 1, 1>}}
    ```

    <!-- lit: tests/passes/simt/verify_limits.mlir#threads -->
  }];
  let options = [
    Option<"maxThreads", "max-threads", "int64_t", /*default=*/"1024",
           "Most threads of a workgroup">,
    Option<"sharedMemory", "shared-memory", "int64_t", /*default=*/"32768",
           "Bytes of shared memory that a workgroup may have">,
    Option<"maxBuffers", "max-buffers", "int64_t", /*default=*/"31",
           "Most buffers of a kernel">,
    Option<"maxBufferBytes", "max-buffer-bytes", "int64_t", /*default=*/"(int64_t(1) << 31) - 1",
           "Most bytes of a buffer">];
}

#endif // HEADRACE_PASSES_SIMT
