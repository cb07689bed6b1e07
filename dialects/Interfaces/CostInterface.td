//===- CostInterface.td - what an operation moves and computes -------------===//

#ifndef HEADRACE_INTERFACES_COST
#define HEADRACE_INTERFACES_COST

include "mlir/IR/OpBase.td"

def CostOpInterface : OpInterface<"CostOpInterface"> {
  let cppNamespace = "::headrace";
  let description = [{
    The least that any kernel of the operation has to move and to compute: each
    input read once, each output written once. Models of time and energy, and
    the choice between kernels, are built on it; docs/cost.md has the formulas.
  }];
  let methods = [
    InterfaceMethod<[{
        The cost under `assumptions`, which say what types do not: how many
        columns are selected, how many tokens a cache holds.
      }],
      "::headrace::Cost", "getCost", (ins "const ::headrace::CostAssumptions &":$assumptions)>,
  ];
}

#endif // HEADRACE_INTERFACES_COST
