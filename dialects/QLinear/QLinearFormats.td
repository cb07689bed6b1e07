//===- QLinearFormats.td - storage formats ---------------------------------===//

#ifndef HEADRACE_QLINEAR_FORMATS
#define HEADRACE_QLINEAR_FORMATS

include "dialects/QLinear/QLinearDialect.td"

/// `overridden`: the methods of the interface that have a default, but not for
/// this format.
class QLinear_Format<string name, string keyword, list<string> overridden = []>
    : AttrDef<QLinear_Dialect, name,
        [DeclareAttrInterfaceMethods<QLinear_QuantFormatAttrInterface, overridden>]> {
  let mnemonic = keyword;
}

class QLinear_Enum<string name, string text, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, text, cases> {
  let cppNamespace = "::headrace::qlinear";
  let genSpecializedAttr = 0;
}

//===----------------------------------------------------------------------===//
// Blocks of files
//===----------------------------------------------------------------------===//

def QLinear_GgufKind : QLinear_Enum<"GgufKind", "block types of GGUF files", [
    I32EnumAttrCase<"Q4_0", 0, "q4_0">,
    I32EnumAttrCase<"Q4_1", 1, "q4_1">,
    I32EnumAttrCase<"Q5_0", 2, "q5_0">,
    I32EnumAttrCase<"Q5_1", 3, "q5_1">,
    I32EnumAttrCase<"Q8_0", 4, "q8_0">,
    I32EnumAttrCase<"Q2_K", 5, "q2_k">,
    I32EnumAttrCase<"Q3_K", 6, "q3_k">,
    I32EnumAttrCase<"Q4_K", 7, "q4_k">,
    I32EnumAttrCase<"Q5_K", 8, "q5_k">,
    I32EnumAttrCase<"Q6_K", 9, "q6_k">,
    I32EnumAttrCase<"IQ4_NL", 10, "iq4_nl">]>;

def QLinear_GgufAttr : QLinear_Format<"GgufFormat", "gguf"> {
  let summary = "a block type of GGUF files";
  let description = [{
    Rows are independent; each is a run of blocks along the columns. Multi-byte
    numbers are little endian, `f16` scales are IEEE half. "Nibble bytes" of 32
    values: byte j holds value j in its low and value j + 16 in its high half.

    | kind | bytes / values | block | value |
    | --- | --- | --- | --- |
    | `q4_0` | 18 / 32 | f16 d, 16 nibble bytes | d (q - 8) |
    | `q4_1` | 20 / 32 | f16 d, f16 m, 16 nibble bytes | d q + m |
    | `q5_0` | 22 / 32 | f16 d, u32 fifth bits, 16 nibble bytes | d (q - 16) |
    | `q5_1` | 24 / 32 | f16 d, f16 m, u32 fifth bits, 16 nibble bytes | d q + m |
    | `q8_0` | 34 / 32 | f16 d, 32 int8 | d q |
    | `q2_k` | 84 / 256 | 16 bytes of 4-bit scale (low) and minimum (high), 64 bytes of 2-bit q, f16 d, f16 dmin | d sc q - dmin m |
    | `q3_k` | 110 / 256 | 32 bytes of high bits, 64 bytes of 2 low bits, 12 bytes of 6-bit scales, f16 d | d (sc - 32) (q - 4) |
    | `q4_k` | 144 / 256 | f16 d, f16 dmin, 12 bytes of 6-bit scales and minima, 4 chunks of 32 bytes (low = group 2c, high = 2c + 1) | d sc q - dmin m |
    | `q5_k` | 176 / 256 | f16 d, f16 dmin, 12 bytes as q4_k, 32 bytes of fifth bits (bit g = group g), 4 chunks as q4_k | d sc q - dmin m |
    | `q6_k` | 210 / 256 | 128 low-nibble bytes, 64 bytes of 2 high bits, 16 int8 scales, f16 d | d sc (q - 32) |
    | `iq4_nl` | 18 / 32 | f16 d, 16 nibble bytes | d table[q], 16 int8 at uneven steps |
  }];
  let parameters = (ins EnumParameter<QLinear_GgufKind>:$kind);
  let assemblyFormat = "`<` $kind `>`";
}

