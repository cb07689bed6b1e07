// The ops for which Python builders are generated as _qattn_ops_gen.py.
#ifndef HEADRACE_PYTHON_QATTN_OPS
#define HEADRACE_PYTHON_QATTN_OPS

include "dialects/QAttn/QAttn.td"

#endif // HEADRACE_PYTHON_QATTN_OPS
