#!/usr/bin/env bash
# Fetch Metal kernels of others into third_party/metal/ (git-ignored): what the simulator of Metal is
# tested on, and compared with.
#
#   ggml/   llama.cpp's .metal files, inside the source distribution pinned in benchmarks/peers.txt
#   mlx/    MLX's headers, inside the wheel pinned in metal_kernels.txt
#
# Both are named by version and sha256. Does nothing when they are already there.
#   PYTHON  the interpreter whose pip fetches them
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
python=${PYTHON:-$root/.venv/bin/python}
dest=$here/metal
ggml_pins=$root/benchmarks/peers.txt
mlx_pins=$here/metal_kernels.txt

wanted=$(cat "$ggml_pins" "$mlx_pins" "${BASH_SOURCE[0]}" | sha256sum | cut -d' ' -f1)
if [ "$(cat "$dest/.complete" 2>/dev/null)" = "$wanted" ]; then
  echo "fetch_metal_kernels: up to date in $dest" >&2
  exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fetch() { # FOLDER PINS OPTION...
  local folder=$1 pins=$2
  shift 2
  "$python" -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
    --requirement "$pins" --dest "$work/$folder" "$@"
}

echo "fetch_metal_kernels: fetching two packages (90 MB)" >&2
fetch ggml "$ggml_pins" --no-build-isolation --no-binary llama-cpp-python
fetch mlx "$mlx_pins" --only-binary :all: --python-version 311 --platform manylinux_2_35_x86_64

mkdir -p "$work/new/ggml" "$work/unpacked"
tar -xzf "$work"/ggml/*.tar.gz -C "$work/unpacked" --strip-components=1 --wildcards \
  '*/vendor/llama.cpp/LICENSE' '*/vendor/llama.cpp/ggml/src/ggml-common.h' \
  '*/vendor/llama.cpp/ggml/src/ggml-metal/*'
llama=$work/unpacked/vendor/llama.cpp
cp -r "$llama/LICENSE" "$llama/ggml/src/ggml-common.h" "$llama"/ggml/src/ggml-metal/*.h \
  "$llama/ggml/src/ggml-metal/kernels" "$work/new/ggml/"
"$python" -m zipfile -e "$work"/mlx/*.whl "$work/unpacked/wheel"
cp -r "$work/unpacked/wheel/mlx/include" "$work/new/mlx"
cp "$work"/unpacked/wheel/*.dist-info/licenses/LICENSE "$work/new/mlx/"
printf '%s\n' "$wanted" >"$work/new/.complete"

rm -rf "$dest"
mv "$work/new" "$dest"
chmod 755 "$dest"
echo "fetch_metal_kernels: done, $dest" >&2
