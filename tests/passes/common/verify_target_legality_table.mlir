// A table that cannot be read is an error, never an empty table.
//
// RUN: split-file %s %t
// RUN: cd %t
// RUN: not %headrace_opt module.mlir --verify-target-legality 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not %headrace_opt module.mlir --verify-target-legality=capabilities=missing.json 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not %headrace_opt module.mlir --verify-target-legality=capabilities=syntax.json 2>&1 | FileCheck %s --check-prefix=SYNTAX
// RUN: not %headrace_opt module.mlir --verify-target-legality=capabilities=shape.json 2>&1 | FileCheck %s --check-prefix=SHAPE
// RUN: not %headrace_opt module.mlir --verify-target-legality=capabilities=op.json 2>&1 | FileCheck %s --check-prefix=OP
// RUN: not %headrace_opt module.mlir --verify-target-legality=capabilities=formats.json 2>&1 | FileCheck %s --check-prefix=FORMATS
// RUN: not %headrace_opt module.mlir --verify-target-legality=capabilities=activations.json 2>&1 | FileCheck %s --check-prefix=ACTIVATIONS
// RUN: not %headrace_opt module.mlir --verify-target-legality=capabilities=constraint.json 2>&1 | FileCheck %s --check-prefix=CONSTRAINT
// RUN: not %headrace_opt module.mlir --verify-target-legality=capabilities=zero.json 2>&1 | FileCheck %s --check-prefix=ZERO

// NONE: error: verify-target-legality: expected option capabilities=PATH, but got none
// MISSING: error: verify-target-legality: expected a capability table in 'missing.json', but it cannot be read: No such file or directory
// SYNTAX: error: verify-target-legality: expected a capability table in 'syntax.json', but it is no JSON:
// SHAPE: but it has no "target" and "cells"
// OP: but a cell has no "op"
// FORMATS: but a cell of qlinear.matvec has no list of names as "formats"
// ACTIVATIONS: but a cell of qlinear.matvec has no list of names as "activations"
// CONSTRAINT: but a cell of qlinear.matvec has the unknown constraint "rows"; allowed: "k_multiple_of"
// ZERO: but a cell of qlinear.matvec has a "k_multiple_of" that is no positive integer

//--- module.mlir
module {}
//--- syntax.json
{"target": "t", "cells": [}
//--- shape.json
{"target": "t"}
//--- op.json
{"target": "t", "cells": [{"formats": ["q4_0"]}]}
//--- formats.json
{"target": "t", "cells": [{"op": "qlinear.matvec", "formats": "q4_0"}]}
//--- activations.json
{"target": "t", "cells": [{"op": "qlinear.matvec", "formats": ["q4_0"], "activations": [32]}]}
//--- constraint.json
{"target": "t", "cells": [{"op": "qlinear.matvec", "formats": ["q4_0"], "constraints": {"rows": 2}}]}
//--- zero.json
{"target": "t", "cells": [{"op": "qlinear.matvec", "formats": ["q4_0"], "constraints": {"k_multiple_of": 0}}]}
