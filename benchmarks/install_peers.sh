#!/bin/sh
# Installs the peers of the benchmarks.
#
# ONNX Runtime and OpenVINO are wheels, named with their sha256 in wheels.txt.  They go into a folder
# of their own, which only the benchmark looks into.
#
# llama.cpp is the peer that no wheel gives in a fair form: it is compiled for this very machine
# (GGML_NATIVE).  The sources are those inside the llama-cpp-python source distribution named, with
# its sha256, in peers.txt.  Two targets are built: ggml, the kernel library, which the benchmark
# calls directly, and llama, which a test loads our GGUF files with; no tools, server or tests.  On
# x86-64, ggml's CPU kernels are built a second time for AVX2 alone.
#
# Result: benchmarks/peers/python and benchmarks/peers/llama.cpp (git-ignored).
#
# usage: benchmarks/install_peers.sh            (environment: PYTHON, JOBS, CC, CXX)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
python=${PYTHON:-$root/.venv/bin/python}
jobs=${JOBS:-2}
peers=$here/peers
out=$peers/llama.cpp
pins=$here/peers.txt
cc=${CC:-cc}
cxx=${CXX:-c++}

for tool in "$python" cmake ninja "$cc" "$cxx"; do
  command -v "$tool" >/dev/null 2>&1 || {
    echo "install_peers: '$tool' is not installed; allowed: set PYTHON, CC or CXX to one that is" >&2
    exit 1
  }
done

wheels=$here/wheels.txt
installed=$peers/python
wanted=$( (cat "$wheels"; "$python" -VV) | sha256sum | cut -d' ' -f1)
if [ "$(uname -sm)" != "Linux x86_64" ]; then
  echo "install_peers: onnxruntime and openvino are pinned for Linux on x86-64 only: left out" >&2
elif [ -f "$installed/stamp" ] && [ "$(cat "$installed/stamp")" = "$wanted" ]; then
  echo "install_peers: onnxruntime and openvino are up to date in $installed"
else
  echo "install_peers: installing onnxruntime and openvino"
  rm -rf "$installed.new"
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps --no-compile \
    --only-binary :all: --require-hashes -r "$wheels" --target "$installed.new"
  printf '%s\n' "$wanted" >"$installed.new/stamp"
  rm -rf "$installed"
  mv "$installed.new" "$installed"
fi

stamp=$( (cat "$pins" "$0"; "$cxx" --version; grep -m1 '^flags' /proc/cpuinfo || uname -m) |
  sha256sum | cut -d' ' -f1)
if [ -f "$out/stamp" ] && [ "$(cat "$out/stamp")" = "$stamp" ]; then
  echo "install_peers: llama.cpp is up to date in $out"
  exit 0
fi

work=$peers/work
rm -rf "$work" "$out.new"
mkdir -p "$work/sdist" "$work/src"

echo "install_peers: fetching the pinned source distribution"
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --no-build-isolation \
  --no-binary llama-cpp-python --require-hashes -r "$pins" -d "$work/sdist"
tar -xzf "$work"/sdist/llama_cpp_python-*.tar.gz -C "$work/src" --strip-components=1

for part in vendor/llama.cpp vendor/llama.cpp/ggml; do
  [ -f "$work/src/$part/CMakeLists.txt" ] || {
    echo "install_peers: the source distribution has no $part" >&2
    exit 1
  }
done

# As a subdirectory: built on its own it wants files that the source distribution lacks, and would
# build its tools.
cat >"$work/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.18)
project(peers C CXX ASM)
add_subdirectory(src/vendor/llama.cpp)
CMAKE

# build FOLDER "TARGETS" [CMAKE OPTION ...]
build() {
  folder=$1 targets=$2
  shift 2
  cmake -S "$work" -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" \
    -DCMAKE_BUILD_RPATH='$ORIGIN' -DCMAKE_BUILD_RPATH_USE_ORIGIN=ON \
    -DBUILD_SHARED_LIBS=ON -DGGML_CPU_REPACK=ON -DGGML_BLAS=OFF \
    -DGGML_LLAMAFILE=OFF -DLLAMA_BUILD_COMMON=OFF \
    -DGGML_BUILD_TESTS=OFF -DGGML_BUILD_EXAMPLES=OFF "$@" >"$folder.log" 2>&1 || {
    tail -n 30 "$folder.log" >&2
    exit 1
  }
  for target in $targets; do
    nice cmake --build "$folder" --target "$target" -j "$jobs" >"$work/build.log" 2>&1 || {
      tail -n 30 "$work/build.log" >&2
      exit 1
    }
  done
}

echo "install_peers: building ggml and llama for this machine with $jobs jobs (some minutes)"
build "$work/native" "ggml llama" -DGGML_NATIVE=ON
mkdir -p "$out.new/lib"
cp -a "$work"/native/bin/libggml*.so* "$work"/native/bin/libllama.so* "$out.new/lib/"
if [ "$(uname -m)" = x86_64 ]; then
  echo "install_peers: building ggml for AVX2"
  # off native, the instructions of AVX2 machines are ggml's defaults; objects of the same name in
  # two libraries of one process must stay two
  build "$work/avx2" ggml-cpu -DGGML_NATIVE=OFF -DGGML_AVX512=OFF -DCMAKE_CXX_FLAGS=-fno-gnu-unique
  cp -L "$work"/avx2/bin/libggml-cpu.so "$out.new/lib/libggml-cpu-avx2.so"
fi

"$python" - "$work" "$out.new" "$cxx" <<'PY'
import json
import pathlib
import re
import subprocess
import sys

work, out, cxx = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
sdist = next((work / "sdist").glob("*.tar.gz")).name
configure = (work / "native.log").read_text()
cmake = (work / "src/vendor/llama.cpp/ggml/CMakeLists.txt").read_text()
version = ".".join(re.findall(r"set\(GGML_VERSION_(?:MAJOR|MINOR|PATCH)\s+(\d+)\)", cmake))
info = {
    "sdist": sdist,
    "ggml": version,
    "compiler": subprocess.check_output([cxx, "--version"], text=True).splitlines()[0],
    "flags": sorted(set(re.findall(r"-march=\S+", configure))),
    "openmp": "Found OpenMP:" in configure,
}
(out / "info.json").write_text(json.dumps(info, indent=2) + "\n")
print("install_peers:", json.dumps(info))
PY
printf '%s\n' "$stamp" >"$out.new/stamp"
rm -rf "$out"
mv "$out.new" "$out"
rm -rf "$work"
echo "install_peers: done, $out"
