//===- QLinearOps.td - operations of the qlinear dialect -------------------===//

#ifndef HEADRACE_QLINEAR_OPS
#define HEADRACE_QLINEAR_OPS

include "dialects/QLinear/QLinearFormats.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class QLinear_Op<string mnemonic, list<Trait> traits = []>
    : Op<QLinear_Dialect, mnemonic, traits> {
  let hasVerifier = 1;
}

/// An operation that writes `init`: a tensor, then it has one result, or a
/// memref, then it has none. What `init` held before is never read.
class QLinear_DestinationOp<string mnemonic, list<Trait> traits = []>
    : QLinear_Op<mnemonic, traits # [DestinationStyleOpInterface,
        DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getInitMutable(); }
  }];
  let extraClassDefinition = [{
    void $cppClass::getEffects(::llvm::SmallVectorImpl<
        ::mlir::SideEffects::EffectInstance<::mlir::MemoryEffects::Effect>> &effects) {
      ::headrace::qlinear::addDestinationStyleEffects(
          ::llvm::cast<::mlir::DestinationStyleOpInterface>(getOperation()), effects);
    }
  }];
}

def QLinear_Bytes : Type<Or<[
    TensorRankOf<[I8], [1]>.predicate, MemRefRankOf<[I8], [1]>.predicate]>,
  "1-D tensor or memref of i8">;
def QLinear_Vector : Type<Or<[
    TensorRankOf<[F32, BF16], [1]>.predicate, MemRefRankOf<[F32, BF16], [1]>.predicate,
    QLinear_PackedType.predicate]>,
  "1-D tensor or memref of f32 or bf16, or packed activations">;
def QLinear_Tokens : Type<Or<[
    TensorRankOf<[F32, BF16], [2]>.predicate, MemRefRankOf<[F32, BF16], [2]>.predicate,
    QLinear_PackedType.predicate]>,
  "2-D tensor or memref of f32 or bf16, or packed activations">;
def QLinear_VectorOut : Type<Or<[
    TensorRankOf<[F32], [1]>.predicate, MemRefRankOf<[F32], [1]>.predicate]>,
  "1-D tensor or memref of f32">;
def QLinear_MatrixOut : Type<Or<[
    TensorRankOf<[F32], [2]>.predicate, MemRefRankOf<[F32], [2]>.predicate]>,
  "2-D tensor or memref of f32">;
def QLinear_Unquantized : Type<Or<[
    TensorRankOf<[F32], [1, 2]>.predicate, MemRefRankOf<[F32], [1, 2]>.predicate]>,
  "1-D or 2-D tensor or memref of f32">;

//===----------------------------------------------------------------------===//
// Storage
//===----------------------------------------------------------------------===//

def QLinear_FromBytesOp : QLinear_Op<"from_bytes", [Pure]> {
  let summary = "take raw bytes as a packed matrix";
  let description = [{
    The bytes are not copied or checked. On a memref the result is a read-only
    view, or the destination of `qlinear.quantize`.

    ```mlir
    %w = qlinear.from_bytes %bytes : tensor<576xi8> to !qlinear.packed<4x256, #qlinear.gguf<q4_k>>
    ```
  }];
  let arguments = (ins QLinear_Bytes:$bytes);
  let results = (outs QLinear_PackedType:$result);
  let assemblyFormat = "$bytes attr-dict `:` type($bytes) `to` qualified(type($result))";
  let hasFolder = 1;
}

def QLinear_ToBytesOp : QLinear_Op<"to_bytes", [Pure]> {
  let summary = "the raw bytes of a packed matrix";
  let description = [{
    A memref is a read-only view of them.

    ```mlir
    %b = qlinear.to_bytes %w : !qlinear.packed<4x256, #qlinear.gguf<q4_k>> to tensor<576xi8>
    ```
  }];
  let arguments = (ins QLinear_PackedType:$packed);
  let results = (outs QLinear_Bytes:$result);
  let assemblyFormat = "$packed attr-dict `:` qualified(type($packed)) `to` type($result)";
  let hasFolder = 1;
}

def QLinear_SliceOp : QLinear_Op<"slice", [Pure]> {
  let summary = "a range of rows of a packed matrix";
  let description = [{
    Offset and size are whole blocks of rows, so that the slice is a contiguous
    range of the bytes. The last block may be partial where the matrix ends.
    Where the format has a header that all rows share, it goes before the range,
    and the bytes of the slice are not a range of those of the matrix.

    ```mlir
    %s = qlinear.slice %w rows [32, 64] : !qlinear.packed<128x256, #qlinear.q4nx> to !qlinear.packed<64x256, #qlinear.q4nx>
    ```

    An offset that is known only at run time must be a multiple of the block, and
    the size too. The slice must end within the padded rows.

    ```mlir
    %s = qlinear.slice %w rows [%i, 64] : !qlinear.packed<128x256, #qlinear.q4nx> to !qlinear.packed<64x256, #qlinear.q4nx>
    ```
  }];
  let arguments = (ins QLinear_PackedType:$packed, Optional<Index>:$dynamic_offset,
                       I64Attr:$offset, I64Attr:$size);
  let results = (outs QLinear_PackedType:$result);
  let assemblyFormat = [{
    $packed `rows` `[` custom<RowOffset>($dynamic_offset, $offset) `,` $size `]` attr-dict `:`
    qualified(type($packed)) `to` qualified(type($result))
  }];
  let builders = [
    OpBuilder<(ins "::mlir::Value":$packed, "::mlir::OpFoldResult":$offset, "int64_t":$size)>
  ];
  let hasFolder = 1;
  let hasCanonicalizer = 1;
  let extraClassDeclaration = [{
    /// The first row: an attribute, or a value known at run time.
    ::mlir::OpFoldResult getMixedOffset();
    /// Bytes of the operand before the first row.
    ::mlir::OpFoldResult getByteOffset(::mlir::OpBuilder &b);
    /// Whether rows of `type` need nothing but the header, the same for all.
    static bool canSlice(PackedType type);
  }];
}

