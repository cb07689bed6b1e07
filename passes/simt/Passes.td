//===- Passes.td - passes that GPU targets share ---------------------------===//

#ifndef HEADRACE_PASSES_SIMT
#define HEADRACE_PASSES_SIMT

include "mlir/Pass/PassBase.td"

def SimtFormKernels : Pass<"simt-form-kernels", "::mlir::ModuleOp"> {
  let summary = "Turn each operation into a kernel of a GPU and the function into a plan";
  let description = [{
    As `cpu-form-kernels`, with workgroups of several subgroups (simdgroups, warps):
    a kernel's dictionary has the threads of a workgroup as `workgroup`, and how many
    rows each subgroup and each workgroup compute. Rows for each subgroup share the
    activations that a lane has loaded; how many that are depends on the format.

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
           "Lanes of a subgroup">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::memref::MemRefDialect"];
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
    run in.

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

def SimtLowerSparse : Pass<"simt-lower-sparse", "::mlir::ModuleOp"> {
  let summary = "Products of zigzag weights with some columns by the lanes of subgroups";
  let description = [{
    A workgroup has 256 rows: a piece of a column that lies together. Each lane of a
    subgroup owns eight of them, whichever column it is, so columns are summed up in
    registers without exchange. Subgroups share out the list evenly, whatever its
    count, which is read where the kernel runs; their sums are added in order in
    shared memory.

    Whether the list rises is looked at first, as each column counts once. Columns of
    another one are marked, a bit each, and those are shared out.

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
