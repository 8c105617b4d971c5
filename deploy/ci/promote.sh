#!/usr/bin/env bash
# Puts a release in the place of what runs and verifies it there; when that fails, returns to what ran before:
# promote.sh TARGET RELEASE. Exit status 0: it runs. 1: it does not, and what ran before is back (or its sentence says not).
set -euo pipefail
readonly HERE=${BASH_SOURCE[0]%/*}
# shellcheck source=deploy/ci/lib.sh
source "$HERE/lib.sh"
take_target "$@"

step "promoting $RELEASE"
if promote && step "verifying $BASELINE" && "$DOCQA" smoke --target "$BASELINE"; then
  step "$RELEASE runs"
  exit 0
fi
step "it failed: rolling back"
rollback || fail "the rollback failed too: $BASELINE needs a person."
"$DOCQA" smoke --target "$BASELINE" || fail "what ran before does not do its work either: $BASELINE needs a person."
fail "$RELEASE was rolled back: what ran before runs again."
