# How llama.cpp is compiled: in the Makefile's words, so that what was built once is found again, by the release and by
# the canary before it. Sourced by deploy_units.sh and deploy/ci/targets/systemd.sh.
# shellcheck shell=bash
# shellcheck disable=SC2034  # BUILD is for the files that read this

# Where GCC's AMX code crashes (ggml-org/llama.cpp#26954).
readonly NO_AMX='-mno-amx-tile -mno-amx-int8 -mno-amx-bf16'
BUILD=()
if [[ $(uname -m) == x86_64 ]]; then
  BUILD=(--config-settings-package "llama-cpp-python:cmake.define.CMAKE_C_FLAGS=$NO_AMX"
    --config-settings-package "llama-cpp-python:cmake.define.CMAKE_CXX_FLAGS=$NO_AMX")
fi
