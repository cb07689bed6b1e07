//===- access.h - What happens where there is no memory --------*- C++ -*-===//

#ifndef HEADRACE_SIMT_ACCESS_H
#define HEADRACE_SIMT_ACCESS_H

#include "../faults/faults.h"

namespace simt {

/// A fault of a kernel ends the launch.
void takeFault(const faults::Fault &fault);

} // namespace simt

#endif // HEADRACE_SIMT_ACCESS_H
