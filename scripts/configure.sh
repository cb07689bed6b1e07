#!/usr/bin/env bash
# Configure a build folder the way `make` does it: clang and lld of the wanted LLVM, ccache, ninja.
#
# usage: scripts/configure.sh BUILD_DIR [extra cmake arguments]
#   MLIR_DIR   folder of MLIRConfig.cmake of another LLVM 22 (default: Debian's /usr/lib/llvm-22)
#   PYTHON     interpreter the bindings are built for (default: .venv/bin/python)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${1:?usage: scripts/configure.sh BUILD_DIR [cmake arguments]}
shift
arguments=()
prefix=/usr/lib/llvm-22
if [ -n "${MLIR_DIR:-}" ]; then
  prefix=$(cd "$MLIR_DIR/../../.." && pwd)
  arguments+=("-DMLIR_DIR=$MLIR_DIR")
fi

# The compiler of that LLVM, else any clang; an explicit CC and CXX win.
find_tool() { PATH=$prefix/bin:/usr/lib/llvm-22/bin:$PATH command -v "$1"; }
arguments+=("-DCMAKE_C_COMPILER=${CC:-$(find_tool clang)}"
  "-DCMAKE_CXX_COMPILER=${CXX:-$(find_tool clang++)}")
if linker=$(find_tool ld.lld); then
  for kind in EXE SHARED MODULE; do
    arguments+=("-DCMAKE_${kind}_LINKER_FLAGS_INIT=--ld-path=$linker")
  done
fi
if command -v ccache >/dev/null; then
  # Relative paths let a second clone share the cache; the sloppiness is what
  # ccache's manual asks for with precompiled headers.
  launcher="$(command -v cmake);-E;env;CCACHE_BASEDIR=$root;CCACHE_NOHASHDIR=1"
  launcher+=";CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime"
  launcher+=";$(command -v ccache)"
  arguments+=("-DCMAKE_C_COMPILER_LAUNCHER=$launcher" "-DCMAKE_CXX_COMPILER_LAUNCHER=$launcher")
fi

exec cmake -S "${SOURCE:-$root}" -B "$build" -G Ninja \
  -DPython_EXECUTABLE="${PYTHON:-$root/.venv/bin/python}" \
  -DPython3_EXECUTABLE="${PYTHON:-$root/.venv/bin/python}" \
  "${arguments[@]}" "$@"
