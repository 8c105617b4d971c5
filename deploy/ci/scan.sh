#!/usr/bin/env bash
# Looks over what was built and what builds it: whole, complete, no secret in the tree, no hole in the pipeline.
# scan.sh [FOLDER]. With OSV_SCANNER or TRIVY naming a scanner that reaches its database, known vulnerabilities too:
# none is in the checkers, since a scanner that reaches no database says that all is well.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readonly OUT=${1:-dist} CHECKERS=.venv-checkers/bin

[[ -s $OUT/SHA256SUMS ]] || { echo "${0##*/}: nothing was built in $OUT: run deploy/ci/build.sh $OUT" >&2 && exit 1; }
make --silent checkers
(cd "$OUT" && sha256sum --check --quiet SHA256SUMS)
.venv/bin/python - "$OUT" <<'PY'
import json, re, sys
from pathlib import Path

out = Path(sys.argv[1])
listed = {part["name"].lower() for part in json.loads((out / "sbom.cdx.json").read_text())["components"]}
locked = set(re.findall(r"^([a-z0-9][a-z0-9._-]*)==", (out / "requirements.txt").read_text(), re.M | re.I))
if missing := {name.lower() for name in locked} - listed:
    sys.exit(f"scan: the bill of materials lacks {', '.join(sorted(missing))}.")
print(f"scan: {len(listed)} components, all that is installed")
PY
git ls-files -z deploy .github contract ingress inference_worker library ops bench docs | tar --null --files-from - --create |
  { scratch=$(mktemp -d) && trap 'rm -rf "$scratch"' EXIT && tar --extract --directory "$scratch" &&
    "$CHECKERS/gitleaks" dir --no-banner --redact --log-level error "$scratch"; }
"$CHECKERS/actionlint"
"$CHECKERS/zizmor" --offline --quiet .github/workflows
[[ -z ${OSV_SCANNER:-} ]] || "$OSV_SCANNER" scan source --lockfile "requirements.txt:$OUT/requirements.txt"
if [[ -n ${TRIVY:-} ]]; then
  for bill in "$OUT"/*sbom.cdx.json; do "$TRIVY" sbom --exit-code 1 --severity HIGH,CRITICAL "$bill"; done
fi
echo "scan: nothing found"
