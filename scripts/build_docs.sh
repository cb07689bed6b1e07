#!/usr/bin/env bash
# Build the documentation: the pages of docs/, README.md as the first page, and reference pages
# that mlir-tblgen writes from the descriptions of every dialect and every pass.
#
# usage: scripts/build_docs.sh                     (run by `make docs`)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
pages=build/docs
tool=$(sed -nE 's/^MLIR_TABLEGEN_EXE:[A-Z]+=//p' build/CMakeCache.txt)
prefix=$(sed -nE 's/^MLIR_DIR:[A-Z]+=(.*)\/lib\/cmake\/mlir$/\1/p' build/CMakeCache.txt)
tblgen=("${tool:-$prefix/bin/mlir-tblgen}" -I "$root" -I "$prefix/include")

rm -rf "$pages"
mkdir -p "$pages/reference"
find docs -mindepth 1 -maxdepth 1 ! -name mkdocs.yml ! -name requirements.txt \
  -exec cp -r {} "$pages" \;
cp README.md "$pages/index.md"

for description in dialects/*/*Ops.td; do
  name=$(basename "$description" Ops.td)
  "${tblgen[@]}" -I "$(dirname "$description")" -gen-dialect-doc \
    -dialect="${name,,}" "$description" -o "$pages/reference/dialect-${name,,}.md"
done
for description in passes/*/Passes.td; do
  group=$(basename "$(dirname "$description")")
  {
    printf '# Passes: %s\n\n' "$group"
    "${tblgen[@]}" -I "$(dirname "$description")" -gen-pass-doc "$description"
  } >"$pages/reference/passes-$group.md"
done

.venv/bin/mkdocs build --quiet --strict --config-file docs/mkdocs.yml
echo "the documentation is in site/"
