#!/usr/bin/env bash
# What must hold before anything is built: format, lint, types, import rules, all tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
make setup lint test