def QLinear_Q4NXAttr : QLinear_Format<"Q4NXFormat", "q4nx", ["padsToBlock"]> {
  let summary = "4-bit blocks of 32 rows by 256 columns";
  let description = [{
    The format of arXiv 2602.06063. One block is 5120 bytes: 256 bf16 scales
    (index `g * 32 + r` for group g = column / 32 and row r), 256 bf16 minima in
    the same order, then nibbles: byte `1024 + (r / 16) * 2048 + c * 8 + (r % 16) / 2`,
    low nibble for the even row. A value is `scale * q + min`. Blocks run along
    the columns, then the rows; both sides are padded to whole blocks.
  }];
}

//===----------------------------------------------------------------------===//
// Small floats
//===----------------------------------------------------------------------===//

def QLinear_PlainKind : QLinear_Enum<"PlainKind", "unquantized 16-bit floats", [
    I32EnumAttrCase<"BF16", 0, "bf16">, I32EnumAttrCase<"F16", 1, "f16">]>;

def QLinear_PlainAttr : QLinear_Format<"PlainFormat", "plain"> {
  let summary = "16-bit floats, row by row";
  let parameters = (ins EnumParameter<QLinear_PlainKind>:$kind);
  let assemblyFormat = "`<` $kind `>`";
}

def QLinear_Fp8Kind : QLinear_Enum<"Fp8Kind", "8-bit floats", [
    I32EnumAttrCase<"E4M3", 0, "e4m3">, I32EnumAttrCase<"E5M2", 1, "e5m2">]>;
def QLinear_ScaleGranularity : QLinear_Enum<"ScaleGranularity", "what shares a scale", [
    I32EnumAttrCase<"PerTensor", 0, "per_tensor">,
    I32EnumAttrCase<"PerToken", 1, "per_token">,
    I32EnumAttrCase<"PerBlock", 2, "per_block">]>;

def QLinear_Fp8Attr : QLinear_Format<"Fp8Format", "fp8", ["getBlockRowBytes", "getHeaderBytes"]> {
  let summary = "8-bit floats with f32 scales";
  let description = [{
    `e4m3` has no infinities (its largest value is 448), `e5m2` is IEEE-like. A
    value is `scale * code`, in f32. Storage:

    | scale | header | row |
    | --- | --- | --- |
    | `per_tensor` | f32 scale | K codes |
    | `per_token` | | K codes, f32 scale |
    | `per_block` | f32 scales of 128 x 128 tiles, row by row; tiles at the edges may be partial | K codes |
  }];
  let parameters = (ins EnumParameter<QLinear_Fp8Kind>:$kind,
                        EnumParameter<QLinear_ScaleGranularity>:$scale);
  let assemblyFormat = "`<` $kind `,` `scale` `=` $scale `>`";
}

def QLinear_MxKind : QLinear_Enum<"MxKind", "elements of OCP microscaling formats", [
    I32EnumAttrCase<"Fp4", 0, "fp4">, I32EnumAttrCase<"Fp8E4M3", 1, "fp8_e4m3">,
    I32EnumAttrCase<"Fp8E5M2", 2, "fp8_e5m2">]>;

def QLinear_MxAttr : QLinear_Format<"MxFormat", "mx"> {
  let summary = "OCP microscaling: groups of 32 with a power of two";
  let description = [{
    A block is 32 columns of a row: one E8M0 byte e, which means 2^(e - 127) (255
    is NaN), then the codes: 32 bytes, or for `fp4` (E2M1) 16 bytes, of which
    byte j holds value j in its low and value j + 16 in its high half, as GGUF's
    MXFP4 does. A value is `scale * code`.
  }];
  let parameters = (ins EnumParameter<QLinear_MxKind>:$kind);
  let assemblyFormat = "`<` $kind `>`";
}

def QLinear_Nvfp4Attr : QLinear_Format<"Nvfp4Format", "nvfp4", ["getHeaderBytes"]> {
  let summary = "4-bit floats in groups of 16 with e4m3 scales";
  let description = [{
    The header is one f32, the scale of the tensor. A row is K / 2 bytes of E2M1
    codes (low half = even column), then K / 16 e4m3 scales. A value is
    `(tensor scale * scale) * code`.
  }];
}

