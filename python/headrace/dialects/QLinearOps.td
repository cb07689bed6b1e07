// The ops for which Python builders are generated as _qlinear_ops_gen.py.
#ifndef HEADRACE_PYTHON_QLINEAR_OPS
#define HEADRACE_PYTHON_QLINEAR_OPS

include "dialects/QLinear/QLinear.td"

#endif // HEADRACE_PYTHON_QLINEAR_OPS
