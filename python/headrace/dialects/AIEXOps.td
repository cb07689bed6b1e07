// The ops for which Python builders are generated as _aiex_ops_gen.py.
#ifndef HEADRACE_PYTHON_AIEX_OPS
#define HEADRACE_PYTHON_AIEX_OPS

include "dialects/AIEX/AIEX.td"

#endif // HEADRACE_PYTHON_AIEX_OPS
