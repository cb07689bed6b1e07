#!/usr/bin/env bash
# Build the self-contained compiler wheel and the pure-Python runtime wheel.
#
# usage: scripts/build_wheels.sh OUTPUT_DIR        (run by `make wheel`, inside .venv's packages)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
output=${1:?usage: scripts/build_wheels.sh OUTPUT_DIR}
python=$root/.venv/bin/python
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$output"
output=$(cd "$output" && pwd)
cd "$root"
rm -f "$output"/headrace-*.whl "$output"/headrace_runtime-*.whl
# The build requirements are in .venv, at their pinned versions.
"$python" -m pip wheel --no-build-isolation --no-deps --wheel-dir "$work" .
"$python" -m pip wheel --quiet --no-build-isolation --no-deps --wheel-dir "$output" \
  ./python/headrace_runtime

# Gives the wheel the oldest platform tag that its symbols allow, and fails if it needs any library
# beyond those that every Linux has.
PATH=$root/.venv/bin:$PATH "$python" -m auditwheel repair --wheel-dir "$work/repaired" \
  "$work"/headrace-*.whl
mv "$work"/repaired/headrace-*.whl "$output"
ls -lh "$output"/headrace*.whl
