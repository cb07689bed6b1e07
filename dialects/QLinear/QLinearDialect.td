//===- QLinearDialect.td - dialect, formats and the packed type ------------===//

#ifndef HEADRACE_QLINEAR_DIALECT
#define HEADRACE_QLINEAR_DIALECT

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "dialects/QLinear/QLinearInterfaces.td"

def QLinear_Dialect : Dialect {
  let name = "qlinear";
  let cppNamespace = "::headrace::qlinear";
  let summary = "quantized linear algebra on weights in their storage form";
  let description = [{
    Weights stay in the bytes of their file format (`!qlinear.packed`), and every
    operation says by its types which storage, which activation precision and
    which scale granularity it uses. The meaning of each operation is its
    decomposition to linalg and arith (pass `decompose-qlinear`).
  }];
  let useDefaultTypePrinterParser = 1;
  let extraClassDeclaration = [{
    ::mlir::Attribute parseAttribute(::mlir::DialectAsmParser &parser,
                                     ::mlir::Type type) const override;
    void printAttribute(::mlir::Attribute attribute,
                        ::mlir::DialectAsmPrinter &printer) const override;
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
}

//===----------------------------------------------------------------------===//
// Formats
//===----------------------------------------------------------------------===//

class QLinear_Format<string name, string keyword>
    : AttrDef<QLinear_Dialect, name,
        [DeclareAttrInterfaceMethods<QLinear_QuantFormatAttrInterface>]> {
  let mnemonic = keyword;
}

def QLinear_GgufKind : I32EnumAttr<"GgufKind", "block types of GGUF files", [
    I32EnumAttrCase<"Q4_0", 0, "q4_0">,
    I32EnumAttrCase<"Q5_0", 1, "q5_0">,
    I32EnumAttrCase<"Q8_0", 2, "q8_0">,
    I32EnumAttrCase<"Q4_K", 3, "q4_k">,
    I32EnumAttrCase<"Q6_K", 4, "q6_k">]> {
  let cppNamespace = "::headrace::qlinear";
  let genSpecializedAttr = 0;
}

def QLinear_GgufAttr : QLinear_Format<"GgufFormat", "gguf"> {
  let summary = "a block type of GGUF files";
  let description = [{
    Rows are independent; each is a run of blocks along the columns. Multi-byte
    numbers are little endian, `f16` scales are IEEE half.

    | kind | bytes / values | block | value |
    | --- | --- | --- | --- |
    | `q4_0` | 18 / 32 | f16 d, 16 nibble bytes (byte j: low = j, high = j + 16) | d (q - 8) |
    | `q5_0` | 22 / 32 | f16 d, u32 fifth bits, 16 nibble bytes as q4_0 | d (q - 16) |
    | `q8_0` | 34 / 32 | f16 d, 32 int8 | d q |
    | `q4_k` | 144 / 256 | f16 d, f16 dmin, 12 bytes of 6-bit scales and mins, 4 chunks of 32 bytes (low = group 2c, high = 2c + 1) | d sc q - dmin m |
    | `q6_k` | 210 / 256 | 128 low-nibble bytes, 64 bytes of 2 high bits, 16 int8 scales, f16 d | d sc (q - 32) |
  }];
  let parameters = (ins EnumParameter<QLinear_GgufKind>:$kind);
  let assemblyFormat = "`<` $kind `>`";
}

def QLinear_Q4NXAttr : QLinear_Format<"Q4NXFormat", "q4nx"> {
  let summary = "4-bit blocks of 32 rows by 256 columns";
  let description = [{
    The format of arXiv 2602.06063. One block is 5120 bytes: 256 bf16 scales
    (index `g * 32 + r` for group g = column / 32 and row r), 256 bf16 minima in
    the same order, then nibbles: byte `1024 + (r / 16) * 2048 + c * 8 + (r % 16) / 2`,
    low nibble for the even row. A value is `scale * q + min`. Blocks run along
    the columns, then the rows; both sides are padded to whole blocks.
  }];
}

def QLinear_ActI8Attr : QLinear_Format<"ActI8Format", "act_i8"> {
  let summary = "activations as int8 with a scale for each group of 32";
  let description = [{
    One row (a token) of K values is K int8, then K / 32 f32 scales, then K / 32
    i32 sums of q, which kernels need for formats with a zero point or a minimum.
    `scale = max|x| / 127` over the group and `q = roundeven(x * (127 / max|x|))`,
    both in f32; a group whose max|x| is below 2^-120 counts as zeros, with scale
    0. A value is `scale * q`. A NaN or infinity makes its group NaN.
  }];
}

//===----------------------------------------------------------------------===//
// The packed type
//===----------------------------------------------------------------------===//

def QLinear_PackedType : TypeDef<QLinear_Dialect, "Packed"> {
  let mnemonic = "packed";
  let summary = "a matrix in its storage format";
  let description = [{
    `!qlinear.packed<4096x14336, #qlinear.gguf<q4_k>>` is a matrix of 4096 rows
    (outputs) and 14336 columns (inputs) in the bytes of its format. Where the
    format pads, the padded shape is part of the type:
    `!qlinear.packed<384x384, #qlinear.q4nx, padded = 384x512>`.

    It is a type of its own, not a tensor with an encoding: nothing upstream can
    take it for numbers. `qlinear.from_bytes` and `qlinear.to_bytes` connect it
    to raw storage.
  }];
  let parameters = (ins "int64_t":$rows, "int64_t":$cols,
                        "::headrace::qlinear::QuantFormatAttrInterface":$format,
                        "int64_t":$paddedRows, "int64_t":$paddedCols);
  let builders = [
    TypeBuilderWithInferredContext<(ins "int64_t":$rows, "int64_t":$cols,
                     "::headrace::qlinear::QuantFormatAttrInterface":$format)>
  ];
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Bytes that the matrix takes, padding included.
    int64_t getStorageBytes() const;
    /// Bytes of one row of blocks: `getBlockRows()` rows over all columns.
    int64_t getBlockRowBytes() const;
  }];
}

#endif // HEADRACE_QLINEAR_DIALECT
