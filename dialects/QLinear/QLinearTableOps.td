//===- QLinearTableOps.td - products by table lookup -----------------------===//

#ifndef HEADRACE_QLINEAR_TABLEOPS
#define HEADRACE_QLINEAR_TABLEOPS

include "dialects/QLinear/QLinearOps.td"

def QLinear_Assignment : Type<Or<[
    TensorRankOf<[I32], [1, 2]>.predicate, MemRefRankOf<[I32], [1, 2]>.predicate]>,
  "1-D or 2-D tensor or memref of i32">;
def QLinear_Out : Type<Or<[
    TensorRankOf<[F32], [1, 2]>.predicate, MemRefRankOf<[F32], [1, 2]>.predicate]>,
  "1-D or 2-D tensor or memref of f32">;

def QLinear_AssignCentroidsOp : QLinear_DestinationOp<"assign_centroids"> {
  let summary = "the nearest activation centroid of each piece of a vector";
  let description = [{
    Cuts x ([K], or [N, K]) into pieces of the codebook's `dim` columns and writes
    for each the number of the activation centroid with the least Chebyshev
    distance max |x - c| (arXiv 2511.06174); of equals the first. `weight` has
    the centroids, so its format needs tables. Columns behind K count as 0.
    A piece with a NaN is assigned 0.

    ```mlir
    %a = qlinear.assign_centroids
        ins(%w, %x : !qlinear.packed<512x6, #qlinear.codebook<dim = 2, entries = 16, group = 512, table = i8, activation_entries = 64>>, tensor<6xf32>)
        outs(%init : tensor<3xi32>) -> tensor<3xi32>
    ```
  }];
  let arguments = (ins QLinear_PackedType:$weight, QLinear_Unquantized:$x,
                       QLinear_Assignment:$init);
  let assemblyFormat = [{
    `ins` `(` $weight `,` $x `:` qualified(type($weight)) `,` type($x) `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($results)^)?
  }];
}

def QLinear_LutMatvecOp : QLinear_DestinationOp<"lut_matvec"> {
  let summary = "quantized matrix times vector, by table lookup";
  let description = [{
    `init[m] = scale * sum over p of table[p][group of m][assignment[p]][index[m, p]] + P * offset`
    where p runs over the P pieces of `dim` columns: the products of activation
    and weight centroids are looked up and summed as integers
    (arXiv 2511.06174, 2-D table lookup). An assignment outside of the centroids
    counts as the nearest one. N assignments ([N, P]) make N results ([N, M]).

    ```mlir
    %y = qlinear.lut_matvec
        ins(%w, %a : !qlinear.packed<512x6, #qlinear.codebook<dim = 2, entries = 16, group = 512, table = i8, activation_entries = 64>>, tensor<3xi32>)
        outs(%init : tensor<512xf32>) -> tensor<512xf32>
    ```
  }];
  let arguments = (ins QLinear_PackedType:$weight, QLinear_Assignment:$assignment,
                       QLinear_Out:$init);
  let assemblyFormat = [{
    `ins` `(` $weight `,` $assignment `:` qualified(type($weight)) `,` type($assignment) `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($results)^)?
  }];
}

#endif // HEADRACE_QLINEAR_TABLEOPS
