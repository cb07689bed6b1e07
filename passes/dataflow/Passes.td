//===- Passes.td - passes that make spatial programs -----------------------===//

#ifndef HEADRACE_PASSES_DATAFLOW
#define HEADRACE_PASSES_DATAFLOW

include "mlir/Pass/PassBase.td"

def PartitionProducts : Pass<"dataflow-partition-products", "::mlir::ModuleOp"> {
  let summary = "Matrix-vector products for the cores of an array";
  let description = [{
    Each function that is one `qlinear.matvec` or `qlinear.gated_matvec` becomes a
    graph. A core has 32 rows at a time and adds up blocks of 32 rows by 256
    columns in f32, in the memory where its results leave it. Activations go to
    all cores once and stay there, with the sums of each 32 of them that the
    minima are multiplied with.

    Cores that get their weights by one channel from memory are a *group*: each
    element of its stream has a block for each of them. Channels are what limits
    a product, so they all carry the same bytes, as far as whole rounds of a group
    go; one of them carries the activations and no weights, so the cores of that
    column share the other. Rounds follow each other in memory, and so do the
    groups: each port reads one range of the weights and writes one of the results.

    The weights are thus packed anew, on the host, once: `headrace.packing` has the
    matrices that the blocks come from and cores and rounds of each group. In order
    of group, round, matrix (gate, then up), 256 columns and core there is one
    block; those behind the last row are zero. No format loses anything: q4_0 and
    q4_k have blocks of their own (passes/dataflow/CoreCalls.h), with codes in the
    order of q4nx.

    Before:
    ```mlir
    func.func @main(%w: !qlinear.packed<256x512, #qlinear.q4nx>, %x: tensor<512xbf16>) -> tensor<256xf32> {
      %0 = tensor.empty() : tensor<256xf32>
      %y = qlinear.matvec ins(%w, %x : ...) outs(%0 : tensor<256xf32>) -> tensor<256xf32>
      return %y : tensor<256xf32>
    }
    ```
    After (shortened):
    ```mlir
    dataflow.graph @main(%w: memref<81920xi8> {headrace.packing = ...}, %x: memref<512xbf16>, %y: memref<256xf32>) {
      ...
      dataflow.port read %w offset 0 sizes [40960] strides [1] stream %w0 : ...
      dataflow.distribute %w0 to %w0_0, %w0_1 : ...
      dataflow.task "core0_0" {
        dataflow.pop %x_0 as %xs: memref<512xbf16> {
          func.call @sum_groups_q4nx_512(%xs, %bias, %parts) : ...
          scf.for %round = %c0 to %c2 step %c1 {
            dataflow.push %y0_0 as %ys: memref<32xf32> {
              func.call @zero_32(%ys) : ...
              scf.for %block = %c0 to %c2 step %c1 {
                dataflow.pop %w0_0 as %ws: memref<5120xi8> {
                  func.call @accumulate_q4nx_512(%xs, %bias, %parts, %ws, %ys, %at) : ...
    ```

    <!-- lit: tests/passes/dataflow/partition_products.mlir#matvec -->
  }];
  let options = [
    Option<"columns", "columns", "int64_t", /*default=*/"8", "Columns of the array">,
    Option<"rows", "rows", "int64_t", /*default=*/"4", "Cores of a column">,
    Option<"channels", "channels", "int64_t", /*default=*/"2",
           "Channels of a column that read memory, and that write it">,
    Option<"coreMemory", "core-memory", "int64_t", /*default=*/"65536",
           "Bytes of memory of a core">,
    Option<"stack", "stack", "int64_t", /*default=*/"3328",
           "Bytes of that memory for the stack">];
  let dependentDialects = ["::headrace::dataflow::DataflowDialect", "::mlir::arith::ArithDialect",
    "::mlir::func::FuncDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
}

#endif // HEADRACE_PASSES_DATAFLOW