//===----------------------------------------------------------------------===//
// Integers with scales
//===----------------------------------------------------------------------===//

def QLinear_ScaleKind : QLinear_Enum<"ScaleKind", "dtype of stored scales", [
    I32EnumAttrCase<"F16", 0, "f16">, I32EnumAttrCase<"BF16", 1, "bf16">,
    I32EnumAttrCase<"F32", 2, "f32">]>;
def QLinear_ZeroPointKind : QLinear_Enum<"ZeroPointKind", "what a group adds", [
    I32EnumAttrCase<"None", 0, "none">, I32EnumAttrCase<"Integer", 1, "integer">,
    I32EnumAttrCase<"Float", 2, "float">]>;

def QLinear_AffineAttr : QLinear_Format<"AffineFormat", "affine",
    ["getBlockRowBytes", "getHeaderBytes"]> {
  let summary = "2, 4 or 8 bits with a scale for a group or a row";
  let description = [{
    What GPTQ, AWQ and torchao store. A row of K values is K * bits / 8 bytes of
    unsigned codes (the first column in the lowest bits), then the scales of its
    groups, then their zero points, if any. `group = channel` is one group for
    the row.

    | zero point | stored as | value |
    | --- | --- | --- |
    | none (symmetric) | | scale * (q - 2^(bits - 1)) |
    | `integer` | u8 | scale * (q - zero) |
    | `float` | as the scale | scale * (q - 2^(bits - 1)) + zero |

    With `act_order` the columns are stored in another order, so that those with
    large activations share groups: the header holds K i32, the stored position
    of each column.

    `#qlinear.affine<bits = 4, group = 128, scale = f16, zero_point = integer, act_order>`
  }];
  let parameters = (ins "int64_t":$bits, "int64_t":$group,
                        EnumParameter<QLinear_ScaleKind>:$scale,
                        EnumParameter<QLinear_ZeroPointKind>:$zeroPoint,
                        "bool":$actOrder);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Whether a whole row is one group; `getGroup()` is then 0.
    bool isPerChannel() const { return getGroup() == 0; }
    /// Bytes of the scale and the zero point of a group.
    int64_t getGroupBytes() const;
  }];
}

//===----------------------------------------------------------------------===//
// Codebooks
//===----------------------------------------------------------------------===//

def QLinear_TableKind : QLinear_Enum<"TableKind", "entries of product tables", [
    I32EnumAttrCase<"None", 0, "none">, I32EnumAttrCase<"I8", 1, "i8">,
    I32EnumAttrCase<"I4", 2, "i4">]>;

def QLinear_CodebookAttr : QLinear_Format<"CodebookFormat", "codebook",
    ["padsToBlock", "getHeaderBytes"]> {
  let summary = "vectors of weights from small codebooks, with product tables";
  let description = [{
    Vector co-quantization of arXiv 2511.06174. A block is `group` rows by `dim`
    columns: each row's `dim` weights are one of `entries` centroids. It holds
    the product table, if any (`activation_entries` x `entries` unsigned codes
    of 8 or 4 bits), then the index of each row (log2(entries) bits, the first
    row lowest), then the centroids, f32.

    With tables the header is f32 scale, f32 offset, then `activation_entries`
    centroids of `dim` f32 for each `dim` columns. Entry (a, e) of a table stands
    for `scale * code + offset`, the product of activation centroid a and weight
    centroid e. Both sides are padded to whole blocks.

    With `split` the parts of blocks lie apart, each in the order in which a
    product reads it, from a multiple of 64 bytes on: scale and offset; the
    activation centroids; the tables, by piece of columns, activation centroid and
    group of rows; the indices, by group and piece; the centroids, by group and
    piece.

    `#qlinear.codebook<dim = 2, entries = 16, group = 512, table = i8, activation_entries = 64>`
    `#qlinear.codebook<dim = 2, entries = 16, group = 512, table = i8, activation_entries = 64, split>`
  }];
  let parameters = (ins "int64_t":$dim, "int64_t":$entries, "int64_t":$group,
                        EnumParameter<QLinear_TableKind>:$table,
                        "int64_t":$activationEntries, "bool":$split);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    bool hasTables() const { return getTable() != TableKind::None; }
    int64_t getIndexBits() const;
    /// Bytes of the product table, and of the indices, of a block.
    int64_t getTableBytes() const;
    int64_t getIndexBytes() const;
    /// Where the parts of a padded matrix are.
    CodebookLayout getLayout(int64_t rows, int64_t cols) const;
  }];
}

