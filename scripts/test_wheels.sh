#!/usr/bin/env bash
# Test each wheel alone in a clean virtual environment: the compiler's wheel compiles, runs and
# saves a matvec; the runtime's wheel, with no compiler beside it, loads and runs what was saved.
#
# usage: scripts/test_wheels.sh DIST_DIR           (run by `make test-wheel`)
#   PYTHON  interpreter for the environments; must match the compiler wheel's Python version
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dist=$(cd "${1:?usage: scripts/test_wheels.sh DIST_DIR}" && pwd)
python=${PYTHON:-$root/.venv/bin/python}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" # so that nothing is imported from the source tree
unset PYTHONPATH

clean_environment() { # NAME WHEEL
  "$python" -m venv "$work/$1"
  "$work/$1/bin/pip" install --quiet "$2"
  echo "--- $(basename "$2") in a clean environment:"
  "$work/$1/bin/pip" list --format=freeze | grep -v -E '^(pip|setuptools)=' | paste -sd' '
}

clean_environment compiler "$(ls "$dist"/headrace-*.whl)"
# No LLVM of the system may serve: hide it from the loader's cache by checking the process.
compiler/bin/python "$root/scripts/wheel_check.py" compile matvec.hr
compiler/bin/headrace targets >/dev/null
compiler/bin/headrace-opt --headrace-cpu-pipeline --help-list >/dev/null

clean_environment runtime "$(ls "$dist"/headrace_runtime-*.whl)"
runtime/bin/python "$root/scripts/wheel_check.py" run matvec.hr
echo "both wheels work"
