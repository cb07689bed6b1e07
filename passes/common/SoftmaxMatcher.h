//===- SoftmaxMatcher.h - softmax in linalg ---------------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_COMMON_SOFTMAXMATCHER_H
#define HEADRACE_PASSES_COMMON_SOFTMAXMATCHER_H

#include "passes/common/ElementTracer.h"

namespace headrace::common {

/// The scores whose softmax over coordinate `axis` is `weights`: exponentials
/// of the differences to the largest, over their sum. Rows of which all are
/// minus infinity may be set to 0 instead.
std::optional<Element> matchSoftmax(const ElementTracer &tracer,
                                    const Element &weights, unsigned axis);

} // namespace headrace::common

#endif // HEADRACE_PASSES_COMMON_SOFTMAXMATCHER_H
