//===- PartitionMatmul.cpp - tokens times a matrix on an array ------------===//

#include "passes/dataflow/GraphBuilder.h"
#include "passes/dataflow/Passes.h"
#include "passes/dataflow/ProductChecks.h"
#include "passes/dataflow/TokenTiles.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/Support/MathExtras.h"

namespace headrace::dataflow {
#define GEN_PASS_DEF_PARTITIONMATMUL
#include "passes/dataflow/Passes.h.inc"
} // namespace headrace::dataflow

using namespace mlir;
using namespace headrace::dataflow;
using headrace::qlinear::MatmulOp;
using headrace::qlinear::PackedType;

namespace {

/// Rows of an array in which streams leave memory, are handed on, and end.
constexpr int64_t kShimRow = 0, kMemoryRow = 1, kFirstCoreRow = 2;
/// Most rounds of rows that one port reads the tokens for.
constexpr int64_t kMostRepeats = 256;
/// Most results of a token: the stride to those of the next one has 20 bits.
constexpr int64_t kMostRows = int64_t(1) << 20;

/// Elements that a memory tile has of what is read, and a core of it.
constexpr int64_t kMemoryDepth = 4, kCoreDepth = 2;

/// Numbers that a core has of one thing.
constexpr int64_t kDequantized = kTileRows * kTileColumns;

/// The memory that a core needs besides its tokens, and for each of them: of
/// packed weights and of x there are two elements, of sums one.
int64_t getFixedBytes(int64_t blockBytes) {
  return kCoreDepth * kTileRows / kBlockRows * blockBytes + 2 * kDequantized;
}
constexpr int64_t kBytesOfToken = kCoreDepth * kTileColumns * 2 + kTileRows * 4;

/// Pieces of columns of a row of the matrix: an even number, with zeros behind
/// the last column.
int64_t countPieces(PackedType weight) {
  return llvm::alignTo(llvm::divideCeil(weight.getCols(), kPieceColumns), 2);
}

/// Builds the graph of one product.
class MatmulGraph : GraphBuilder {
public:
  /// xColumns: for each row of the array, the column by which its tokens come.
  /// m, n: tokens and rows that a core multiplies at a time.
  MatmulGraph(MatmulOp op, const TokenTiles &tiles, ArrayRef<int64_t> xColumns,
              int64_t m, int64_t n, OpBuilder &builder)
      : GraphBuilder{builder, op.getLoc()}, tiles(tiles), xColumns(xColumns),
        m(m), n(n),
        shape((Twine(m) + "x" + Twine(kColumnsAtATime) + "x" + Twine(n)).str()),
        weight(op.getWeight().getType()),
        module(op->getParentOfType<ModuleOp>()),
        format(weight.getFormat().getFormatName()), pieces(countPieces(weight)),
        block(getMemory(kTileRows / kBlockRows * getPieceLayout(format)->bytes,
                        b.getI8Type())),
        x(getMemory(tiles.tokens * kTileColumns, b.getBF16Type())),
        y(getMemory(tiles.tokens * kTileRows, b.getF32Type())) {}

  void build(StringRef name) {
    Type arguments[] = {
        getMemory(tiles.columns * tiles.rowRounds * bytesOfRound(),
                  b.getI8Type()),
        MemRefType::get({tiles.paddedTokens(), columns()}, b.getBF16Type()),
        MemRefType::get({tiles.paddedTokens(), tiles.paddedRows()},
                        b.getF32Type())};
    graph = GraphOp::create(b, loc, name, arguments);
    graph.setArgAttr(0, kPackingAttr, packing());
    b.setInsertionPointToEnd(&graph.getBlock());
    for (int64_t row = 0; row < tiles.cores; ++row)
      addTokens(row);
    for (int64_t column = 0; column < tiles.columns; ++column)
      addColumn(column);
    addPorts();
    for (int64_t column = 0; column < tiles.columns; ++column)
      for (int64_t row = 0; row < tiles.cores; ++row)
        addTask(column, row);
  }

private:
  /// Columns of the matrix with those that fill the last piece.
  int64_t columns() const { return pieces * kPieceColumns; }
  /// Tiles of a row of the matrix in a piece.
  static constexpr int64_t kTilesOfPiece = kPieceColumns / kTileColumns;
  /// Packed weights that a column of the array gets in a round.
  int64_t bytesOfRound() const { return pieces * block.getNumElements(); }

