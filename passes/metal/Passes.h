//===- Passes.h - pipelines of the Metal target -----------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_METAL_PASSES_H
#define HEADRACE_PASSES_METAL_PASSES_H

namespace headrace::metal {

/// Registers `headrace-metal-pipeline`.
void registerMetalPipelines();

} // namespace headrace::metal

#endif // HEADRACE_PASSES_METAL_PASSES_H
