//===- QLinearRowOps.td - norms and gated activations of rows --------------===//

#ifndef HEADRACE_QLINEAR_ROWOPS
#define HEADRACE_QLINEAR_ROWOPS

include "dialects/QLinear/QLinearOps.td"

def QLinear_Rows : Type<Or<[
    TensorRankOf<[F32], [1, 2]>.predicate, MemRefRankOf<[F32], [1, 2]>.predicate]>,
  "1-D or 2-D tensor or memref of f32">;

def QLinear_RmsNormOp : QLinear_DestinationOp<"rms_norm"> {
  let summary = "rows divided by their root mean square";
  let description = [{
    `init = x / sqrt(mean(x^2) + eps) * weight` for each row of x ([K] or [N, K]).
    With `add_unit` the factor is `1 + weight`, as Gemma stores it.

    ```mlir
    %y = qlinear.rms_norm eps = 9.99999997E-7 add_unit
        ins(%x, %w : tensor<4x1152xf32>, tensor<1152xf32>) outs(%init : tensor<4x1152xf32>)
        -> tensor<4x1152xf32>
    ```
  }];
  let arguments = (ins QLinear_Rows:$x, QLinear_VectorOut:$weight, QLinear_Rows:$init,
                       F32Attr:$eps, UnitAttr:$add_unit);
  let assemblyFormat = [{
    `eps` `=` $eps (`add_unit` $add_unit^)? `ins` `(` $x `,` $weight `:` type($x) `,` type($weight) `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($results)^)?
  }];
}

def QLinear_LayerNormOp : QLinear_DestinationOp<"layer_norm"> {
  let summary = "rows with mean 0 and deviation 1, scaled and shifted";
  let description = [{
    `init = (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps) * weight + bias` for
    each row of x ([K] or [N, K]).

    ```mlir
    %y = qlinear.layer_norm eps = 9.99999996E-13
        ins(%x, %w, %b : tensor<384xf32>, tensor<384xf32>, tensor<384xf32>)
        outs(%init : tensor<384xf32>) -> tensor<384xf32>
    ```
  }];
  let arguments = (ins QLinear_Rows:$x, QLinear_VectorOut:$weight, QLinear_VectorOut:$bias,
                       QLinear_Rows:$init, F32Attr:$eps);
  let assemblyFormat = [{
    `eps` `=` $eps `ins` `(` $x `,` $weight `,` $bias `:` type($x) `,` type($weight) `,` type($bias) `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($results)^)?
  }];
}

def QLinear_GatedActivationOp : QLinear_DestinationOp<"gated_activation"> {
  let summary = "act(gate) * up";
  let description = [{
    The elementwise half of `qlinear.gated_matvec`, with the same functions.

    ```mlir
    %y = qlinear.gated_activation silu
        ins(%gate, %up : tensor<4x6912xf32>, tensor<4x6912xf32>)
        outs(%init : tensor<4x6912xf32>) -> tensor<4x6912xf32>
    ```
  }];
  let arguments = (ins QLinear_ActivationAttr:$activation, QLinear_Rows:$gate, QLinear_Rows:$up,
                       QLinear_Rows:$init);
  let assemblyFormat = [{
    `` $activation `ins` `(` $gate `,` $up `:` type($gate) `,` type($up) `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($results)^)?
  }];
}

#endif // HEADRACE_QLINEAR_ROWOPS
