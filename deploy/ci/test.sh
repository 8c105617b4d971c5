#!/usr/bin/env bash
# What must hold before anything is built: format, lint, types, import rules, all tests; and of deploy/ what needs neither
# root nor a boot: manifests (by `kubectl kustomize`, every overlay), compose file, workflows. `make test-deploy` runs all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
make setup lint test checkers
.venv/bin/python -m pytest tests/deploy/test_kubernetes.py tests/deploy/test_compose_files.py
