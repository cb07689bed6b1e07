//===- RowDecoder.cpp - what the decoders of all formats share ------------===//

#include "passes/simt/RowDecoder.h"

#include <cmath>

using namespace mlir;
using namespace headrace::simt;
using headrace::qlinear::AffineFormatAttr;
using headrace::qlinear::GgufFormatAttr;
using headrace::qlinear::PackedType;
using headrace::qlinear::Q4NXFormatAttr;

std::unique_ptr<RowDecoder> RowDecoder::create(PackedType weight) {
  if (isa<AffineFormatAttr>(weight.getFormat()))
    return createAffineDecoder(weight);
  if (isa<Q4NXFormatAttr>(weight.getFormat()))
    return createQ4nxDecoder(weight);
  auto gguf = dyn_cast<GgufFormatAttr>(weight.getFormat());
  if (!gguf)
    return nullptr;
  if (auto small = createSmallDecoder(gguf.getKind(), weight))
    return small;
  return createKQuantDecoder(gguf.getKind(), weight);
}

WordDecoder::WordDecoder(PackedType weight)
    : rowWords(weight.getFormat().getBlockRowBytes(weight.getPaddedCols()) / 2),
      blockWords(weight.getFormat().getBlockBytes() / 2) {}

void WordDecoder::open(SimtBuilder &v, Value bytes, Value which) {
  words = v.viewAs(bytes, v.i16());
  halves = v.viewAs(bytes, v.b.getF16Type());
  lane = which;
}

LaneSums WordDecoder::zeros(SimtBuilder &v) const {
  LaneSums sums{v.zeros()};
  if (hasOffsets())
    sums.push_back(v.constF(0));
  return sums;
}

LaneSums WordDecoder::finish(SimtBuilder &v, const LaneSums &sums) const {
  Value products = v.sum(sums[0]);
  return {hasOffsets() ? v.subf(products, sums[1]) : products};
}

std::pair<Value, Value> headrace::simt::eightColumns(SimtBuilder &v, Value x,
                                                     Value first, Value &sum) {
  Value a = v.loadFour(x, first, 16), b = v.loadFour(x, v.add(first, 4), 16);
  Value even = v.named(v.shuffle(a, b, {0, 2, 4, 6}), "even");
  Value odd = v.named(v.shuffle(a, b, {1, 3, 5, 7}), "odd");
  Value both = v.addf(even, odd);
  sum = sum ? v.addf(sum, both) : both;
  return {even, odd};
}

void headrace::simt::nibbleInputs(SimtBuilder &v, Value x, Value first,
                                  double factor, SmallVectorImpl<Value> &inputs,
                                  Value &sum) {
  auto [even, odd] = eightColumns(v, x, first, sum);
  inputs.push_back(v.scale(even, factor));
  inputs.push_back(v.scale(odd, factor * 0x1p-8));
}

SmallVector<Value> headrace::simt::lowParts(SimtBuilder &v, Value words) {
  SmallVector<Value> parts;
  for (int64_t mask : {0x000F, 0x00FF, 0x0FFF})
    parts.push_back(v.unsignedToFloat(v.andI(words, mask)));
  parts.push_back(v.unsignedToFloat(words));
  return parts;
}

SmallVector<Value> headrace::simt::lowPartInputs(SimtBuilder &v,
                                                 ArrayRef<Value> x) {
  // Code i is (part i - part i - 1) / 16^i: each part is in two products.
  SmallVector<Value> inputs;
  for (int64_t i = 0; i < 4; ++i)
    inputs.push_back(v.scale(x[i], std::ldexp(1.0, static_cast<int>(-4 * i))));
  for (int64_t i = 0; i < 3; ++i)
    inputs[i] = v.subf(inputs[i], inputs[i + 1]);
  return inputs;
}