//===----------------------------------------------------------------------===//
// Layouts of other formats
//===----------------------------------------------------------------------===//

def QLinear_ZigzagAttr : QLinear_Format<"ZigzagFormat", "zigzag", ["padsToBlock"]> {
  let summary = "columns of a band of rows in the blocks of another format";
  let description = [{
    The layout of arXiv 2511.04477. The matrix is cut into bands of `band` rows;
    the part of one column in a band is stored as one row of `format`, and the
    columns of a band follow each other. A column whose activation is zero is
    one contiguous piece that need not be read. Rows are padded to whole bands.

    The groups of `format` run along rows here, so a matrix in `format` itself
    cannot be brought to this layout without quantizing it again.
  }];
  let parameters = (ins "::headrace::qlinear::QuantFormatAttrInterface":$format,
                        "int64_t":$band);
  let assemblyFormat = "`<` $format `,` `band` `=` $band `>`";
  let genVerifyDecl = 1;
}

def QLinear_RepackedAttr : QLinear_Format<"RepackedFormat", "repacked", ["padsToBlock"]> {
  let summary = "the bytes of another format in the order of a kernel";
  let description = [{
    `"rowsN"` (N = 4, 8, 16): the blocks of N consecutive rows at one column
    follow each other, then those at the next. A permutation of the bytes of
    `format`, with rows padded to N.

    `"strips16"` (of GGUF blocks, of 4 or 8 bits in groups, and of bf16): the
    bytes of 16 rows in the order in which a kernel with a lane for each row reads
    them. A strip is cut into pieces of 256 columns, or 64 (two blocks) where
    blocks have 32; rows and columns are padded to whole pieces. The parts of a
    piece follow each other: f16 scales (and minima), packed scales, high bits,
    codes, as far as the format has them. Each part is cut into units of 2 bytes
    (floats) or 4 (all else): first that of each row, then the next of each row. 16
    rows of codes thus fill lines of 64 bytes. In `q6_k` high bits come before the
    low bits that belong to them: for each 16 columns of a half of 128 those of
    four quarters. Of bf16 a piece is 32 columns in units of two.

    `#qlinear.affine` in strips has pieces of 256 columns: the scales of their
    groups, their zero points (units of 1 byte where they are integers), codes.
    Of 4-bit codes of 32 columns, byte j holds columns j and j + 16, as in `q4_0`.
  }];
  let parameters = (ins "::headrace::qlinear::QuantFormatAttrInterface":$format,
                        StringRefParameter<"the layout">:$layout);
  let assemblyFormat = "`<` $format `,` $layout `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// N of "rowsN" and "stripsN"; 0 if the layout is unknown.
    int64_t getInterleavedRows() const;
    /// The pieces of "strips16"; none in the other layouts.
    std::optional<::headrace::qlinear::StripLayout> getStrips() const;
  }];
}

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

def QLinear_ActI8Attr : QLinear_Format<"ActI8Format", "act_i8", ["isActivationFormat"]> {
  let summary = "activations as int8 with a scale for each group of 32";
  let description = [{
    One row (a token) of K values is K int8, then K / 32 f32 scales, then K / 32
    i32 sums of q, which kernels need for formats with a zero point or a minimum.
    `scale = max|x| / 127` over the group and `q = roundeven(x * (127 / max|x|))`,
    both in f32; a group whose max|x| is below 2^-120 counts as zeros, with scale
    0. A value is `scale * q`. A NaN or infinity makes its group NaN.
  }];
}

#endif // HEADRACE_QLINEAR_FORMATS
