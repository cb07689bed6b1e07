// RUN: %headrace_opt --version | FileCheck %s --check-prefix=VERSION
// RUN: %headrace_opt --help | FileCheck %s --check-prefix=HELP
// RUN: %headrace_opt --show-dialects | FileCheck %s --check-prefix=DIALECTS
// RUN: %headrace_opt %s | FileCheck %s
// RUN: not %headrace_opt %s --verify-diagnostics 2>&1 | FileCheck %s --check-prefix=DIAGNOSTICS
// RUN: not %headrace_opt --cpu-from-kernels %s 2>&1 | FileCheck %s --check-prefix=OPTION
// RUN: not %headrace_opt %t.missing 2>&1 | FileCheck %s --check-prefix=MISSING

// VERSION: LLVM version 22.

// HELP: OVERVIEW: Headrace
// HELP-DAG: --cpu-form-kernels {{.*}}Turn each operation into a kernel
// HELP-DAG: --decompose-qlinear
// HELP-DAG: --verify-target-legality
// HELP: --headrace-cpu-pipeline {{.*}}From qlinear operations to CPU kernels
// HELP: --abi=<string>
// HELP: --capabilities=<string>
// HELP: --dot=<string>

// Ours and all of upstream's.
// DIALECTS: {{func.*linalg.*llvm.*qlinear.*vector}}

// OPTION: Unknown command line argument '--cpu-from-kernels'
// MISSING: No such file or directory

// A diagnostic that was expected and did not come is a failure.
// DIAGNOSTICS: error: expected error "never" was not produced
// CHECK: func.func private @ok
// expected-error@+1 {{never}}
func.func private @ok()
