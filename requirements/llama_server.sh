#!/usr/bin/env bash
# Compiles llama-server for this very machine, of the source that our own llama.cpp is compiled of and with the same
# flags: the peer of `docqa bench peers` that is called llama-server-native. llama_server.sh PYTHON, which has cmake and
# ninja (that of .venv-peers). Takes some 10 minutes of two cores; does nothing once it is done.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=$(cd "${1%/*}" && pwd)
readonly here bin python=$1 target=$bin/llama-server
# shellcheck source=requirements/llama.cpp/settings.sh
source "$here/llama.cpp/settings.sh"

requirement=$(awk '/^[^ #]/ { wanted = /^llama-cpp-python==/ } wanted' "$here/peers.txt")
readonly requirement
built_of=$(cat - "$here"/llama.cpp/{build.cmake,amx_fix.h} <<<"$requirement" | sha256sum | cut -c1-12)
[[ ! -x $target || $(cat "$target.of" 2>/dev/null) != "$built_of" ]] || exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "    compiling llama-server (about 10 minutes on two cores)"
printf '%s\n' "$requirement" >"$work/requirement.txt"
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary llama-cpp-python \
  --require-hashes --dest "$work" --requirement "$work/requirement.txt"
tar --extract --gzip --directory "$work" --strip-components 1 --file "$work"/llama_cpp_python-*.tar.gz

# As ours: for this processor, with the repair of AMX. Static, so that no other llama.cpp is loaded; no page, no TLS.
"$bin/cmake" -G Ninja -DCMAKE_MAKE_PROGRAM="$bin/ninja" -S "$work/vendor/llama.cpp" -B "$work/build" \
  -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DGGML_NATIVE=ON \
  -DCMAKE_C_FLAGS="-include $here/llama.cpp/amx_fix.h" -DCMAKE_CXX_FLAGS="-include $here/llama.cpp/amx_fix.h" \
  -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_BUILD_UI=OFF \
  -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_ALL_WARNINGS=OFF >"$work/configure.log" ||
  {
    tail -20 "$work/configure.log" >&2
    exit 1
  }
"$bin/cmake" --build "$work/build" --target llama-server >"$work/build.log" ||
  {
    tail -20 "$work/build.log" >&2
    exit 1
  }
install -m 755 "$work/build/bin/llama-server" "$target"
echo "$built_of" >"$target.of"
