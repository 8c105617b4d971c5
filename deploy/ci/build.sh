#!/usr/bin/env bash
# Builds what is deployed: the wheel, its bill of materials, and a statement of how it was made. build.sh [FOLDER]
#
#   *.whl  requirements.txt     what is installed, and the hashes of all that it is installed with
#   sbom.cdx.json               CycloneDX, from those requirements
#   provenance.json      in-toto statement, SLSA provenance v1: commit, inputs, builder. Not signed here: on GitHub
#                               the workflow has it attested; elsewhere sign it with what your site trusts
#   SHA256SUMS                  of all of these
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly OUT=${1:-dist}

commit() { git rev-parse HEAD; }

make --silent checkers
rm -rf "$OUT" && mkdir -p "$OUT"
# The commit's time: the same commit gives the same wheel.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) .venv/bin/uv build --quiet --wheel --no-build-isolation \
  --python .venv/bin/python --out-dir "$OUT"
rm -f "$OUT/.gitignore"
cp requirements/runtime.txt "$OUT/requirements.txt"
.venv-checkers/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-format JSON \
  --output-file "$OUT/sbom.cdx.json" requirements/runtime.txt
.venv/bin/python deploy/ci/provenance.py "$(commit)" "$OUT"/*.whl "$OUT/sbom.cdx.json" "$OUT/requirements.txt" \
  >"$OUT/provenance.json"
(cd "$OUT" && sha256sum -- *.whl requirements.txt sbom.cdx.json provenance.json >SHA256SUMS)
if [[ -n $(git status --porcelain --untracked-files=no) ]]; then
  echo "$0: the tree has changes that are in no commit: fit for a try, not for a release." >&2
fi
ls -l "$OUT"