  /// Elements of weights that a core has. With two, the compiler of the array
  /// unrolls the loop over them by two. Were it shorter than this, or odd, what
  /// is left of it would make the loop around it be unrolled, too, and the code
  /// would not fit.
  int64_t getWeightDepth() const { return pieces >= 4 ? kCoreDepth : 1; }

  /// A column is a group of two cores for the packer: two rows of blocks.
  DictionaryAttr packing() {
    SmallVector<int64_t> groups;
    for (int64_t column = 0; column < tiles.columns; ++column)
      groups.append({kTileRows / kBlockRows, tiles.rowRounds});
    auto whole = [&](int64_t argument) {
      auto type = cast<MemRefType>(graph.getArgumentTypes()[argument]);
      return b.getDenseI64ArrayAttr(
          {argument, 0,
           type.getNumElements() * type.getElementTypeBitWidth() / 8});
    };
    Attribute recipe = b.getDictionaryAttr(
        {b.getNamedAttr(kPackingSources, b.getArrayAttr(TypeAttr::get(weight))),
         b.getNamedAttr(kPackingGroups, b.getDenseI64ArrayAttr(groups)),
         b.getNamedAttr(kPackingColumns, b.getI64IntegerAttr(kPieceColumns)),
         b.getNamedAttr(kPackingWeights, whole(0)),
         b.getNamedAttr(kPackingActivations, whole(1)),
         b.getNamedAttr(kPackingResults, whole(2))});
    return b.getDictionaryAttr(
        b.getNamedAttr(kPackingProducts, b.getArrayAttr(recipe)));
  }

  DenseI64ArrayAttr at(int64_t column, int64_t row) {
    return b.getDenseI64ArrayAttr({column, row});
  }

  //===--------------------------------------------------------------------===//
  // Streams
  //===--------------------------------------------------------------------===//

  /// Tokens of a row of the array, to its cores: rows of a tile become what
  /// cores multiply.
  void addTokens(int64_t row) {
    std::string name = ("x" + Twine(row)).str();
    xs.push_back(addStream(name, kMemoryDepth, x));
    SmallVector<Value> outputs;
    for (int64_t column = 0; column < tiles.columns; ++column)
      outputs.push_back(addStream(name + "_" + Twine(column), kCoreDepth, x));
    int64_t k = kColumnsAtATime;
    BroadcastOp::create(
        b, loc, xs.back(), outputs, at(xColumns[row], kMemoryRow),
        b.getDenseI64ArrayAttr({tiles.tokens / m, kTileColumns / k, m, k}),
        b.getDenseI64ArrayAttr({m * kTileColumns, k, kTileColumns, 1}));
    xOfCores.push_back(outputs);
  }

  /// Weights of a column of the array, to its cores, and their sums, which
  /// become rows again.
  void addColumn(int64_t column) {
    std::string w = ("w" + Twine(column)).str();
    std::string sum = ("y" + Twine(column)).str();
    ws.push_back(addStream(w, kMemoryDepth, block));
    SmallVector<Value> outputs, inputs;
    for (int64_t row = 0; row < tiles.cores; ++row) {
      outputs.push_back(
          addStream(w + "_" + Twine(row), getWeightDepth(), block));
      inputs.push_back(addStream(sum + "_" + Twine(row), 1, y));
    }
    ys.push_back(addStream(
        sum, 2, getMemory(tiles.cores * y.getNumElements(), b.getF32Type())));
    BroadcastOp::create(b, loc, ws.back(), outputs, at(column, kMemoryRow));
    JoinOp::create(
        b, loc, inputs, ys.back(), at(column, kMemoryRow),
        b.getDenseI64ArrayAttr({tiles.tokens / m, kTileRows / n, m, n}),
        b.getDenseI64ArrayAttr({m * kTileRows, n, kTileRows, 1}));
    wOfCores.push_back(outputs);
    yOfCores.push_back(inputs);
  }

