//===- ProductGraph.cpp - products for the cores of an array --------------===//

#include "passes/dataflow/ProductGraph.h"

#include "passes/dataflow/GraphBuilder.h"
#include "passes/dataflow/Passes.h"
#include "passes/dataflow/Repeats.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/Support/MathExtras.h"

#include <numeric>

using namespace mlir;
using namespace headrace::dataflow;

namespace {

/// What a core is connected with.
struct Core {
  /// Its own weights, activations and results.
  Value w, x, y;
  /// The first core takes activations from where weights come, and gives them
  /// to the others.
  Value passOn;
  /// Those that share its channel get a part of each element there, too.
  bool sharesFirst = false;
  /// From the second core to the first one: every other piece.
  Value hands, handed;
};

/// Where a product is in the arguments.
struct Place {
  int64_t weightsArgument = 0, weights = 0, x = 0, y = 0;
};

class ProductGraph : GraphBuilder {
public:
  ProductGraph(ArrayRef<Product> products, const Array &array, bool handsOver,
               OpBuilder &b)
      : GraphBuilder{b, products.front().op->getLoc()}, products(products),
        array(array), channels(shareChannels(array)),
        module(products.front().op->getParentOfType<ModuleOp>()),
        format(products.front().format()),
        blockBytes(products.front().blockBytes()),
        block(getMemory(blockBytes, b.getI8Type())),
        results(getMemory(kUnitRows, b.getF32Type())) {
    for (const Product &product : products) {
      rounds.push_back(
          makeRounds(llvm::divideCeil(product.rows(), kUnitRows), array));
      usedColumns = std::max(usedColumns, rounds.back().size());
      pieces = std::max(pieces, product.pieces());
    }
    stored = getStoredColumns(products.front(), pieces);
    turns = handsOver ? std::min<int64_t>(2, channels.front()) : 1;
    SmallVector<size_t> kinds;
    for (size_t number = 0; number < products.size(); ++number)
      kinds.push_back(findAlike(number));
    repeats = findRepeats(kinds);
  }

  GraphOp build(StringRef name) {
    addArguments(name);
    b.setInsertionPointToEnd(&graph.getBlock());
    for (size_t column = 0; column < usedColumns; ++column)
      addColumn(column);
    addActivations();
    for (size_t number = 0; number < products.size(); ++number)
      addPorts(number);
    for (auto [index, core] : llvm::enumerate(cores))
      addTask(index, core);
    return graph;
  }

private:
  /// The first product for which cores do the same as for this one.
  size_t findAlike(size_t number) const {
    const Product &product = products[number];
    for (size_t other = 0; other < number; ++other)
      if (products[other].blocks() == product.blocks() &&
          products[other].gate == product.gate &&
          rounds[other] == rounds[number])
        return other;
    return number;
  }

  //===--------------------------------------------------------------------===//
  // Memory
  //===--------------------------------------------------------------------===//

  /// Bytes that come by a channel for a round of its cores.
  int64_t bytesOfRound(const Product &product, int64_t coreCount) const {
    return coreCount * static_cast<int64_t>(product.matrices.size()) *
           product.blocks() * blockBytes;
  }
  int64_t roundsOf(size_t number) const {
    return std::accumulate(rounds[number].begin(), rounds[number].end(),
                           int64_t(0));
  }
  int64_t bytesOf(size_t number) const {
    return roundsOf(number) * bytesOfRound(products[number], array.rows);
  }
  /// Elements of the first channel that hold the activations: the parts of two
  /// cores are pieces, those of others what is behind them.
  int64_t xElementsOf(size_t number) const {
    return llvm::divideCeil(products[number].pieces(), turns);
  }
  int64_t xBytesOf(size_t number) const {
    return (turns * (xElementsOf(number) - 1) + channels.front()) * blockBytes;
  }
  int64_t yRowsOf(size_t number) const {
    return roundsOf(number) * array.rows * kUnitRows;
  }

  void addArguments(StringRef name) {
    // Offsets of transfers are i32.
    constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
    SmallVector<int64_t> weights = {0};
    int64_t x = 0, y = 0;
    for (size_t number = 0; number < products.size(); ++number) {
      int64_t bytes = bytesOf(number);
      if (weights.back() && weights.back() + bytes > kMost)
        weights.push_back(0);
      places.push_back(
          {static_cast<int64_t>(weights.size()) - 1, weights.back(), x, y});
      weights.back() += bytes;
      x += xBytesOf(number);
      y += yRowsOf(number);
    }
    SmallVector<Type> types;
    for (int64_t size : weights)
      types.push_back(getMemory(size, b.getI8Type()));
    xArgument = types.size();
    types.push_back(getMemory(x, b.getI8Type()));
    types.push_back(getMemory(y, b.getF32Type()));
    graph = GraphOp::create(b, loc, name, types);
    graph.setArgAttr(0, kPackingAttr, packing());
  }

