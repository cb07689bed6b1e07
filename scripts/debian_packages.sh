#!/usr/bin/env bash
# Install the Debian packages that building Headrace takes: as root or through sudo, else print the
# list and stop. Does nothing where they are installed.
#   PYTHON  the interpreter that will be used; a system Python also needs its headers and venv
set -euo pipefail

packages=(binutils cmake ninja-build ccache git clang-22 clang-format-22 clang-tidy-22 lld-22
  liblld-22-dev llvm-22-dev llvm-22-tools libmlir-22-dev mlir-22-tools libzstd-dev xz-utils zlib1g-dev)
# For artifacts that run on AArch64, and to run them here in tests; the build does without.
[ "$(uname -m)" = aarch64 ] || packages+=(libc6-dev-arm64-cross qemu-user)

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  { echo "error: expected Python 3.11 or newer, but got $("$python" --version); set PYTHON" >&2; exit 1; }
"$python" -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
"$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' ||
  packages+=(python3-dev)

if [ -n "${MLIR_DIR:-}" ]; then
  # Another LLVM brings its own compiler, linker and libraries.
  mapfile -t packages < <(printf '%s\n' "${packages[@]}" | grep -v -- -22)
fi
if ! command -v dpkg-query >/dev/null; then
  echo "not a Debian system: make sure that the equivalents of these are installed:" >&2
  echo "  ${packages[*]}" >&2
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  # shellcheck disable=SC2016 # ${Status} is dpkg's own syntax
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
    missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

run=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
    if [ -t 0 ] && command -v sudo >/dev/null; then
      echo "sudo is needed to install: ${missing[*]}" >&2
    else
      echo "error: these Debian packages are missing, and this user may not install them:" >&2
      echo "  ${missing[*]}" >&2
      echo "install them as root: apt-get install --no-install-recommends ${missing[*]}" >&2
      exit 1
    fi
  fi
  run=(sudo)
fi
echo "installing ${missing[*]}" >&2
"${run[@]}" apt-get -q update
"${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
  "${missing[@]}"