def QLinear_QuantizeOp : QLinear_Op<"quantize",
    [DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "quantize activations";
  let description = [{
    Rounds `x` to an activation format. The buffer form, used inside kernels,
    writes to a packed view of a memref.

    ```mlir
    %q = qlinear.quantize %x : tensor<256xf32> to !qlinear.packed<1x256, #qlinear.act_i8>
    ```
  }];
  let arguments = (ins QLinear_Unquantized:$x, Optional<QLinear_PackedType>:$dest);
  let results = (outs Optional<QLinear_PackedType>:$result);
  let assemblyFormat = [{
    $x (`into` $dest^)? attr-dict `:` type($x) (`,` qualified(type($dest))^)? (`to` qualified(type($result))^)?
  }];
  let extraClassDeclaration = [{
    /// The packed type written, as a result or through a view.
    PackedType getPackedType();
  }];
}

def QLinear_DequantizeOp : QLinear_DestinationOp<"dequantize"> {
  let summary = "the f32 values of a packed matrix";
  let description = [{
    ```mlir
    %d = qlinear.dequantize ins(%w : !qlinear.packed<4x256, #qlinear.gguf<q4_k>>)
           outs(%init : tensor<4x256xf32>) -> tensor<4x256xf32>
    ```
  }];
  let arguments = (ins QLinear_PackedType:$packed, QLinear_MatrixOut:$init);
  let assemblyFormat = [{
    `ins` `(` $packed `:` qualified(type($packed)) `)` `outs` `(` $init `:` type($init) `)`
    attr-dict (`->` type($results)^)?
  }];
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

def QLinear_MatvecOp : QLinear_DestinationOp<"matvec"> {
  let summary = "quantized matrix times vector";
  let description = [{
    `init = dequantize(weight) * x`, accumulated in f32. The precision of the
    activations is the type of `x`: f32 is exact, bf16 is as given, and packed
    activations (`#qlinear.act_i8`) stand for the values that they decode to.

    ```mlir
    %y = qlinear.matvec
        ins(%w, %x : !qlinear.packed<4096x14336, #qlinear.gguf<q4_k>>, tensor<14336xf32>)
        outs(%init : tensor<4096xf32>) -> tensor<4096xf32>
    ```
  }];
  let arguments = (ins QLinear_PackedType:$weight, QLinear_Vector:$x, QLinear_VectorOut:$init);
  let assemblyFormat = [{
    `ins` `(` $weight `,` $x `:` qualified(type($weight)) `,` type($x) `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($results)^)?
  }];
}

def QLinear_MatmulOp : QLinear_DestinationOp<"matmul"> {
  let summary = "tokens times a quantized matrix, transposed";
  let description = [{
    `init[n, m] = sum_k x[n, k] * dequantize(weight)[m, k]` for N tokens.

    ```mlir
    %y = qlinear.matmul
        ins(%w, %x : !qlinear.packed<1536x384, #qlinear.gguf<q8_0>>, tensor<7x384xf32>)
        outs(%init : tensor<7x1536xf32>) -> tensor<7x1536xf32>
    ```
  }];
  let arguments = (ins QLinear_PackedType:$weight, QLinear_Tokens:$x, QLinear_MatrixOut:$init);
  let assemblyFormat = [{
    `ins` `(` $weight `,` $x `:` qualified(type($weight)) `,` type($x) `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($results)^)?
  }];
}

def QLinear_Activation : I32EnumAttr<"Activation", "function of a gated product", [
    I32EnumAttrCase<"SiLU", 0, "silu">,
    I32EnumAttrCase<"GeluTanh", 1, "gelu_tanh">]> {
  let cppNamespace = "::headrace::qlinear";
  let genSpecializedAttr = 0;
}
def QLinear_ActivationAttr : EnumAttr<QLinear_Dialect, QLinear_Activation, "activation"> {
  let assemblyFormat = "$value";
}

def QLinear_GatedMatvecOp : QLinear_DestinationOp<"gated_matvec"> {
  let summary = "act(gate * x) * (up * x)";
  let description = [{
    The first half of a gated feed-forward layer: SwiGLU with `silu`
    (`v / (1 + exp(-v))`), GeGLU with `gelu_tanh`
    (`v / 2 * (1 + tanh(sqrt(2 / pi) * (v + 0.044715 v^3)))`).

    ```mlir
    %y = qlinear.gated_matvec silu
        ins(%gate, %up, %x : !qlinear.packed<6912x1152, #qlinear.q4nx, padded = 6912x1280>,
            !qlinear.packed<6912x1152, #qlinear.q4nx, padded = 6912x1280>, tensor<1152xf32>)
        outs(%init : tensor<6912xf32>) -> tensor<6912xf32>
    ```
  }];
  let arguments = (ins QLinear_ActivationAttr:$activation, QLinear_PackedType:$gate,
                       QLinear_PackedType:$up, QLinear_Vector:$x, QLinear_VectorOut:$init);
  let assemblyFormat = [{
    `` $activation `ins` `(` $gate `,` $up `,` $x `:` qualified(type($gate)) `,` qualified(type($up)) `,` type($x) `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($results)^)?
  }];
}

#endif // HEADRACE_QLINEAR_OPS
