//===- QLinearSparseOps.td - products with some of the columns -------------===//

#ifndef HEADRACE_QLINEAR_SPARSEOPS
#define HEADRACE_QLINEAR_SPARSEOPS

include "dialects/QLinear/QLinearOps.td"

def QLinear_Indices : Type<Or<[
    TensorRankOf<[I32], [1]>.predicate, MemRefRankOf<[I32], [1]>.predicate]>,
  "1-D tensor or memref of i32">;
def QLinear_FloatVector : Type<Or<[
    TensorRankOf<[F32, BF16], [1]>.predicate, MemRefRankOf<[F32, BF16], [1]>.predicate]>,
  "1-D tensor or memref of f32 or bf16">;

def QLinear_SelectColumnsOp : QLinear_DestinationOp<"select_columns"> {
  let summary = "the columns whose activations are large";
  let description = [{
    Writes the indices k with |x[k]| > `threshold`, ascending, to `indices`, and
    how many there are to `count`; the rest of `indices` is 0. A NaN counts as
    large, so that it is not lost. With threshold 0 every activation but zeros
    is selected (arXiv 2511.04477: the mask, its scan and the compacted list).

    ```mlir
    %indices, %count = qlinear.select_columns threshold = 1.250000e-01
        ins(%x : tensor<2048xf32>) outs(%i, %c : tensor<2048xi32>, tensor<1xi32>)
        -> tensor<2048xi32>, tensor<1xi32>
    ```
  }];
  let arguments = (ins QLinear_FloatVector:$x, QLinear_Indices:$indices, QLinear_Indices:$count,
                       F32Attr:$threshold);
  let assemblyFormat = [{
    `threshold` `=` $threshold `ins` `(` $x `:` type($x) `)`
    `outs` `(` $indices `,` $count `:` type($indices) `,` type($count) `)`
    attr-dict (`->` type($results)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      return ::mlir::MutableOperandRange(getOperation(), /*start=*/1, /*length=*/2);
    }
  }];
}

def QLinear_SparseMatvecOp : QLinear_DestinationOp<"sparse_matvec"> {
  let summary = "quantized matrix times the selected entries of a vector";
  let description = [{
    `init[m] = sum of dequantize(weight)[m, k] * x[k]` over the first `count` of
    `indices`, accumulated in f32. A column that is listed twice counts once; an
    index outside of the matrix is not used; a `count` outside of 0 to the size
    of `indices` counts as the nearer end. Columns that are not listed are not
    read, whatever they hold.

    A zigzag weight keeps each column of a band in one piece, so what is not
    selected is not fetched; other formats are allowed, and gain nothing.

    ```mlir
    %y = qlinear.sparse_matvec
        ins(%w, %x, %indices, %count : !qlinear.packed<512x2048, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>>,
            tensor<2048xf32>, tensor<2048xi32>, tensor<1xi32>)
        outs(%init : tensor<512xf32>) -> tensor<512xf32>
    ```
  }];
  let arguments = (ins QLinear_PackedType:$weight, QLinear_FloatVector:$x,
                       QLinear_Indices:$indices, QLinear_Indices:$count,
                       QLinear_VectorOut:$init);
  let assemblyFormat = [{
    `ins` `(` $weight `,` $x `,` $indices `,` $count `:` qualified(type($weight)) `,` type($x) `,`
      type($indices) `,` type($count) `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($results)^)?
  }];
}

#endif // HEADRACE_QLINEAR_SPARSEOPS
