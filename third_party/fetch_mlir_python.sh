#!/usr/bin/env bash
# Fetch the sources of MLIR's Python bindings into third_party/mlir/ (git-ignored).
#
# Debian packages MLIR's headers and libraries but not mlir/python and mlir/lib/Bindings/Python.
# They are taken from the Debian source package of the same release, through this machine's own apt
# configuration but with temporary apt directories: /etc/apt and /var/lib/apt are only read.
#
#   LLVM_SOURCE_TARBALL=PATH   use this tarball (Debian's .orig.tar.* or LLVM's own
#                              llvm-project-*.src.tar.*) and do not touch the network
#   APT_SUITES="trixie sid"    suites to look in, first match wins
#
# Does nothing when the wanted sources are already there.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=third_party/pins.env
source "$here/pins.env"
dest=$here/mlir
# What the bindings need, relative to the root of an LLVM source tree.
wanted=(mlir/LICENSE.TXT mlir/python mlir/lib/Bindings/Python)

log() { printf 'fetch_mlir_python: %s\n' "$*" >&2; }
die() { log "error: $*"; exit 1; }

# sha256 over the sorted per-file sums of a folder: independent of tarball, owner and time stamps.
tree_sha256() {
  (cd "$1" && find . -type f ! -name .complete -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) |
    sha256sum | cut -d' ' -f1
}

if [ "$(cat "$dest/.complete" 2>/dev/null)" = "$EXTRACTED_SHA256" ]; then
  log "MLIR $LLVM_VERSION binding sources are in place"
  exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt's download user must be able to enter it

# Print "URI KEYRING" of the configured Debian repositories, main archive first.
# KEYRING is empty where the configuration names none.
configured_repositories() {
  local files=() f
  for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
    /etc/apt/sources.list.d/*.sources; do
    [ -r "$f" ] && files+=("$f")
  done
  [ ${#files[@]} -gt 0 ] || return 0
  awk '
    function flush() {
      if (uris != "" && suites ~ /(bookworm|trixie|forky|sid|testing|stable)/) print uris, key
      uris = suites = key = ""
    }
    FNR == 1 || /^[[:space:]]*$/ { flush() }
    /^#/ { next }
    /^URIs:/ { uris = $2 }
    /^Suites:/ { suites = $0 }
    /^Signed-By:/ { key = $2 }
    /^deb(-src)?[[:space:]]/ {
      line = $0; key = ""
      if (match(line, /signed-by=[^] ,]+/)) key = substr(line, RSTART + 10, RLENGTH - 10)
      sub(/^deb(-src)?[[:space:]]+(\[[^]]*\][[:space:]]+)?/, "", line)
      split(line, part, /[[:space:]]+/)
      uris = part[1]; suites = part[2]; flush()
    }
    END { flush() }
  ' "${files[@]}" | awk '!seen[$1]++ { print ($1 ~ /security/) "\t" $0 }' | sort -s -n -k1,1 | cut -f2-
}

# Download the original tarball from one repository and suite into $work/get; print its path.
download_from() {
  local uri=$1 key=$2 suite=$3 get=$work/get
  rm -rf "$get" && mkdir -p "$get/lists/partial" "$get/cache/archives/partial"
  printf 'Types: deb-src\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' \
    "$uri" "$suite" "${key:-/usr/share/keyrings/debian-archive-keyring.gpg}" >"$get/src.sources"
  local apt=(apt-get -q -o "Dir::Etc::sourcelist=$get/src.sources"
    -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$get/lists"
    -o "Dir::Cache=$get/cache" -o APT::Sandbox::User=root)
  "${apt[@]}" update >&2 || return 1
  # The suite may hold another point release by now: ask for this version only.
  local version
  version=$(apt-cache "${apt[@]:2}" showsrc "$DEBIAN_SOURCE_PACKAGE" 2>/dev/null |
    sed -nE "s/^Version: (.*[:]?$LLVM_VERSION-.*)/\1/p" | head -n1)
  [ -n "$version" ] || { log "$suite has no $DEBIAN_SOURCE_PACKAGE $LLVM_VERSION"; return 1; }
  log "downloading $DEBIAN_SOURCE_PACKAGE $version (about 200 MB) from suite $suite"
  (cd "$get" && "${apt[@]}" source --download-only --tar-only \
    "$DEBIAN_SOURCE_PACKAGE=$version" >&2) || return 1
  ls "$get/${DEBIAN_SOURCE_PACKAGE}_$LLVM_VERSION".orig.tar.*
}

download() {
  command -v apt-get >/dev/null ||
    die "no apt-get here: set LLVM_SOURCE_TARBALL to an LLVM $LLVM_VERSION source tarball"
  local uri key suite suites repositories
  repositories=$(configured_repositories)
  [ -n "$repositories" ] || die "found no Debian repository in this machine's apt configuration"
  while read -r uri key; do
    suites=${APT_SUITES:-trixie forky sid}
    case $uri in *security*) suites=${APT_SUITES:-bookworm-security trixie-security} ;; esac
    for suite in $suites; do
      download_from "$uri" "$key" "$suite" && return 0
      log "could not get it from suite $suite, trying the next"
    done
  done <<<"$repositories"
  die "no configured repository has the source of $DEBIAN_SOURCE_PACKAGE $LLVM_VERSION;" \
    "set LLVM_SOURCE_TARBALL to an LLVM $LLVM_VERSION source tarball"
}

if [ -n "${LLVM_SOURCE_TARBALL:-}" ]; then
  tarball=$LLVM_SOURCE_TARBALL
  [ -r "$tarball" ] || die "LLVM_SOURCE_TARBALL=$tarball cannot be read"
else
  tarball=$(download)
  log "checking the sha256 of $(basename "$tarball")"
  echo "$DEBIAN_ORIG_SHA256  $tarball" | sha256sum --check --quiet - ||
    die "the downloaded tarball does not have the pinned sha256"
fi

log "extracting ${wanted[*]}"
mkdir "$work/tree"
# The top folder's name differs between Debian's and LLVM's tarballs, so match and strip it.
tar -C "$work/tree" -xf "$tarball" --strip-components=2 --wildcards --no-wildcards-match-slash \
  "${wanted[@]/#/*/}" || die "the tarball lacks one of: ${wanted[*]}"

sum=$(tree_sha256 "$work/tree")
[ "$sum" = "$EXTRACTED_SHA256" ] ||
  die "the sources are not those of LLVM $LLVM_VERSION: expected sha256 $EXTRACTED_SHA256 over" \
    "the extracted files, but got $sum"
echo "$sum" >"$work/tree/.complete"
rm -rf "$dest"
cp -r "$work/tree" "$dest.partial.$$"
mv "$dest.partial.$$" "$dest"
log "MLIR $LLVM_VERSION binding sources are in $(basename "$here")/mlir"
