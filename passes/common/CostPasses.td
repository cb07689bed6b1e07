//===- CostPasses.td - passes that count and compare -----------------------===//

#ifndef HEADRACE_PASSES_COMMON_COST
#define HEADRACE_PASSES_COMMON_COST

include "mlir/Pass/PassBase.td"

def AnnotateCosts : Pass<"annotate-costs", "::mlir::ModuleOp"> {
  let summary = "Write what each operation moves and computes beside it";
  let description = [{
    Sets the attribute `headrace.cost` on each operation with the interface
    `CostOpInterface`: bytes read and written, operations (a multiply-add is
    two) and transcendental functions, as the nearest whole numbers.

    What types do not say comes from the options, or for one operation from its
    attribute `headrace.density`, the share of the columns that it selects.

    Before:
    ```mlir
    %y = qlinear.matvec ins(%w, %x : !qlinear.packed<4096x4096, #qlinear.gguf<q4_k>>, tensor<4096xf32>)
        outs(%init : tensor<4096xf32>) -> tensor<4096xf32>
    ```
    After:
    ```mlir
    %y = qlinear.matvec ins(%w, %x : !qlinear.packed<4096x4096, #qlinear.gguf<q4_k>>, tensor<4096xf32>)
        outs(%init : tensor<4096xf32>)
        {headrace.cost = {operations = 33554432 : i64, read = 9453568 : i64, transcendentals = 0 : i64, written = 16384 : i64}}
        -> tensor<4096xf32>
    ```

    <!-- lit: tests/passes/common/annotate_costs.mlir#matvec -->
  }];
  let options = [
    Option<"density", "density", "double", /*default=*/"1.0",
           "Share of the columns that sparse products select">,
    Option<"length", "length", "int64_t", /*default=*/"-1",
           "Tokens in caches; -1 is as many as they have slots">,
    Option<"sector", "sector", "int64_t", /*default=*/"64",
           "Bytes that memory delivers together">];
}

def ChooseKernel : Pass<"choose-kernel", "::mlir::ModuleOp"> {
  let summary = "Choose between dense, sparse and table products, and splits, by cost";
  let description = [{
    Products that can be computed in more than one way get the attribute
    `headrace.kernel`, which the passes that rewrite them obey, and
    `headrace.modelled_us`, the time that each way takes on the described device:

    | kernel | where | made by |
    | --- | --- | --- |
    | `"dense"` | always | |
    | `"sparse"` | `matvec` and `gated_matvec` with `headrace.threshold` | `sparsify-activations` |
    | `"lut"` | `matvec`, `matmul` and `gated_matvec` of f32 and codebooks with tables | `lower-lut-matvec` |

    A kernel takes `overhead-us`, and the larger of its bytes over
    `read-bandwidth` and its operations over `dense-gops` (`lookup-gops` for a
    product by tables). The density is the operation's attribute
    `headrace.density`, else the option. Finding the columns of a sparse product
    is the work of one of `threads`, and shared by the products of the same
    activations and threshold. Of equals the first of the table is chosen.

    With `threads` above 1, `qattn.decode` and `qattn.mla_decode` get
    `headrace.splits`, which `split-kv` obeys: the number of parts with the least
    time, where each thread has its share of bandwidth and operations, heads of
    the cache and parts are spread over threads in whole rounds, and partial
    results are written and read again.

    An attribute that is there already stays, and so does an operation with one
    way only.

    Before:
    ```mlir
    %y = qlinear.matvec ins(%w, %x : !qlinear.packed<4096x14336, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>>, tensor<14336xf32>)
        outs(%init : tensor<4096xf32>) {headrace.density = 5.000000e-01 : f64, headrace.threshold = 1.250000e-01 : f32} -> tensor<4096xf32>
    ```
    After (shortened):
    ```mlir
    %y = qlinear.matvec ins(%w, %x : ...) outs(%init : tensor<4096xf32>)
        {headrace.kernel = "sparse", headrace.modelled_us = {dense = 6.906640e+02 : f64, sparse = 4.079310e+02 : f64}, ...} -> tensor<4096xf32>
    ```

    <!-- lit: tests/passes/common/choose_kernel.mlir#sparse -->
  }];
  let options = [
    Option<"readBandwidth", "read-bandwidth", "double", /*default=*/"0",
           "1e9 bytes a second (required)">,
    Option<"denseRate", "dense-gops", "double", /*default=*/"0",
           "1e9 operations a second in products (required)">,
    Option<"lookupRate", "lookup-gops", "double", /*default=*/"0",
           "1e9 table lookups with additions a second; 0: none are done">,
    Option<"threads", "threads", "int64_t", /*default=*/"1",
           "Units that work beside each other">,
    Option<"overhead", "overhead-us", "double", /*default=*/"0",
           "Microseconds that a kernel takes to start">,
    Option<"density", "density", "double", /*default=*/"1.0",
           "Share of the columns that sparse products select">,
    Option<"length", "length", "int64_t", /*default=*/"-1",
           "Tokens in caches; -1 is as many as they have slots">,
    Option<"sector", "sector", "int64_t", /*default=*/"64",
           "Bytes that memory delivers together">];
}

#endif // HEADRACE_PASSES_COMMON_COST
