//===- Passes.td - passes that make spatial programs -----------------------===//

#ifndef HEADRACE_PASSES_DATAFLOW
#define HEADRACE_PASSES_DATAFLOW

include "mlir/Pass/PassBase.td"

def PartitionProducts : Pass<"dataflow-partition-products", "::mlir::ModuleOp"> {
  let summary = "Matrix-vector products for the cores of an array";
  let description = [{
    Each function that is a `qlinear.matvec` or a `qlinear.gated_matvec` becomes a
    graph. A core has 16 rows at a time and adds up blocks of 16 rows by 256, 128 or
    64 columns in f32, in the memory where its results leave it. Blocks of fewer
    columns are sooner through behind the last byte that is read, but more of them
    cost more: a short product that is alone has small ones. Those of q4_k have
    always 256 columns, which share a scale. Activations go to
    all cores once and stay there, with the sums of each 32 of them that the
    minima are multiplied with.

    Channels from memory are what limits a product, so all of them carry weights,
    and the same of them: each column has as many rounds, or one more. An element of
    a channel's stream has a block for each of its cores. Activations come ahead of
    the weights of the first channel, in pieces as large as blocks: the first core
    passes them on to all others. The second core of that channel gets every other
    piece and hands it over to the first one, its neighbour; where there is no
    memory for that, or code of other products, it drops what comes, as other cores of the channel do.

    Results of a column come by one channel. Rounds follow each other in memory, and
    so do channels and columns: each port reads one range of the weights or writes
    one of the results.

    The weights are thus packed anew, on the host, once: `headrace.packing` has the
    matrices that the blocks come from, the cores of a column's channels, the
    rounds of each column and the columns of a block. In order of column, channel,
    round, matrix (gate, then up), columns and core there is one block; those behind
    the last row are zero. No format loses anything: q4_0 and q4_k have blocks of their own
    (passes/dataflow/CoreCalls.h), with codes in the order of q4nx.

    A function may be several products of its arguments, in one format, whose
    results it returns in their order. They are one graph and are done one after the
    other, each in a `step` of its own; weights of the next one come while the
    results of the last leave. Their weights follow each other in the first argument
    (in several, where they are more than 2^31 bytes), all activations in the next,
    all results in the last. `headrace.packing` says where. What cores do alike for
    products in a row, as for the layers of a model, is one loop:

    <!-- lit: tests/passes/dataflow/partition_several.mlir#several -->

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
    dataflow.graph @main(%w: memref<81920xi8> {headrace.packing = ...}, %x: memref<1280xi8>, %y: memref<256xf32>) {
      ...
      dataflow.distribute %w0 to %w0_0, %w0_1 : ...
      dataflow.broadcast %x to %x1, ... : ...
      dataflow.port read %x offset 0 sizes [1, 2, 640] strides [1280, 640, 1] stream %w0 : ...
      dataflow.port read %w offset 0 sizes [20480] strides [1] stream %w0 : ...
      dataflow.task "core0_0" {
        dataflow.pop %w0_0 as %piece: memref<640xi8> {
          dataflow.push %x as %on: memref<640xi8> {
            func.call @copy_640(%piece, %on) : ...
          func.call @take_q4nx_1024(%piece, %xs, %bias, %parts, %at) : ...
        scf.for %round = %c0 to %c2 step %c1 {
          dataflow.push %y0_0 as %ys: memref<16xf32> {
            func.call @zero_16(%ys) : ...
            scf.for %block = %c0 to %c8 step %c1 {
              dataflow.pop %w0_0 as %ws: memref<640xi8> {
                func.call @accumulate_q4nx_1024(%xs, %bias, %parts, %ws, %ys, %at) : ...
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

def PartitionMatmul : Pass<"dataflow-partition-matmul", "::mlir::ModuleOp"> {
  let summary = "Matrix products of many tokens for the cores of an array";
  let description = [{
    Each function that is one `qlinear.matmul` becomes a graph, placed on the
    array. A core has a tile of up to 64 tokens by 64 rows of weights, whose sums
    it keeps in f32 where its results leave it. It takes 64 columns at a time:
    packed weights become bf16 once for all of its tokens, and are multiplied with
    a tile of these.

    Rows of the array have different tokens, its columns different rows of
    weights: tokens come by one channel for each row of the array, and go to all
    cores of it; packed weights come by one for each column. For each round of
    tokens all weights are read once, and the tokens again for each round of rows.
    Tiles are chosen so that little is padding: 7 tokens are a tile of 16 on one
    row of the array, 1024 are 4 rounds of 4 rows with 64 each.

    Tokens and results are row-major in memory. Memory tiles put them in the order
    of the tiles that cores multiply, and back. Weights are packed as for
    `dataflow-partition-products`, with two rows of blocks to a column:
    `headrace.packing` has the matrix and the groups.

    Before:
    ```mlir
    func.func @main(%w: !qlinear.packed<512x256, #qlinear.q4nx>, %x: tensor<100x256xbf16>) -> tensor<100x512xf32> {
      %0 = tensor.empty() : tensor<100x512xf32>
      %y = qlinear.matmul ins(%w, %x : ...) outs(%0 : tensor<100x512xf32>) -> tensor<100x512xf32>
      return %y : tensor<100x512xf32>
    }
    ```
    After (shortened):
    ```mlir
    dataflow.graph @main(%w: memref<81920xi8> {headrace.packing = ...}, %x: memref<128x256xbf16>, %y: memref<128x512xf32>) {
      ...
      dataflow.broadcast %x0 to %x0_0, ... order sizes [4, 8, 8, 8] strides [512, 8, 64, 1] at [0, 1] : ...
      dataflow.broadcast %w0 to %w0_0, ... at [0, 1] : ...
      dataflow.join %y0_0, ... to %y0 order sizes [4, 8, 8, 8] strides [512, 8, 64, 1] at [0, 1] : ...
      dataflow.port read %x offset 0 sizes [4, 32, 64] strides [64, 256, 1] stream %x0 at [0, 0] : ...
      dataflow.port write %y offset 0 sizes [1, 128, 64] strides [64, 512, 1] stream %y0 at [0, 0] : ...
      dataflow.task "core0_0" at [0, 2] {
        %weights = memref.alloca() : memref<4096xbf16>
        scf.for %round = %c0 to %c1 step %c1 {
          dataflow.push %y0_0 as %sums: memref<2048xf32> {
            func.call @zero_2048(%sums) : ...
            scf.for %block = %c0 to %c1 step %c1 {
              dataflow.pop %w0_0 as %packed: memref<10240xi8> {
                scf.for %part = %c0 to %c4 step %c1 {
                  func.call @dequantize_q4nx_8x8x8_64(%packed, %weights, %at) : ...
                  dataflow.pop %x0_0 as %tokens: memref<2048xbf16> {
                    func.call @multiply_8x8x8_64(%tokens, %weights, %sums) : ...
    ```

    <!-- lit: tests/passes/dataflow/partition_matmul.mlir#matmul -->
  }];
  let options = [
    Option<"columns", "columns", "int64_t", /*default=*/"8", "Columns of the array">,
    Option<"rows", "rows", "int64_t", /*default=*/"4", "Cores of a column">,
    Option<"channels", "channels", "int64_t", /*default=*/"2",
           "Channels of a column that read memory, and that write it">,
    Option<"coreMemory", "core-memory", "int64_t", /*default=*/"65536",
           "Bytes of memory of a core">,
    Option<"stack", "stack", "int64_t", /*default=*/"3328",
           "Bytes of that memory for the stack">,
    Option<"multiplyTokens", "multiply-tokens", "int64_t", /*default=*/"8",
           "Tokens of the tiles that cores multiply, of 8 columns">,
    Option<"multiplyRows", "multiply-rows", "int64_t", /*default=*/"8",
           "Rows of weights of these tiles">];
  let dependentDialects = ["::headrace::dataflow::DataflowDialect", "::mlir::arith::ArithDialect",
    "::mlir::func::FuncDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
}

#endif // HEADRACE_PASSES_DATAFLOW
