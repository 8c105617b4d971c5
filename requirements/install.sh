#!/usr/bin/env bash
# Makes an environment hold exactly what hashed requirement files name, and reports how far llama.cpp is compiled where
# no built wheel is cached: install.sh [--without-llama] PYTHON FILE...
set -euo pipefail

without_llama=
[[ $1 != --without-llama ]] || {
  without_llama=1
  shift
}
readonly without_llama
readonly python=$1 uv=${UV:-${1%/*}/uv}
shift
# shellcheck source=requirements/llama.cpp/settings.sh
source "$(dirname "${BASH_SOURCE[0]}")/llama.cpp/settings.sh"

# Where scikit-build-core compiles: known, so that progress can be read from ninja's log.
SKBUILD_BUILD_DIR=$(mktemp -d)/build
export SKBUILD_BUILD_DIR

finish() {
  [[ -z ${reporter:-} ]] || kill "$reporter" 2>/dev/null || true
  rm -rf "${SKBUILD_BUILD_DIR%/build}"
}
trap finish EXIT

# A terminal gets one line that changes, anything else a line now and then.
report() {
  local pause_s=20 start='' end='\n' compiled total
  [[ ! -t 1 ]] || { pause_s=1 start='\r' end=''; }
  until [[ -s $SKBUILD_BUILD_DIR/.ninja_log ]]; do sleep 1; done
  total=$(grep -c '^build .*: C\(XX\)\?_COMPILER_' "$SKBUILD_BUILD_DIR/build.ninja")
  while [[ -e $SKBUILD_BUILD_DIR/.ninja_log ]]; do
    compiled=$(grep -c '\.o\s' "$SKBUILD_BUILD_DIR/.ninja_log" || true)
    printf "${start}    compiling llama.cpp: %3d of %d files, %d:%02d${end}" \
      "$compiled" "$total" $((SECONDS / 60)) $((SECONDS % 60))
    [[ $compiled -lt $total ]] || break
    sleep "$pause_s"
  done
  printf '\n'
}

# A registry that doesn't say how long its files keep makes uv compile anew what it has compiled: first without asking.
llama_cpp_requirement() { awk '/^[^ #]/ { wanted = /^llama-cpp-python==/ } wanted' "$@"; }

if [[ -n $without_llama ]]; then
  # No hash of what is left out is missed: each requirement has its own.
  awk '/^[^ #]/ { wanted = !/^llama-cpp-python==/ } wanted' "$@" |
    "$uv" pip install --quiet --no-deps --python "$python" --require-hashes --requirement -
  exit
fi

report &
reporter=$!
llama_cpp_requirement "$@" | "$uv" pip install --quiet --offline --no-deps --python "$python" --require-hashes \
  "${BUILD[@]}" --requirement - 2>/dev/null || true
"$uv" pip sync --quiet --python "$python" --require-hashes "${BUILD[@]}" "$@"
