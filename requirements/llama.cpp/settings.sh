# How llama.cpp is compiled: BUILD are options for uv, CMAKE_ARGS is for the build that uv starts. Sourced by the
# Makefile, deploy_units.sh and deploy/ci/targets/systemd.sh, so that what one of them built is found by the others.
# shellcheck shell=bash
# shellcheck disable=SC2034  # BUILD is for the files that read this

llama_cpp=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# uv keeps a built wheel for as long as the options are the same: they name the content of these files and not the path.
BUILD=(--config-settings-package
  "llama-cpp-python:cmake.define.DOCQA_BUILD=$(cat "$llama_cpp"/{build.cmake,amx_fix.h} | sha256sum | cut -c1-12)")
export CMAKE_ARGS="${CMAKE_ARGS:-} -DCMAKE_PROJECT_llama_cpp_INCLUDE=${llama_cpp// /\\ }/build.cmake"
