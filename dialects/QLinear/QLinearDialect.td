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
    /// The most rows, and the most columns: sizes in bytes stay far from the
    /// limits of int64_t.
    static constexpr int64_t kMaxSide = int64_t(1) << 28;
    /// Bytes that the matrix takes, padding included.
    int64_t getStorageBytes() const;
    /// Bytes before the first row of blocks.
    int64_t getHeaderBytes() const;
    /// Bytes of one row of blocks: `getBlockRows()` rows over all columns.
    int64_t getBlockRowBytes() const;
  }];
}

#endif // HEADRACE_QLINEAR_DIALECT
