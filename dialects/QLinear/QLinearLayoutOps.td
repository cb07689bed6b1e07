//===- QLinearLayoutOps.td - packed matrices from packed matrices ----------===//

#ifndef HEADRACE_QLINEAR_LAYOUTOPS
#define HEADRACE_QLINEAR_LAYOUTOPS

include "dialects/QLinear/QLinearOps.td"

def QLinear_ConcatOp : QLinear_Op<"concat", [Pure]> {
  let summary = "the rows of several packed matrices, one after another";
  let description = [{
    The matrices have one format and one number of columns, and their bytes
    follow each other. So the format must have no header, which rows share, and
    all matrices but the last must be whole blocks of rows.

    ```mlir
    %qkv = qlinear.concat %q, %k, %v : !qlinear.packed<1024x1152, #qlinear.gguf<q8_0>>, !qlinear.packed<256x1152, #qlinear.gguf<q8_0>>, !qlinear.packed<256x1152, #qlinear.gguf<q8_0>> to !qlinear.packed<1536x1152, #qlinear.gguf<q8_0>>
    ```
  }];
  let arguments = (ins Variadic<QLinear_PackedType>:$inputs);
  let results = (outs QLinear_PackedType:$result);
  let assemblyFormat = [{
    $inputs attr-dict `:` qualified(type($inputs)) `to` qualified(type($result))
  }];
  let hasFolder = 1;
}

def QLinear_RepackOp : QLinear_Op<"repack",
    [AlwaysSpeculatable, DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "the same values with their blocks in another order";
  let description = [{
    From a format to `#qlinear.repacked` of it, back, or from one repacked order
    to another. Bytes move, values do not change. What rows of padding hold is
    not specified; the decomposition stores zero bytes. The buffer form, used
    inside kernels, writes to a packed view of a memref.

    ```mlir
    %r = qlinear.repack %w : !qlinear.packed<6x256, #qlinear.gguf<q4_k>> to !qlinear.packed<6x256, #qlinear.repacked<#qlinear.gguf<q4_k>, "rows4">, padded = 8x256>
    ```
  }];
  let arguments = (ins QLinear_PackedType:$packed, Optional<QLinear_PackedType>:$dest);
  let results = (outs Optional<QLinear_PackedType>:$result);
  let assemblyFormat = [{
    $packed (`into` $dest^)? attr-dict `:` qualified(type($packed)) (`,` qualified(type($dest))^)? (`to` qualified(type($result))^)?
  }];
  let hasFolder = 1;
  let extraClassDeclaration = [{
    /// The packed type written, as a result or through a view.
    PackedType getPackedType();
  }];
}

#endif // HEADRACE_QLINEAR_LAYOUTOPS