  /// For each round of tokens: the tokens, once for each round of rows, all
  /// weights, and the results.
  void addPorts() {
    int64_t step = 0;
    for (int64_t round = 0; round < tiles.tokenRounds; ++round)
      for (int64_t first = 0; first < tiles.rowRounds; first += kMostRepeats)
        addPorts(round * tiles.cores * tiles.tokens, first,
                 std::min(kMostRepeats, tiles.rowRounds - first), step++);
  }

  void addPorts(int64_t token, int64_t firstRound, int64_t rounds,
                int64_t step) {
    auto add = [&](Direction direction, unsigned argument, int64_t offset,
                   ArrayRef<int64_t> sizes, ArrayRef<int64_t> strides,
                   int64_t repeat, Value stream, int64_t column) {
      PortOp::create(b, loc, direction, graph.getArgument(argument), stream,
                     offset, b.getDenseI64ArrayAttr(sizes),
                     b.getDenseI64ArrayAttr(strides), repeat,
                     at(column, kShimRow), step);
    };
    for (auto [row, stream] : llvm::enumerate(xs))
      add(Direction::Read, 1, (token + row * tiles.tokens) * columns(),
          {columns() / kTileColumns, tiles.tokens, kTileColumns},
          {kTileColumns, columns(), 1}, rounds, stream, xColumns[row]);
    for (auto [column, stream] : llvm::enumerate(ws))
      add(Direction::Read, 0,
          (column * tiles.rowRounds + firstRound) * bytesOfRound(),
          {rounds * bytesOfRound()}, {1}, 1, stream, column);
    int64_t rows = tiles.paddedRows();
    for (auto [column, stream] : llvm::enumerate(ys))
      add(Direction::Write, 2,
          token * rows + (column * tiles.rowRounds + firstRound) * kTileRows,
          {rounds, tiles.cores * tiles.tokens, kTileRows}, {kTileRows, rows, 1},
          1, stream, column);
  }

  //===--------------------------------------------------------------------===//
  // Tasks
  //===--------------------------------------------------------------------===//

  void addTask(int64_t column, int64_t row) {
    OpBuilder::InsertionGuard guard(b);
    std::string name = ("core" + Twine(column) + "_" + Twine(row)).str();
    enterTask(name, at(column, kFirstCoreRow + row));
    Value weights = memref::AllocaOp::create(
        b, loc, getMemory(kDequantized, b.getBF16Type()));
    addLoop(tiles.tokenRounds * tiles.rowRounds, [&](Value) {
      inWindow<PushOp>(yOfCores[column][row], [&](Value sums) {
        callCore(b, loc, module, "zero", y.getNumElements(), {sums});
        addLoop(pieces, [&](Value) {
          inWindow<PopOp>(wOfCores[column][row], [&](Value packed) {
            addLoop(kTilesOfPiece, [&](Value part) {
              callCore(b, loc, module,
                       ("dequantize_" + format + "_" + shape).str(),
                       kTileColumns, {packed, weights, asArgument(part)});
              inWindow<PopOp>(xOfCores[row][column], [&](Value tokens) {
                callCore(b, loc, module, "multiply_" + shape, kTileColumns,
                         {tokens, weights, sums});
              });
            });
          });
        });
      });
    });
  }

  /// Columns of the tiles that cores multiply.
  static constexpr int64_t kColumnsAtATime = 8;

