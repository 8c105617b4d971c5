#!/usr/bin/env bash
# Installs the locked packages into /opt/docqa, with a llama.cpp that runs on any processor: in the image's first stage.
set -euo pipefail

# Every variant of the processor's instructions is compiled; the one that fits is chosen when a model is loaded.
readonly LLAMA=(GGML_NATIVE=OFF GGML_BACKEND_DL=ON GGML_CPU_ALL_VARIANTS=ON)
# shellcheck source=requirements/llama.cpp/settings.sh
source requirements/llama.cpp/settings.sh

python3 -m venv /opt/uv
/opt/uv/bin/python -m pip install --quiet --no-cache-dir --require-hashes --requirement requirements/uv.txt
python3 -m venv --without-pip /opt/docqa
/opt/uv/bin/uv pip sync --python /opt/docqa/bin/python --link-mode copy --require-hashes \
  "${BUILD[@]}" "${LLAMA[@]/#/--config-settings-package=llama-cpp-python:cmake.define.}" requirements/runtime.txt

cd /opt/docqa/lib/python3*/site-packages
# Beside the library, where the model's loader looks; the rest is for those who compile against llama.cpp.
mv bin/libggml-cpu-*.so llama_cpp/lib/
rm -rf bin include lib
