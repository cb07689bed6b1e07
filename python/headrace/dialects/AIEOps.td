// The ops for which Python builders are generated as _aie_ops_gen.py.
#ifndef HEADRACE_PYTHON_AIE_OPS
#define HEADRACE_PYTHON_AIE_OPS

include "dialects/AIE/AIE.td"

#endif // HEADRACE_PYTHON_AIE_OPS
