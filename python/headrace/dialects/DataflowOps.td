//===- DataflowOps.td - Python bindings of the dataflow dialect ------------===//

#ifndef HEADRACE_BINDINGS_PYTHON_DATAFLOW_OPS
#define HEADRACE_BINDINGS_PYTHON_DATAFLOW_OPS

include "dialects/Dataflow/Dataflow.td"

#endif // HEADRACE_BINDINGS_PYTHON_DATAFLOW_OPS
