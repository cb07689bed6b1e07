//===- Passes.td - passes of the CPU target --------------------------------===//

#ifndef HEADRACE_PASSES_CPU
#define HEADRACE_PASSES_CPU

include "mlir/Pass/PassBase.td"
include "passes/cpu/AttentionPasses.td"
include "passes/cpu/LatentPasses.td"
include "passes/cpu/LinearPasses.td"

def CpuFormKernels : Pass<"cpu-form-kernels", "::mlir::ModuleOp"> {
  let summary = "Turn each operation into a kernel and the function into a plan";
  let description = [{
    Every operation of qlinear and qattn in a public function moves into a kernel,
    a private function on memrefs; equal operations share one. What remains of the
    function is the plan: its arguments, then its results, as memrefs, transient
    buffers (`memref.alloc`), and one call for each kernel launch with its grid of
    workgroups. Weights and caches are plain bytes from here on; a kernel sees them
    through `qlinear.from_bytes` and `qattn.cache_from_bytes`. A cache that something
    is appended to is an argument that is updated where it lies.

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

def CpuPoisonScratch : Pass<"cpu-poison-scratch", "::mlir::ModuleOp"> {
  let summary = "Fill the scratch memory of kernels with NaN before they use it";
  let description = [{
    For tests: a kernel that reads what it did not write may find a harmless number
    there for years. Each `memref.alloca` of a kernel is filled with ones right
    after it: NaN in floats, -1 in integers. `headrace check` compiles everything
    with and without this pass, and both must give the same results.

    Before:
    ```mlir
    %sums = memref.alloca() : memref<20xf32>
    ```
    After:
    ```mlir
    %sums = memref.alloca() : memref<20xf32>
    %nan = arith.constant dense<0xFFFFFFFF> : vector<16xf32>
    scf.for %i = %c0 to %c16 step %c16 {
      vector.store %nan, %sums[%i] : memref<20xf32>, vector<16xf32>
    }
    ...                                                  // the last four, one by one
    ```

    <!-- lit: tests/passes/cpu/poison_scratch.mlir#floats -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect",
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
