"""The `aiex` dialect: transfers of a runtime sequence of the `aie` dialect.

The operation classes (`DMAConfigureTaskForOp`, `DMAStartTaskOp`, ...) come from the dialect's
TableGen description.
"""

from ._aiex_ops_gen import *
from ._aiex_ops_gen import _Dialect as _Dialect