  const TokenTiles &tiles;
  ArrayRef<int64_t> xColumns;
  /// Tokens and rows of the tiles that cores multiply, and their name.
  int64_t m, n;
  std::string shape;
  PackedType weight;
  ModuleOp module;
  StringRef format;
  /// Pieces of a row of the matrix.
  int64_t pieces;
  /// Elements.
  MemRefType block, x, y;
  GraphOp graph;
  /// Streams at memory, by row and by column, and those of cores.
  SmallVector<Value> xs, ws, ys;
  SmallVector<SmallVector<Value>> xOfCores, wOfCores, yOfCores;
};

struct PartitionMatmul
    : headrace::dataflow::impl::PartitionMatmulBase<PartitionMatmul> {
  using Base::Base;

  void runOnOperation() override {
    SmallVector<func::FuncOp> functions(getOperation().getOps<func::FuncOp>());
    for (func::FuncOp function : functions) {
      MatmulOp product;
      function.walk([&](MatmulOp op) { product = op; });
      if (product && failed(partition(product, function)))
        return signalPassFailure();
    }
  }

private:
  LogicalResult partition(MatmulOp op, func::FuncOp function) {
    if (failed(verifyFormat(op, op.getWeight().getType())) ||
        failed(verifyActivations(op, op.getX().getType())) ||
        failed(verifyAlone(op, function)))
      return failure();
    FailureOr<int64_t> mostTokens = fitMemory(op);
    if (failed(mostTokens))
      return failure();
    auto x = cast<RankedTensorType>(op.getX().getType());
    TokenTiles tiles =
        makeTokenTiles(x.getDimSize(0), op.getWeight().getType().getRows(),
                       *mostTokens, columns, rows);
    if (failed(verifyRows(op)))
      return failure();
    FailureOr<SmallVector<int64_t>> xColumns = fitChannels(op, tiles);
    if (failed(xColumns))
      return failure();
    OpBuilder builder(function);
    std::string name = function.getName().str();
    // The graph takes the function's name.
    function.setName(name + "__partitioned");
    MatmulGraph(op, tiles, *xColumns, multiplyTokens, multiplyRows, builder)
        .build(name);
    function.erase();
    return success();
  }

  /// Results are rows of one memory, from one token to the next in one stride,
  /// and weights are reached by offsets.
  LogicalResult verifyRows(MatmulOp op) {
    PackedType weight = op.getWeight().getType();
    auto paddedRows = [&](int64_t many) {
      return makeTokenTiles(1, many, kTokenUnit, columns, rows).paddedRows();
    };
    int64_t bytesOfBlock =
        getPieceLayout(weight.getFormat().getFormatName())->bytes;
    int64_t pieces = countPieces(weight);
    auto bytesOf = [&](int64_t many) {
      return paddedRows(many) / kBlockRows * pieces * bytesOfBlock;
    };
    if (int64_t padded = paddedRows(weight.getRows()); padded > kMostRows) {
      int64_t most = std::min(kMostRows, getMostRows(kTileRows, bytesOf));
      while (paddedRows(most) > kMostRows)
        most -= kTileRows;
      return op.emitOpError()
             << "needs a stride of " << padded << " results from one token to "
             << "the next for " << weight.getRows()
             << " rows, but transfers have at most " << kMostRows
             << "; nearest that fits: " << most << " rows";
    }
    return verifyWeights(op, weight.getRows(), kTileRows, bytesOf);
  }

  /// The most tokens that a core has memory for.
  FailureOr<int64_t> fitMemory(MatmulOp op) {
    StringRef format = op.getWeight().getType().getFormat().getFormatName();
    int64_t fixed = stack + getFixedBytes(getPieceLayout(format)->bytes);
    int64_t most =
        (coreMemory - fixed) / kBytesOfToken / kTokenUnit * kTokenUnit;
    if (coreMemory >= fixed && most >= kTokenUnit)
      return std::min(most, kMostTokens);
    op.emitOpError() << "needs " << fixed + kTokenUnit * kBytesOfToken
                     << " bytes of memory in a core for " << kTokenUnit
                     << " tokens and " << kTileRows << " rows, but a core has "
                     << coreMemory.getValue()
                     << "; fewer tokens do not fit either";
    return failure();
  }

  /// For each row of the array the column by which its tokens come: one that
  /// reads least by other channels.
  FailureOr<SmallVector<int64_t>> fitChannels(MatmulOp op,
                                              const TokenTiles &tiles) {
    SmallVector<int64_t> reads(columns, 0), chosen;
    std::fill_n(reads.begin(), tiles.columns, 1);
    for (int64_t row = 0; row < tiles.cores; ++row) {
      auto *least = llvm::min_element(reads);
      if (*least >= channels) {
        op.emitOpError() << "needs " << tiles.columns + tiles.cores
                         << " channels that read memory, for " << tiles.columns
                         << " columns of weights and " << tiles.cores
                         << " rows of tokens, but the array has "
                         << columns * channels;
        return failure();
      }
      ++*least;
      chosen.push_back(least - reads.begin());
    }
    return chosen;
  }
};

} // namespace