  DictionaryAttr packing() {
    auto place = [&](int64_t argument, int64_t offset, int64_t bytes) {
      return b.getDenseI64ArrayAttr({argument, offset, bytes});
    };
    SmallVector<Attribute> recipes;
    for (auto [number, product] : llvm::enumerate(products)) {
      const Place &at = places[number];
      SmallVector<Attribute> sources;
      for (headrace::qlinear::PackedType type : product.matrices)
        sources.push_back(TypeAttr::get(type));
      recipes.push_back(b.getDictionaryAttr(
          {b.getNamedAttr(kPackingSources, b.getArrayAttr(sources)),
           b.getNamedAttr(kPackingChannels, b.getDenseI64ArrayAttr(channels)),
           b.getNamedAttr(kPackingColumns,
                          b.getI64IntegerAttr(product.blockColumns)),
           b.getNamedAttr(kPackingRounds,
                          b.getDenseI64ArrayAttr(rounds[number])),
           b.getNamedAttr(kPackingWeights, place(at.weightsArgument, at.weights,
                                                 bytesOf(number))),
           b.getNamedAttr(kPackingActivations,
                          place(xArgument, at.x, xBytesOf(number))),
           b.getNamedAttr(kPackingResults, place(xArgument + 1, 4 * at.y,
                                                 4 * yRowsOf(number)))}));
    }
    return b.getDictionaryAttr(
        b.getNamedAttr(kPackingProducts, b.getArrayAttr(recipes)));
  }

  //===--------------------------------------------------------------------===//
  // Streams and ports
  //===--------------------------------------------------------------------===//

  /// Streams of a column's weights, by channel, and of its results.
  void addColumn(size_t column) {
    SmallVector<Value> ys;
    for (int64_t count : channels) {
      std::string name = ("w" + Twine(weights.size())).str();
      Value w = addStream(name, kMemoryDepth,
                          getMemory(count * blockBytes, b.getI8Type()));
      SmallVector<Value> ws;
      for (int64_t i = 0; i < count; ++i) {
        Core core;
        core.w = addStream(name + "_" + Twine(i), kCoreDepth, block);
        // One is enough: it leaves while the next weights arrive. With two, the
        // code of a core is there for both.
        core.y =
            addStream("y" + Twine(column) + "_" + Twine(ys.size()), 1, results);
        core.sharesFirst = weights.empty() && i > 0;
        ws.push_back(core.w);
        ys.push_back(core.y);
        cores.push_back(core);
      }
      DistributeOp::create(b, loc, w, ws, DenseI64ArrayAttr());
      weights.push_back(w);
    }
    sums.push_back(
        addStream("y" + Twine(column), kResultsDepth,
                  getMemory(array.rows * kUnitRows, b.getF32Type())));
    JoinOp::create(b, loc, ys, sums.back(), DenseI64ArrayAttr());
  }

  /// From the first core to all others. The second one is its neighbour.
  void addActivations() {
    if (cores.size() == 1)
      return;
    if (turns > 1 && pieces > 1)
      cores[0].handed = cores[1].hands =
          addStream("x_other", products.front().xDepth(), block);
    cores.front().passOn = addStream("x", products.front().xDepth(), block);
    SmallVector<Value> xs;
    for (auto [index, core] :
         llvm::enumerate(MutableArrayRef(cores).drop_front())) {
      core.x =
          addStream("x" + Twine(index + 1), products.front().xDepth(), block);
      xs.push_back(core.x);
    }
    BroadcastOp::create(b, loc, cores.front().passOn, xs, DenseI64ArrayAttr());
  }

  void addPort(size_t step, Direction direction, unsigned argument,
               int64_t offset, ArrayRef<int64_t> sizes,
               ArrayRef<int64_t> strides, Value stream) {
    PortOp::create(b, loc, direction, graph.getArgument(argument), stream,
                   offset, b.getDenseI64ArrayAttr(sizes),
                   b.getDenseI64ArrayAttr(strides), /*repeat=*/1,
                   DenseI64ArrayAttr(), step);
  }

  /// What is read and written for a product.
  void addPorts(size_t number) {
    const Product &product = products[number];
    const Place &at = places[number];
    addPort(number, Direction::Read, xArgument, at.x,
            {xElementsOf(number), channels.front(), blockBytes},
            {turns * blockBytes, blockBytes, 1}, weights.front());
    int64_t offset = at.weights;
    for (auto [column, count] : llvm::enumerate(rounds[number]))
      for (auto [i, coreCount] : llvm::enumerate(channels)) {
        int64_t size = count * bytesOfRound(product, coreCount);
        addPort(number, Direction::Read, at.weightsArgument, offset, {size},
                {1}, weights[column * channels.size() + i]);
        offset += size;
      }
    offset = at.y;
    for (auto [column, count] : llvm::enumerate(rounds[number])) {
      int64_t size = count * array.rows * kUnitRows;
      addPort(number, Direction::Write, xArgument + 1, offset, {size}, {1},
              sums[column]);
      offset += size;
    }
  }

  //===--------------------------------------------------------------------===//
  // Tasks
  //===--------------------------------------------------------------------===//

