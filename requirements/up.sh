#!/usr/bin/env bash
# Runs everything while llama.cpp is still compiled beside, at low priority: up.sh VENV. Ctrl-C ends both.
set -euo pipefail

readonly venv=$1
readonly compiling=$PWD/$venv/.compiling log=$venv/compile.log

compile() {
  nice -n 10 make --no-print-directory "$venv/.runtime" >"$log" 2>&1 ||
    echo "llama.cpp could not be compiled: $log says why. Quotes are made without it." >&2
  rm -f "$compiling"
}

finish() {
  rm -f "$compiling"
  kill -- "-$compiler" 2>/dev/null || true
}

touch "$compiling"
# A process group of its own, so that the whole compiler ends with this script.
set -m
compile &
compiler=$!
set +m
trap finish EXIT
# `docqa up` gets Ctrl-C itself, and drains; this waits for it.
trap : INT TERM
echo "3 of 3  llama.cpp is compiled beside (about 3 minutes on two cores; $log); quotes are made without it"
DOCQA_LLAMA_COMPILING=$compiling "$venv/bin/docqa" up
