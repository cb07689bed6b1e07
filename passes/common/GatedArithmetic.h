//===- GatedArithmetic.h - recognise gated activations ----------*- C++ -*-===//

#ifndef HEADRACE_PASSES_COMMON_GATEDARITHMETIC_H
#define HEADRACE_PASSES_COMMON_GATEDARITHMETIC_H

#include "dialects/QLinear/QLinear.h"
#include "passes/common/ElementTracer.h"

namespace headrace::common {

/// act(gate) * up, of elements.
struct Gated {
  qlinear::Activation activation;
  Element gate, up;
};

/// `element` as a gated activation, if arithmetic computes one.
std::optional<Gated> matchGated(const ElementTracer &tracer,
                                const Element &element);

} // namespace headrace::common

#endif // HEADRACE_PASSES_COMMON_GATEDARITHMETIC_H