  void addTask(size_t index, const Core &core) {
    OpBuilder::InsertionGuard guard(b);
    int64_t column = index / array.rows, row = index % array.rows;
    std::string name = ("core" + Twine(column) + "_" + Twine(row)).str();
    enterTask(name, DenseI64ArrayAttr());
    auto local = [&](int64_t size, Type element) -> Value {
      return memref::AllocaOp::create(b, loc, getMemory(size, element));
    };
    x = local(stored, b.getBF16Type());
    bias = local(stored / kGroupColumns, b.getF32Type());
    parts = local(2 * stored / kGroupColumns, b.getBF16Type());
    bool gated = llvm::any_of(
        products, [](const Product &product) { return !product.gate.empty(); });
    gate = gated ? local(kUnitRows, b.getF32Type()) : Value();
    addProducts(repeats, core, column);
  }

  /// Products that are alike are one piece of code.
  void addProducts(ArrayRef<Repeat> sequence, const Core &core, size_t column) {
    for (const Repeat &repeat : sequence) {
      if (repeat.body.empty())
        addProduct(repeat.first, core, column);
      else
        addLoop(repeat.times,
                [&](Value) { addProducts(repeat.body, core, column); });
    }
  }

  void addProduct(size_t number, const Core &core, size_t column) {
    const Product &product = products[number];
    int64_t count = column < rounds[number].size() ? rounds[number][column] : 0;
    int64_t whole = product.pieces() / turns;
    if (whole)
      addLoop(whole,
              [&](Value at) { takeElement(core, at, turns, count > 0); });
    if (product.pieces() % turns)
      takeElement(core, arith::ConstantIndexOp::create(b, loc, whole), 1,
                  count > 0);
    if (count)
      addLoop(count, [&](Value) { addRound(core, product); });
  }

  /// The `count` pieces of an element of activations; dropped if they are not
  /// `needed`. The first core needs them always.
  void takeElement(const Core &core, Value at, int64_t count, bool needed) {
    if (core.sharesFirst)
      inWindow<PopOp>(core.w, [&](Value piece) {
        if (core.hands && count > 1)
          copyTo(core.hands, piece);
      });
    for (int64_t i = 0; i < count; ++i) {
      Value number = at;
      if (turns > 1) {
        Value two = arith::ConstantIndexOp::create(b, loc, turns);
        number = arith::MulIOp::create(b, loc, number, two);
      }
      if (i)
        number = arith::AddIOp::create(b, loc, number, one);
      takePiece(core, i ? core.handed : core.w, asArgument(number), needed);
    }
  }

  void copyTo(Value stream, Value piece) {
    inWindow<PushOp>(stream, [&](Value window) {
      callCore(b, loc, module, "copy", blockBytes, {piece, window});
    });
  }

  /// A piece of activations, to the first core from stream `from`.
  void takePiece(const Core &core, Value from, Value number, bool needed) {
    auto take = [&](Value piece) {
      callCore(b, loc, module, "take_" + format.str(), stored,
               {piece, x, bias, parts, number});
    };
    if (core.x)
      return inWindow<PopOp>(core.x, [&](Value piece) {
        if (needed)
          take(piece);
      });
    inWindow<PopOp>(from, [&](Value piece) {
      // On its way to the others while this core takes it.
      if (core.passOn)
        copyTo(core.passOn, piece);
      take(piece);
    });
  }

  /// The results of `kUnitRows` rows.
  void addRound(const Core &core, const Product &product) {
    inWindow<PushOp>(core.y, [&](Value y) {
      auto addUp = [&](Value sum) {
        callCore(b, loc, module, "zero", kUnitRows, {sum});
        addLoop(product.blocks(), [&](Value at) {
          inWindow<PopOp>(core.w, [&](Value w) {
            callCore(b, loc, module, "accumulate_" + format.str(), stored,
                     {x, bias, parts, w, sum, asArgument(at)});
          });
        });
      };
      bool gated = !product.gate.empty();
      if (gated)
        addUp(gate);
      addUp(y);
      if (gated)
        callCore(b, loc, module, product.gate, kUnitRows, {gate, y});
    });
  }

  ArrayRef<Product> products;
  const Array &array;
  /// Cores of each channel of a column.
  SmallVector<int64_t> channels;
  ModuleOp module;
  StringRef format;
  int64_t blockBytes;
  MemRefType block, results;
  /// Of each product, by column.
  SmallVector<SmallVector<int64_t>> rounds;
  SmallVector<Place> places;
  /// Products as loops.
  std::vector<Repeat> repeats;
  size_t usedColumns = 0;
  /// The most pieces of activations, and the columns that they hold.
  int64_t pieces = 0, stored = 0;
  /// Pieces of activations in an element of the first channel.
  int64_t turns = 1;

  GraphOp graph;
  unsigned xArgument = 0;
  /// Streams between memory and memory tiles, by channel and by column.
  SmallVector<Value> weights, sums;
  SmallVector<Core> cores;

  /// Memory of the task that is built.
  Value x, bias, parts, gate;
};

} // namespace

GraphOp headrace::dataflow::buildProducts(ArrayRef<Product> products,
                                          const Array &array, bool handsOver,
                                          OpBuilder &builder, StringRef name) {
  return ProductGraph(products, array, handsOver, builder).build(name);
}
